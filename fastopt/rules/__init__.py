"""The mathematics: one file per algorithm. A new algorithm is one new file and one new line in this one."""

from importlib import import_module

from .rule import Rule

RULES: tuple[Rule, ...] = tuple(
    import_module(f"{__name__}.{name}").RULE
    for name in (
        "gd",
        "sgd",
        "momentum",
        "nesterov",
        "adagrad",
        "adadelta",
        "rmsprop",
        "adam",
        "adamw",
        "amsgrad",
        "adamax",
        "nadam",
        "radam",
        "lion",
    )
)

# Every rule that has a kernel of its own: those above, and the variants that constructors pick by option.
ALL_RULES: tuple[Rule, ...] = tuple(dict.fromkeys(one for rule in RULES for one in (rule, *rule.variants.values())))

__all__ = ["ALL_RULES", "RULES", "Rule"]
