"""Rules that users write around helper functions of their own."""

import numpy as np
import pytest

import fastopt


def real(g):
    """Named like an attribute that it reads."""
    return g.real


def halved(n):
    return n if n < 1 else halved(n - 1)


def plain(t, lr):
    return (lr,)


def with_real(p, g, lr):
    return (p - lr * real(g),)


def with_recursion(t, lr):
    return (lr * halved(2.5),)


def test_a_helper_named_like_an_attribute():
    rule = fastopt.Rule(name="real_gd", update=with_real, coefficients=plain, hyper={"lr": 0.5})
    x = np.ones(3)
    fastopt.Optimizer(x, rule).step(np.array([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(x, [0.5, 0.0, -1.0])


def test_a_helper_that_calls_itself():
    rule = fastopt.Rule(name="recursive", update=with_real, coefficients=with_recursion, hyper={"lr": 0.5})
    with pytest.raises(TypeError, match=r"^halved must not call itself"):
        fastopt.Optimizer(np.ones(3), rule)
