"""Averages of the parameters: a rule and the running average of where it steps to are together again a rule.

"ema": a ← ema·a + (1−ema)·θ after each step, and θ itself after the first, as PyTorch's ``AveragedModel`` with
``get_ema_avg_fn`` and Keras's ``use_ema`` have it. "polyak": a is the mean of θ after each of the steps (Polyak and
Juditsky 1992), as ``AveragedModel`` is without a function. Steps are those of the array.
"""

from dataclasses import replace
from functools import cache
from typing import Any

from ..linking import link, stand_in
from .rule import Rule

# Where numbers stand; bound for each rule. The average is behind the rule's own state, and its two weights, of what it
# was and of the new parameter, behind the rule's own coefficients.
SLOT: Any = None
FROM: Any = None
KEEP: Any = None
GAIN: Any = None
AFTER: Any = None
P = 0  # in what an update returns
NAME = "average"  # of the state array
MADE: dict[Rule, tuple[Rule, str]] = {}  # of the rules made here what they were made of


@stand_in
def inner(*args):
    """Stands for a function of the rule inside."""


def update(p, g, *rest):
    new = inner(p, g, *(rest[:SLOT] + rest[FROM:KEEP] + rest[AFTER:]))
    return (*new, rest[KEEP] * rest[SLOT] + rest[GAIN] * new[P])


def summed(p, g, *rest):
    return inner(p, g, *(rest[:SLOT] + rest[FROM:KEEP] + rest[AFTER:]))


def decaying(t, *h):
    keep = h[-1] if t > 1 else 0.0
    return (*inner(t, *h[:-1]), keep, 1.0 - keep)


def mean(t, *h):
    return (*inner(t, *h), (t - 1) / t, 1.0 / t)


def combine(c, sums, kept):
    return inner(c[:-2], sums, kept)


def inside(rule: Rule) -> tuple[Rule, str]:
    """What a rule was made of here, and its kind of average; without one the rule, and ""."""
    return MADE.get(rule, (rule, ""))


@cache
def averaged(rule: Rule, kind: str) -> Rule:
    """The rule with an average of this kind, "ema" or "polyak": one more state array; with "ema" that hyperparameter.

    It goes by the name of the rule inside, in checkpoints too, where its state tells it apart.
    """
    slot = len(rule.state)
    keep = slot + 1 + rule.width
    places = {"SLOT": slot, "FROM": slot + 1, "KEEP": keep, "AFTER": keep + 2}
    own, ranges = ({"ema": 0.999}, {"ema": "[0, 1)"}) if kind == "ema" else ({}, {})
    made = replace(
        rule,
        update=link(update, inner=rule.update, GAIN=keep + 1, **places),
        coefficients=link(decaying if kind == "ema" else mean, inner=rule.coefficients),
        state=(*rule.state, NAME),
        hyper={**rule.hyper, **own},
        ranges={**rule.ranges, **ranges},
        reduces={name: link(summed, inner=one, **places) for name, one in rule.reduces.items()},
        combine=link(combine, inner=rule.combine) if rule.reduces else None,
        variants={},
        evaluates=NAME,
    )
    MADE[made] = rule, kind
    return made
