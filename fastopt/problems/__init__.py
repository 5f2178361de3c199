"""Problems to optimise: losses for `fastopt.fit`, and classic test functions. Gradients are written in place.

The losses are compiled functions ``(params, grads, X, y) -> loss``, the sum over a batch:

>>> import numpy as np, fastopt
>>> rng = np.random.default_rng(0)
>>> X = np.c_[rng.normal(size=(300, 2)), np.ones(300)]
>>> y = (X @ [1.0, -2.0, 0.5] > 0).astype(float)
>>> w = np.zeros(3)
>>> opt = fastopt.Adam(w, lr=0.05)
>>> history = fastopt.fit(fastopt.problems.logistic(l2=1e-3), opt, (X, y), batch_size=32, epochs=20)
>>> bool(((X @ w > 0) == y).mean() > 0.97)
True

The test functions know where to start and where the minimum is:

>>> problem = fastopt.problems.rosenbrock(d=2)
>>> res = fastopt.minimize(problem.fun, problem.x0, jac=problem.jac)
>>> res.x.round(3), problem.x_star
(array([1., 1.]), array([1., 1.]))
"""

from .functions import (
    CLASSICS,
    Problem,
    ackley,
    beale,
    booth,
    goldstein_price,
    himmelblau,
    levy13,
    matyas,
    mccormick,
    quadratic,
    rosenbrock,
    sphere,
    styblinski_tang,
    three_hump_camel,
)
from .losses import MLPParams, init_mlp, linear, logistic, mlp, poisson, softmax

__all__ = [
    "CLASSICS",
    "MLPParams",
    "Problem",
    "ackley",
    "beale",
    "booth",
    "goldstein_price",
    "himmelblau",
    "init_mlp",
    "levy13",
    "linear",
    "logistic",
    "matyas",
    "mccormick",
    "mlp",
    "poisson",
    "quadratic",
    "rosenbrock",
    "softmax",
    "sphere",
    "styblinski_tang",
    "three_hump_camel",
]
