"""Negative log-likelihoods of conditional distributions, ready for :func:`fastopt.fit`.

Each factory returns a compiled ``loss_and_grad(params, grads, X, y) -> float``. It returns the **sum** of the
losses of the examples, the rows of ``X``, and **assigns** the sum of their gradients to ``grads``, whatever
that held. ``l2 >= 0`` is a penalty per example: to each example's loss it adds ½·l2·‖θ‖², θ being all the
parameters, biases included. The linear models have no bias of their own: give ``X`` a column of ones.

``X``, ``params`` and ``grads`` are C-contiguous and share one dtype, float32 or float64, in which the
arithmetic is done; losses are summed in float64. ``y`` is integer or real where nothing else is said.

``fit`` checks shapes, dtypes, labels and finiteness once, before it trains. Whoever calls a loss directly is not
checked but for class labels: ``logistic`` of labels -1 and 1 is then some number, and no likelihood.
"""

import math
from collections import namedtuple
from functools import cache

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher

from ..errors import describe
from ..kernels.digest import digest
from ..kernels.kept import kept
from ..linking import UNBOUND, link, stand_in
from . import checks

pieces = (
    UNBOUND  # stands for pieces.py, which teaches Numba what it uses: a loss that is made needs it, an import does not
)
MLPParams = namedtuple("MLPParams", "W1 b1 W2 b2")


@cache
def _digest():
    from . import pieces

    return digest(*(piece for piece in vars(pieces).values() if isinstance(piece, Dispatcher)))


def _compiled(loss_and_grad, distribution, check_data):
    """Compile a body with its distribution, which cached code must have for a global (kernels/bind.py says why).

    The body closes over nothing but a number. The disk cache sees edits of the pieces. ``fit`` finds ``check_data``.
    """
    from . import pieces

    bound = link(loss_and_grad, likelihood=getattr(pieces, distribution), pieces=pieces)
    bound.__qualname__ += f"_{distribution}_{_digest()}"
    make = lambda cache: njit(cache=cache, nogil=True, error_model="numpy")(bound)  # noqa: E731
    loss = kept(make) if _digest() else make(cache=False)  # without: an overload of the user's that cannot be seen into
    loss.check_data = check_data
    return loss


@stand_in
def likelihood(predictions, y):
    """Stands for a distribution of pieces.py: the loss, with its derivatives left in the predictions."""


def _linear_model(distribution, l2, check_data):
    l2 = _penalty_weight(l2)

    def loss_and_grad(params, grads, X, y):
        predictions = pieces.predict(X, params, y)
        loss = likelihood(predictions, y)
        np.dot(X.T, predictions, grads)
        return loss + pieces.add_penalty(params, grads, l2 * len(X))

    return _compiled(loss_and_grad, distribution, check_data)


def linear(l2=0.0):
    """Gaussian of unit variance, y ~ N(x·w, 1): loss ½(y − x·w)², which leaves out the constant ½·log 2π.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,).

    >>> X, y, grads = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([1.0, 3.0]), np.empty(2)
    >>> print(linear()(np.zeros(2), grads, X, y), grads)
    5.0 [-7. -4.]
    """
    return _linear_model("gaussian", l2, checks.of_predictor("linear", 1, checks.quantities))


def logistic(l2=0.0):
    """Bernoulli, P(y = 1 | x) = 1/(1 + exp(−x·w)): loss log(1 + exp(x·w)) − y·x·w.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,) of 0 and 1, or
    of probabilities between.

    >>> X, y, grads = np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([0, 1]), np.empty(2)
    >>> print(logistic()(np.zeros(2), grads, X, y) / np.log(2), grads)
    2.0 [-1.  0.]
    """
    return _linear_model("bernoulli", l2, checks.of_predictor("logistic", 1, checks.zeros_and_ones))


def softmax(l2=0.0):
    """Categorical, P(y = k | x) = exp(x·W[:, k]) / Σⱼ exp(x·W[:, j]): loss −log P(y | x).

    ``params`` W (d, classes), ``grads`` (d, classes), ``X`` (n, d), ``y`` (n,) integers 0, …, classes − 1.
    Without a penalty the optimum is not unique: adding a constant to a row of W changes no probability.

    >>> X, y, grads = np.array([[1.0], [3.0]]), np.array([0, 1]), np.empty((1, 2))
    >>> print(softmax()(np.zeros((1, 2)), grads, X, y) / np.log(2), grads)
    2.0 [[ 1. -1.]]
    """
    return _linear_model("categorical", l2, checks.of_predictor("softmax", 2, checks.labels))


def poisson(l2=0.0):
    """Poisson with the log link, y ~ Poisson(exp(x·w)): loss exp(x·w) − y·x·w + log y!.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,) counts 0, 1, 2, …

    >>> X, y, grads = np.array([[1.0], [2.0]]), np.array([0, 1]), np.empty(1)
    >>> print(poisson()(np.zeros(1), grads, X, y), grads)
    2.0 [1.]
    """
    return _linear_model("poisson", l2, checks.of_predictor("poisson", 1, checks.counts))


def mlp(l2=0.0):
    """Categorical, the scores from one hidden layer, tanh(x·W1 + b1)·W2 + b2: loss −log softmax(scores)[y].

    ``params`` and ``grads`` are MLPParams, or what ``fit`` makes of a dict: ``W1`` (d, hidden), ``b1``
    (hidden,), ``W2`` (hidden, classes), ``b2`` (classes,); ``X`` (n, d), ``y`` (n,) as for ``softmax``.

    >>> params = MLPParams(**init_mlp(d=2, hidden=3, classes=2))
    >>> grads = params._make(np.empty_like(p) for p in params)
    >>> print(mlp()(params, grads, np.zeros((4, 2)), np.array([0, 1, 1, 1])) / np.log(2), grads.b2)
    4.0 [ 1. -1.]
    """
    l2 = _penalty_weight(l2)

    def loss_and_grad(params, grads, X, y):
        hidden = pieces.predict(X, params.W1, y)
        pieces.tanh(hidden, params.b1)
        scores = np.dot(hidden, params.W2)
        pieces.add_to_rows(scores, params.b2)
        loss = likelihood(scores, y)
        np.dot(hidden.T, scores, grads.W2)
        pieces.sum_rows(scores, grads.b2)
        slope = np.dot(scores, params.W2.T)
        pieces.through_tanh(slope, hidden)
        np.dot(X.T, slope, grads.W1)
        pieces.sum_rows(slope, grads.b1)
        weight = l2 * len(X)
        loss += pieces.add_penalty(params.W1, grads.W1, weight) + pieces.add_penalty(params.b1, grads.b1, weight)
        return loss + pieces.add_penalty(params.W2, grads.W2, weight) + pieces.add_penalty(params.b2, grads.b2, weight)

    return _compiled(loss_and_grad, "categorical", checks.of_network)


def init_mlp(d, hidden, classes, seed=0, dtype=np.float64):
    """Initial parameters of :func:`mlp`, a dict: biases 0, Glorot's uniform weights ±√(6/(ins + outs))."""
    rng = np.random.default_rng(seed)

    def weights(inputs, outputs):
        return math.sqrt(6 / (inputs + outputs)) * rng.uniform(-1, 1, (inputs, outputs)).astype(dtype)

    W1, W2 = weights(d, hidden), weights(hidden, classes)
    return {"W1": W1, "b1": np.zeros(hidden, dtype), "W2": W2, "b2": np.zeros(classes, dtype)}


def _penalty_weight(l2):
    if not 0 <= l2 < math.inf:
        raise ValueError(f"l2 must be finite and at least 0, got {describe(l2)}")
    return float(l2)
