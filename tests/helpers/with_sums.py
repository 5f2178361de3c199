"""Rules with sums that no rule of ours is like: three sums and two kept numbers, of each array or of all."""

import math

import fastopt


def coefficients(t, lr, beta):
    return lr, beta, 1.0 - beta, 1.0 if t == 1 else 0.0


def squares(p, g, m, lr, beta, rest, fresh, length, weight):
    return p * p


def moved(p, g, m, lr, beta, rest, fresh, length, weight):
    m = beta * m + rest * g
    return m * m


def products(p, g, m, lr, beta, rest, fresh, length, weight):
    return p * g * weight


def combine(c, sums, kept):
    length = kept[0] + math.sqrt(sums[1])
    weight = 1.0 if c[3] == 1.0 else 0.5 * kept[1]
    return (math.sqrt(sums[0]) / length, 0.01 * sums[2]), (length, weight)


def update(p, g, m, lr, beta, rest, fresh, ratio, shift):
    m = beta * m + rest * g
    return p - lr * (ratio * m + shift), m


def ruled(name, **more):
    return fastopt.Rule(
        name=name,
        update=update,
        coefficients=coefficients,
        state=("m",),
        hyper={"lr": 0.05, "beta": 0.9},
        reduces={"squares": squares, "moved": moved, "products": products},
        combine=combine,
        keeps=("length", "weight"),
        initial={"start": ("length", 1.5)},
        **more,
    )


def weighted(p, g, a, b, c, d, lr, mean):
    return g * d


def of_four(c, sums, kept):
    return (1.0 / (1.0 + sums[0] * sums[0]),), (0.5 * kept[0] + sums[0],)


def in_turn(p, g, a, b, c, d, lr, factor):
    return p - lr * factor * (g + d), b, c, d, a + g


FOUR = fastopt.Rule(
    name="four_states",
    update=in_turn,
    coefficients=lambda t, lr: (lr,),
    state=("a", "b", "c", "d"),
    hyper={"lr": 0.05},
    reduces={"weighted": weighted},
    combine=of_four,
    keeps=("mean",),
    across=True,
)
EACH, ALL = ruled("each_by_sums"), ruled("all_by_sums", across=True)
BOTH = (EACH, ALL)
