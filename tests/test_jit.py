"""``fastopt.jit``: the rules inside a user's own compiled code take the steps of ``Optimizer``, to the bit."""

import doctest
import hashlib
import inspect
from functools import cache

import numba
import numpy as np
import pytest
from numba import njit, prange
from processes import PACKAGE, Place
from stepping import BY_NAME, CASES, DTYPES, ONE_OF_EACH, bits, name_of, optimizer

from fastopt import Rule, jit, schedules

RNG = np.random.default_rng(3)
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
TABLE = """\
gd | sgd  x, g, t, lr
sgd_decoupled  x, g, t, lr, weight_decay=0.0
momentum  x, g, b, t, lr, momentum=0.9, dampening=0.0, lr_in_velocity=False
momentum_decoupled  x, g, b, t, lr, momentum=0.9, dampening=0.0, lr_in_velocity=False, weight_decay=0.0
nesterov  x, g, b, t, lr, momentum=0.9, lr_in_velocity=False
nesterov_decoupled  x, g, b, t, lr, momentum=0.9, lr_in_velocity=False, weight_decay=0.0
adagrad  x, g, s, t, lr, lr_decay=0.0, eps=1e-10, eps_in_sqrt=False
adadelta  x, g, v, u, t, lr, rho=0.9, eps=1e-06
rmsprop  x, g, v, t, lr, alpha=0.99, eps=1e-08, eps_in_sqrt=False
rmsprop_centered  x, g, v, a, t, lr, alpha=0.99, eps=1e-08, eps_in_sqrt=False
rmsprop_momentum  x, g, v, b, t, lr, alpha=0.99, eps=1e-08, momentum=0.9, eps_in_sqrt=False, lr_in_velocity=False
rmsprop_centered_momentum  x, g, v, a, b, t, lr, alpha=0.99, eps=1e-08, momentum=0.9, \
eps_in_sqrt=False, lr_in_velocity=False
adam  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, bias_correction=True, eps_before_correction=False
adamw  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01, bias_correction=True, \
eps_before_correction=False
adamw_amsgrad  x, g, m, v, vmax, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01, bias_correction=True, \
eps_before_correction=False, max_corrected=False
amsgrad  x, g, m, v, vmax, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, bias_correction=True, \
eps_before_correction=False, max_corrected=False
adamax  x, g, m, u, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, eps_in_max=True
nadam  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, momentum_decay=0.004
nadam_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, momentum_decay=0.004, weight_decay=0.0
radam  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, eps_before_correction=True
radam_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, eps_before_correction=True
lion  x, g, m, t, lr, beta1=0.9, beta2=0.99, weight_decay=0.0
rprop  x, g, prev, step_size, t, lr, etaminus=0.5, etaplus=1.2, step_size_min=1e-06, step_size_max=50.0
rprop_minus  x, g, sign, step_size, t, lr, etaminus=0.5, etaplus=1.2, step_size_min=1e-06, step_size_max=50.0
asgd  x, g, ax, t, lr, lambd=0.0001, alpha=0.75, t0=1000000.0
adabelief  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-16
adabelief_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-16, weight_decay=0.0
yogi  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=0.001
yogi_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=0.001, weight_decay=0.0
ademamix  x, g, m, slow, v, t, lr, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=2.0, \
beta3_warmup=0.0, alpha_warmup=0.0, eps=1e-08
ademamix_decoupled  x, g, m, slow, v, t, lr, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=2.0, \
beta3_warmup=0.0, alpha_warmup=0.0, eps=1e-08, weight_decay=0.0
adopt  x, g, m, v, t, lr, beta1=0.9, beta2=0.9999, eps=1e-06, clip_exp=0.25, use_clipping=True
adopt_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.9999, eps=1e-06, clip_exp=0.25, \
weight_decay=0.0, use_clipping=True
laprop  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-15
laprop_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-15, weight_decay=0.0
adan  x, g, m, v, n, last, t, lr, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-08
adan_decoupled  x, g, m, v, n, last, t, lr, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-08, weight_decay=0.0
adagrad_decoupled  x, g, s, t, lr, lr_decay=0.0, eps=1e-10, eps_in_sqrt=False, weight_decay=0.0
adadelta_decoupled  x, g, v, u, t, lr, rho=0.9, eps=1e-06, weight_decay=0.0
rmsprop_decoupled  x, g, v, t, lr, alpha=0.99, eps=1e-08, eps_in_sqrt=False, weight_decay=0.0
rmsprop_centered_decoupled  x, g, v, a, t, lr, alpha=0.99, eps=1e-08, eps_in_sqrt=False, weight_decay=0.0
rmsprop_momentum_decoupled  x, g, v, b, t, lr, alpha=0.99, eps=1e-08, momentum=0.9, \
eps_in_sqrt=False, weight_decay=0.0, lr_in_velocity=False
rmsprop_centered_momentum_decoupled  x, g, v, a, b, t, lr, alpha=0.99, eps=1e-08, momentum=0.9, \
eps_in_sqrt=False, weight_decay=0.0, lr_in_velocity=False
adamax_decoupled  x, g, m, u, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, eps_in_max=True
qhm  x, g, m, t, lr, momentum=0.999, nu=0.7
qhadam  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, nu1=1.0, nu2=1.0
qhadam_decoupled  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, nu1=1.0, nu2=1.0, weight_decay=0.0
madgrad  x, g, v, s, x0, t, lr, momentum=0.9, eps=1e-06
madgrad_decoupled  x, g, v, s, x0, t, lr, momentum=0.9, eps=1e-06, weight_decay=0.0
ftrl  x, g, s, z, t, lr, beta=0.0, l1=0.0, l2=0.0
signsgd  x, g, t, lr
signum  x, g, m, t, lr, momentum=0.9
schedule_free_sgd  x, g, z, average, t, lr, momentum=0.9, warmup_steps=0.0
schedule_free_adamw  x, g, v, z, average, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, warmup_steps=0.0
lamb  x, g, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-06, weight_decay=0.01, bias_correction=True
lars  x, g, b, t, lr, momentum=0.9, trust_coefficient=0.001, weight_decay=0.0
novograd  x, g, m, kept, t, lr, beta1=0.95, beta2=0.98, eps=1e-08, weight_decay=0.0
stableadamw  x, g, m, v, t, lr, beta1=0.9, beta2=0.99, eps=1e-06, weight_decay=0.01
prodigy  x, g, m, v, s, p0, kept, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, d_coef=1.0, weight_decay=0.0, bias_correction=False, safeguard_warmup=False
dadapt_adam  x, g, m, v, s, kept, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, bias_correction=False
dadapt_adam_decoupled  x, g, m, v, s, kept, t, lr, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, bias_correction=False
dog  x, g, x0, kept, t, lr, reps_rel=1e-06, eps=1e-08
memoryless_bfgs  x, g, d, g0, b, kept, t, lr, sigma=0.3
"""  # noqa: E501
MATHEMATICS = ["cos", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "softplus", "tanh"]
LINES = [line.split("  ") for line in TABLE.strip().splitlines()]
SIGNATURES = {name: takes for names, takes in LINES for name in names.split(" | ")}
SOURCES = [PACKAGE / "jit.py", *sorted(PACKAGE.glob("kernels/*.py")), *sorted(PACKAGE.glob("rules/*.py"))]
STAMP = hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES)).hexdigest()[:12]


def compiled(function, **options):
    """Compiled as a user's function, and cached until the package changes."""
    function.__qualname__ += STAMP  # also if something changes that stamps do not cover
    return njit(cache=True, **options)(function)


def gradients(dtype, shape=(37,), steps=60):
    return (RNG.normal(size=(steps, *shape)) * 10.0 ** RNG.uniform(-4, 2, (steps, *shape))).astype(dtype)


def stepped(rule, G, **hyper):
    """Parameters and state after ``Optimizer`` took all steps."""
    opt = optimizer(rule, np.ones_like(G[0]), **hyper)
    for g in G:
        opt.step(g)
    return bits(opt.params, *opt.state.values())


# --- the functions -------------------------------------------------------------------------------------------------


@cache
def user_loop(function, rule):
    """A user's loop that passes arguments by position at odd steps, by keyword in another order at even ones."""
    values = {"x": "x", "g": "G[t - 1]", **{s: f"state[{k}]" for k, s in enumerate(rule.state)}}
    values |= ({"kept": "kept"} if rule.keeps else {}) | {"t": "t"}
    values |= {name: f"h[{k}]" for k, name in enumerate(rule.hyper)}
    by_position, by_keyword = ", ".join(values.values()), ", ".join(f"{k}={v}" for k, v in reversed(values.items()))
    source = f"""def loop_{rule.name}(x, G, state, kept, h):
    for t in range(1, len(G) + 1):
        if t % 2: f({by_position})
        else: f({by_keyword})"""
    names = {"f": function, "__name__": __name__}
    exec(compile(source, __file__, "exec"), names)
    return compiled(names[f"loop_{rule.name}"])


# Rules of each shape in float32, in float64 one of each form of its coefficients: the loop is the user's, compiled for
# each.
TWICE = ("gd", "adagrad", "rmsprop_centered_momentum", "adam", "nadam", "radam", "lion", "ademamix", "adopt")


@pytest.mark.parametrize(
    ("name", "hyper", "dtype"),
    [
        (*case, dtype)
        for case in CASES
        for dtype in DTYPES
        if case[0] in TWICE or (dtype is np.float32 and case[0] in ONE_OF_EACH)
    ],
    ids=name_of,
)
def test_the_steps_of_the_optimizer_to_the_bit(name, hyper, dtype):
    rule, hyper, G = BY_NAME[name], dict(hyper), gradients(dtype)
    expected = stepped(name, G, **hyper)
    x, *state = np.ones_like(G[0]), *(np.zeros_like(G[0]) for _ in rule.state)
    kept = np.zeros(len(rule.keeps))
    for keyword, (slot, default) in rule.initial.items():
        start = hyper.pop(keyword, default)
        if slot in rule.state:
            state[rule.state.index(slot)][:] = start
        else:
            kept[rule.keeps.index(slot)] = start
    user_loop(getattr(jit, name), rule)(x, G, tuple(state), kept, tuple({**rule.hyper, **hyper}.values()))
    assert bits(x, *state, *kept) == expected


@pytest.mark.parametrize("name", BY_NAME)
def test_signatures_and_documentation(name):
    function, rule = getattr(jit, name), BY_NAME[name]
    assert str(inspect.signature(function.py_func)) == f"({SIGNATURES[name]})"
    assert (function.__name__, function.__module__) == (name, "fastopt.jit")
    assert f"{name}({SIGNATURES[name]})" in function.__doc__
    assert all(
        word in function.__doc__
        for word in ("Parameters", "Raises", *rule.equation.split("; "), *rule.state, *rule.hyper)
    )
    assert getattr(jit, name) is function is jit.step(rule)


def test_examples():
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    mathematics = [getattr(jit, name).py_func for name in MATHEMATICS]
    for thing in (jit, jit.step, jit.clip_norm.py_func, jit.all_finite.py_func, *mathematics):
        (found,) = finder.find(thing, globs={}, name=thing.__name__)
        runner.run(found)
    assert (runner.failures, runner.tries >= 12 + 2 * len(mathematics)) == (0, True)


def test_names():
    from fastopt.jit import adam

    assert adam is jit.adam
    assert dir(jit) == sorted([*SIGNATURES, *MATHEMATICS, "all_finite", "clip_norm", "step"])
    assert BY_NAME.keys() == SIGNATURES.keys()
    with pytest.raises(AttributeError, match="'adamm'.*" + ", ".join(BY_NAME)):
        _ = jit.adamm
    with pytest.raises(ImportError, match="adamm"):
        from fastopt.jit import adamm  # noqa: F401
    with pytest.raises(TypeError, match=r"rule must be a fastopt\.Rule, got 'adam'"):
        jit.step("adam")


# --- arrays of any shape, threads ----------------------------------------------------------------------------------


@compiled
def adam_once(x, g, m, v, t):
    jit.adam(x, g, m, v, t, 0.1, 0.9, 0.999, 1e-8)


MAKE = {
    "C": lambda: np.zeros((3, 5)),
    "F": lambda: np.zeros((3, 5), order="F"),
    "3-D F": lambda: np.zeros((2, 3, 4), order="F"),
    "0-D": lambda: np.zeros(()),
    "empty": lambda: np.zeros(0),
    "strided": lambda: np.zeros(14)[::2],
    "reversed": lambda: np.zeros(9)[::-1],
}


@pytest.mark.parametrize("shape", MAKE)
def test_shapes(shape):
    x, g, m, v = [MAKE[shape]() for _ in range(4)]
    x[...] = 1.0
    G = gradients(float, x.shape, 5)
    for t, new in enumerate(G, 1):
        g[...] = new
        g.flags.writeable = t % 2 == 1  # a read-only gradient will do
        adam_once(x, g, m, v, t)
        g = g.copy(order="K") if shape not in ("strided", "reversed") else MAKE[shape]()
    assert bits(*map(np.ascontiguousarray, (x, m, v))) == stepped("adam", np.ascontiguousarray(G), **ADAM)


def test_different_memory_orders_are_not_mixed_up():
    """Either the right elements meet, or the compiler refuses; never the wrong ones in silence."""
    x, g, b = np.zeros((2, 3), order="F"), np.arange(6.0).reshape(2, 3), np.zeros((2, 3), order="F")
    try:
        jit.nesterov(x, g, b, 1, 1.0, 0.0)
    except TypeError:
        x -= g
    np.testing.assert_array_equal(x, -g)


def side_by_side(X, G, M, V, threads):
    for i in prange(len(X)):
        threads[i] = numba.get_thread_id()
        for t in range(1, len(G) + 1):
            jit.adam(X[i], G[t - 1, i], M[i], V[i], t, 0.1, 0.9, 0.999, 1e-8)


def test_serial_inside_the_users_prange():
    G, threads = gradients(float, (8, 37), 50), np.full(8, -1)
    X, M, V = np.ones_like(G[0]), np.zeros_like(G[0]), np.zeros_like(G[0])
    compiled(side_by_side, parallel=True)(X, G, M, V, threads)  # a loop that is not parallel would warn
    assert bits(X, M, V) == stepped("adam", G, **ADAM)
    assert len(set(threads)) == min(numba.get_num_threads(), 8)


# --- wrong calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wrong", "what"), [(0, "g"), (1, "g"), (2, "the state arrays"), (3, "the state arrays")])
def test_wrong_sizes(wrong, what):
    arrays = [np.ones(4 if k == wrong else 3) for k in range(4)]
    with pytest.raises(ValueError, match=f"{what} must have the size of x"):
        jit.adam(*arrays, 1, **ADAM)
    assert all((a == 1.0).all() for a in arrays)


D, F = np.ones(3), np.ones(3, np.float32)
KIND, MIX, LAYOUT = "takes arrays of float32 or float64", "takes arrays of one dtype", "takes contiguous arrays"


@pytest.mark.parametrize(
    ("x", "g", "m", "sentence"),
    [(D, F, D, MIX), (D, D, F, MIX), (F, D, D, MIX), (D.reshape(3, 1), D, D, MIX), (D, 1.0, D, MIX), (D, D, None, MIX),
     (1.0, D, D, KIND), ((1.0, 2.0), D, D, KIND), ([D.astype(int)] * 3 + [KIND]), ([D.astype(complex)] * 3 + [KIND]),
     ([np.zeros((6, 6))[::2, ::2]] * 3 + [LAYOUT])],
)  # fmt: skip
def test_wrong_types(x, g, m, sentence):
    with pytest.raises(TypeError) as caught:
        jit.lion(x, g, m, 1, 0.1, 0.9, 0.99, 0.01)
    said = str(caught.value)
    assert said.startswith(f"fastopt.jit {sentence}") or (sentence == MIX and said.startswith(f"fastopt.jit {KIND}"))
    assert len(said.splitlines()) == 1  # and none of Numba's page


def in_loop(f, *arguments, **more):
    """A user's compiled function that calls this one."""
    given = ", ".join([*(f"a[{k}]" for k in range(len(arguments))), *(f"{k}={k}" for k in more)])
    names = {"f": f, **more}
    exec(f"def loop(a):\n    f({given})", names)
    return lambda: njit(names["loop"])(arguments)


LRS, COSINE = np.full(9, 0.1), schedules.cosine(0.1, 10)


@njit
def scheduled(x, g, t):
    jit.sgd(x, g, t, COSINE(t - 1))


WRONG = {
    "t = 0": (in_loop(jit.sgd, D, D, 0, 0.1), ValueError, "t must be 1 at the first step, got less: for t in range(1"),
    "an array": (in_loop(jit.sgd, D, D, 1, LRS), TypeError, "lr must be a number, got array(float64, 1d, C): give one"),
    "None": (in_loop(jit.sgd, D, D, 1, None), TypeError, "lr must be a number, got none"),
    "t of an array": (in_loop(jit.sgd, D, D, LRS, 0.1), TypeError, "t must be a number, got array"),
    "tuples": (in_loop(jit.sgd, (D, D), (D, D), 1, 0.1), TypeError,
               "fastopt.jit takes arrays of float32 or float64, got a tuple of 2: step each in a loop"),
    "a schedule": (in_loop(jit.sgd, D, D, 1, lr=COSINE), TypeError,
                   "a schedule must be tabulated for @njit, got cosine(0.1, 10): lrs = schedule.table(n), then lr="),
    "a schedule called": (lambda: scheduled(D, D, 1), TypeError, "a schedule must be tabulated for @njit"),
    "a schedule given": (in_loop(jit.sgd, D, D, 1, COSINE), TypeError, "a schedule must be tabulated for @njit"),
    "negative": (in_loop(jit.sgd, D, D, 1, -0.1), ValueError, "lr must be finite and at least 0, got"),
    "NaN": (in_loop(jit.sgd, D, D, 1, np.nan), ValueError, "lr must be finite and at least 0, got"),
    "infinite": (in_loop(jit.sgd, D, D, 1, np.inf), ValueError, "lr must be finite and at least 0, got"),
    "beta": (in_loop(jit.lion, D, D, D, 1, 0.1, beta1=2.9), ValueError, "beta1 must be at least 0 and less than 1"),
    "dampening": (in_loop(jit.momentum, D, D, D, 1, 0.1, dampening=1.5), ValueError,
                  "dampening must be at least 0 and at most 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_numbers(case):
    call, error, sentence = WRONG[case]
    with pytest.raises(error) as caught:
        call()
    said = str(caught.value)
    assert type(caught.value) is error
    assert said.startswith(sentence)
    assert len(said.splitlines()) == 1
    assert len(said) <= 300
    assert (D == 1.0).all()


def test_numbers_of_any_kind_and_defaults():
    """What is left out is what the constructor takes, also in a rule of one's own, up to its lr."""
    for given in (0.5, np.float32(0.5), np.array([0.5])[0], 1, True):
        x = np.ones(3)
        jit.sgd(x, D, np.int32(1), given)
        np.testing.assert_array_equal(x, 1 - float(given))
    G, x, m, v = gradients(float), np.ones(37), np.zeros(37), np.zeros(37)
    for t, g in enumerate(G, 1):
        jit.adamw(x, g, m, v, t, 0.1)
    assert bits(x, m, v) == stepped("adamw", G, lr=0.1)
    own = Rule(
        name="own", update=lambda p, g, lr, a, b: (p - lr * (a + b) * g,), coefficients=lambda t, a, lr, b: (lr, a, b),
        hyper={"a": 1, "lr": 0.1, "b": 2},
    )  # fmt: skip
    assert str(inspect.signature(jit.step(own).py_func)) == "(x, g, t, a, lr, b=2.0)"
    x = np.ones(3)
    jit.step(own)(x, D, 1, 1.0, 0.125)
    np.testing.assert_array_equal(x, 0.625)


# --- what loops need besides ---------------------------------------------------------------------------------------


@compiled
def clip(g, bound):
    return jit.clip_norm(g, bound)


CLIPPED = {  # a gradient, and the bound
    "clips": ([3.0, 4.0, -12.0], 1.0), "leaves": ([3.0, 4.0], 7.0), "at the bound": ([3.0, 4.0], 5.0),
    "zeros": ([0.0, 0.0], 1.0), "empty": ([], 1.0), "huge": ([1e300, -3e307], 2.0), "largest": ([1.7e308] * 9, 2.0),
    "tiny": ([1e-200, 3e-250], 1e-201), "subnormal": ([1e-310, 1e-320], 1.0), "NaN": ([1.0, np.nan, 2.0], 1.0),
    "Inf": ([1.0, np.inf, 2.0], 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", CLIPPED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_norm_is_the_option_of_that_name(dtype, case):
    given, bound = CLIPPED[case]
    with np.errstate(over="ignore"):
        g = np.array(given, dtype)
    for raw in (g, np.tile(g, 20_000), np.tile(g, 6).reshape(2, -1, order="F")):
        x, y, g = np.ones_like(raw), np.ones_like(raw), raw.copy(order="K")
        optimizer("sgd", y, lr=1.0, clip_norm=bound).step(raw)
        norm = clip(g, bound)
        optimizer("sgd", x, lr=1.0).step(g)
        assert bits(x) == bits(y)
        with np.errstate(over="ignore"):  # where the norm itself is too large for a float64
            exact = float(np.sqrt(np.sum(raw.astype(np.longdouble) ** 2)))
        np.testing.assert_allclose(norm, exact, rtol=1e-12, atol=1e-300)
        assert (bits(g) == bits(raw)) == (exact + 1e-6 <= bound or not raw.any())


def test_all_finite():
    for dtype in DTYPES:
        for bad in (np.nan, np.inf, -np.inf):
            g = np.full(33, np.finfo(dtype).max, dtype)
            assert jit.all_finite(g) is True is jit.all_finite(g[:0])
            g[-1] = bad
            assert jit.all_finite(g) is False
    assert not jit.all_finite(np.array([[1.0, np.inf]] * 2, order="F"))


# --- in fresh processes --------------------------------------------------------------------------------------------

MODULES = {
    "mine.py": """
import fastopt
def update(p, g, m, lr, keep): return p - lr * (g + m), keep * m + g
def coefficients(t, lr, keep): return lr / t, keep
rule = fastopt.Rule(
    name="mine", update=update, coefficients=coefficients, state=("m",), hyper={"lr": 0.1, "keep": 0.5}
)
""",
    "user.py": """
import numpy as np
from numba import njit, prange
from fastopt import jit
from fastopt.jit import adam
from mine import rule
own = jit.step(rule)

@njit(cache=True)
def by_adam(x, g, m, v):
    for t in range(1, 6): adam(x, g, m, v, t, 0.1, 0.9, 0.999, 1e-8)
@njit(cache=True)
def through(x, g, m, v):
    by_adam(x, g, m, v)
@njit(cache=True, parallel=True)
def in_prange(X, g, M, V):
    for i in prange(len(X)):
        for t in range(1, 6): jit.adam(X[i], g, M[i], V[i], t, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8)
@njit(cache=True)
def by_lion(x, g, m):
    norm = jit.clip_norm(g, 10.0)
    for t in range(1, 6):
        if jit.all_finite(g): jit.lion(x, g, m, t, 0.1, 0.9, 0.99, 0.0)
@njit(cache=True)
def by_mine(x, g, m):
    for t in range(1, 6): own(x, g, m, t, 0.1, 0.5)
""",
}
CODE = """
import user
def run(name, states, *shape):
    x, g, state = np.zeros((*shape, 3)), np.array([1.0, -2.0, 3.0]), [np.zeros((*shape, 3)) for _ in range(states)]
    getattr(user, name)(x, g, *state)
    answers[name] = x[0] if shape else x
run("by_adam", 2), run("through", 2), run("in_prange", 2, 4), run("by_lion", 1), run("by_mine", 1)
def expected(name, rule, **hyper):
    p = np.zeros(3)
    opt = fastopt.Optimizer(p, rule, lr=0.1, **hyper)
    for _ in range(5): opt.step(np.array([1.0, -2.0, 3.0]))
    answers[name] = p
expected("adam", RULES["adam"]), expected("lion", RULES["lion"]), expected("mine", user.rule)
"""
ADAMS = {"by_adam", "through", "in_prange"}


def run_users(place, *recompiled):
    """Run all of the user's functions; those named, and no others, are to be compiled anew."""
    done = place.run(CODE)
    place.compiled = done["compiled"]
    a = done["answers"]
    assert a["by_adam"] == a["through"] == a["in_prange"] == a["adam"]
    assert (a["by_lion"], a["by_mine"]) == (a["lion"], a["mine"])
    assert {name for name in done["compiled"] if name in {*ADAMS, "by_lion", "by_mine"}} == set(recompiled)
    return a, place.files()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("jit"))
    place.write(MODULES)
    place.first = run_users(place, *ADAMS, "by_lion", "by_mine")
    return place


def test_a_fresh_process_compiles_nothing_and_leaves_no_file(place):
    assert run_users(place) == place.first
    assert place.compiled == []


def test_a_changed_rule_never_runs_old_code(place):
    first, files = place.first
    edits = [
        ("fastopt/rules/moments.py", "beta > 0.0 else", "beta > 2.0 else", ADAMS, "adam"),
        ("mine.py", "lr / t", "lr * t", {"by_mine"}, "mine"),
    ]
    before = first
    for *edit, recompiled, rule in edits:  # on top of each other
        place.edit(*edit)
        after, _ = run_users(place, *recompiled)
        assert {name for name in before if before[name] != after[name]} == recompiled | {rule}
        before = after
    for file, old, new, *_ in edits:
        place.edit(file, new, old)
    assert run_users(place, *ADAMS, "by_mine")[0] == first
    after, now = run_users(place)
    assert after == first
    assert [f for f in now if "user." in f] == [f for f in files if "user." in f]


def test_a_rule_whose_functions_were_renamed(place):
    text = MODULES["mine.py"].replace("def update", "def changed").replace("update=update", "update=changed")
    place.write({"mine.py": text})
    run_users(place, "by_mine")
    run_users(place)


FORMS = """
import fastopt
from numba import njit
from fastopt import jit
K = 2.0
def times(k):
    def update(p, g, lr): return (p - lr * k * g,)
    return update
class Space:
    @staticmethod
    def update(p, g, lr): return (p - lr * K * g,)
def plain(p, g, lr): return (p - lr * K * g,)
def constant(t, lr): return (lr,)
def step_of(update, coefficients=constant):
    return jit.step(fastopt.Rule(name="mine", update=update, coefficients=coefficients, hyper={"lr": 0.1}))
by = {
    "plain": step_of(plain), "static": step_of(Space.update), "factory": step_of(times(2.0)),
    "lambda": step_of(lambda p, g, lr: (p - lr * 2.0 * g,)), "jitted": step_of(njit(plain)),
    "coefficients": step_of(plain, lambda t, lr: (2.0 * lr,)),
}
"""
USERS = "from numba import njit\nfrom forms import by\n" + "".join(f"""
by_{name} = by["{name}"]
@njit(cache=True)
def user_{name}(x, g): by_{name}(x, g, 1, 0.5)
""" for name in ("plain", "static", "factory", "lambda", "jitted", "coefficients"))  # fmt: skip
FORMS_CODE = """
import forms, users
for name, step in forms.by.items():
    for way, call in (("called", lambda x, g: step(x, g, 1, 0.5)), ("cached", getattr(users, f"user_{name}"))):
        x = np.zeros(1)
        call(x, np.ones(1))
        answers[f"{way} {name}"] = x
"""


def test_a_changed_rule_that_cannot_be_looked_up_never_runs_old_code(place):
    place.write({"forms.py": FORMS, "users.py": USERS})
    old = place.run(FORMS_CODE)["answers"]
    again = place.run(FORMS_CODE)
    assert again["answers"] == old
    compiled = {name for name in again["compiled"] if name.startswith("user_")}
    assert compiled == {"user_factory", "user_lambda", "user_coefficients"}
    place.write({"forms.py": FORMS.replace("2.0", "3.0")})
    new = place.run(FORMS_CODE)["answers"]
    for name in ("plain", "static", "factory", "lambda", "jitted", "coefficients"):
        assert old[f"called {name}"] == old[f"cached {name}"] != new[f"called {name}"] == new[f"cached {name}"], name


def test_nothing_is_made_at_import(place):
    code = "assert fastopt.jit._function.cache_info().currsize == 0 and 'adam' not in vars(fastopt.jit)"
    assert place.run(code)["compiled"] == []
