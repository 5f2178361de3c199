"""Negative log-likelihoods of conditional distributions, ready for :func:`fastopt.fit`.

Each factory returns a compiled ``loss_and_grad(params, grads, X, y) -> float``. It returns the **sum** of the
losses of the examples, the rows of ``X``, and **assigns** the sum of their gradients to ``grads``, whatever
that held. ``l2 >= 0`` is a penalty per example: to each example's loss it adds ½·l2·‖θ‖², θ being all the
parameters, biases included. The linear models have no bias of their own: give ``X`` a column of ones.

``X``, ``params`` and ``grads`` are C-contiguous and share one dtype, float32 or float64, in which the
arithmetic is done; losses are summed in float64. ``y`` is integer or real where nothing else is said.
"""

import math
from collections import namedtuple

import numpy as np
from numba import njit

_helper = njit(nogil=True, error_model="numpy")
_loss = njit(cache=True, nogil=True, error_model="numpy")  # cacheable: losses close over nothing but a number
MLPParams = namedtuple("MLPParams", "W1 b1 W2 b2")


def linear(l2=0.0):
    """Gaussian of unit variance, y ~ N(x·w, 1): loss ½(y − x·w)², which leaves out the constant ½·log 2π.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,).

    >>> X, y, grads = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([1.0, 3.0]), np.empty(2)
    >>> print(linear()(np.zeros(2), grads, X, y), grads)
    5.0 [-7. -4.]
    """
    l2 = _penalty_weight(l2)

    @_loss
    def loss_and_grad(params, grads, X, y):
        predictor = _predict(X, params, y)
        loss = _gaussian(predictor, y)
        np.dot(X.T, predictor, grads)
        return loss + _add_penalty(params, grads, l2 * len(X))

    return loss_and_grad


def logistic(l2=0.0):
    """Bernoulli, P(y = 1 | x) = 1/(1 + exp(−x·w)): loss log(1 + exp(x·w)) − y·x·w.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,) of 0 and 1.

    >>> X, y, grads = np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([0, 1]), np.empty(2)
    >>> print(logistic()(np.zeros(2), grads, X, y) / np.log(2), grads)
    2.0 [-1.  0.]
    """
    l2 = _penalty_weight(l2)

    @_loss
    def loss_and_grad(params, grads, X, y):
        predictor = _predict(X, params, y)
        loss = _bernoulli(predictor, y)
        np.dot(X.T, predictor, grads)
        return loss + _add_penalty(params, grads, l2 * len(X))

    return loss_and_grad


def softmax(l2=0.0):
    """Categorical, P(y = k | x) = exp(x·W[:, k]) / Σⱼ exp(x·W[:, j]): loss −log P(y | x).

    ``params`` W (d, classes), ``grads`` (d, classes), ``X`` (n, d), ``y`` (n,) integers 0, …, classes − 1.
    Without a penalty the optimum is not unique: adding a constant to a row of W changes no probability.

    >>> X, y, grads = np.array([[1.0], [3.0]]), np.array([0, 1]), np.empty((1, 2))
    >>> print(softmax()(np.zeros((1, 2)), grads, X, y) / np.log(2), grads)
    2.0 [[ 1. -1.]]
    """
    l2 = _penalty_weight(l2)

    @_loss
    def loss_and_grad(params, grads, X, y):
        scores = _predict(X, params, y)
        loss = _categorical(scores, y)
        np.dot(X.T, scores, grads)
        return loss + _add_penalty(params, grads, l2 * len(X))

    return loss_and_grad


def poisson(l2=0.0):
    """Poisson with the log link, y ~ Poisson(exp(x·w)): loss exp(x·w) − y·x·w + log y!.

    ``params`` w (d,), ``grads`` (d,), ``X`` (n, d), ``y`` (n,) counts 0, 1, 2, …

    >>> X, y, grads = np.array([[1.0], [2.0]]), np.array([0, 1]), np.empty(1)
    >>> print(poisson()(np.zeros(1), grads, X, y), grads)
    2.0 [1.]
    """
    l2 = _penalty_weight(l2)

    @_loss
    def loss_and_grad(params, grads, X, y):
        predictor = _predict(X, params, y)
        loss = _poisson(predictor, y)
        np.dot(X.T, predictor, grads)
        return loss + _add_penalty(params, grads, l2 * len(X))

    return loss_and_grad


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

    @_loss
    def loss_and_grad(params, grads, X, y):
        hidden = _predict(X, params.W1, y)
        _tanh(hidden, params.b1)
        scores = np.dot(hidden, params.W2)
        scores += params.b2
        loss = _categorical(scores, y)
        np.dot(hidden.T, scores, grads.W2)
        grads.b2[:] = scores.sum(axis=0)
        slope = np.dot(scores, params.W2.T)
        slope *= hidden.dtype.type(1) - hidden * hidden
        np.dot(X.T, slope, grads.W1)
        grads.b1[:] = slope.sum(axis=0)
        weight = l2 * len(X)
        loss += _add_penalty(params.W1, grads.W1, weight) + _add_penalty(params.b1, grads.b1, weight)
        return loss + _add_penalty(params.W2, grads.W2, weight) + _add_penalty(params.b2, grads.b2, weight)

    return loss_and_grad


def init_mlp(d, hidden, classes, seed=0, dtype=np.float64):
    """Initial parameters of :func:`mlp`, a dict: biases 0, Glorot's uniform weights ±√(6/(ins + outs))."""
    rng = np.random.default_rng(seed)

    def weights(inputs, outputs):
        return math.sqrt(6 / (inputs + outputs)) * rng.uniform(-1, 1, (inputs, outputs)).astype(dtype)

    W1, W2 = weights(d, hidden), weights(hidden, classes)
    return {"W1": W1, "b1": np.zeros(hidden, dtype), "W2": W2, "b2": np.zeros(classes, dtype)}


def _penalty_weight(l2):
    if not 0 <= l2 < math.inf:
        raise ValueError(f"l2 must be finite and at least 0, got {l2!r}")
    return float(l2)


@_helper
def _predict(X, params, y):
    if len(X) != len(y):
        raise ValueError("X and y must have the same number of examples")
    return np.dot(X, params)


# The distributions: each returns the summed loss and overwrites the model's predictions by its derivatives.
# dtype.type(1) keeps float32 arithmetic in float32, np.float64(0) makes float64 sums, compiled or not.


@_helper
def _gaussian(predictor, y):
    loss = np.float64(0)
    for i in range(len(y)):
        predictor[i] -= y[i]
        loss += 0.5 * predictor[i] * predictor[i]
    return loss


@_helper
def _bernoulli(predictor, y):
    loss, one = np.float64(0), predictor.dtype.type(1)
    for i in range(len(y)):
        z = predictor[i]
        small = np.exp(-abs(z))  # at most 1, so that nothing overflows
        loss += np.log1p(small) + ((1 - y[i]) * z if z > 0 else -(y[i] * z))
        predictor[i] = (one if z > 0 else small) / (one + small) - y[i]
    return loss


@_helper
def _poisson(predictor, y):
    loss = np.float64(0)
    for i in range(len(y)):
        mean = np.exp(predictor[i])
        loss += mean - y[i] * predictor[i] + math.lgamma(y[i] + 1.0)
        predictor[i] = mean - y[i]
    return loss


@_helper
def _categorical(scores, y):
    loss = np.float64(0)
    for i in range(len(y)):
        row, label = scores[i], y[i]
        if label < 0 or label >= len(row):  # compiled code would write outside the array
            raise ValueError("y must hold class labels from 0 to classes - 1")
        row -= row.max()  # so that nothing overflows
        loss -= row[label]
        np.exp(row, row)
        total = row.sum()
        loss += np.log(total)
        row /= total
        row[label] -= 1
    return loss


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})  # a sum in any order runs in vector registers
def _add_penalty(params, grads, weight):
    if weight == 0:
        return 0.0
    theta, grad, scale = params.reshape(-1), grads.reshape(-1), params.dtype.type(weight)
    squares = np.float64(0)
    for i in range(len(theta)):
        squares += np.float64(theta[i]) * theta[i]
        grad[i] += scale * theta[i]
    return 0.5 * weight * squares


# sinh(u) = u(1 + u²/(2·3)·(1 + u²/(4·5)·…)), cosh(u) = 1 + u²/(1·2)·(1 + u²/(3·4)·…): 7 terms for |u| < 0.63
_SINH = tuple(1 / (2 * k * (2 * k + 1)) for k in range(7, 0, -1))
_COSH = tuple(1 / (2 * k * (2 * k - 1)) for k in range(7, 0, -1))


@_helper
def _tanh(matrix, bias):
    """Overwrite matrix by tanh(matrix + bias), to 5 roundings. With no call in it the loop runs in vector
    registers, 4 to 7 times as fast as with the C library's tanh, which was half of a training step."""
    real = matrix.dtype.type
    one, limit = real(1), real(20)  # tanh(20) rounds to 1
    for i in range(len(matrix)):
        for j in range(len(bias)):
            x = matrix[i, j] + bias[j]
            u = real(1 / 32) * (limit if x > limit else (-limit if x < -limit else x))  # NaN stays
            sinh, cosh = one, one
            for k in range(7):
                sinh = one + u * u * real(_SINH[k]) * sinh
                cosh = one + u * u * real(_COSH[k]) * cosh
            sinh *= u
            for _ in range(5):  # to twice the argument, until it is x
                sinh, cosh = (one + one) * sinh * cosh, sinh * sinh + cosh * cosh
            matrix[i, j] = sinh / cosh
