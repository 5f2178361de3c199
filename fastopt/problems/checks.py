"""What ``fit`` asks of a loss once, before it trains: whether it can take these examples. It costs no step anything.

A checker is called with the parameters, as the loss gets them, and the examples by name (``data[0]``, ``data[1]``).
"""

import numpy as np

from ..errors import describe


def of_predictor(model, dimensions, check_targets):
    """The checker of a loss of the predictor X·params, whose parameters have this many dimensions."""

    def check_data(params, examples):
        if not isinstance(params, np.ndarray) or params.ndim != dimensions:
            shape = "(d,)" if dimensions == 1 else "(d, classes)"
            raise TypeError(f"params must be an array of shape {shape} for {model}, got {describe(params)}")
        check_examples(model, params, examples, check_targets, params.shape[-1])

    return check_data


def of_network(params, examples):
    """The checker of the network with one hidden layer."""
    fields = ("W1", "b1", "W2", "b2")
    if getattr(params, "_fields", None) != fields or params.W1.ndim != 2 or params.W2.ndim != 2:
        raise TypeError(f"params must hold {', '.join(fields)} for mlp, as init_mlp makes them, got {describe(params)}")
    check_examples("mlp", params.W1, examples, labels, params.W2.shape[1])


def check_examples(model, weights, examples, check_targets, classes):
    """Raise unless they are the features and the targets of this model."""
    if len(examples) != 2:
        name = next(iter(examples)).partition("[")[0]
        raise ValueError(f"{name} must hold two arrays, X and y, for {model}, got {len(examples)}")
    (features, X), (targets, y) = examples.items()
    if X.dtype != weights.dtype:
        raise TypeError(
            f"{features} must have the dtype of the parameters, {weights.dtype}, got {X.dtype}: "
            f"pass X.astype(np.{weights.dtype})"
        )
    if X.ndim != 2 or X.shape[1] != len(weights):
        raise ValueError(f"{features} must have shape (n, {len(weights)}) for these parameters, got {X.shape}")
    refuse_where(features, X, "finite numbers", not_finite)
    if y.ndim != 1:
        raise ValueError(f"{targets} must have shape (n,), got {y.shape}")
    check_targets(model, targets, y, classes)


def not_finite(a):
    """Where an array is NaN or infinite; None if nowhere."""
    if a.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        if np.isfinite(a.sum()):  # of which one pass is enough, mostly
            return None
    return ~np.isfinite(a)


def refuse_where(name, a, wanted, wrong, hint=""):
    """Raise if an array holds something wrong, with the first row that does."""
    found = wrong(a)
    if found is not None and found.any():
        at = np.unravel_index(int(np.argmax(found)), a.shape)
        raise ValueError(f"{name} must hold {wanted}, got {a[at]} in row {at[0]}{hint}")


# --- targets ---------------------------------------------------------------------------------------------------------

NUMBERING = "np.unique(y, return_inverse=True)[1] numbers them"


def check_numbers(name, y, wanted, hint=""):
    if y.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold {wanted}, got dtype {y.dtype}{hint}")


def quantities(model, name, y, classes):
    check_numbers(name, y, "numbers")
    refuse_where(name, y, "finite numbers", not_finite)


def zeros_and_ones(model, name, y, classes):
    """Probabilities between them have a likelihood, too."""
    wanted = f"labels 0 and 1 for {model}"
    check_numbers(name, y, wanted, f": {NUMBERING}")
    refuse_where(name, y, wanted, lambda y: ~((y >= 0) & (y <= 1)), "; (y > 0) makes them of -1 and 1")


def counts(model, name, y, classes):
    wanted = f"counts 0, 1, 2, ... for {model}"
    check_numbers(name, y, wanted)
    refuse_where(name, y, wanted, lambda y: ~((y >= 0) & (y < np.inf)))


def labels(model, name, y, classes):
    wanted = f"class labels, integers from 0 to {classes - 1}, for {model}"
    if y.dtype.kind not in "iu":
        hint = "y.astype(int)" if y.dtype.kind in "fb" else NUMBERING
        raise TypeError(f"{name} must hold {wanted}, got dtype {y.dtype}: {hint}")
    refuse_where(name, y, wanted, lambda y: (y < 0) | (y >= classes))
