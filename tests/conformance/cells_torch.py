"""What PyTorch has."""

from conformance.cell import AHEAD, ALL, AMS, FULL, HEAVY, L2, OFF, ROOT, Cell

PYTORCH = [
    Cell("GD", "torch", "SGD", {}, (L2, {"maximize": True})),
    Cell("SGD", "torch", "SGD", {}, (L2, HEAVY | {"dampening": 0.3}, AHEAD | L2)),
    Cell("Momentum", "torch", "SGD", HEAVY, (L2, {"momentum": 0.7, "dampening": 0.3})),
    Cell("Nesterov", "torch", "SGD", AHEAD, (L2, {"momentum": 0.7})),
    Cell("Adagrad", "torch", "Adagrad", {}, (L2, {"lr_decay": 0.05, "initial_accumulator_value": 0.3, "eps": 1e-3})),
    Cell("Adadelta", "torch", "Adadelta", {}, (L2, {"rho": 0.7, "eps": 1e-3})),
    Cell("RMSprop", "torch", "RMSprop", {}, (L2, ROOT, ROOT | HEAVY, {"centered": True}, ROOT | FULL)),
    Cell("Adam", "torch", "Adam", {}, (L2, ALL, AMS, ALL | AMS | L2, ({"decoupled": True} | L2, OFF | L2))),
    Cell("AdamW", "torch", "AdamW", {}, (L2, ALL, AMS)),
    Cell("AMSGrad", "torch", "Adam", AMS, (L2, ALL)),
    Cell("Adamax", "torch", "Adamax", {}, (L2, ALL)),
    Cell(
        "NAdam",
        "torch",
        "NAdam",
        {},
        (L2, ALL | {"momentum_decay": 0.1}, ({"decoupled": True} | L2, OFF | L2)),
        note="PyTorch keeps Πₜ in its default dtype: with float32, which is usual, 1e-8 apart.",
    ),
    Cell("RAdam", "torch", "RAdam", {}, (L2, ALL, ({"decoupled": True} | L2, OFF | L2))),
    Cell("Rprop", "torch", "Rprop", {}, ({"etas": (0.4, 1.5), "step_sizes": (0.02, 0.3)},)),
    Cell(
        "ASGD",
        "torch",
        "ASGD",
        {},
        (L2, {"lambd": 0.05, "alpha": 0.6, "t0": 8.5}),
        without=("falling lr",),
        note="PyTorch takes a new lr a step late: the same at constant lr.",
    ),
]
