"""Memoryless BFGS (Shanno 1978): conjugate gradients without exact searches, and what bends how much is learnt.

Steps are tried along a line until the slope there is small against that at its start; gradients tell, not values. From
there the next line goes along −H⁻¹·g, where H is what BFGS makes of a diagonal by the last line alone. The diagonal is
that of the H before (Gilbert and Lemaréchal 1989), so variables may be of any scale. No rate is tuned.
For smooth functions, with their whole gradient in every step: what noise or minibatches change looks like curvature.
Every step is one evaluation, the search included, so parameters are those of a trial, not the best so far.
Variant: one pair of M1QN3's, whose diagonal has the update by the last pair too; there the search asks for values.
Slopes, lengths and products are over all arrays together. A NaN in a gradient makes every parameter NaN.

Parameters
----------
lr
    How far the first trial goes, in the parameter's unit. Only read in an array's first step; later trials may go
    three times as far as the one before, so too small costs few steps, and too large may leave the nearest valley.
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
    keeps=("step", "low", "down", "high", "up", "start", "tries"),
    across=True,
    hyper={"lr": 1e-3, "sigma": 0.3},
    ranges={"lr": "(0, inf)", "sigma": "(0, 1)"},
    equation="θ moves along d until |⟨g, d⟩| ≤ sigma·|⟨g₀, d⟩|; then s = θ − θ₀, y = g − g₀, ω = ⟨y, y/b⟩/⟨s, y⟩, "
    "H = BFGS(diag ωb; s, y), d = −H⁻¹g, b = diag H",
    doc=__doc__,
)
