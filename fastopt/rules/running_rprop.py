"""Rprop where the step sizes are lr when the state is made, as PyTorch does: its first step is like the others."""

from .resilient import coefficients as closed
from .rprop import RULE, update
from .rule import Rule

OWN: dict = {}


def coefficients(t, lr, etaminus, etaplus, step_size_min, step_size_max):
    return closed(2, lr, etaminus, etaplus, step_size_min, step_size_max)


advanced = None

RUNNING = {
    RULE: Rule(
        name="rprop_running",
        update=update,
        coefficients=coefficients,
        state=RULE.state,
        hyper=RULE.hyper,
        initial={"lr": ("step_size", 1e-2)},
    )
}
