"""NumPy's small integers are integers: nothing is computed with them that they would overflow in."""

import warnings

import numpy as np
import pytest
from numba import njit

import fastopt
from fastopt import jit, schedules

KINDS = [np.uint8, np.int8, np.uint64]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
EXAMPLES = np.arange(300.0)


def slope(p, g, x):
    g += x.sum()
    return 0.0


compiled_slope = njit(slope)


def of_kind(value, kind):
    """The integers in it as NumPy's."""
    if isinstance(value, int):
        return kind(value)
    if isinstance(value, (tuple, dict)):
        items = value.items() if isinstance(value, dict) else value
        return type(value)(of_kind(tuple(item) if isinstance(item, tuple) else item, kind) for item in items)
    return value


def trained(loss, given):
    p = np.zeros(2)
    opt = fastopt.SGD(p, lr=1e-3)
    history = fastopt.fit(loss, opt, EXAMPLES, **({"batch_size": 100, "epochs": 3} | given))
    return p.tolist(), opt.t, repr(history.epoch)


TRAINING = [
    {"batch_size": 100},
    {"batch_size": 100, "accumulate": 3},
    {"epochs": 4, "initial_epoch": 2},
    {"seed": 127},
    {"patience": 100, "validation": EXAMPLES},
]


@each_kind
@pytest.mark.parametrize("given", TRAINING, ids=lambda given: "+".join(given))
@pytest.mark.parametrize("loss", [slope, compiled_slope], ids=["Python", "compiled"])
def test_fit(loss, given, kind):
    assert trained(loss, of_kind(given, kind)) == trained(loss, given)


def test_gd_covers_the_data():
    opt = fastopt.GD(np.zeros(2), lr=1e-3)
    fastopt.fit(slope, opt, EXAMPLES, batch_size=np.uint8(100), accumulate=np.uint8(3), epochs=np.uint8(1))
    assert opt.t == 1


def f(x):
    return float(x @ x)


@each_kind
@pytest.mark.parametrize("options", [{"maxiter": 100}, {"maxfun": 100}, {"maxiter": 120, "maxfun": 127}], ids=str)
def test_minimize(options, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for solve, start in ((fastopt.minimize, np.ones(3)), (fastopt.minimize_many, np.ones((2, 3)))):
            one, other = solve(f, start, options=options), solve(f, start, options=of_kind(options, kind))
            for key in ("x", "nit", "nfev", "status"):
                assert np.array_equal(one[key], other[key])
                assert type(one[key]) is type(other[key])


SCHEDULES = {
    "step": (1.0, 100),
    "cosine": (1.0, 100),
    "polynomial": (1.0, 100),
    "exponential": (1.0, 0.5, 100),
    "warmup": (100, 1.0),
    "piecewise": ({0: 1.0, 100: 0.5},),
    "chain": ((1.0, 100), (0.5, 100), 0.1),
    "plateau": (1.0, 0.1, 100, 1e-4, 100),
}


@each_kind
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, kind):
    make, given = getattr(schedules, name), SCHEDULES[name]
    one, other = make(*given), make(*of_kind(given, kind))
    assert repr(one) == repr(other)
    for at in (0, 99, 100, 199, 200, 1000):
        assert one(at) == other(at)
    for at in (0, 99, 120):
        assert one(at) == other(kind(at))
    if name != "plateau":
        assert one.table(120).tolist() == other.table(kind(120)).tolist()


@each_kind
def test_numbers_and_threads(kind):
    x, y = np.ones(3), np.ones(3)
    fastopt.Adam(x, lr=1, weight_decay=2, clip_norm=100, threads=1).step(np.ones(3))
    fastopt.Adam(y, lr=kind(1), weight_decay=kind(2), clip_norm=kind(100), threads=kind(1)).step(np.ones(3))
    assert x.tolist() == y.tolist()


@njit
def stepped(x, t):
    m, v, s = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    jit.nadam(x, np.ones_like(x), m, v, t, 0.1)
    jit.adagrad(x, np.ones_like(x), s, t, 0.1, 0.5)
    return x


@each_kind
def test_steps_of_jit(kind):
    for t in (1, 100, 127):
        assert stepped(np.ones(3), kind(t)).tolist() == stepped(np.ones(3), t).tolist()
