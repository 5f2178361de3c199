"""What happens to a gradient before a rule sees it: clipped by value, scaled, decayed.

``scale`` carries the global norm's clip and the sign of ``maximize``. A rule and its stage are again a rule, so the
templates know nothing of it; and as it would cost a plain gradient descent up to 30 %, it is bound only when used.
"""

import math

from ..rules import Rule
from .bind import link
from .stand_ins import stand_in

OFF = (math.inf, 1.0, 0.0)  # clip_value, scale, weight_decay that change nothing


@stand_in
def inner(*args):
    """Stands for the update, and for the coefficients, of the rule inside."""


def stage(p, g, bound, scale, decay):
    """clip(g, ±bound)·scale + decay·p, with NaN kept."""
    g = bound if g > bound else -bound if g < -bound else g
    g = g * scale
    return g + decay * p if decay else g  # an infinite p must not turn into NaN


def update(p, g, *rest):
    return inner(p, stage(p, g, rest[-3], rest[-2], rest[-1]), *rest[:-3])


def coefficients(t, *h):
    return inner(t, *h[:-3]) + h[-3:]


def staged(rule):
    """The rule with a stage before it: three more hyperparameters, ``clip_value, scale, weight_decay``."""
    return Rule(
        name=f"{rule.name}_staged",
        update=link(update, inner=rule.update),
        coefficients=link(coefficients, inner=rule.coefficients),
        state=rule.state,
        hyper={**rule.hyper, "stage_bound": 1.0, "stage_scale": 1.0, "stage_decay": 0.0},
    )
