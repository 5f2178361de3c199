"""DoG (Ivgi et al. 2023): gradient descent whose rate is the distance gone so far, over the root of all squares so far.

Distance and squares are over all arrays together: one rate for all, which nobody tunes. Away from the start it grows
fast, and settles once x is as far from x0 as the solution is.
Variant: the authors' code: the first distance is r = reps_rel·(1 + ‖x0‖), and x0 is a state array.
``weight_decay`` is L2, as theirs. Their LDoG, which does all this for each array alone, is not here.
Agrees: the authors' ``dog-optimizer``, optax (``contrib.dog``, and its ``init_step`` "heuristic").
Its authors say that it needs an average of the iterates, for nothing makes its noise fall. Arrays without a gradient
in a step count for nothing in that step's distance. A NaN in a gradient makes every parameter NaN.

Parameters
----------
lr
    A factor on the rate that the rule finds. Leave it at 1.
reps_rel
    How far the first step goes, as a part of 1 + ‖x0‖. Only read in the first step. Too small costs some steps; too
    large may diverge. The authors take 1e-4 for networks with batch normalisation.
eps
    Added to the sum of squares, in the unit of g².

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([4.0, -3.0])
>>> opt = fastopt.DoG(x)
>>> for _ in range(200):
...     opt.step(1.0 * x)  # the gradient of ½‖x‖²
>>> bool(abs(x).max() < 0.01)
True
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, reps_rel, eps):
    return lr, reps_rel, eps, 1.0 if t == 1 else 0.0, 0.0


def square(p, g, x0, lr, reps, eps, fresh, zero, far, squares):
    return g * g


def square_of_way(p, g, x0, lr, reps, eps, fresh, zero, far, squares):
    """Of the way from the start, or in the first step of all, where none is known, of the start itself."""
    d = p if far == zero else zero if fresh != zero else p - x0
    return d * d


def combine(c, sums, kept):
    far, squares = kept
    way, squares = sqrt(sums[1]), squares + sums[0]
    if far == 0.0:
        way = c[1] * (1.0 + way)
    far = far if way <= far else way  # NaN too
    below = sqrt(squares + c[2])
    return (far / below if below != 0.0 else 0.0,), (far, squares)


def update(p, g, x0, lr, reps, eps, fresh, zero, rate):
    return p - lr * rate * g, (p if fresh != zero else x0) + zero  # of arithmetic, which leaves nothing subnormal


RULE = Rule(
    name="dog",
    label="DoG",
    update=update,
    coefficients=coefficients,
    state=("x0",),
    reduces={"square": square, "square_of_way": square_of_way},
    combine=combine,
    keeps=("far", "squares"),
    across=True,
    rate_free=True,
    hyper={"lr": 1.0, "reps_rel": 1e-6, "eps": 1e-8},
    ranges={"lr": "[0, inf)", "reps_rel": "(0, inf)", "eps": "[0, inf)"},
    equation="r = max(r, ‖θ − x0‖), r at first reps_rel·(1+‖x0‖); G += ‖g‖²; θ ← θ − lr·r/√(G + eps)·g",
    doc=__doc__,
)
