"""NAdam where the product of the momenta so far is kept beside the state, as PyTorch does: β₁ may change on the way."""

from .decay import decoupled
from .growing_momentum import factor
from .nadam import RULE, scales, update
from .rule import Rule

OWN = {"mu_product": 1.0}  # what is kept, and what it starts from


def coefficients(t, product, lr, beta1, beta2, eps, momentum_decay):
    now, following = factor(t, beta1, momentum_decay), factor(t + 1, beta1, momentum_decay)
    product = product * now
    return scales(t, lr, beta2, eps, now, following, product - 1.0, product * following - 1.0, beta1)


def advanced(t, product, lr, beta1, beta2, eps, momentum_decay, *stage):
    """The product after step t."""
    return (product * factor(t, beta1, momentum_decay),)


PLAIN = Rule(
    name="nadam_running",
    update=update,
    coefficients=coefficients,
    state=RULE.state,
    hyper={"product": 0.5, **RULE.hyper},
)
RUNNING = {RULE: PLAIN, RULE.variants[("decoupled",)]: decoupled(PLAIN)}
