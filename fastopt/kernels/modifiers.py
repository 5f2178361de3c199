"""What happens to a gradient before a rule sees it: clipped by value, scaled, changed by the user, decayed.

``scale`` carries the global norm's clip and the sign of ``maximize``, in a unit of its own: PART. A rule and its stage
are again a rule, so the templates know nothing of it; and as it would cost a plain gradient descent up to 30 %, it is
bound only when used.
"""

from functools import cache

from ..linking import UNBOUND, link, stand_in
from ..rules import Rule

PART = 2.0**-100  # the unit of scales, of which the smallest would be no normal numbers
ONE = 1.0 / PART
HYPER = {"stage_bound": 1.0, "stage_scale": ONE, "stage_decay": 0.0}
BOUND, SCALE, DECAY = -3, -2, -1  # where its numbers stand: behind the rule's own
STAGES = 4  # how many coefficients they make
AT = END = WIDTH = OWN = UNBOUND  # where these are among arguments: from AT to END; how many come before


@stand_in
def inner(*args):
    """Stands for the update, and for the other functions, of the rule inside."""


def clamp(x, bound):
    """x clipped to ±bound, with NaN kept."""
    return bound if x > bound else -bound if x < -bound else x


def scale_of(maximize, clips):
    """The scale of gradients; where ``clip_norm`` has yet to multiply it, the sign alone: its factor has the unit."""
    scale = 1.0 if clips else ONE
    return -scale if maximize else scale


def parts(scale):
    """Two factors that make up a scale, each a number of the dtype where their product is none."""
    return (1.0, scale * PART) if abs(scale) >= 1.0 else (PART, scale)


@stand_in
def change(p, g):
    """Stands for what the user does, ``before`` of the rule, or for ``unchanged``."""


def unchanged(p, g):
    return g


def stage(p, g, bound, first, scale, decay):
    """change(clip(g, ±bound)·scale) + decay·p, with NaN kept."""
    g = change(p, clamp(g, bound) * first * scale)
    return g + decay * p if decay else g  # an infinite p must not turn into NaN


def stage_of(rule):
    return link(stage, change=rule.before or unchanged)


def update(p, g, *rest):  # of the coefficients behind the rule's own two are the scale
    g = stage(p, g, *rest[AT:END])
    return inner(p, g, *(rest[:AT] + rest[END:]))


def coefficients(t, *h):
    return inner(t, *h[:BOUND]) + (h[BOUND], *parts(h[SCALE]), h[DECAY])


def combine(c, sums, kept):
    return inner(c[:WIDTH], sums, kept)


def rescaled(numbers, factor):
    """A staged rule's numbers, or coefficients, with the scale of the gradient times a factor."""
    return numbers[:SCALE] + (numbers[SCALE] * factor, numbers[DECAY])


@cache
def staged(rule):
    """The rule with a stage before it, and so three more hyperparameters."""
    at = len(rule.state) + rule.width

    def behind_stage(function):
        return link(update, inner=function, stage=stage_of(rule), AT=at, END=at + STAGES)

    return Rule(
        name=f"{rule.name}_staged",
        update=behind_stage(rule.update),
        coefficients=link(coefficients, inner=rule.coefficients),
        state=rule.state,
        hyper={**rule.hyper, **HYPER},
        reduces={name: behind_stage(function) for name, function in rule.reduces.items()},
        combine=link(combine, inner=rule.combine, WIDTH=rule.width) if rule.reduces else None,
        keeps=rule.keeps,
        across=rule.across,
    )


def plain_name(name) -> str:
    """The name of the rule that ``staged`` and ``informed`` made one of this name of."""
    return name.removesuffix("_informed").removesuffix("_staged")


# --- sums ------------------------------------------------------------------------------------------------------------


def with_extra(t, *h):
    return inner(t, *h[:OWN]) + h[OWN:]


@cache
def informed(rule):
    """A rule that was told its sums: what ``combine`` makes of them are hyperparameters behind its own."""
    if not rule.reduces:
        return rule
    return Rule(
        name=f"{rule.name}_informed",
        update=rule.update,
        coefficients=link(with_extra, inner=rule.coefficients, OWN=len(rule.hyper)),
        state=rule.state,
        hyper={**rule.hyper, **{f"extra_{k}": 1.0 for k in range(rule.extra)}},
    )
