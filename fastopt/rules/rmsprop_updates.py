"""The arithmetic of RMSprop and its variants; rmsprop.py says what it means."""

from math import sqrt

from .moments import placed


def coefficients(t, lr, alpha, eps, eps_in_sqrt):
    return (lr, alpha, 1.0 - alpha, *placed(eps, eps_in_sqrt), 0.0)


def with_momentum(t, lr, alpha, eps, momentum, eps_in_sqrt, lr_in_velocity):
    outside, gain = (1.0, lr) if lr_in_velocity else (lr, 1.0)
    return (*coefficients(t, outside, alpha, eps, eps_in_sqrt), momentum, gain)


def spread(v, a, inside, zero):
    return sqrt((zero if v < a * a else v - a * a) + inside)


def update(p, g, v, lr, alpha, rest, inside, eps, zero):
    v = alpha * v + rest * g * g
    return p - lr * g / (sqrt(v + inside) + eps), v


def centered(p, g, v, a, lr, alpha, rest, inside, eps, zero):
    v, a = alpha * v + rest * g * g, alpha * a + rest * g
    return p - lr * g / (spread(v, a, inside, zero) + eps), v, a


def heavy(p, g, v, b, lr, alpha, rest, inside, eps, zero, momentum, gain):
    v = alpha * v + rest * g * g
    b = momentum * b + gain * g / (sqrt(v + inside) + eps)
    return p - lr * b, v, b


def centered_heavy(p, g, v, a, b, lr, alpha, rest, inside, eps, zero, momentum, gain):
    v, a = alpha * v + rest * g * g, alpha * a + rest * g
    b = momentum * b + gain * g / (spread(v, a, inside, zero) + eps)
    return p - lr * b, v, a, b
