"""What the variants of Rprop share: a step size for each parameter, which grows and shrinks as signs say."""

HYPER = {"lr": 1e-2, "etaminus": 0.5, "etaplus": 1.2, "step_size_min": 1e-6, "step_size_max": 50.0}
RANGES = {
    "lr": "[0, inf)",
    "etaminus": "(0, 1)",
    "etaplus": "(1, inf)",
    "step_size_min": "[0, inf)",
    "step_size_max": "(0, inf)",
}


def coefficients(t, lr, etaminus, etaplus, step_size_min, step_size_max):
    first, kept = (lr, 0.0) if t == 1 else (0.0, 1.0)  # the first step size, and whether the old one counts
    return first, kept, etaminus, etaplus, 1.0, step_size_min, step_size_max, 0.0


def resized(step_size, turn, first, kept, down, up, one, least, largest, zero):
    """The next step size; ``turn`` is positive where the gradient has kept its sign, negative where not."""
    step_size = (kept * step_size + first) * (up if turn > zero else down if turn < zero else one)
    step_size = least if step_size < least else step_size
    return largest if step_size > largest else step_size
