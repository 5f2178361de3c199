"""What a Python function returns is refused unless it is a number, or a gradient of real numbers; never cast."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize

import fastopt

NUMBERS = [3, True, np.float32(3), np.int8(3), Fraction(3), np.array(3.0), np.array([3.0]), [3.0], 10**30]
NO_NUMBERS = [
    "3.0", b"3.0", None, np.str_("3"), np.array("3.0"), np.array([1.0, 2.0]), np.array([]), [[1.0], [2.0, 3.0]], 3j,
    np.ma.masked, np.ma.array(3.0), np.ma.array([3.0], mask=[True]), np.array([3.0], object), Decimal(3),
    np.datetime64("2020-01-01"), np.timedelta64(3), {}, object(),
]  # fmt: skip
NO_GRADIENTS = [
    ["1.0", "2.0"], np.array(["1", "2"]), np.array([b"1", b"2"]), np.array([1.0, 2.0]) + 0j, [1.0, 2j],
    np.ma.array([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[True, False]), np.array([1.0, 2.0], object),
    [1.0, None], np.array(["2020-01-01"] * 2, "M8[D]"), np.array([1, 2], "m8[s]"), None, "12", [[1.0], [2.0, 3.0]],
]  # fmt: skip
X0, STEPS = np.array([1.0, 2.0]), {"maxiter": 2}
ids = lambda value: type(value).__name__  # noqa: E731


def solved(fun, jac):
    return fastopt.minimize(fun, X0, (), "adam", jac, options=STEPS)


def in_scipy(fun, jac):
    return scipy.optimize.minimize(fun, X0, jac=jac, method=fastopt.method("adam"), options=STEPS)


def writing(value):
    def fun(x, grad):
        grad[:] = 1.0
        return value

    return fun


@pytest.mark.parametrize("value", NO_NUMBERS, ids=ids)
def test_no_number(value):
    forms = [(lambda x: value, "3-point"), (lambda x: value, lambda x: x), (lambda x: (value, x), True)]
    calls = [(solve, fun, jac) for solve in (solved, in_scipy) for fun, jac in forms]
    for solve, fun, jac in [*calls, (solved, writing(value), "inplace")]:
        with pytest.raises(TypeError, match=r"^fun must return a number, but \S+ returned .{1,150}$"):
            solve(fun, jac)
    with pytest.raises(TypeError, match=r"^fun must return a number, but fun returned "):
        fastopt.check_grad(writing(value), X0)
    with pytest.raises(TypeError, match=r"^loss_and_grad must return the loss as a number, got "):
        fastopt.check_grad(lambda w, g: value, X0.copy(), jac="fit")
    loss = lambda w, g, X: (g.fill(1.0), value)[1]  # noqa: E731
    with pytest.raises(TypeError, match=r"^loss_and_grad must return the loss as a number, got "):
        fastopt.fit(loss, fastopt.Adam(X0.copy()), np.ones(2), batch_size=1, epochs=1)
    with pytest.warns(RuntimeWarning, match="raised TypeError: fun must return a number, but fun returned"):
        assert fastopt.minimize_many(writing(value), X0[None], (), (), "adam", "inplace", options=STEPS).status == 5


@pytest.mark.parametrize("value", NUMBERS, ids=ids)
def test_a_number(value):
    for fun, jac in ((lambda x: value, lambda x: x), (lambda x: (value, x), True), (writing(value), "inplace")):
        assert solved(fun, jac).fun == float(np.asarray(value, float).item())


@pytest.mark.parametrize("value", NO_GRADIENTS, ids=ids)
def test_no_gradient(value):
    for solve in (solved, in_scipy):
        for fun, jac in ((lambda x: 1.0, lambda x: value), (lambda x: (1.0, value), True)):
            with pytest.raises(TypeError, match=r"^the gradient must be an array of real numbers, but \S+ returned "):
                solve(fun, jac)
    with pytest.raises(TypeError, match=r"^the gradient must be an array of real numbers, but <lambda> returned "):
        fastopt.check_grad(lambda x: 1.0, X0, jac=lambda x: value)


def test_the_complex_step_takes_complex_numbers():
    assert solved(lambda x: (x * x).sum(), "cs").nit == 2
    with pytest.raises(TypeError, match=r"^fun must return a complex number, but <lambda> returned '3'$"):
        solved(lambda x: "3", "cs")


def test_a_wrong_number_of_arguments_is_refused_at_the_door():
    """Of many problems, too, before any is begun."""
    rows, fun = (np.ones(1),), writing(1.0)
    for function, jac in ((fun, "inplace"), (lambda x: 1.0, lambda x, row: x), (lambda x, row: 1.0, lambda x: x)):
        with pytest.raises(TypeError, match=r"^(fun|jac) must be callable as \w+\(x, .*arg1\) -> \w+, but it is "):
            fastopt.minimize_many(function, X0[None], rows, (), "adam", jac)
