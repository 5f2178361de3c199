"""What curve_fit_many is held against: Jacobians by complex steps, and SciPy's standard errors of them.

A curve is a Numba function f(t, a, b, …) of one point; its Python function takes an array of them.
"""

import numpy as np


def jacobian(f, t, b):
    """Exact to rounding. ``b``: (d,); the result has the shape (n, d)."""
    b = np.asarray(b)
    steps = 1e-30 * np.where(b == 0, 1.0, np.abs(b))
    moved = b + 1j * np.diag(steps)
    return np.transpose([f.py_func(t, *row).imag / h for row, h in zip(moved, steps)])


def stderr(J, rss):
    """As curve_fit's, but with the columns of the Jacobian brought to one length first."""
    norms = np.linalg.norm(J, axis=0)
    inverse = np.linalg.pinv(J / norms, rcond=1e-15)
    return np.sqrt(rss / (len(J) - len(norms)) * np.sum(inverse**2, axis=1)) / norms
