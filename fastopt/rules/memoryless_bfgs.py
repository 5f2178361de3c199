"""Memoryless BFGS (Shanno 1978): conjugate gradients that need no exact search, from a diagonal that is learnt.

Steps are tried along a line until the slope there is small against that at its start: gradients tell, not values. The
next line goes along −H⁻¹·g, where H is what BFGS makes of a diagonal by the last line alone; and the diagonal of H is
the next one's (Gilbert and Lemaréchal 1989), so variables may be of any scale.
Every step is one evaluation of the whole gradient, and θ is then a trial, not the best point so far. Noise and
minibatches look like curvature: not for them. Nor where bounds hold a variable, which the slope does not know.
Variant: M1QN3 of one pair, but that a line's diagonal is that before its pair, and that no value is looked at.
Agrees: the second line's direction is that of any L-BFGS of one pair, for the diagonal is one number until then.
Sums are over all arrays together. A NaN in a gradient makes every parameter NaN.

Parameters
----------
lr
    How far the first trial goes, in the parameter's unit. Only read in an array's first step. The next goes up to three
    times as far, so too small costs a few steps; too large may leave the valley.
sigma
    How small the slope must become along a line, as a part of that at its start: 0.1 searches longer, 0.9 hardly.

Examples
--------
>>> import numpy as np, fastopt
>>> x, curvature = np.array([4.0, -3.0]), np.array([1.0, 1e4])
>>> opt = fastopt.MemorylessBFGS(x)
>>> for _ in range(40):
...     opt.step(curvature * x)  # the gradient of ½Σcx²
>>> bool(abs(x).max() < 1e-6)
True
"""

from .line_search import is_found, searched
from .quasi_newton import SUMS, known, turned
from .rule import Rule


def coefficients(t, lr, sigma):
    return 1.0 / lr, sigma, 0.0


def combine(c, sums, line):
    if is_found(sums[0], line, c[1]):
        return turned(line[0], c[0], sums)
    new = searched(sums[0], line)
    return (new[0] - line[0], 0.0, 0.0, 1.0, 0.0, 0.0, 0.0), new


def update(p, g, d, g0, b, first, sigma, zero, shift, begins, a, r, k, inverse, share):
    if begins == zero:
        return p + shift * d, d + zero, g0 + zero, b + zero
    b, y = known(b, first, zero), g - g0
    bd = b * d
    new = (b - bd * bd * inverse) / r + y * y * share
    d = -r * (g - a * y) / b - k * d
    return p + shift * d, d, g + zero, new if new > zero else b


RULE = Rule(
    name="memoryless_bfgs",
    label="MemorylessBFGS",
    update=update,
    coefficients=coefficients,
    state=("d", "g0", "b"),
    reduces=SUMS,
    combine=combine,
    keeps=("trial", "low", "down", "high", "up", "start", "tries"),
    across=True,
    hyper={"lr": 1e-3, "sigma": 0.3},
    ranges={"lr": "(0, inf)", "sigma": "(0, 1)"},
    equation="θ moves along d until |⟨g, d⟩| ≤ sigma·|⟨g₀, d⟩|; then s = θ − θ₀, y = g − g₀, ω = ⟨y, y/b⟩/⟨s, y⟩, "
    "H = BFGS(diag ωb; s, y), d = −H⁻¹g, b = diag H",
    doc=__doc__,
)
