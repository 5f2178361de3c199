"""What ``Optimizer.load_state_dict`` is given, checked."""

from collections.abc import Mapping

from ..errors import describe


def hyper_of(d, rule, groups, grouped) -> list:
    """The hyperparameters in a state dict, for each group; raises unless it is one of this rule and so many groups."""
    if not isinstance(d, Mapping) or d.keys() != {"rule", "t", "hyper", "state"}:
        raise TypeError(f"d must be a mapping with the keys 'rule', 't', 'hyper', 'state', got {describe(d)}")
    if d["rule"] != rule.name:
        raise ValueError(f"d['rule'] must be {rule.name!r}, got {describe(d['rule'])}")
    if not isinstance(d["t"], int) or isinstance(d["t"], bool) or d["t"] < 0:
        raise ValueError(f"d['t'] must be a count of steps, got {describe(d['t'])}")
    hyper = d["hyper"] if grouped else [d["hyper"]]
    if not isinstance(hyper, list) or len(hyper) != len(groups):
        raise ValueError(f"d['hyper'] must have one mapping per group, {len(groups)}, got {describe(hyper)}")
    for mine, numbers in zip(groups, hyper):
        mine.check_numbers(numbers, "d['hyper']")
    return hyper
