"""The compiled pieces that losses are made of: predictions, distributions, a hidden layer, the penalty."""

import math

import numpy as np
from numba import njit

from ..numbers.functions import exp, log1p

piece = njit(nogil=True, error_model="numpy")


@piece
def predict(X, params, y):
    if len(X) != len(y):
        raise ValueError("X and y must have the same number of examples")
    return np.dot(X, params)


# The distributions: each returns the summed loss and overwrites the model's predictions by its derivatives.
# dtype.type(1) keeps float32 arithmetic in float32, np.float64(0) makes float64 sums, compiled or not.


@piece
def gaussian(predictor, y):
    loss = np.float64(0)
    for i in range(len(y)):
        predictor[i] -= y[i]
        loss += 0.5 * predictor[i] * predictor[i]
    return loss


@piece
def bernoulli(predictor, y):
    loss, one = np.float64(0), predictor.dtype.type(1)
    smalls, logs = exp_and_log1p(predictor)
    for i in range(len(y)):
        z, small = predictor[i], smalls[i]
        loss += logs[i] + ((1 - y[i]) * z if z > 0 else -(y[i] * z))
        predictor[i] = (one if z > 0 else small) / (one + small) - y[i]
    return loss


@piece
def exp_and_log1p(numbers):
    """exp(−|z|), at most 1, and log1p of that: in a loop with no sum, so that it runs in vector registers."""
    smalls, logs = np.empty_like(numbers), np.empty_like(numbers)
    for i in range(len(numbers)):
        smalls[i] = exp(-abs(numbers[i]))
        logs[i] = log1p(smalls[i])
    return smalls, logs


@piece
def poisson(predictor, y):
    loss = np.float64(0)
    for i in range(len(y)):
        mean = np.exp(predictor[i])
        loss += mean - y[i] * predictor[i] + math.lgamma(y[i] + 1.0)
        predictor[i] = mean - y[i]
    return loss


@piece
def categorical(scores, y):
    loss, (rows, classes) = np.float64(0), scores.shape
    for i in range(rows):
        label = y[i]
        if label < 0 or label >= classes:  # compiled code would write outside the array
            raise ValueError("y must hold class labels from 0 to classes - 1")
        most = scores[i, 0]
        for j in range(classes):
            most = scores[i, j] if scores[i, j] > most else most
        for j in range(classes):
            scores[i, j] -= most  # so that nothing overflows
        loss -= scores[i, label]
    exp_of(scores)
    for i in range(rows):
        total = scores.dtype.type(0)
        for j in range(classes):
            total += scores[i, j]
        loss += np.log(total)
        for j in range(classes):
            scores[i, j] /= total
        scores[i, y[i]] -= 1
    return loss


@piece
def exp_of(matrix):
    """Of all elements in one loop, for the same reason."""
    numbers = matrix.reshape(-1)
    for i in range(len(numbers)):
        numbers[i] = exp(numbers[i])


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})  # a sum in any order runs in vector registers
def penalise(theta, grad, weight):
    scale, squares = theta.dtype.type(weight), np.float64(0)
    for i in range(len(theta)):
        squares += np.float64(theta[i]) * theta[i]
        grad[i] += scale * theta[i]
    return 0.5 * weight * squares


@piece
def add_penalty(params, grads, weight):
    if weight == 0:
        return 0.0
    return penalise(params.reshape(-1), grads.reshape(-1), weight)


# Element by element: NumPy's operations on whole rows cost a call and a temporary array each.


@piece
def add_to_rows(matrix, vector):
    for i in range(len(matrix)):
        for j in range(len(vector)):
            matrix[i, j] += vector[j]


@piece
def sum_rows(matrix, out):
    for i in range(len(matrix)):
        for j in range(len(out)):
            out[j] = out[j] + matrix[i, j] if i else matrix[i, j]


# tanh(x) as x·P(x²)/Q(x²): in float32 the best of these degrees for |x| ≤ 9, where tanh rounds to 1
_P32 = (0.9999999411915721, 0.12919228097884078, 0.0029207614908141853,
        9.267418376359945e-06, -1.2780435328609295e-08, 1.8255237596236775e-11)  # fmt: skip
_Q32 = (1.0, 0.4625251195871229, 0.023763167169104146, 0.00022810015623843553)
# Padé's approximant: exact to the last bit of float64 for |x| < 0.65
_P64 = tuple(c / 34459425 for c in (1, 990, 135135, 4729725, 34459425))
_Q64 = tuple(c / 34459425 for c in (45, 13860, 945945, 16216200, 34459425))
_DOUBLINGS = 5  # from 20, where tanh rounds to 1 in float64, to within that

_PART = 0.5**_DOUBLINGS

in_registers = njit(nogil=True, error_model="numpy", fastmath={"contract"})


@in_registers
def tanh32(matrix, bias):
    """Overwrite matrix by tanh(matrix + bias), to 5 roundings: with no call in it, 10 times as fast as the C library's
    tanh, which was half of a training step, and faster than ``fastopt.jit.tanh``, which is more exact."""
    real = np.float32
    for i in range(len(matrix)):
        for j in range(len(bias)):
            x = matrix[i, j] + bias[j]
            u = real(9) if x > real(9) else (-real(9) if x < -real(9) else x)  # NaN stays
            square, p, q = u * u, real(_P32[5]), real(_Q32[3])
            for k in range(5):
                p = p * square + real(_P32[4 - k])
            for k in range(3):
                q = q * square + real(_Q32[2 - k])
            matrix[i, j] = u * p / q


@in_registers
def tanh64(matrix, bias):
    """The same in float64, where as good a quotient would have far more terms: tanh of a part of x, doubled."""
    for i in range(len(matrix)):
        for j in range(len(bias)):
            x = matrix[i, j] + bias[j]
            u = (20.0 if x > 20.0 else (-20.0 if x < -20.0 else x)) * _PART
            sinh, cosh, square = _P64[0], _Q64[0], u * u  # both times a common factor
            for k in range(1, 5):
                sinh = sinh * square + _P64[k]
                cosh = cosh * square + _Q64[k]
            sinh *= u
            for _ in range(_DOUBLINGS):  # to twice the argument, until it is x
                sinh, cosh = (sinh + sinh) * cosh, sinh * sinh + cosh * cosh
            matrix[i, j] = sinh / cosh


@piece
def tanh(matrix, bias):
    if matrix.itemsize == 4:
        tanh32(matrix, bias)
    else:
        tanh64(matrix, bias)


@piece
def through_tanh(slope, tanh):
    """Multiply by the derivative of tanh."""
    one = tanh.dtype.type(1)
    for i in range(len(slope)):
        for j in range(tanh.shape[1]):
            slope[i, j] *= one - tanh[i, j] * tanh[i, j]
