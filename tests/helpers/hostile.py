"""Values to be refused in one short sentence wherever they are given: long, deep, huge, or raising when they are shown.

Each is made anew: some hold themselves. ``entries`` are the places to give them.
"""

import re
import warnings
from collections import UserDict

import numpy as np
from numba import njit

import fastopt
from fastopt import schedules

WIDE = np.dtype([(f"a_field_with_a_long_name_{k}", "f8") for k in range(60)])


class Raising:
    """Whose text cannot be had."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__


class RaisingInt(int):
    __repr__ = Raising.__repr__
    __str__ = __repr__


class RaisingFloat(float):
    __repr__ = Raising.__repr__
    __str__ = __repr__


class RaisingStr(str):
    __slots__ = ()
    __repr__ = Raising.__repr__
    __str__ = __repr__


class Long:
    def __repr__(self):
        return "long " * 1000


def itself_in_a_list():
    nest = [np.ones(2)]
    nest.append(nest)
    return nest


def itself_in_a_dict():
    nest = {"a": np.ones(2)}
    nest["again"] = [nest]
    return nest


def deep(a=None):
    nest = np.ones(2) if a is None else a
    for _ in range(3000):
        nest = [nest]
    return nest


def in_levels(a=None):
    """A nest within the limit whose names are long all the same."""
    nest = np.ones(2) if a is None else a
    for k in range(90):
        nest = {f"level {k} " + "x" * 50: nest}
    return nest


VALUES = {
    "a long string": lambda: "x" * 10**6,
    "a string of lines": lambda: "x\n" * 500,
    "long bytes": lambda: b"x" * 10**6,
    "an int of many digits": lambda: 10**5000,
    "a negative one": lambda: -(10**5000),
    "a complex number": lambda: 1e300 + 1e300j,
    "a long repr": Long,
    "no repr": Raising,
    "an int without": lambda: RaisingInt(-7),
    "a float without": lambda: RaisingFloat(-7.5),
    "a string without": lambda: RaisingStr("x"),
    "a long name": lambda: type("A" * 1000, (), {})(),
    "no name": lambda: type("", (), {})(),
    "a name that is a space": lambda: type(" ", (Raising,), {})(),
    "an array of 64 dimensions": lambda: np.ones((1,) * 64),
    "an array of none": lambda: np.ones((0,) * 64),
    "an array of wide records": lambda: np.zeros(2, WIDE),
    "a wide record": lambda: np.zeros(1, WIDE)[0],
    "an array of objects": lambda: np.array([Raising(), None], object),
    "an array of long strings": lambda: np.array(["x" * 1000]),
    "a list that holds itself": itself_in_a_list,
    "a dict that holds itself": itself_in_a_dict,
    "a deep list": deep,
    "long names": lambda: in_levels("x"),
    "long keys": lambda: {"k" * 1000: 1.0, "q" * 1000: 2.0},
    "keys without repr": lambda: {Raising(): 1.0},
    "a mapping of many": lambda: UserDict(dict.fromkeys(range(5000), 1.0)),
    "a list of many": lambda: [1.0] * 5000,
    "a set": lambda: {1, 2},
    "nan": lambda: float("nan"),
    "a type": lambda: Raising,
    "a function": lambda: deep,
}


# --- where they are given -------------------------------------------------------------------------------------------

OPTIONS = ("lr", "eps", "betas", "weight_decay", "maximize", "clip_value", "clip_norm", "check_finite", "parallel",
           "threads", "device", "capturable", "bias_correction", "nothing")  # fmt: skip
SETTINGS = ("gtol", "maxiter", "maxfun", "maxtime", "best", "inline", "disp", "x_scale", "lr", "betas", "nothing")
TRAINING = ("batch_size", "epochs", "seed", "reduction", "accumulate", "validation", "patience", "callback", "progress",
            "initial_epoch")  # fmt: skip
CURVES = ("f", "xdata", "Y", "P0", "sigma", "absolute_sigma", "bounds", "loss", "f_scale", "ftol", "maxiter", "maxtime",
          "lanes", "starts", "seed", "progress", "executor")  # fmt: skip
SCHEDULES = {
    "constant": (0.1,),
    "step": (0.1, 10, 0.5),
    "exponential": (0.1, 0.9),
    "inverse_time": (0.1, 0.5),
    "polynomial": (0.1, 10),
    "cosine": (0.1, 10),
    "warmup": (0.1, 10),
    "piecewise": ({0: 0.1},),
    "chain": (),
    "plateau": (0.1,),
}


def f(x):
    return float(x @ x)


def loss(params, grads, x):
    return 0.0


def fit(opt, loss=loss, **changed):
    fastopt.fit(loss, opt, **({"data": np.zeros(3), "batch_size": 1, "epochs": 1} | changed))


@njit
def line(t, a):
    return a * t


@njit
def residual(x, r, y):
    r[0] = x[0] - y


def curve_fit(**changed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        fastopt.curve_fit_many(**({"f": line, "xdata": np.ones(3), "Y": np.ones((1, 3)), "P0": [1.0]} | changed))


def least_squares(**changed):
    fastopt.least_squares_many(**({"residuals": residual, "X0": np.ones((1, 1)), "args": np.ones(1)} | changed))


def entries():
    """By name: what is called with a value, where the others would do."""
    x, nest = np.ones(2), {"W": np.ones(2), "b": np.ones(3)}
    opt, many = fastopt.SGD(x), fastopt.Momentum(nest)
    yield "params", fastopt.SGD
    yield "a parameter", lambda v: fastopt.SGD({"W": np.ones(2), "b": v})
    yield "a group", lambda v: fastopt.SGD([{"params": v}])
    yield "a group's keyword", lambda v: fastopt.SGD([{"params": np.ones(2), v: 1.0}])
    yield "a group's number", lambda v: fastopt.SGD([{"params": np.ones(2), "lr": v}])
    yield "rule", lambda v: fastopt.Optimizer(x, v)
    for name in OPTIONS:
        yield f"option {name}", lambda v, name=name: fastopt.Adam(x, **{name: v})
    yield "a keyword", lambda v: fastopt.Adam(x, **{v: 1.0})
    yield "by position", lambda v: fastopt.Adam(x, 0.1, v)
    yield "grads", opt.step
    yield "nested grads", many.step
    yield "a gradient", lambda v: many.step({"W": v, "b": np.ones(3)})
    yield "grads' keys", lambda v: many.step({"W": np.ones(2), v: np.ones(3)})
    for name in ("lr", "weight_decay", "maximize", "clip_value", "clip_norm", "check_finite", "nothing"):
        yield f"opt.{name}", lambda v, name=name: setattr(opt, name, v)
    yield "a state dict", opt.load_state_dict
    for key in ("rule", "t", "counts", "hyper", "state"):
        yield f"d[{key!r}]", lambda v, key=key: many.load_state_dict(many.state_dict() | {key: v})
    yield (
        "d['hyper']['lr']",
        lambda v: many.load_state_dict(many.state_dict() | {"hyper": many.state_dict()["hyper"] | {"lr": v}}),
    )
    yield "a state's name", lambda v: many.load_state_dict(many.state_dict() | {"state": {v: 1}})
    yield "a state's nest", lambda v: many.load_state_dict(many.state_dict() | {"state": {"b": v}})
    yield "a state's array", lambda v: many.load_state_dict(many.state_dict() | {"state": {"b": {"W": v, "b": v}}})
    yield "a count", lambda v: many.load_state_dict(many.state_dict() | {"counts": {"W": v, "b": v}})
    yield "save's path", lambda v: fastopt.save(v, opt)
    yield "save's opt", lambda v: fastopt.save("nowhere/at/all", v)
    yield "load's path", lambda v: fastopt.load(v, opt)
    yield "load's opt", lambda v: fastopt.load("nowhere/at/all", v)
    yield "pack", fastopt.pack
    yield "an entry of a pack", lambda v: fastopt.pack(nest).__setitem__("W", v)
    yield "to_device", fastopt.to_device
    yield "to_host", fastopt.to_host
    yield "minimize's fun", lambda v: fastopt.minimize(v, x)
    yield "x0", lambda v: fastopt.minimize(f, v, options={"maxiter": 1})
    for name in ("method", "bounds", "tol", "callback", "options"):
        yield (
            f"minimize's {name}",
            lambda v, name=name: fastopt.minimize(f, x, **({"options": {"maxiter": 1}} | {name: v})),
        )
        if name != "callback":
            yield (
                f"minimize_many's {name}",
                lambda v, name=name: fastopt.minimize_many(
                    f, np.ones((2, 2)), **({"options": {"maxiter": 1}} | {name: v})
                ),
            )
    for name in SETTINGS:
        yield f"setting {name}", lambda v, name=name: fastopt.minimize(f, x, options={"maxiter": 1} | {name: v})
    yield "a setting's name", lambda v: fastopt.minimize(f, x, options={v: 1})
    yield "X0", lambda v: fastopt.minimize_many(f, v, options={"maxiter": 1})
    for name in CURVES:
        yield f"curves' {name}", lambda v, name=name: curve_fit(**{name: v})
    yield "a variable of curves", lambda v: curve_fit(xdata=(np.ones(3), v))
    yield "lows of curves", lambda v: curve_fit(bounds=(v, 2.0))
    for name in ("residuals", "X0", "args", "shared", "maxiter", "progress"):
        yield f"residuals' {name}", lambda v, name=name: least_squares(**{name: v})
    yield "fit's loss", lambda v: fastopt.fit(v, opt, x, batch_size=1, epochs=1)
    yield "fit's opt", lambda v: fit(v)
    yield "data", lambda v: fit(opt, data=v)
    yield "an array of the data", lambda v: fit(opt, data=(np.zeros(3), v))
    for name in TRAINING:
        yield f"fit's {name}", lambda v, name=name: fit(opt, **{name: v})
    for name, given in SCHEDULES.items():
        schedule = getattr(schedules, name)
        for i in range(max(1, len(given))):
            yield f"{name}, {i}", lambda v, s=schedule, given=given, i=i: s(*given[:i], v, *given[i + 1 :])
    yield "a schedule's value", lambda v: fastopt.SGD(np.ones(2), lr=lambda step: v).step(x)
    yield "a loss for plateau", lambda v: schedules.plateau(0.1).update(v)
    yield "check_grad's fun", lambda v: fastopt.check_grad(v, x)
    yield "check_grad's x0", lambda v: fastopt.check_grad(lambda x: (f(x), 2 * x), v)
    yield "a value", lambda v: fastopt.minimize(lambda x: v, x, jac=lambda x: x, options={"maxiter": 1})
    yield "a gradient's value", lambda v: fastopt.minimize(f, x, jac=lambda x: v, options={"maxiter": 1})
    yield "a pair", lambda v: fastopt.minimize(lambda x: (1.0, v), x, jac=True, options={"maxiter": 1})
    yield "a loss", lambda v: fit(opt, loss=lambda w, g, x: (g.fill(0.0), v)[1])
    yield "jit.step", fastopt.jit.step
    for name in ("name", "update", "coefficients", "state", "hyper", "initial", "ranges", "variants"):
        yield f"Rule's {name}", lambda v, name=name: fastopt.Rule(**(RULE | {name: v}))
    yield "a range", lambda v: fastopt.Rule(**RULE | {"ranges": {"lr": v}})
    yield "a default", lambda v: fastopt.Rule(**RULE | {"hyper": {"lr": v}})


RULE = {
    "name": "plain",
    "update": lambda p, g, lr: (p - lr * g,),
    "coefficients": lambda t, lr: (lr,),
    "hyper": {"lr": 0.1},
}
# what Python itself says, before we are asked
PYTHONS = re.compile(
    r"keywords must be strings|unhashable type|no repr|must be str|has no attribute 'nothing'|Raising\(\) takes no "
    r"arguments|takes \d+ positional|takes from \d+|^chain takes"
)


def complaint(name, call, value):
    """What is wrong with how a value was refused, if something is."""
    try:
        call(value)
    except OSError:  # the system's own, with the whole path
        return None
    except (TypeError, ValueError, AttributeError) as error:
        message = str(error)
        if len(message) > 300 or len(message.splitlines()) != 1:
            return f"{name}: {type(error).__name__} of {len(message)} characters: {message[:400]}"
        if " must " not in message and not PYTHONS.search(message):
            return f"{name}: {type(error).__name__}, not ours: {message}"
    except RuntimeError as error:
        if "CUDA" not in str(error) and (name, str(error)) != ("a keyword", "no repr"):  # which inspect raises
            return f"{name}: {error!r}"
    except BaseException as error:
        return f"{name}: {type(error).__name__}: {str(error)[:200]}"
    return None
