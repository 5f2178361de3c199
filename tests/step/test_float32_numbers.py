"""Numbers that float32 arrays cannot hold: what would become zero, or infinite, is refused wherever it is given."""

import numpy as np
import pytest
from refusals import refuse
from stepping import BY_NAME, spelt

import fastopt

# name, of which constructor, the number
NUMBERS = [
    ("lr", "SGD", 1e39),
    ("lr", "SGD", 10**39),
    ("lr", "SGD", np.float64(1e-39)),
    ("eps", "Adam", 1e-50),
    ("eps", "RMSprop", 1e-40),
    ("weight_decay", "SGD", 1e-50),
    ("weight_decay", "AdamW", 1e300),
    ("momentum", "Momentum", 1e-60),
    ("initial_accumulator_value", "Adagrad", 1e39),
    ("clip_value", "SGD", 1e-50),
]
each_number = pytest.mark.parametrize(("name", "label", "value"), NUMBERS)


def array(dtype="f4"):
    return np.ones(2, dtype)


@each_number
def test_at_construction(name, label, value):
    make = getattr(fastopt, label)
    make(array("f8"), **{name: value})  # where it is a number
    words = name, "float32", "1.175e-38", "3.403e+38"
    held = [array(), {"W": array("f8"), "b": array()}, [{"params": array("f8")}, {"params": array()}]]
    for params in held:
        refuse(lambda params=params: make(params, **{name: value}), ValueError, *words)
    if name != "clip_value":
        make([{"params": array("f8"), name: value}, {"params": array()}])
        refuse(lambda: make([{"params": array("f8")}, {"params": array(), name: value}]), ValueError, *words)


@each_number
def test_by_assignment(name, label, value):
    if name == "initial_accumulator_value":
        return  # which is no attribute
    opt = getattr(fastopt, label)([{"params": array("f8")}, {"params": array()}])
    refuse(lambda: setattr(opt, name, value), ValueError, name, "float32", unchanged=[opt])
    if name != "clip_value":
        refuse(lambda: setattr(opt.groups[1], name, value), ValueError, name, "float32", unchanged=[opt])
        setattr(opt.groups[0], name, value)


def test_in_a_state_dict_and_a_file(tmp_path):
    opt = fastopt.SGD(array())
    d = opt.state_dict() | {"hyper": {"lr": 1e39, "weight_decay": 0.0}}
    refuse(lambda: opt.load_state_dict(d), ValueError, "lr", "float32", unchanged=[opt])
    wide = fastopt.SGD(array("f8"))
    wide.load_state_dict(d)
    assert wide.lr == 1e39


def test_of_a_schedule():
    opt = fastopt.SGD(array(), lr=lambda step: 0.5 if step == 0 else 1e39)
    opt.step(array())
    refuse(lambda: opt.step(array()), ValueError, "lr (a schedule, at step 1)", "float32", unchanged=[opt])


def quadratic(x):
    return float(x @ x)


@each_number
def test_in_options_of_minimize(name, label, value):
    given = {"method": label.lower(), "options": {name: value, "maxiter": 1}}
    one, many = array(), np.ones((2, 2), "f4")
    refuse(lambda: fastopt.minimize(quadratic, one, **given), ValueError, name, "float32")
    refuse(lambda: fastopt.minimize_many(quadratic, many, **given), ValueError, name, "float32")


def test_what_kernels_count_as_zero_is_none():
    """Also in float64: subnormal numbers are zero there."""
    refuse(lambda: fastopt.SGD(array("f8"), lr=1e-310), ValueError, "lr", "2.225e-308")
    fastopt.SGD(array(), lr=0.0, weight_decay=0.0)
    fastopt.SGD(array(), lr=float(np.finfo("f4").max), weight_decay=float(np.finfo("f4").tiny))


@pytest.mark.parametrize("name", ["adam", "adamw", "amsgrad", "nadam", "radam", "adamax"])
def test_a_beta_that_rounds_to_one_is_computed(name):
    """1 − β and the corrections are float64, so that an average which forgets nothing is one, and no division by 0."""
    steps = []
    for dtype in ("f4", "f8"):
        p = np.zeros(33, dtype)
        opt = fastopt.Optimizer(p, BY_NAME[name], **spelt({"lr": 0.01, "beta1": 0.9, "beta2": 1 - 1e-9}))
        for k in range(20):
            opt.step(np.full(33, 0.5 + 0.01 * k, dtype))
        steps.append(p)
    assert np.isfinite(steps[0]).all()
    assert (steps[0] != 0.0).all()
    assert np.allclose(*steps, rtol=1e-4)
