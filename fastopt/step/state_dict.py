"""What ``Optimizer.load_state_dict`` is given, checked."""

from collections.abc import Mapping

from ..arrays.nests import leaves_like
from ..errors import describe, quote

MOST = 2**62  # steps: kernels count on from there in 64 bits


def hyper_of(d, rule, groups, grouped) -> list:
    """The hyperparameters in a state dict, for each group; raises unless it is one of this rule and so many groups."""
    if not isinstance(d, Mapping) or d.keys() - {"counts"} != {"rule", "t", "hyper", "state"}:
        raise TypeError(f"d must be a mapping with the keys 'rule', 't', 'hyper', 'state', got {describe(d)}")
    check_rule("d['rule']", d["rule"], rule)
    if not isinstance(d["t"], int) or isinstance(d["t"], bool) or not 0 <= d["t"] < MOST:
        raise ValueError(f"d['t'] must be a count of steps below 2**62, got {describe(d['t'])}")
    hyper = d["hyper"] if grouped else [d["hyper"]]
    if not isinstance(hyper, list) or len(hyper) != len(groups):
        raise ValueError(f"d['hyper'] must have one mapping per group, {len(groups)}, got {describe(hyper)}")
    for mine, numbers in zip(groups, hyper):
        mine.check_numbers(numbers, "d['hyper']")
    return hyper


def check_rule(where, name, rule):
    if not isinstance(name, str) or name != rule.name:
        raise ValueError(f"{where} must be {quote(rule.name)}, got {describe(name)}")


def counts_of(d, layout, capturable) -> list[int]:
    """How many steps each parameter took part in; raises unless there is a count for each."""
    t = d["t"]
    if "counts" not in d:  # files from before there were any
        return [t] * len(layout.leaves)
    counts = list(leaves_like(layout.nest(layout.leaves), d["counts"], "d['counts']"))
    for name, count in zip(layout.names, counts):
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= t:
            raise ValueError(f"the count of {name} must be a whole number from 0 to {t}, got {describe(count)}")
        if capturable and count != t:
            raise ValueError(f"the count of {name} must be {t}, as t is, with capturable=True, got {count}")
    return counts
