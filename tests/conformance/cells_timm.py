"""What timm has."""

from conformance.cell import AHEAD, HEAVY, L2, Cell

TIMM = [
    Cell("Momentum", "timm", "sgdw.SGDW", HEAVY, (L2,), {"decoupled": True}),
    Cell("Nesterov", "timm", "sgdw.SGDW", AHEAD, (L2,), {"decoupled": True}),
    Cell(
        "RMSprop",
        "timm",
        "rmsprop_tf.RMSpropTF",
        {"eps": 1e-7},
        ours={"alpha": 0.9, "eps": 1e-7, "eps_in_sqrt": True},
        differs=True,
        note="timm's RMSpropTF starts v at 1, as TensorFlow 1 did.",
    ),
    Cell(
        "NAdam",
        "timm",
        "nadamw.NAdamW",
        {},
        ours={"decoupled": True, "momentum_decay": 1e4, "weight_decay": 1e-2},
        differs=True,
        note="timm's NAdamW corrects what looks ahead by 1−β₁ᵗ, as if it were m.",
    ),
    Cell("Lion", "timm", "lion.Lion", {}, (L2,)),
    Cell(
        "AdaBelief",
        "timm",
        "adabelief.AdaBelief",
        {"rectify": False},
        (L2,),
        {"decoupled": True},
        note="With `rectify=False` there, which is not its default.",
    ),
    Cell("ADOPT", "timm", "adopt.Adopt", {}, ({"clip_exp": 0.25},), {"clip_exp": 0.333}),
    Cell(
        "LaProp",
        "timm",
        "laprop.LaProp",
        without=("falling lr",),
        note="timm, as the authors, keeps lr inside m: the same at constant lr. Its decay comes after the step.",
    ),
    Cell("Adan", "timm", "adan.Adan", {}, (L2,), {"decoupled": True}),
    Cell("MADGRAD", "timm", "madgrad.MADGRAD", {}, (L2,)),
    Cell(
        "LAMB",
        "timm",
        "lamb.Lamb",
        {"always_adapt": True, "max_grad_norm": None},
        (L2,),
        note="With `always_adapt=True, max_grad_norm=None` there: it clips the norm of all gradients to 1 by default.",
    ),
    Cell(
        "LARS",
        "timm",
        "lars.Lars",
        {"always_adapt": True, "eps": 0.0} | HEAVY,
        (L2,),
        without=("falling lr",),
        note="With `always_adapt=True, eps=0` there, and lr outside b: the same at constant lr.",
    ),
    Cell("NovoGrad", "timm", "nvnovograd.NvNovoGrad", {}, (L2,)),
]
