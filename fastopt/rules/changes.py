"""What users do to the gradients and the steps of a rule, in its pass: with it, that is a rule again.

``before``: f(p, g) -> g, behind clipping and before decay. ``after``: f(p, new, g) -> new, of where the rule steps to.
``cautious`` (Liang et al. 2024): an element that would go up the gradient stays, and the others go further by the ratio
of all to those that go, at most a thousand; as the authors' code and timm have it, but that a decoupled decay is a part
of the step here.
"""

from dataclasses import replace
from functools import reduce
from typing import Any

from ..linking import link, renewed, stand_in
from .rule import Rule

P, STATE = 0, 1  # in what an update returns
OWN: Any = None  # how many numbers the rule inside takes behind p and g; the next are a zero, and the scale of steps
ZERO: Any = None
SCALE: Any = None
LEAST = 1e-3  # of the part of elements that go
MADE: dict[Rule, Rule] = {}  # of the rules made here what they were made of
KNOWN: dict[tuple, Rule] = {}  # those made last
MOST = 128  # of them


@stand_in
def inner(*args):
    """Stands for a function of the rule inside."""


@stand_in
def first(*args):
    """Stands for a function of the user's, as the next two do."""


second = change = first


def then(p, g):
    return second(p, first(p, g))


def and_then(p, new, g):
    return second(p, first(p, new, g), g)


def changed_update(p, g, *rest):
    new = inner(p, g, *rest)
    return (change(p, new[P], g), *new[STATE:])


# --- cautious --------------------------------------------------------------------------------------------------------


def stays(step, g, zero):
    """Not by the product, which may be 0 where neither is; and where one is NaN it goes, to be seen."""
    return (step >= zero and g >= zero) or (step <= zero and g <= zero)


def going(p, g, *rest):
    new = inner(p, g, *rest[:OWN])
    return 0.0 if stays(new[P] - p, g, 0.0) else 1.0


def one(p, g, *rest):
    return 1.0


def combine(c, sums, kept):
    part = sums[0] / sums[1] if sums[1] > 0.0 else 1.0
    return (1.0 / part if part > LEAST else 1.0 / LEAST,), kept


def cautious_update(p, g, *rest):
    new = inner(p, g, *rest[:OWN])
    step = new[P] - p
    return (p if stays(step, g, rest[ZERO]) else p + rest[SCALE] * step, *new[STATE:])


def with_zero(t, *h):
    return (*inner(t, *h), 0.0)


def cautiously(rule):
    own = len(rule.state) + rule.width
    return replace(
        rule,
        update=link(cautious_update, inner=rule.update, OWN=own, ZERO=own, SCALE=own + 1),
        coefficients=link(with_zero, inner=rule.coefficients),
        reduces={"going": link(going, inner=rule.update, OWN=own), "all": one},
        combine=combine,
    )


def changed(rule: Rule, before: tuple, after: tuple, cautious: bool, seen) -> Rule:
    """The rule with these functions around it, which goes by its name; itself where there are none.

    ``seen`` is what the functions depend on, as a text, by which a rule that was made before is found again; None where
    that cannot be said.
    """
    if not (before or after or cautious):
        return rule
    key = rule, cautious, seen
    if seen is None or key not in KNOWN:
        made = _made(rule, before, after, cautious)
        MADE[made] = rule
        if seen is None:
            return made
        while len(KNOWN) >= MOST:
            del KNOWN[next(iter(KNOWN))]
        KNOWN[key] = made
    return KNOWN[key]


def _made(rule, before, after, cautious):
    before, after = (tuple(map(renewed, functions)) for functions in (before, after))
    made = cautiously(rule) if cautious else rule
    if after:
        made = replace(made, update=link(changed_update, inner=made.update, change=in_turn(and_then, after)))
    if before:
        own = () if rule.before is None else (rule.before,)
        made = replace(made, before=in_turn(then, (*own, *before)))
    return made


def origin(rule: Rule) -> Rule:
    """What a rule was before it was changed here."""
    while rule in MADE:
        rule = MADE[rule]
    return rule


def in_turn(template, functions):
    """One function that does what these do, one after the other."""
    return reduce(lambda first, second: link(template, first=first, second=second), functions)
