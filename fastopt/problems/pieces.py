"""The compiled pieces that losses are made of: predictions, distributions, a hidden layer, the penalty."""

import math

import numpy as np
from numba import njit

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
    for i in range(len(y)):
        z = predictor[i]
        small = np.exp(-abs(z))  # at most 1, so that nothing overflows
        loss += np.log1p(small) + ((1 - y[i]) * z if z > 0 else -(y[i] * z))
        predictor[i] = (one if z > 0 else small) / (one + small) - y[i]
    return loss


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
        most, total = scores[i, 0], scores.dtype.type(0)
        for j in range(classes):
            most = scores[i, j] if scores[i, j] > most else most
        for j in range(classes):
            scores[i, j] -= most  # so that nothing overflows
        loss -= scores[i, label]
        for j in range(classes):
            scores[i, j] = np.exp(scores[i, j])
            total += scores[i, j]
        loss += np.log(total)
        for j in range(classes):
            scores[i, j] /= total
        scores[i, label] -= 1
    return loss


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


# Padé's approximant of tanh(u), u·P(u²)/Q(u²): exact to the last bit of float64 for |u| < 0.65, of float32 for 1.25
_P = (1, 990, 135135, 4729725, 34459425)
_Q = (45, 13860, 945945, 16216200, 34459425)


def tanh_of(limit, doublings):
    """``f(matrix, bias)``, which overwrites matrix by tanh(matrix + bias), to 5 roundings; ``limit`` is where tanh
    rounds to 1. With no call in it the loop runs in vector registers, 10 times as fast as with the C library's tanh,
    which was half of a training step."""

    @njit(nogil=True, error_model="numpy", fastmath={"contract"})
    def f(matrix, bias):
        real = matrix.dtype.type
        most, part = real(limit), real(0.5**doublings)
        for i in range(len(matrix)):
            for j in range(len(bias)):
                x = matrix[i, j] + bias[j]
                u = part * (most if x > most else (-most if x < -most else x))  # NaN stays
                sinh, cosh, square = real(_P[0] / _P[4]), real(_Q[0] / _Q[4]), u * u  # both times a common factor
                for k in range(1, 5):
                    sinh = sinh * square + real(_P[k] / _P[4])
                    cosh = cosh * square + real(_Q[k] / _Q[4])
                sinh *= u
                for _ in range(doublings):  # to twice the argument, until it is x
                    sinh, cosh = (sinh + sinh) * cosh, sinh * sinh + cosh * cosh
                matrix[i, j] = sinh / cosh

    return f


tanh32, tanh64 = tanh_of(10.0, 3), tanh_of(20.0, 5)


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
