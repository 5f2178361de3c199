"""Schedules: values by hand and against PyTorch's schedulers, printing, pickling, arguments."""

import copy
import doctest
import math
import pickle
import re

import numpy as np
import pytest

from fastopt import schedules
from fastopt.schedules import (
    Schedule,
    chain,
    constant,
    cosine,
    exponential,
    inverse_time,
    piecewise,
    polynomial,
    step,
    warmup,
)

STEPS = 50


def tabulate(schedule, steps):
    return [schedule(k) for k in steps]


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        (constant(0.5), [0, 1, 10**12], [0.5, 0.5, 0.5]),
        (step(1.0, 10), [0, 9, 10, 25], [1.0, 1.0, 0.1, 0.01]),
        (step(2.0, 3, factor=0.5), [2, 3, 6, 30_000], [2.0, 1.0, 0.5, 0.0]),
        (exponential(3.0, 0.5), [0, 1, 2, 10_000], [3.0, 1.5, 0.75, 0.0]),
        (exponential(1.0, 0.01, every=10), [0, 5, 10], [1.0, 0.1, 0.01]),
        (exponential(1e-4, 10.0, every=2), [0, 2, 4], [1e-4, 1e-3, 1e-2]),
        (inverse_time(1.0, 0.5), [0, 2, 6], [1.0, 0.5, 0.25]),
        (polynomial(1.0, 10), [0, 1, 10, 11], [1.0, 0.9, 0.0, 0.0]),
        (polynomial(1.0, 10, end=0.2, power=2), [0, 5, 10, 99], [1.0, 0.4, 0.2, 0.2]),
        (polynomial(0.0, 4, end=1.0), [0, 1, 4], [0.0, 0.25, 1.0]),  # upwards too
        (cosine(1.0, 6), [0, 2, 3, 6, 7], [1.0, 0.75, 0.5, 0.0, 0.0]),
        (cosine(1.0, 6, end=0.2), [0, 2, 3, 6, 99], [1.0, 0.8, 0.6, 0.2, 0.2]),
        (warmup(4, 1.0), [0, 1, 3, 4, 9], [0.0, 0.25, 0.75, 1.0, 1.0]),
        (warmup(2, cosine(1.0, 6), start=0.5), [0, 1, 2, 4, 8], [0.5, 0.75, 1.0, 0.75, 0.0]),
        (warmup(2, lambda k: 8.0 - k), [0, 1, 2, 3], [0.0, 4.0, 8.0, 7.0]),
        (piecewise({0: 3.0, 2: 1.0, 5: 0.5}), [0, 1, 2, 4, 5, 99], [3.0, 3.0, 1.0, 1.0, 0.5, 0.5]),
        (piecewise({5: 0.5, 0: 3.0}), [4, 5], [3.0, 0.5]),  # in any order
        (chain((1.0, 2), 0.5), [0, 1, 2, 99], [1.0, 1.0, 0.5, 0.5]),
        (
            chain((polynomial(4.0, 4), 2), (lambda k: 10 * k, 3), exponential(1.0, 0.5)),
            [0, 1, 2, 3, 4, 5, 6],
            [4.0, 3.0, 0.0, 10.0, 20.0, 1.0, 0.5],  # each phase counts from its own 0
        ),
    ],
    ids=lambda case: re.sub(" at 0x[0-9a-f]+", "", repr(case)),  # the same in every process
)
def test_values_by_hand(schedule, steps, expected):
    values = tabulate(schedule, steps)
    assert values == pytest.approx(expected, rel=1e-14, abs=1e-300)
    assert all(type(value) is float for value in values)


def test_a_plain_function_inside_may_return_any_number():
    assert type(chain((lambda k: np.float32(0.5), 1), 1)(0)) is float


# ---------------------------------------------------------------- PyTorch

TORCH = [
    (step(0.3, 7), "StepLR", {"step_size": 7}),
    (step(0.3, 7, factor=0.5), "StepLR", {"step_size": 7, "gamma": 0.5}),
    (exponential(0.3, 0.9), "ExponentialLR", {"gamma": 0.9}),
    (polynomial(0.3, 20), "PolynomialLR", {"total_iters": 20}),
    (polynomial(0.3, 20, power=2.5), "PolynomialLR", {"total_iters": 20, "power": 2.5}),
    (cosine(0.3, STEPS), "CosineAnnealingLR", {"T_max": STEPS}),  # beyond its end PyTorch's rises again
    (cosine(0.3, STEPS, end=0.01), "CosineAnnealingLR", {"T_max": STEPS, "eta_min": 0.01}),
    (warmup(20, 0.3, start=0.1), "LinearLR", {"start_factor": 1 / 3, "total_iters": 20}),
    (piecewise({0: 0.3, 5: 0.03, 9: 0.003}), "MultiStepLR", {"milestones": [5, 9]}),
]


@pytest.mark.needs("peers")
@pytest.mark.parametrize(("schedule", "name", "keywords"), TORCH, ids=repr)
def test_against_pytorch(schedule, name, keywords):
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **keywords)
    rates = []
    for _ in range(STEPS + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    # most of its schedulers multiply the last rate, so their rounding errors add up
    assert tabulate(schedule, range(STEPS + 1)) == pytest.approx(rates, rel=1e-12, abs=1e-15)


# ---------------------------------------------------------------- repr, pickle, documentation

PRINTED = [
    (constant(1), "constant(1.0)"),
    (step(0.1, 100), "step(0.1, 100)"),
    (step(0.1, 100, 0.5), "step(0.1, 100, 0.5)"),
    (exponential(0.1, 0.99), "exponential(0.1, 0.99)"),
    (inverse_time(0.1, rate=0.01), "inverse_time(0.1, 0.01)"),
    (polynomial(0.1, 10), "polynomial(0.1, 10)"),
    (polynomial(0.1, 10, power=2), "polynomial(0.1, 10, 0.0, 2.0)"),
    (cosine(0.1, 1000), "cosine(0.1, 1000)"),
    (cosine(np.float32(0.5), np.int64(9), end=0.25), "cosine(0.5, 9, 0.25)"),
    (warmup(10, cosine(0.1, 1000)), "warmup(10, cosine(0.1, 1000))"),
    (piecewise({9: 0.25, 0: 1}), "piecewise({9: 0.25, 0: 1.0})"),
    (chain((0.1, 5), (constant(0.2), 5), 0.3), "chain((0.1, 5), (constant(0.2), 5), 0.3)"),
]


@pytest.mark.parametrize(("schedule", "text"), PRINTED, ids=repr)
def test_repr_is_the_call(schedule, text):
    assert repr(schedule) == text
    again = eval(text, vars(schedules))
    assert tabulate(again, range(20)) == tabulate(schedule, range(20))


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in PRINTED], ids=repr)
@pytest.mark.parametrize("clone", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_pickle_and_copy(schedule, clone):
    again = clone(schedule)
    assert type(again) is Schedule
    assert repr(again) == repr(schedule)
    assert tabulate(again, range(20)) == tabulate(schedule, range(20))


def test_a_schedule_cannot_be_changed():
    values = {0: 1.0}
    schedule = piecewise(values)
    values[0] = 2.0
    assert schedule(0) == 1.0
    with pytest.raises(AttributeError):
        schedule.function = math.sin


def test_the_examples_in_the_documentation_run():
    failed, attempted = doctest.testmod(schedules)
    assert (failed, attempted > 10) == (0, True)


@pytest.mark.parametrize("name", schedules.__all__)
def test_every_name_is_documented(name):
    text = getattr(schedules, name).__doc__
    assert name == "Schedule" or ("Raises" in text and ">>>" in text)


# ---------------------------------------------------------------- wrong calls


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: constant("0.1"), TypeError, "value must be a number, got str"),
        (lambda: constant(True), TypeError, "value must be a number, got True"),
        (lambda: constant(np.ones(3)), TypeError, "value must be a number, got ndarray"),
        (lambda: constant(math.nan), ValueError, "value must be finite, got nan"),
        (lambda: step(0.1, 0), ValueError, "every must be a positive integer, got 0"),
        (lambda: step(0.1, 2.0), TypeError, "every must be an integer, got 2.0"),
        (lambda: step(0.1, 2, factor=0), ValueError, "factor must be positive, got 0"),
        (lambda: exponential(0.1, -0.5), ValueError, "rate must be positive, got -0.5"),
        (lambda: exponential(0.1, 0.5, every=-1), ValueError, "every must be a positive integer, got -1"),
        (lambda: inverse_time(0.1, math.inf), ValueError, "rate must be finite, got inf"),
        (lambda: polynomial(0.1, 0), ValueError, "steps must be a positive integer, got 0"),
        (lambda: polynomial(0.1, 5, power=0.0), ValueError, "power must be positive, got 0.0"),
        (lambda: polynomial(0.1, 5, end=None), TypeError, "end must be a number, got NoneType"),
        (lambda: cosine(0.1, 0), ValueError, "steps must be a positive integer, got 0"),
        (lambda: cosine(0.1, True), TypeError, "steps must be an integer, got True"),
        (lambda: warmup(0, 0.1), ValueError, "steps must be a positive integer, got 0"),
        (lambda: warmup(5, "x"), TypeError, "schedule must be a schedule or a number, got str"),
        (lambda: warmup(5, math.inf), ValueError, "schedule must be finite, got inf"),
        (lambda: piecewise([0.1]), TypeError, "values must be a mapping from steps to numbers, got list"),
        (lambda: piecewise({}), ValueError, "the first step of values must be 0, got none"),
        (lambda: piecewise({5: 0.1}), ValueError, "the first step of values must be 0, got 5"),
        (lambda: piecewise({-1: 0.1, 0: 1}), ValueError, "the first step of values must be 0, got -1"),
        (lambda: piecewise({0.0: 0.1}), TypeError, "a step of values must be an integer, got 0.0"),
        (lambda: piecewise({0: "x"}), TypeError, "values[0] must be a number, got str"),
        (lambda: chain(0.1), TypeError, "chain takes (schedule, steps) pairs and a last schedule, got only 1"),
        (lambda: chain(0.1, 0.2), TypeError, "phase 0 of chain must be a pair (schedule, steps), got 0.1"),
        (lambda: chain((0.1, 0), 1), ValueError, "the steps of phase 0 must be a positive integer, got 0"),
        (lambda: chain(("x", 1), 1), TypeError, "the schedule of phase 0 must be a schedule or a number, got str"),
        (lambda: chain((0.1, 5), (1, 2)), TypeError, "the last phase must be a schedule or a number, got tuple"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_growth_beyond_a_float_is_an_error():
    with pytest.raises(OverflowError):
        exponential(1.0, 10.0)(1000)


def test_a_table_of_a_schedule():
    schedule = schedules.warmup(3, schedules.cosine(0.1, 10))
    for n, first in ((5, 0), (4, 2), (0, 7), (np.int8(3), np.uint8(250))):
        table = schedule.table(n, first)
        assert (table.dtype, table.shape) == (np.float64, (n,))
        assert table.tolist() == [schedule(step) for step in range(int(first), int(first) + int(n))]
    for wrong, error in (((-1,), ValueError), ((1, -1), ValueError), ((1.5,), TypeError), ((True,), TypeError)):
        with pytest.raises(error, match=r"must be .* got"):
            schedule.table(*wrong)
