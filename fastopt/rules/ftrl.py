"""FTRL-proximal (McMahan et al. 2013): Adagrad's steps, with an L1 penalty that makes parameters exactly 0.

θ is each time the exact minimum of the linearised losses so far plus the penalties, so small parameters stay at 0 for
as long as |z| ≤ l1. Made for linear models of many sparse features.
Variant: the paper's, with its start at z = 0: a parameter that does not begin at 0 loses its start where it has no
gradient, or where s has a start. Without penalties and starts it is ``Adagrad(eps=0)``. z is lr times the paper's, so
that every gradient counts with the lr of its own step; with Keras a falling lr shrinks all that was learnt.
Agrees: Vowpal Wabbit (``--ftrl``: lr 0.005, beta 0.1). Differs: Keras's l2 is half of this one, and its s starts
at 0.1: it is ``FTRL(params, 1e-3, l1=l1, l2=2 * l2, initial_accumulator_value=0.1)``. PyTorch and optax have none.

Parameters
----------
lr
    The paper's α: the length of a parameter's first step, in its own unit, when beta is 0; the t-th has about lr/√t of
    it while gradients keep their size. It does without a schedule, and may be large: 0.1 to 1.
beta
    β, added to √s, in the gradient's unit: shortens the first steps, and draws the parameter to 0 with the strength of
    an l2 of β/lr. The paper's is 1; 0 is Keras's.
l1
    λ₁: penalises l1·|θ| in every loss together, not in each: sums of gradients that are smaller leave θ at 0.
l2
    λ₂: penalises ½·l2·θ² in all losses together. ``weight_decay`` does so in each.
initial_accumulator_value
    What s starts from, in the unit of g². More makes the first steps shorter.

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.zeros(2)
>>> opt = fastopt.FTRL(x, lr=0.5, l1=1.5)
>>> for _ in range(10):
...     opt.step(np.array([0.1, 1.0]) + x)
>>> x.round(2)  # the gradients of the first sum to 1: not enough
array([ 0.  , -0.94])
"""

from math import sqrt

from .rule import Rule


def coefficients(t, lr, beta, l1, l2):
    return lr, lr * l1, beta + lr * l2, 0.0


def update(p, g, s, z, lr, bound, more, zero):
    old, s = zero + sqrt(s), s + g * g  # a sum, for plain Python keeps its dtype
    root = zero + sqrt(s)
    z = z + (lr * g - (root - old) * p)
    beyond = z - bound if z > bound else z + bound if z < -bound else z - z  # 0, or NaN
    return (beyond if beyond == zero else -beyond / (root + more)), s, z


RULE = Rule(
    name="ftrl",
    label="FTRL",
    update=update,
    coefficients=coefficients,
    state=("s", "z"),
    hyper={"lr": 1e-2, "beta": 0.0, "l1": 0.0, "l2": 0.0},
    ranges=dict.fromkeys(("lr", "beta", "l1", "l2", "initial_accumulator_value"), "[0, inf)"),
    initial={"initial_accumulator_value": ("s", 0.0)},
    equation="z += lr·g − (√(s+g²)−√s)θ; s += g²; θ ← −sign(z)·max(|z| − lr·l1, 0)/(√s + β + lr·l2)",
    doc=__doc__,
)
