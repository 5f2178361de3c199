"""What ``preset=`` sets: the keywords that make a rule speak another framework's dialect.

Defaults and variants as PyTorch 2.13's torch.optim, optax 0.2.8, Keras 3.15 and scikit-learn 1.9's MLPs have them; a
keyword of a variant holds where that variant is picked. The rules' files say what the keywords mean, and
tests/conformance that nothing else differs. optax has no default lr: ours stays.
"""

from typing import Any

from ..errors import describe

FRAMEWORKS = ("torch", "optax", "keras", "sklearn")

SAME: dict[str, Any] = {}
DECOUPLED = {"decoupled": True}  # Keras decays parameters with every optimiser
VELOCITY = {"lr_in_velocity": True}
KERAS_SGD = {"lr": 1e-2} | VELOCITY | DECOUPLED
CORRECTED = {"bias_correction": True}
KERAS_ADAM = {"eps": 1e-7, "eps_before_correction": True}
ACCUMULATED = {"eps": 1e-7, "eps_in_sqrt": True, "initial_accumulator_value": 0.1}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "GD": {"torch": SAME, "optax": SAME, "keras": {"lr": 1e-2}, "sklearn": SAME},
    "SGD": {"torch": SAME, "optax": SAME, "keras": KERAS_SGD, "sklearn": VELOCITY},
    "Momentum": {"torch": SAME, "optax": SAME, "keras": KERAS_SGD, "sklearn": VELOCITY},
    "Nesterov": {"torch": SAME, "optax": SAME, "keras": KERAS_SGD, "sklearn": VELOCITY},
    "Adagrad": {"torch": SAME, "optax": ACCUMULATED, "keras": {"lr": 1e-3} | ACCUMULATED | DECOUPLED},
    "Adadelta": {"torch": SAME, "optax": SAME, "keras": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7} | DECOUPLED},
    "RMSprop": {
        "torch": SAME,
        "optax": {"alpha": 0.9, "eps_in_sqrt": True} | VELOCITY,
        "keras": {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7, "eps_in_sqrt": True} | VELOCITY | DECOUPLED,
    },
    "Adam": {
        "torch": SAME,
        "optax": {"max_corrected": True},
        "keras": KERAS_ADAM | DECOUPLED,
        "sklearn": {"eps_before_correction": True},
    },
    "AdamW": {
        "torch": SAME,
        "optax": {"weight_decay": 1e-4, "max_corrected": True},
        "keras": KERAS_ADAM | {"weight_decay": 4e-3},
    },
    "AMSGrad": {"torch": SAME, "optax": {"max_corrected": True}, "keras": KERAS_ADAM | DECOUPLED},
    "Adamax": {"torch": SAME, "optax": SAME, "keras": {"lr": 1e-3, "eps": 1e-7, "eps_in_max": False} | DECOUPLED},
    "NAdam": {
        "torch": SAME,
        "optax": {"momentum_decay": 1e4},  # 0.96 to the power of it is 0: β₁ is constant
        "keras": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0} | DECOUPLED,
    },
    "RAdam": {"torch": SAME, "optax": {"eps_before_correction": False}},
    "Lion": {"optax": {"weight_decay": 1e-3}, "keras": {"lr": 1e-3}},
    "Rprop": {"torch": SAME},
    "ASGD": {"torch": SAME},
    "AdaBelief": {"optax": SAME},
    "AdEMAMix": {"optax": {"alpha": 5.0} | DECOUPLED},
    "ADOPT": {"optax": SAME},
    "MADGRAD": {"optax": SAME},
    "FTRL": {"keras": {"lr": 1e-3, "initial_accumulator_value": 0.1}},
    "SignSGD": {"optax": SAME},
    "Signum": {"optax": SAME},
    "LAMB": {"optax": {"weight_decay": 0.0}, "keras": {"eps": 1e-7, "weight_decay": 0.0}},
    "LARS": {"optax": SAME},
    "NovoGrad": {"optax": {"betas": (0.9, 0.25), "eps": 1e-6}},
    "Prodigy": {"optax": CORRECTED},
    "DAdaptAdam": {"optax": CORRECTED | DECOUPLED},
    "DoG": {"optax": SAME},
    "ScheduleFreeSGD": {"optax": SAME},
    "ScheduleFreeAdamW": {"optax": SAME, "keras": SAME},
}


def preset_of(label: str, framework: str | None) -> dict[str, Any]:
    """The keywords of a rule's constructor that a framework sets; raises where the rule is not there."""
    known = PRESETS.get(label, {})
    if framework is None:
        return {}
    if not isinstance(framework, str) or framework not in FRAMEWORKS:
        raise ValueError(f"preset must be {_either(FRAMEWORKS)} or None, got {describe(framework)}")
    if framework not in known:
        allowed = f"{_either(known)} or None" if known else "None"
        raise ValueError(f"preset of {label} must be {allowed}, got {framework!r}, which has no such rule")
    return known[framework]


def _either(names) -> str:
    return ", ".join(map(repr, names))
