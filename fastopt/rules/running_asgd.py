"""ASGD where the next step's rate and weight are kept beside the state, as PyTorch does: both are of lr and t0 then."""

from .asgd import RULE, scales, update
from .asgd import coefficients as closed
from .rule import Rule

OWN = {"eta": "lr", "mu": 1.0}  # what is kept, and what it starts from


def coefficients(t, eta, mu, lr, lambd, alpha, t0):
    return scales(eta, mu, lambd)


def advanced(t, eta, mu, lr, lambd, alpha, t0, *stage):
    """Those of the step after t."""
    return closed(t + 1, lr, lambd, alpha, t0)[1:3]


RUNNING = {
    RULE: Rule(
        name="asgd_running",
        update=update,
        coefficients=coefficients,
        state=RULE.state,
        hyper={"eta": 1e-2, "mu": 1.0, **RULE.hyper},
    )
}
