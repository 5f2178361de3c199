"""A schedule is asked once for a step, in order, and never for one beyond the last; also where slices are cut short."""

import numpy as np
import pytest
from numba import njit
from stepping import bits

import fastopt
from fastopt.kernels import slices
from fastopt.solve.host_problems import HostProblems


def square(x, grad, c):
    grad[:] = (x - c) + (x - c)
    return np.sum((x - c) * (x - c))


COMPILED = njit(square)
each_path = pytest.mark.parametrize("fun", [COMPILED, square], ids=["compiled", "interpreted"])
pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")


class Asked:
    """A schedule that has values for some steps only, and remembers for which it was asked."""

    def __init__(self, steps):
        self.values, self.steps = [0.3 / (1 + k) for k in range(steps)], []

    def __call__(self, step):
        self.steps.append(step)
        return self.values[step]


def one(fun, lr, callback=None, **options):
    options = {"lr": lr, "inline": False, "gtol": 0.0} | options
    return fastopt.minimize(fun, np.ones(2), (0.25,), "adam", "inplace", callback=callback, options=options)


def many(fun, lr, k=3, **options):
    options = {"lr": lr, "gtol": 0.0} | options
    centres = np.linspace(0.0, 1.0, k)
    return fastopt.minimize_many(fun, np.ones((k, 2)), (centres,), (), "adam", "inplace", options=options)


@pytest.fixture
def cut(monkeypatch):
    """Every slice ends after an iteration."""
    for slice_of in (slices.ticking, slices.timed):
        enter = slice_of.__enter__
        monkeypatch.setattr(slice_of, "__enter__", lambda self, enter=enter: (enter(self)[0], 0))


@pytest.mark.parametrize("maxiter", [0, 1, 7, 100])
@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_once_for_each_step(monkeypatch, solve, fun, maxiter):
    monkeypatch.setattr(HostProblems, "block", 2)  # the third problem begins when the others have ended
    lr = Asked(maxiter)
    res = solve(fun, lr, maxiter=maxiter)
    assert np.all(res.nit == maxiter)
    assert lr.steps == list(range(maxiter))


@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_where_slices_are_cut(cut, solve, fun):
    lr = Asked(50)
    res = solve(fun, lr, maxiter=50)
    assert np.all(res.nit == 50)
    assert lr.steps == list(range(50))


@each_path
def test_with_a_callback_and_with_maxfun(fun):
    for more in ({"callback": lambda x: None, "maxiter": 20}, {"maxfun": 21}):
        lr = Asked(20)
        assert one(fun, lr, **more).nit == 20
        assert lr.steps == list(range(20))


@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_ahead_by_an_eighth_at_most(solve, fun):
    """Where a test stops: of the steps asked for a few were not taken."""
    lr = Asked(10_000)
    res = solve(fun, lr, maxiter=10_000, gtol=1e-3)
    most = int(np.max(res.nit))
    assert 50 < most < 10_000
    assert lr.steps == list(range(len(lr.steps)))
    assert most <= len(lr.steps) <= most + max(8, most / 8)


@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_one_that_ends_where_the_last_problem_stops(solve, fun):
    nits = np.atleast_1d(solve(fun, Asked(10_000), maxiter=10_000, gtol=1e-3).nit)
    assert np.array_equal(solve(fun, Asked(nits.max()), maxiter=10_000, gtol=1e-3).nit, nits.squeeze())
    with pytest.raises(IndexError):
        solve(fun, Asked(nits.max() - 1), maxiter=10_000, gtol=1e-3)


@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_what_it_raises_comes_as_it_is(solve, fun):
    for error in (TypeError("its own"), RuntimeError("its own")):
        asked = []

        def lr(step, error=error, asked=asked):
            asked.append(step)
            if step == 3:
                raise error
            return 0.1

        with pytest.raises(type(error), match=r"^its own$") as caught:
            solve(fun, lr, maxiter=50)
        assert caught.value is error
        assert asked == [0, 1, 2, 3]


@pytest.mark.parametrize("solve", [one, many])
@each_path
def test_the_same_bits_however_slices_are_cut(request, solve, fun):
    whole = [solve(fun, lr, maxiter=40) for lr in (Asked(40), 0.1)]
    request.getfixturevalue("cut")
    for res, lr in zip(whole, (Asked(40), 0.1)):
        again = solve(fun, lr, maxiter=40)
        assert bits(again.x, again.jac, np.float64(again.fun)) == bits(res.x, res.jac, np.float64(res.fun))
        assert np.all(again.nit == res.nit)
