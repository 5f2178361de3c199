"""What Keras has, and scikit-learn, which spells numbers as Keras does."""

from conformance.cell import AHEAD, ALL, AMS, FULL, HEAVY, KERAS, KERAS_ROOT, L2, ROOT, STARTED, Cell

RMSPROP = 'Keras\'s documentation says that epsilon is "epsilon hat", √v + ε; its code is √(v + ε).'
NADAM = """\
Keras's documentation says that epsilon is "epsilon hat", added before the correction; its code adds it after."""
FTRL = """\
Keras's documentation adds λ₂ to the denominator, its code 2λ₂: `l2` is twice Keras's. Its z is divided by lr: \
the same at constant lr."""
PENALTIES = {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.1, "beta": 0.5}
KERAS_CELLS = [
    Cell("GD", "keras", "SGD", {}, (L2,)),
    Cell("SGD", "keras", "SGD", {}, (L2, HEAVY | L2, AHEAD | L2)),
    Cell("Momentum", "keras", "SGD", HEAVY, (L2,)),
    Cell("Nesterov", "keras", "SGD", AHEAD, (L2,)),
    Cell("Adagrad", "keras", "Adagrad", {}, (L2, STARTED)),
    Cell("Adadelta", "keras", "Adadelta", {}, (L2, ({"rho": 0.7, "eps": 1e-3}, {"rho": 0.7, "epsilon": 1e-3}))),
    Cell(
        "RMSprop",
        "keras",
        "RMSprop",
        {},
        (L2, (ROOT, KERAS_ROOT), (ROOT | HEAVY, KERAS_ROOT | HEAVY), FULL | L2),
        note=RMSPROP,
    ),
    Cell("Adam", "keras", "Adam", {}, (L2, (ALL, KERAS), (ALL | AMS, KERAS | AMS))),
    Cell("AdamW", "keras", "AdamW", {}, ((ALL | L2, KERAS | L2), AMS)),
    Cell("AMSGrad", "keras", "Adam", AMS, (L2, (ALL, KERAS))),
    Cell("Adamax", "keras", "Adamax", {}, (L2, (ALL, KERAS))),
    Cell("NAdam", "keras", "Nadam", {}, (L2, (ALL, KERAS)), note=NADAM),
    Cell("Lion", "keras", "Lion", {}, (L2, ({"betas": (0.8, 0.95)}, {"beta_1": 0.8, "beta_2": 0.95}))),
    Cell(
        "FTRL",
        "keras",
        "Ftrl",
        {},
        (({"l1": 0.1, "l2": 0.2, "beta": 0.5}, PENALTIES),),
        without=("falling lr",),
        note=FTRL,
    ),
]
KERAS_CELLS += [
    Cell(
        "LAMB",
        "keras",
        "Lamb",
        {},
        ((ALL, KERAS),),
        note="Without decay. Keras's shrinks the parameter before the step, the paper's is a part of the direction.",
    ),
    Cell(
        "ScheduleFreeAdamW",
        "keras",
        "ScheduleFreeAdamW",
        {},
        ((ALL, KERAS),),
        note="Without warm-up and decay. Keras decays the parameters, its authors where z goes.",
    ),
]
SKLEARN = [
    Cell("GD", "sklearn", "SGDOptimizer", {"momentum": 0.0, "nesterov": False}),
    Cell("SGD", "sklearn", "SGDOptimizer", {"momentum": 0.0, "nesterov": False}, (HEAVY, AHEAD)),
    Cell("Momentum", "sklearn", "SGDOptimizer", {"nesterov": False}, ({"momentum": 0.7},)),
    Cell("Nesterov", "sklearn", "SGDOptimizer", {}, ({"momentum": 0.7},)),
    Cell("Adam", "sklearn", "AdamOptimizer", {}, ((ALL, KERAS),)),
]
