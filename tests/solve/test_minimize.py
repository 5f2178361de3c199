"""minimize: the compiled and the interpreted loop, every option, every way to stop, every refusal."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.extending import register_jitable
from processes import HELPERS, before, with_package
from stepping import BY_NAME, ONE_OF_EACH, bits

import fastopt
from fastopt import schedules

# Σ w·r² + r⁴ with rᵢ = xᵢ − cᵢ·xᵢ₋₁ − w, without literals, so that float32 stays float32. ``calls`` counts the calls
# of (the objective, its gradient), in compiled code too.


@register_jitable
def slope(x, grad, c, w):
    f = w - w
    grad[:] = f
    for i in range(x.size):
        r = x[i] - c[i] * x[i - 1] - w
        t = r * r * r
        d = w * r + w * r + t + t + t + t
        grad[i] += d
        grad[i - 1] -= c[i] * d
        f += w * r * r + r * t
    return f


def value(x, c, w, calls):
    calls[0] += 1
    return slope(x, np.empty_like(x), c, w)


def gradient(x, c, w, calls):
    calls[1] += 1
    g = np.empty_like(x)
    slope(x, g, c, w)
    return g


def both(x, c, w, calls):
    calls[0] += 1
    g = np.empty_like(x)
    return slope(x, g, c, w), g


def inplace(x, grad, c, w, calls):
    calls[0] += 1
    return slope(x, grad, c, w)


FORMS = {"jac": (value, gradient), True: (both, True), "inplace": (inplace, "inplace")}
FORMS |= {form: (value, form) for form in ("2-point", "3-point", "cs")}
COMPILED = {f: njit(f) for f in (value, gradient, both, inplace)}
X0, C, W = np.array([0.9, -1.2, 0.4]), np.array([0.3, -0.7, 0.5]), 0.75
NEVER = {"gtol": 0.0, "maxiter": 10**9, "inline": False, "lr": 1e-3}
each_form = pytest.mark.parametrize("form", FORMS)
each_path = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "interpreted"])


def solve(form="inplace", compiled=True, x0=X0, method="adam", bounds=None, callback=None, tol=None, **options):
    """The result, after a look at what every result promises."""
    fun, jac = (COMPILED.get(f, f) if compiled else f for f in FORMS[form])
    dtype = np.float32 if getattr(x0, "dtype", None) == np.float32 else np.float64
    calls = np.zeros(2, np.int64)
    args = (C.astype(dtype), dtype(W), calls)
    before = np.array(x0)
    res = fastopt.minimize(fun, x0, args, method, jac, bounds=bounds, callback=callback, tol=tol, options=options)
    assert set(res) == {"x", "fun", "jac", "nit", "nfev", "njev", "status", "success", "message"}
    assert res.x.dtype == res.jac.dtype == dtype
    np.testing.assert_array_equal(before, x0)
    assert res.success is (res.status in (0, 2, 4))
    assert isinstance(res.message, str)
    assert (calls[0], calls[1] if form == "jac" else res.njev) == (res.nfev, res.njev)
    grad = np.empty_like(res.x)
    double = dtype == np.float64
    np.testing.assert_allclose(res.fun, slope(res.x, grad, *args[:2]), rtol=1e-12 if double else 1e-5)
    loose = {"2-point": 1e-6, "3-point": 1e-8}.get(form, 1e-14 if double else 1e-7) * (1 if double else 1e3)
    np.testing.assert_allclose(res.jac, grad, rtol=20 * loose, atol=20 * loose)
    return res


def by_hand(rule, steps, x0=X0, **options):
    """The iterates x₀, x₁, … with their values and gradients."""
    x, g, trace = x0.copy(), np.empty_like(x0), []
    opt = fastopt.Optimizer(x, rule, **options) if rule in BY_NAME.values() else rule(x, **options)
    for _ in range(steps + 1):
        f = slope(x, g, C.astype(x.dtype), x.dtype.type(W))
        trace.append((x.copy(), float(f), g.copy()))
        opt.step(g)
    return trace


def same(a, b):
    assert bits(a.x, a.jac, np.float64(a.fun)) == bits(b.x, b.jac, np.float64(b.fun))
    assert (a.nit, a.nfev, a.njev, a.status) == (b.nit, b.nfev, b.njev, b.status)


# ---------------------------------------------------------------- the same numbers on every path


@pytest.mark.parametrize(
    ("form", "dtype", "ftol"),
    [(form, np.float64, 1e-9) for form in FORMS]
    + [(form, np.float32, 0.0) for form in ("inplace", "2-point", "3-point", "cs")],  # whose steps ask for the dtype
)
def test_compiled_is_interpreted(form, dtype, ftol):
    for seed in range(5):
        x0 = np.random.default_rng(seed).normal(size=3).astype(dtype)
        options = {"x0": x0, "maxiter": 40, "lr": 0.03, "ftol": ftol}
        same(solve(form, True, **options), solve(form, False, **options))


@pytest.mark.parametrize("form", ["inplace", "jac", "2-point", True])
def test_inlined_is_by_address(form):
    same(solve(form, inline=True, maxiter=60), solve(form, inline=False, maxiter=60))


@each_path
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_rule_steps_as_the_optimizer(name, compiled):
    res = solve(compiled=compiled, method=name, maxiter=30, gtol=0)
    assert bits(res.x) == bits(by_hand(BY_NAME[name], 30)[-1][0])


VARIANTS = [
    ("sgd", fastopt.SGD, {"momentum": 0.7}),
    ("sgd", fastopt.SGD, {"momentum": 0.7, "nesterov": True}),
    ("adam", fastopt.Adam, {"amsgrad": True, "betas": (0.5, 0.8)}),
    ("adam", fastopt.Adam, {"bias_correction": False}),
    ("rmsprop", fastopt.RMSprop, {"centered": True, "momentum": 0.5}),
    ("adagrad", fastopt.Adagrad, {"initial_accumulator_value": 0.5}),
    ("adam", fastopt.Adam, {"weight_decay": 0.3}),
    ("adam", fastopt.Adam, {"clip_value": 0.2, "weight_decay": schedules.exponential(0.1, 0.9)}),
    ("gd", fastopt.GD, {"clip_norm": 0.5}),
    ("gd", fastopt.GD, {"maximize": True, "lr": 1e-4}),
    ("gd", fastopt.GD, {"clip_norm": 0.5, "clip_value": 0.3, "weight_decay": 0.1}),
    ("gd", fastopt.GD, {"lr": schedules.warmup(5, 0.01), "clip_norm": 0.5, "weight_decay": 0.1}),
]


@each_path
@pytest.mark.parametrize(("name", "make", "options"), VARIANTS)
def test_options_are_the_constructors(name, make, options, compiled):
    res = solve(compiled=compiled, method=name, maxiter=100, gtol=0, **options)
    assert res.nit == 100
    assert bits(res.x) == bits(by_hand(make, 100, **options)[-1][0])


def test_a_rule_of_ones_own():
    mine = fastopt.Rule(
        name="mine", update=lambda p, g, lr: (p - lr * g,), coefficients=lambda t, lr: (lr,), hyper={"lr": 0.01}
    )
    same(solve(method=mine, maxiter=50), solve(method="gd", lr=0.01, maxiter=50))
    same(solve(method=mine, maxiter=50), solve(method=mine, maxiter=50, compiled=False))


# ---------------------------------------------------------------- when it stops


def first(trace, test):
    return next(k for k in range(len(trace)) if test(k))


@each_path
def test_tests_stop_where_they_say(compiled):
    trace = by_hand(fastopt.Nesterov, 300, lr=0.02)
    x, f, g = (list(column) for column in zip(*trace))
    gtol = first(trace, lambda k: abs(g[k]).max() <= 1e-3)
    ftol = first(trace, lambda k: k and abs(f[k] - f[k - 1]) <= 1e-4 * max(1, abs(f[k])))
    xtol = first(trace, lambda k: k and abs(x[k] - x[k - 1]).max() <= 2e-3 * max(1, abs(x[k]).max()))
    wanted = [({"gtol": 1e-3}, 0, gtol), ({"tol": 1e-3}, 0, gtol), ({"ftol": 1e-4}, 2, ftol), ({"xtol": 2e-3}, 4, xtol)]
    wanted += [({"maxiter": k}, 1, k) for k in (0, 1, 8, 9, 50)]
    for options, status, nit in wanted:
        off = {} if "tol" in options else {"gtol": 0.0}
        res = solve(compiled=compiled, method="nesterov", lr=0.02, **off | options)
        assert (res.status, res.nit) == (status, nit)
        assert bits(res.x) == bits(x[nit])
    for options in ({"ftol": 0.02}, {"xtol": 3e-3}):  # f falls by 0.05 from 4.3; x moves by 0.0033 from 1.2
        res = solve(compiled=compiled, method="gd", lr=3e-4, gtol=0.0, **options)
        assert (res.status, res.nit) == (
            4 if "xtol" in options else 2,
            2,
        )  # what the first iteration changes stops nothing


@each_path
def test_a_first_iteration_that_only_looks_around_stops_nothing(compiled):
    """ADOPT's moves nothing."""
    res = solve(compiled=compiled, method="adopt", lr=0.05, xtol=1e-9, ftol=1e-12)
    assert res.nit > 10
    assert res.success


@each_path
@pytest.mark.parametrize(
    ("form", "extra"),
    [(form, {}) for form in FORMS]
    + [(f, e) for f in ("inplace", "2-point") for e in ({"ftol": 1e-300}, {"best": True})],
)
def test_maxfun_is_never_exceeded(form, extra, compiled):
    for maxfun in (1, 7, 8, 30):
        res = solve(form, compiled, maxfun=maxfun, gtol=0, maxtime=1, **extra)
        assert res.status == 6
        assert res.nfev <= maxfun or res.nit == 0, "it cannot do with less than one value and gradient"
        assert res.nit > 0 or maxfun < 30


@each_path
def test_maxtime(compiled):
    solve(compiled=compiled, **NEVER | {"maxiter": 1})  # compiles
    began = time.perf_counter()
    assert solve(compiled=compiled, maxtime=0.2, **NEVER).status == 7
    assert 0.2 <= time.perf_counter() - began < 0.5


def test_ctrl_c_is_answered():
    code = """
import signal
import numpy as np, fastopt
from test_minimize import COMPILED, NEVER, X0, C, inplace
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
def run(**more): fastopt.minimize(COMPILED[inplace], X0, (C, 0.75, np.zeros(2, np.int64)), "adam", "inplace", options=NEVER | more)
run(maxiter=10)
for _ in range(3):
    print("ready", flush=True)
    try: run()
    except KeyboardInterrupt: print("stopped", np.float64(1e-310) * 1.0 != 0, flush=True)
"""  # noqa: E501
    env = with_package(PYTHONPATH=before(Path(fastopt.__file__).parents[1], HELPERS, Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) as child:
        for _ in range(3):
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.2)
            began = time.perf_counter()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "stopped True\n"
            assert time.perf_counter() - began < 0.3


@each_path
def test_the_best_iterate(compiled):
    """Steps so long that the values go up and down."""
    trace = by_hand(fastopt.Lion, 30, lr=0.3)
    res = solve(compiled=compiled, method="lion", lr=0.3, best=True, maxiter=30)
    best = min(trace, key=lambda point: point[1])
    assert best is not trace[-1]
    assert bits(res.x, res.jac) == bits(best[0], best[2])
    up = by_hand(fastopt.Lion, 3, lr=0.3, maximize=True)
    res = solve(compiled=compiled, method="lion", lr=0.3, maximize=True, best=True, maxiter=3)
    assert bits(res.x) == bits(max(up, key=lambda point: point[1])[0])


@each_path
def test_numpy_numbers_as_options(compiled):
    res = solve(compiled=compiled, maxiter=np.int32(7), gtol=np.float32(0), maxfun=np.int64(100))
    assert (res.nit, res.status) == (7, 1)


@each_path
def test_the_value_is_evaluated_where_it_is_read(compiled):
    """As counted in ``solve``: where it began and at the end only, or at every point."""
    assert solve("jac", compiled, maxiter=20).nfev == 2
    assert solve("jac", compiled, maxiter=20, ftol=1e-30).nfev == 21


def test_the_control_word_is_restored():
    def subnormals_live():
        return np.float64(1e-310) * 1.0 != 0.0

    for compiled in (True, False):
        solve(compiled=compiled)
        assert subnormals_live()
    for inline in (True, False):
        with pytest.raises(ValueError, match=r"^too far$"):
            fastopt.minimize(njit(raising), X0, (1.0,), "gd", "inplace", options={"lr": 0.9, "inline": inline})
        assert subnormals_live()


def raising(x, grad, far):
    if x[0] > far:
        raise ValueError("too far")
    grad[:] = -1.0
    return x[0]
