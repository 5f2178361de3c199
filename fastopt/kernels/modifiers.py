"""What happens to a gradient before a rule sees it: clipped by value, scaled, decayed.

``scale`` carries the global norm's clip and the sign of ``maximize``. A rule and its stage are again a rule, so the
templates know nothing of it; and as it would cost a plain gradient descent up to 30 %, it is bound only when used.
"""

from ..rules import Rule
from .bind import link
from .stand_ins import stand_in

HYPER = {"stage_bound": 1.0, "stage_scale": 1.0, "stage_decay": 0.0}
BOUND, SCALE, DECAY = -3, -2, -1  # where its numbers stand: behind the rule's own, hyperparameters or coefficients


@stand_in
def inner(*args):
    """Stands for the update, and for the coefficients, of the rule inside."""


def clamp(x, bound):
    """x clipped to ±bound, with NaN kept."""
    return bound if x > bound else -bound if x < -bound else x


def stage(p, g, bound, scale, decay):
    """clip(g, ±bound)·scale + decay·p, with NaN kept."""
    g = clamp(g, bound) * scale
    return g + decay * p if decay else g  # an infinite p must not turn into NaN


def update(p, g, *rest):
    return inner(p, stage(p, g, rest[BOUND], rest[SCALE], rest[DECAY]), *rest[:BOUND])


def coefficients(t, *h):
    return inner(t, *h[:BOUND]) + h[BOUND:]


def rescaled(numbers, factor):
    """A staged rule's numbers, with the scale of the gradient times a factor."""
    return numbers[:SCALE] + (numbers[SCALE] * factor, numbers[DECAY])


def staged(rule):
    """The rule with a stage before it, and so three more hyperparameters."""
    return Rule(
        name=f"{rule.name}_staged",
        update=link(update, inner=rule.update),
        coefficients=link(coefficients, inner=rule.coefficients),
        state=rule.state,
        hyper={**rule.hyper, **HYPER},
    )
