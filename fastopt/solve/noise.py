"""How much of a gradient by differences is rounding: no run gets below that, however long it is."""

import numpy as np

from ..kernels.loops.objective import precision

ROOT = {"2-point": 2, "3-point": 3}  # the step is this root of the precision, relative to x


def of_differences(form, error, X):
    """The noise of an element of the gradient, in each row of X, if the values are wrong by ``error``; 0 without."""
    if form not in ROOT or not X.size:
        return np.zeros(len(X))
    step = precision(X) ** (1 / ROOT[form]) * np.maximum(1.0, np.abs(X).min(axis=1))
    return (
        (2.0 if form == "2-point" else 1.0) * error / step
    )  # of two values; the distance is twice the step in the second


def of_value(values, dtype):
    """How wrong values are at least: by the rounding of the last operation."""
    return np.finfo(dtype).eps * np.abs(values)


def near(x):
    """A few points that are x but for rounding: how their values differ is how wrong they are."""
    eps = np.finfo(x.dtype).eps
    return [x * x.dtype.type(1.0 + k * eps) for k in (-5, -2, 3, 7)]
