"""minimize_many: each problem as minimize would solve it; and what both refuse."""

import numba
import numpy as np
import pytest
from numba import njit
from stepping import BY_NAME, bits

import fastopt
from fastopt import schedules
from fastopt.kernels import bind, evaluations
from fastopt.kernels import many as many_kernels
from fastopt.kernels import minimize as kernels


def fit(x, grad, y, weight, t):
    """½·weight·Σ(x₀ − exp(−x₁t) − y)²; raises where the weight is negative, NaN where it is NaN."""
    if weight < 0:
        raise ValueError("a negative weight")
    f = weight - weight
    grad[:] = f
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])
        r = x[0] - e - y[j]
        f += weight * r * r
        grad[0] += weight * (r + r)
        grad[1] += weight * (r + r) * t[j] * e
    return f


def square(x, grad, centre):
    """(x − c)²; a number per problem."""
    for i in range(x.size):
        grad[i] = (x[i] - centre) + (x[i] - centre)
    return (x[0] - centre) * (x[0] - centre)


def ellipse(x, grad, A, centre):
    """Σᵢⱼ Aᵢⱼ(xⱼ − cᵢ)²"""
    f = A[0, 0] - A[0, 0]
    grad[:] = f
    for i in range(A.shape[0]):
        for j in range(x.size):
            r = x[j] - centre[i]
            grad[j] += A[i, j] * (r + r)
            f += A[i, j] * r * r
    return f


fit_, square_, ellipse_ = map(njit, (fit, square, ellipse))


@njit
def value(x, y, weight, t):
    return fit_(x, np.zeros_like(x), y, weight, t)


@njit
def gradient(x, y, weight, t):
    g = np.zeros_like(x)
    fit_(x, g, y, weight, t)
    return g


each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])
pytestmark = pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
ARRAYS = ("x", "jac", "fun", "nit", "nfev", "njev", "status", "success")


def problems(k, dtype=np.float64, seed=0):
    """Fits whose weights, and so whose difficulties, differ."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2, 6)
    Y = rng.uniform(0.5, 1.5, (k, 1)) - np.exp(-rng.uniform(0.5, 1.5, (k, 1)) * t) + rng.normal(0, 0.02, (k, 6))
    weight = 10.0 ** rng.uniform(-2, 1, k)
    return rng.uniform(0.5, 1.5, (k, 2)).astype(dtype), (Y.astype(dtype), weight.astype(dtype)), (t.astype(dtype),)


def solve(X0, args, shared, compiled=True, form="inplace", progress=False, method="adam", **options):
    fun = value if form != "inplace" else fit_ if compiled else fit
    jac = gradient if form == "jac" else form
    options = {"lr": 0.05, "maxiter": 400, "gtol": 1e-3} | options
    before = X0.copy()
    res = fastopt.minimize_many(fun, X0, args, shared, method, jac, options=options, progress=progress)
    np.testing.assert_array_equal(before, X0)
    assert set(res) == {*ARRAYS, "message", "lanes"}
    assert res.x.dtype == res.jac.dtype == X0.dtype
    assert res.x.shape == res.jac.shape == X0.shape
    assert all(res[name].shape == X0.shape[:1] for name in ARRAYS[2:])
    np.testing.assert_array_equal(res.success, np.isin(res.status, (0, 2, 4)))
    return res, (fun, method, jac, options)


def same(a, b):
    for name in ARRAYS:
        assert bits(a[name]) == bits(b[name]), name


def assert_is_minimize(k, *given, **options):
    X0, args, shared = given
    res, (fun, method, jac, options) = solve(*given, **options)
    for i in range(k):
        alone = fastopt.minimize(fun, X0[i], (*(a[i] for a in args), *shared), method, jac, options=options)
        assert bits(res.x[i], res.jac[i], res.fun[i]) == bits(alone.x, alone.jac, np.float64(alone.fun))
        assert (res.nit[i], res.status[i], res.success[i]) == (alone.nit, alone.status, alone.success)
        assert (res.nfev[i], res.njev[i]) == (alone.nfev, alone.njev)
    return res


OPTIONS = [
    {}, {"ftol": 1e-7}, {"xtol": 1e-3}, {"best": True, "maxiter": 50}, {"maxfun": 60}, {"maxiter": 0},
    {"lr": schedules.cosine(0.1, 400)},
    {"clip_norm": 0.5, "clip_value": 0.2, "lr": schedules.exponential(0.1, 0.99)},
    {"maximize": True, "weight_decay": 0.01, "clip_value": 0.5, "maxiter": 5}, {"method": "gd", "lr": 0.01},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options))
def test_each_problem_is_a_minimize(options):
    res = assert_is_minimize(17, *problems(17), **options)
    if not options:
        assert len(set(res.nit)) > 10, "each stops by itself"
        assert res.success.all()


@pytest.mark.parametrize("form", ["jac", "2-point"])
def test_the_other_forms(form):
    assert_is_minimize(5, *problems(5), form=form)


PYTHON = [
    (np.float32, {}),
    (np.float64, {"best": True}),
    (np.float64, {"clip_norm": 0.5, "lr": schedules.cosine(0.5, 400)}),
]


@pytest.mark.parametrize(("dtype", "options"), PYTHON)
def test_a_python_function_gets_the_same(dtype, options):
    X0, c = np.linspace(-3, 5, 18).astype(dtype).reshape(9, 2), np.arange(9).astype(dtype)
    options = {"lr": 0.1} | options
    a, b = (fastopt.minimize_many(f, X0, c, jac="inplace", options=options) for f in (square_, square))
    same(a, b)
    np.testing.assert_allclose(a.x, np.c_[c, c], atol=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_threads(dtype):
    given = problems(1000, dtype)
    order = np.argsort(given[1][1])  # the hard ones first
    given = (given[0][order], tuple(a[order] for a in given[1]), given[2])
    before, results = numba.get_num_threads(), []
    try:
        for threads in range(1, min(4, numba.config.NUMBA_NUM_THREADS) + 1):
            numba.set_num_threads(threads)
            results.append(solve(*given)[0])
    finally:
        numba.set_num_threads(before)
    for other in results[1:]:
        same(results[0], other)
    assert_is_minimize(1000, *given)


@each_path
def test_rows_of_any_dimension(compiled):
    """1-D rows are numbers, 3-D ones matrices; strided arrays, a bare array instead of a tuple, shared numbers."""
    rng = np.random.default_rng(0)
    A, centre = rng.uniform(1, 2, (5, 8, 3))[:, ::2], rng.normal(size=4)
    f, g = (ellipse_, square_) if compiled else (ellipse, square)
    res = fastopt.minimize_many(f, np.zeros((5, 3)), A, centre, "adam", "inplace", options={"lr": 0.1})
    assert res.success.all()
    np.testing.assert_allclose(res.x, (A * centre[:, None]).sum(axis=1) / A.sum(axis=1), atol=1e-5)
    res = fastopt.minimize_many(
        g, np.zeros((5, 1)), (np.arange(10.0)[::2],), (), "adam", "inplace", options={"lr": 0.1}
    )
    np.testing.assert_allclose(res.x[:, 0], np.arange(10)[::2], atol=1e-4)
    ints = fastopt.minimize_many(g, np.zeros((3, 1), int), np.arange(3.0), jac="inplace", options={"lr": 0.1})
    assert ints.x.dtype == np.float64
    np.testing.assert_allclose(ints.x[:, 0], np.arange(3), atol=1e-4)


def test_rows_in_fortran_order():
    X0, (Y, weight), shared = problems(9)
    expected, _ = solve(X0, (Y, weight), shared, maxiter=20, gtol=0)
    found, _ = solve(X0, (np.asfortranarray(Y), weight), shared, maxiter=20, gtol=0)
    for name in ARRAYS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


@each_path
@pytest.mark.parametrize("options", [{}, {"best": True}, {"ftol": 1e-9}], ids=["", "best", "ftol"])
@pytest.mark.parametrize("bad", [(0,), (8,), (16,), (3, 4, 11)])
def test_problems_that_raise_and_one_not_finite_leave_the_others_right(bad, options, compiled):
    X0, (Y, weight), shared = problems(17)
    wanted, _ = solve(X0, (Y, weight), shared, compiled, **options)
    broken = weight.copy()
    broken[list(bad)], broken[5] = -1, np.nan
    text = f"problem {bad[0]}.* ValueError: a negative weight" if len(bad) == 1 else r"problem 3 \(and 2 more\).*weight"
    with pytest.warns(RuntimeWarning, match=text) as warned:
        res, _ = solve(X0, (Y, broken), shared, compiled, **options)
    assert [w.filename for w in warned] == [__file__]
    others = np.setdiff1d(np.arange(17), (*bad, 5))
    for name in ARRAYS:
        assert bits(res[name][others]) == bits(wanted[name][others])
    assert (res.status[list(bad)] == 5).all()
    assert not res.success[[*bad, 5]].any()
    assert (res.status[5], *res.x[5]) == (3, *X0[5])
    assert np.isnan(res.fun[5])
    assert np.float64(1e-310) * 1.0 != 0, "subnormal numbers are as they were"


@pytest.mark.parametrize("k", [0, 1, 17, 100_000])
def test_many_tiny_problems(k):
    c = np.linspace(-1, 1, k)
    res = fastopt.minimize_many(square_, np.zeros((k, 1)), (c,), (), "adam", "inplace", options={"lr": 0.1})
    assert res.x.shape == (k, 1)
    assert (res.status == 0).all()
    np.testing.assert_allclose(res.x[:, 0], c, atol=1e-4)


@each_path
def test_maxtime_and_progress(compiled, capsys):
    given = problems(4000 if compiled else 40)
    res, _ = solve(*given, compiled, maxtime=0.2, gtol=0.0, maxiter=10**7)
    assert set(res.status) <= {7}
    assert res.fun[0] == pytest.approx(fit(res.x[0], np.empty(2), *(a[0] for a in given[1]), *given[2]), rel=1e-9)
    assert np.isnan(res.fun[-1]) == (not compiled), "one after the other the last is not reached"
    solve(*given, compiled, progress=True)
    assert "problems" in capsys.readouterr().out


# ---------------------------------------------------------------- refusals


def one(x):
    return x[0]


def raising(x):
    raise KeyError("a message", "of mine")


def alone(fun, X0, **more):
    return fastopt.minimize(fun, X0[0], **more)


def refused(error, *words, call=alone, fun=square_, x0=((1.0, 2.0),), jac="inplace", args=(1.0,), **more):
    with pytest.raises(error) as caught:
        call(fun, x0, jac=jac, **{"args" if call is alone else "shared": args} | more)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= 300
    assert all(word in text for word in words), text
    return caught.value


@pytest.mark.parametrize("call", [alone, fastopt.minimize_many])
def test_objectives_refused(call):
    def no(*given, **more):
        return refused(*given, call=call, **{"args": ()} | more)

    no(ValueError, "jac", "2-point", "4", jac=4)
    no(ValueError, "jac", "4-point", jac="4-point")
    no(TypeError, "fun", "callable", "3", fun=3)
    no(TypeError, "fun(x, grad", "square(x, grad, centre)")
    no(TypeError, "-> float", "returns none", fun=njit(lambda x, grad: None))
    error = no(TypeError, "must compile", "no_such_thing", fun=njit(lambda x, grad: x.no_such_thing))
    assert error.__cause__ is not None
    no(TypeError, "(float, array)", "one", fun=njit(one), jac=True)
    no(TypeError, "array", "one", fun=njit(one), jac=njit(one))
    for bad in ({}, "text", [1.0], None):
        no(TypeError, "must be an array or a number", args=(bad,))
    no(TypeError, "square", args=(np.array([None]),))


def test_objectives_refused_when_they_are_called():
    for f in (njit, lambda f: f):
        refused(ValueError, "gradient", "shape of x", fun=f(one), jac=f(lambda x: x[1:]), args=())
        refused(ValueError, "gradient", "shape of x", fun=f(lambda x: (x[0], x[1:])), jac=True, args=())
    refused(ValueError, "gradient", "shape of x", fun=one, jac=one, args=())
    refused(TypeError, "number", "None", fun=lambda x, grad: None, args=())
    refused(TypeError, "(f, g)", "one", fun=one, jac=True, args=())
    with pytest.raises(KeyError, match=r"^\('a message', 'of mine'\)$"):
        fastopt.minimize(raising, [1.0], jac="2-point")


WRONG = [({name: bad}, name) for name in ("gtol", "ftol", "xtol", "maxtime") for bad in (-1.0, np.nan, "1", True)]
WRONG += [({name: bad}, name) for name in ("maxiter", "maxfun") for bad in (-1, 1.5, "1", True)] + [
    ({"maxfun": 0}, "maxfun"), ({"gtol": None}, "gtol"), ({"maxiter": None}, "maxiter"), ({"best": 1}, "best"),
    ({"inline": 0}, "inline"), ({"lr": -1.0}, "lr"), ({"lr": "a"}, "lr"), ({"betas": (0.9, 1.0)}, "beta2"),
    ({"betas": 0.9}, "betas"), ({"clip_norm": 0.0}, "clip_norm"), ({"clip_value": "a"}, "clip_value"),
    ({"maximize": 1}, "maximize"), ({"amsgrad": 1}, "amsgrad"), ([("lr", 0.1)], "options"), (3, "options"),
]  # fmt: skip


@pytest.mark.parametrize("call", [alone, fastopt.minimize_many])
def test_options_and_methods_refused(call):
    for name in BY_NAME:
        refused(TypeError, name, "'rate'", call=call, method=name, options={"rate": 1.0})
    for method in ("bfgs", False, 3, fastopt.Adam, ["adam"]):
        refused((TypeError, ValueError), "method", "adam", call=call, method=method)
    for options, word in WRONG:
        refused((TypeError, ValueError), word, call=call, method="adam", options=options)


def test_arrays_of_problems_refused():
    many = fastopt.minimize_many
    for bad in (np.zeros(3), 1.0, np.zeros((2, 2, 2)), [1.0]):
        refused(ValueError, "X0", "(k, d)", call=many, x0=bad)
    for bad in ([["a"]], [[None]], [[1j]], [[1.0], [1.0, 2.0]]):
        refused((TypeError, ValueError), "0 must", call=many, x0=bad)
    two = np.zeros((2, 1))
    for bad, error in ((np.zeros(3), ValueError), (np.array(1.0), TypeError), ([1, 2], TypeError), (1.0, TypeError)):
        with pytest.raises(error, match=r"^args\[0\] must .*leading axis.*got [^\n]*$"):
            many(square_, two, (bad,), jac="inplace")


def test_only_kernels_that_are_needed_are_compiled(monkeypatch):
    made, compiled = [], bind.compiled

    def noting(function, name, *args, **options):
        made.append(name)
        return compiled(function, name, *args, **options)

    for module in (many_kernels, evaluations, kernels):
        monkeypatch.setattr(module, "compiled", noting)
    X0, centres = np.zeros((3, 1)), np.arange(3.0)
    fastopt.minimize_many(square_, X0, (centres,), (), "gd", "inplace", options={"lr": 0.25, "lanes": 8})
    fun = njit(square)  # anew, so that no evaluation is remembered
    made.clear()
    for more in ({}, {"ftol": 1e-3}, {"ftol": 1e-3, "best": True}, {"xtol": 1e-3, "maxtime": 9.0}):
        fastopt.minimize_many(fun, X0, (centres,), (), "gd", "inplace", options={"lr": 0.25} | more)
    assert made == ["evaluation"]
    for options, needed in (({}, ["gd_loop", "once"]), ({"ftol": 1e-3}, ["gd_loop"])):
        made.clear()
        fastopt.minimize(fun, X0[0], (1.0,), "gd", "inplace", options={"lr": 0.25} | options)
        assert made == needed
