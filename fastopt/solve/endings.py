"""How minimisations end: the status, and what is said about it."""

import numpy as np

from ..kernels.loops.minimize import FTOL, GTOL, MAXFUN, MAXITER, XTOL

DIVERGED, TOO_FEW = 8, 9
SUCCESS = (GTOL, FTOL, XTOL)
BY_ITSELF = (*SUCCESS, MAXITER, MAXFUN)  # neither by time, nor by a callback, nor by what is not finite

ADVICE = "try a smaller lr, or check the sign of the gradient"
FLAT = f"The gradient vanished where x ran off to and fun is flat: {ADVICE}."

FIXED = "The bounds fix every variable."

MESSAGES = {
    0: "The gradient is at most gtol.",
    1: "maxiter iterations are done.",
    2: "The value changed by at most ftol.",
    4: "x changed by at most xtol.",
    6: "maxfun evaluations are done.",
    7: "maxtime is over.",
    99: "The callback asked to stop.",
}

NAMES = {
    0: "gtol", 1: "maxiter", 2: "ftol", 3: "not finite", 4: "xtol", 5: "raised an exception", 6: "maxfun", 7: "maxtime",
    8: "diverged", 9: "fewer points than parameters", 10: "stuck",
}  # fmt: skip


def risen(s):
    return f"The value ended {'below' if s.maximize else 'above'} where it began: {ADVICE}."


def judged_by_value(s):
    """The statuses of which a value above that at the start is a divergence: weight decay may raise it."""
    value = s.hyper.values.get("weight_decay", 0.0)
    return (GTOL,) if callable(value) or value > 0.0 else BY_ITSELF


def faster(s):
    """What to raise where a run was too short."""
    lr = s.hyper.values.get("lr")
    finds_steps = {"etaplus", "sigma"} & s.hyper.values.keys()  # whose lr is that of the first step
    return (
        "raise maxiter"
        if lr is None or finds_steps
        else f"raise lr{'' if callable(lr) else f' ({float(lr):g})'} or maxiter"
    )


def too_short(s):
    return f"maxiter iterations are done, and the value was still falling: {faster(s)}."


def too_noisy(form, noise):
    other = "give the gradient" if form == "3-point" else "take '3-point'"
    return f"But gtol is below the noise of {form} differences, about {noise:.0e}: raise it, or {other}."


def not_finite(value, g):
    """What is not finite, at x or at the iterate that would have come next."""
    bad = [what for what, a in (("value", value), ("gradient", g)) if not np.isfinite(a).all()]
    if not bad:
        return "The value or the gradient is not finite at the next iterate; x is the last one known to be finite."
    return f"The {' and the '.join(bad)} at x {'are' if len(bad) > 1 else 'is'} not finite."


def succeeded(status):
    """Which of many problems did."""
    return np.isin(range(len(NAMES)), SUCCESS)[status]


def counted(status):
    """One string on many problems: how many ended how."""
    counts = np.bincount(status, minlength=len(NAMES))
    kinds = np.flatnonzero(counts)
    listed = sorted(zip(counts[kinds].tolist(), kinds.tolist()), reverse=True)
    text = f"{counts[list(SUCCESS)].sum()} of {status.size} problems succeeded"
    return text + (f": {', '.join(f'{count} {NAMES[kind]}' for count, kind in listed)}." if listed else ".")


def of_raised(which, role, why):
    """What is said of the problems, by number, whose functions raised; ``why`` is of the first."""
    others = f" (and {which.size - 1} more)" if which.size > 1 else ""
    return f"The {role} of problem {which[0]}{others} raised {why}"


def advised(status, s, falling, noisy):
    """How many problems ended how, and what helps."""
    text = counted(status)
    if (status == DIVERGED).any():
        text += f" Diverged: {ADVICE}."
    if noisy.any():
        text += f" gtol is below the noise of the differences in {noisy.sum()}: raise it, or give the gradient."
    if 2 * falling.sum() > (status == MAXITER).sum():
        text += f" At maxiter most were still falling: {faster(s)}."
    return text
