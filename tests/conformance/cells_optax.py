"""What optax has."""

from conformance.cell import AHEAD, ALL, FULL, HEAVY, JAX, L2, STARTED, Cell

RPROP = "optax applies the step that the gradient before has asked for, so that the first gradient moves nothing."
ADAN = """\
optax's documentation has the paper's β, the weights of what is new (m ← (1−β₁)m + β₁g), its code has those of what is \
kept (m ← β₁m + (1−β₁)g), but before the gradient's change still 1−β₂ for β₂: the same at β₂ = ½ alone."""
D0 = {"d0": 1e-3}, {"estim_lr0": 1e-3}
OPTAX = [
    Cell("GD", "optax", "sgd"),
    Cell("SGD", "optax", "sgd", {}, (HEAVY, AHEAD)),
    Cell("Momentum", "optax", "sgd", HEAVY),
    Cell("Nesterov", "optax", "sgd", AHEAD),
    Cell("Adagrad", "optax", "adagrad", {}, (STARTED | {"eps": 1e-3},)),
    Cell("Adadelta", "optax", "adadelta", {}, ({"rho": 0.7, "eps": 1e-3}, L2)),
    Cell(
        "RMSprop",
        "optax",
        "rmsprop",
        {},
        (
            ({"alpha": 0.8, "eps": 1e-3} | HEAVY, {"decay": 0.8, "eps": 1e-3} | HEAVY),
            FULL,
            {"eps_in_sqrt": False, "momentum": 0.6},
        ),
    ),
    Cell("Adam", "optax", "adam", {}, ((ALL, JAX),)),
    Cell("AdamW", "optax", "adamw", {}, ((ALL | L2, JAX | L2),)),
    Cell(
        "AMSGrad",
        "optax",
        "amsgrad",
        {},
        ((ALL, JAX), ({"bias_correction": False}, {"bias_correction_mu": False, "bias_correction_nu": False})),
    ),
    Cell("Adamax", "optax", "adamax", {}, ((ALL, JAX),)),
    Cell("NAdam", "optax", "nadam", {}, ((ALL, JAX),)),
    Cell("RAdam", "optax", "radam", {}, ((ALL, JAX),)),
    Cell("Lion", "optax", "lion", {}, (L2, ({"betas": (0.8, 0.95)}, {"b1": 0.8, "b2": 0.95}))),
    Cell("Rprop", "optax", "rprop", {"learning_rate": 0.03}, differs=True, note=RPROP),
    Cell("AdaBelief", "optax", "adabelief", {}, ((ALL, JAX | {"eps_root": 1e-3}),)),
    Cell("Yogi", "optax", "yogi", differs=True, note="optax starts m, too, at 1e-6, and not only v."),
    Cell(
        "AdEMAMix",
        "optax",
        "ademamix",
        {},
        ((ALL | {"beta3": 0.99, "alpha": 2.0} | L2, JAX | {"b3": 0.99, "alpha": 2.0} | L2),),
    ),
    Cell("ADOPT", "optax", "adopt", {}, ((ALL, JAX), {"use_clipping": False})),
    Cell("Adan", "optax", "adan", {"eps_root": 0.0}, differs=True, note=ADAN),
    Cell(
        "MADGRAD",
        "optax",
        "madgrad",
        {},
        (L2, {"momentum": 0.7, "eps": 1e-3}),
        within=1e-6,
        note="optax computes √t in float32, whatever the dtype of the parameters is.",
    ),
    Cell("SignSGD", "optax", "sign_sgd"),
    Cell("Signum", "optax", "signum", {}, (({"momentum": 0.7}, {"beta": 0.7}),)),
    Cell("LAMB", "optax", "lamb", {}, ((ALL | L2, JAX | L2),)),
    Cell(
        "LARS",
        "optax",
        "lars",
        {},
        ({"momentum": 0.7, "trust_coefficient": 0.01},),
        note="Without decay. With it optax divides by the length of the sum ‖g + λθ‖, the paper by ‖g‖ + λ‖θ‖.",
    ),
    Cell("NovoGrad", "optax", "novograd", {}, ((ALL | L2, JAX | L2),)),
    Cell("Prodigy", "optax", "prodigy", {}, (ALL | L2, {"safeguard_warmup": True}, D0)),
    Cell(
        "DAdaptAdam",
        "optax",
        "dadapt_adamw",
        {},
        (ALL | L2, D0),
        within=1e-7,
        note="The first steps are so short (10⁻⁹) that the rounding of the parameters shows.",
    ),
    Cell(
        "DoG", "optax", "dog", {}, (({"reps_rel": 1e-2, "eps": 1.0}, {"init_step": ("heuristic", 1e-2), "eps": 1.0}),)
    ),
    Cell("ScheduleFreeSGD", "optax", "schedule_free_sgd", {}, (L2, ({"momentum": 0.7}, {"b1": 0.7}))),
    Cell("ScheduleFreeAdamW", "optax", "schedule_free_adamw", {}, (L2,)),
]
