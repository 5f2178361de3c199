"""What people get wrong in rules of their own: said in one sentence, when the rule is made or first compiled."""

import numpy as np
import pytest
from numba import njit
from refusals import refuse

import fastopt

SETTINGS: dict = {"a": 1.0}


def coefficients(t, lr):
    return lr, 0.0


def update(p, g, lr, zero):
    return (p - lr * g,)


def with_state(p, g, m, lr, zero):
    return p - lr * g, m


def with_extra(p, g, lr, zero, extra):
    return (p - lr * extra * g,)


def square(p, g, lr, zero):
    return g * g


def weighted(p, g, lr, zero, weight):
    return g * weight


def combine(c, sums, kept):
    return (sums[0],), kept


def ruled(**parts):
    parts = {"update": update, "coefficients": coefficients, "hyper": {"lr": 0.5}, **parts}
    return fastopt.Rule(name="mine", **parts)


def by_sums(**parts):
    return ruled(**{"update": with_extra, "reduces": {"square": square}, "combine": combine, **parts})


def by_kept(combine):
    return by_sums(reduces={"weighted": weighted}, keeps=("weight",), combine=combine)


def stateful(*state, **parts):
    return ruled(update=with_state, state=state, **parts)


A, TUPLE = "of rule 'mine' must", "must return a tuple of numbers, got"
NAMES = f"the names in state, keeps and hyper {A} be unlike each other and none of x, g, t, kept, got"
MISTAKES = {
    "list": (lambda: ruled(coefficients=lambda t, lr: [lr, 0.0]), f"{TUPLE} [0.5, 0.0]"),
    "array": (lambda: ruled(coefficients=lambda t, lr: np.array([1, 0])), f"{TUPLE} array([1, 0])"),
    "array inside": (lambda: ruled(coefficients=lambda t, lr: (lr, np.zeros(2))), f"{TUPLE} (0.5, array([0., 0.]))"),
    "text": (lambda: ruled(coefficients=lambda t, lr: ("x", 0.0)), f"{TUPLE} ('x', 0.0)"),
    "key": (lambda: ruled(coefficients=lambda t, lr: (SETTINGS["b"],)), "(t, lr), got one that raised KeyError: 'b'"),
    "zero": (lambda: ruled(coefficients=lambda t, lr: (1 / 0,)), "got one that raised ZeroDivisionError: division by"),
    "order": (
        lambda: ruled(coefficients=lambda t, beta, lr: (lr, beta), hyper={"lr": 0.5, "beta": 0.5}),
        f"coefficients {A} be a function (t, lr, beta), got its arguments in the order t, beta, lr",
    ),
    "order of state": (
        lambda: ruled(update=lambda p, g, v, m, lr, zero: (p, v, m), state=("m", "v")),
        f"update {A} be a function (p, g, m, v, *coefficients), got its arguments in the order p, g, v, m",
    ),
    "number": (lambda: ruled(update=lambda p, g, lr, zero: 2.5), "return the tuple (p,) of numbers, got 2.5"),
    "no state": (lambda: stateful("m", "v"), "(p, g, m, v, *coefficients), got one that raised with_state() takes 5"),
    "number of states": (
        lambda: ruled(update=lambda p, g, m, v, lr, z: (2, 3), state=("m", "v")),
        "must return the tuple (p, m, v) of numbers, got (2, 3)",
    ),
    "text as number": (lambda: ruled(update=lambda p, g, lr, zero: ("p",)), "the tuple (p,) of numbers, got ('p',)"),
    "attribute": (lambda: ruled(update=lambda p, g, lr, zero: (p.m,)), "raised AttributeError: 'numpy.float64' object"),
    "no combine": (lambda: by_sums(combine=None), "combine must be a Python function, got None"),
    "list of sums": (lambda: by_sums(reduces=[square]), "reduces must be a mapping, got a list"),
    "no sum": (lambda: by_sums(reduces={"s": lambda p, g, *c: None}), f"reduces['s'] {A} return a number, got None"),
    "one tuple": (lambda: by_sums(combine=lambda c, sums, kept: (2.0,)), "more coefficients and (), got (2.0,)"),
    "kept in a list": (
        lambda: by_kept(lambda c, sums, kept: ((2.0,), [3.0])),
        f"combine {A} return two tuples of numbers, more coefficients and (weight), got ((2.0,), [3.0])",
    ),
    "too many kept": (lambda: by_kept(lambda c, sums, kept: ((2.0,), (3.0, 4.0))), "got ((2.0,), (3.0, 4.0))"),
    "too many extra": (
        lambda: by_sums(combine=lambda c, sums, kept: ((2.0, 3.0), ())),
        f"update {A} be a function (p, g, *coefficients, *extra), got one that raised with_extra() takes 5",
    ),
    "combine raises": (lambda: by_sums(combine=lambda c, s, k: ((s[1],), ())), "IndexError: tuple index out of range"),
    "across": (lambda: by_sums(across=1), "across must be True or False, got 1"),
    "state t": (lambda: stateful("t"), f"{NAMES} 't'"),
    "state twice": (lambda: ruled(state=("m", "m")), f"{NAMES} 'm'"),
    "state lr": (lambda: stateful("lr"), f"{NAMES} 'lr'"),
    "keyword": (lambda: stateful("lambda"), "state must be a tuple of names, got ('lambda',)"),
    "initial": (
        lambda: stateful("m", initial={"start": ("v", 1.0)}),
        f"initial['start'] {A} be of a state array or a kept number (m), got 'v'",
    ),
    "no default": (lambda: ruled(hyper={"lr": None}), "lr must be a number, got None"),
    "before": (lambda: ruled(before=lambda g: g), f"before {A} be a function (p, g), got one that raised"),
    "before nothing": (lambda: ruled(before=lambda p, g: None), f"before {A} return a number, got None"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_when_a_rule_is_made(mistake):
    make, says = MISTAKES[mistake]
    refuse(make, (TypeError, ValueError), says)


def test_the_longest_names():
    long = "m" * 200
    refuse(lambda: fastopt.Rule(name=long, update=update, coefficients=coefficients, hyper={long: 1.0}, state=(long,)),
           ValueError)  # fmt: skip
    refuse(lambda: by_sums(reduces={long: weighted}), TypeError)
    refuse(lambda: stateful("m", initial={long: (long, 1.0)}), ValueError)


def test_hyperparameters_named_like_something_else():
    named = "a hyperparameter of rule 'mine' must not be named like an"
    refuse(lambda: fastopt.Optimizer(np.ones(3), ruled(hyper={"state": 1.0})), ValueError, f"{named} attribute")
    rule = stateful("m", initial={"lr": ("m", 1.0)})
    refuse(lambda: fastopt.Optimizer(np.ones(3), rule), ValueError, "'mine' must not start a state array too, got 'lr'")
    x0, rule = np.ones(3), ruled(hyper={"maxiter": 1.0})
    refuse(lambda: fastopt.minimize(lambda x: 1.0, x0, method=rule), ValueError, f"{named} option, got 'maxiter'")


# ---------------------------------------------------------------- where a rule is first compiled


def by_a_mapping(p, g, lr, zero):
    return (p - lr * SETTINGS["a"] * g,)


def imports(p, g, lr, zero):
    from math import gamma

    return (p - lr * gamma(g),)


def at_times(p, g, lr, zero):
    return (p - lr * g,) if g > zero else None


def by_a_mapping_too(c, sums, kept):
    return (SETTINGS["a"],), ()


def bowl(x, grad):
    grad[:] = x
    return (x * x).sum()


def loss(p, g, X):
    g += p
    return 1.0


def trained(rule):
    p = np.ones(3)
    fastopt.fit(njit(loss), fastopt.Optimizer(p, rule), (np.ones((2, 1)),), batch_size=1, epochs=1)


WAYS = {
    "Optimizer": lambda rule: fastopt.Optimizer(np.ones(3), rule).step(np.ones(3)),
    "minimize": lambda rule: fastopt.minimize(njit(bowl), np.ones(3), jac="inplace", method=rule),
    "minimize_many": lambda rule: fastopt.minimize_many(njit(bowl), np.ones((2, 3)), jac="inplace", method=rule),
    "fit": trained,
    "jit": fastopt.jit.step,
}
UNCOMPILED = [
    (ruled(update=by_a_mapping), WAYS, "rule 'mine' must compile for float64 arrays: Untyped global name 'SETTINGS'"),
    (by_sums(combine=by_a_mapping_too), [*WAYS][1:], "must compile for float64 arrays: Untyped global name 'SETTINGS'"),
    (ruled(update=imports), ["Optimizer", "minimize"], "rule 'mine' must compile for float64 arrays: Use of unsuppo"),
    (ruled(update=at_times), ["Optimizer"], f"update {A} return a tuple whatever it is given, got Optional"),
    (ruled(before=lambda p, g: SETTINGS["a"] * g), ["Optimizer", "minimize_many"], "rule 'mine' must compile for flo"),
]


@pytest.mark.parametrize(
    ("rule", "way", "says"), [(rule, way, says) for rule, ways, says in UNCOMPILED for way in ways]
)
def test_where_a_rule_is_compiled(rule, way, says):
    with pytest.raises(TypeError, match="must") as caught:
        WAYS[way](rule)
    message = str(caught.value)
    assert says in message
    assert len(message) <= 300
    assert "\n" not in message


def test_what_is_not_the_rules_fault_is_not_blamed_on_it():
    from numba.core.errors import TypingError

    from fastopt.kernels.asked import blaming

    with pytest.raises(TypingError, match="someone else's"), blaming(ruled()):
        raise TypingError("someone else's")
