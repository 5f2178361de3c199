"""After an interrupt, wherever it comes, parameters, state and counts belong together, and the next step goes on."""

import gc
import itertools
import signal
import threading

import numba
import numpy as np
import pytest
from interrupts_everywhere import Places, see_kernels
from stepping import bits, leaves

import fastopt
from fastopt import schedules
from fastopt.kernels import counts
from fastopt.kernels import threads as launcher
from fastopt.kernels.counts import ALONE, HELD, ONE_AT_A_TIME
from fastopt.step.interrupts import to_the_end

F, D = np.float32, np.float64


def nest(*dtypes):
    return [np.linspace(-1, 1, 3 + k).astype(dtype) for k, dtype in enumerate(dtypes)]


def gradients(params, t, absent=False):
    """Of step t + 1; some have none now and then."""
    found = [np.cos(np.arange(p.size) + t).astype(p.dtype) for p in params]
    return [None if absent and (t + k) % 3 == 0 else g for k, g in enumerate(found)]


def keyed(arrays):
    return dict(zip("abc", arrays))


CASES = {
    "array": (lambda: nest(D)[0], {}, lambda t: gradients(nest(D), t)[0]),
    "matrix": (lambda: np.ones((2, 3), order="F"), {}, lambda t: np.full((2, 3), t + 1.0, order="F")),
    "schedule": (lambda: nest(D)[0], {"lr": schedules.exponential(0.1, 0.9)}, lambda t: gradients(nest(D), t)[0]),
    "list": (lambda: nest(D, D, D), {}, lambda t: gradients(nest(D, D, D), t)),
    "packed": (lambda: fastopt.pack(keyed(nest(D, D, D))), {}, lambda t: keyed(gradients(nest(D, D, D), t))),
    "dtypes": (lambda: fastopt.pack(nest(D, F, D)), {}, lambda t: gradients(nest(D, F, D), t)),
    "counts": (lambda: keyed(nest(D, D, D)), {}, lambda t: keyed(gradients(nest(D, D, D), t, absent=True))),
    "groups": (
        lambda: [{"params": p, "lr": 0.1 * k} for k, p in enumerate(nest(D, F))],
        {},
        lambda t: gradients(nest(D, F), t, absent=True),
    ),
    "staged": (
        lambda: nest(D, D, D),
        {"clip_norm": 0.5, "weight_decay": 0.1, "check_finite": "skip"},
        lambda t: gradients(nest(D, D, D), t, absent=True),
    ),
    "parallel": (lambda: nest(D, D), {"parallel": True}, lambda t: gradients(nest(D, D), t)),
    "threads": (lambda: nest(D)[0], {"parallel": True, "threads": 2}, lambda t: gradients(nest(D), t)[0]),
}


def arrays_of(opt):
    return [*opt._layout.leaves, *leaves(list(opt.state.values()))]


def assert_same(opt, ref):
    assert (opt.t, opt.counts, opt.skipped) == (ref.t, ref.counts, ref.skipped)
    assert bits(*arrays_of(opt)) == bits(*arrays_of(ref))


@pytest.fixture
def made(monkeypatch):
    """Two of the same optimiser, the first with kernels that can be interrupted."""

    def make(case):
        params, options, grads = CASES[case]
        ref = fastopt.Adam(params(), **options)
        see_kernels(monkeypatch)
        return fastopt.Adam(params(), **options), ref, grads

    return make


@pytest.mark.parametrize("case", CASES)
def test_an_interrupt_at_any_place_of_a_step(made, case):
    opt, ref, grads = made(case)
    opt.step(grads(0))  # loads what there is to load
    taken = set()
    for at in itertools.count(1):
        t = opt.t
        came = Places(at).interrupt(lambda t=t: opt.step(grads(t)))
        taken.add(opt.t - t)
        assert not launcher._launching, "no other step would be parallel"
        while ref.t < opt.t:
            ref.step(grads(ref.t))
        assert_same(opt, ref)
        if not came:
            break
    assert opt.t == t + 1
    assert taken == {0, 1}
    assert at > len(opt._layout.all) + 3


def test_the_number_of_threads_is_as_before(made):
    opt, _, grads = made("threads")
    before, g = numba.get_num_threads(), grads(0)
    at = 1
    while Places(at).interrupt(lambda: opt.step(g)):
        assert numba.get_num_threads() == before
        at += 1
    assert at > 5


class Alarm(Exception):
    """What a handler of the user's raises."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
@pytest.mark.parametrize("case", ["array", "counts", "staged", "parallel"])
def test_signals_at_random(case):
    params, options, grads = CASES[case]
    opt, ref = (fastopt.Adam(params(), **options) for _ in range(2))
    opt.step(grads(0))

    def ring(number, frame):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    gc.disable()  # what is raised in its callbacks nobody sees
    try:
        for delay in np.random.default_rng(0).uniform(2e-6, 3e-4, 500):
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                for _ in range(10_000):
                    opt.step(grads(opt.t))
            except Alarm:
                pass
            while ref.t < opt.t:
                ref.step(grads(ref.t))
            assert_same(opt, ref)
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert opt.t > 100


def test_a_type_error_of_a_handlers_own_is_not_taken_for_numbas():
    """Which refuses arrays by one, whereupon the step goes another way: it would be taken twice."""
    x, g, rung = np.ones(100_000), np.ones(100_000), []
    opt, ref = fastopt.SGD(x, parallel=False), fastopt.SGD(np.ones(100_000), parallel=False)

    def ring(number, frame):
        rung.append(number)
        raise TypeError("its own")

    before, raised = signal.signal(signal.SIGALRM, ring), 0
    gc.disable()
    try:
        for _ in range(50):
            try:
                signal.setitimer(signal.ITIMER_REAL, 2e-4)
                while True:
                    opt.step(g)
            except TypeError:
                raised += 1
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert raised == len(rung) == 50
    while ref.t < opt.t:
        ref.step(g)
    assert_same(opt, ref)


# --- more than a step ------------------------------------------------------------------------------------------------


def loss(params, grads, y):
    for i in range(y.size):
        grads[0] += params[0] - y[i]
        grads[1] += params[1] + y[i]
    return 0.0


@pytest.mark.parametrize("compile_it", [lambda f: f, numba.njit], ids=["python", "compiled"])
def test_an_interrupt_at_many_places_of_fit(monkeypatch, compile_it):
    y, jitted = np.full(4, 2.0), compile_it(loss)  # all the same, in whatever order
    ref = fastopt.Adam(np.zeros(2))
    see_kernels(monkeypatch)
    opt = fastopt.Adam(np.zeros(2))

    def fit():
        fastopt.fit(jitted, opt, y, batch_size=2, epochs=3)

    fit()
    taken = set()
    for at in itertools.count(1, 5):
        t = opt.t
        came = Places(at).interrupt(fit)
        taken.add(opt.t - t)
        while ref.t < opt.t:
            g = np.zeros(2)
            loss(ref.params, g, y[:2])
            ref.step(g)
        assert_same(opt, ref)
        if not came:
            break
    assert {0, 2, 4, 6} <= taken <= set(range(7))


def test_an_interrupt_at_any_place_of_loading(made):
    opt, ref, grads = made("counts")
    states = [ref.state_dict()]
    for _ in range(3):
        ref.step(grads(ref.t))
    ref.lr, ref.weight_decay = 0.5, 0.1
    states.append(ref.state_dict())
    found = set()
    for at in itertools.count(1):
        wanted = states[at % 2]
        came = Places(at).interrupt(lambda wanted=wanted: opt.load_state_dict(wanted))
        (now,) = (k for k, d in enumerate(states) if d["t"] == opt.t)
        found.add(now == at % 2)
        ref.load_state_dict(states[now])
        assert (opt.lr, opt.weight_decay) == (ref.lr, ref.weight_decay)
        assert_same_arrays(opt, ref)
        if not came:
            break
        opt.load_state_dict(states[1 - (at + 1) % 2])
    assert found == {False, True}


def test_an_interrupt_at_any_place_of_loading_a_file(made, tmp_path):
    opt, ref, grads = made("list")
    found = []
    for k in range(2):
        ref.step(grads(k))
        fastopt.save(tmp_path / str(k), ref)
        found.append((ref.t, bits(*arrays_of(ref))))
    fastopt.load(tmp_path / "1", opt)
    seen = set()
    for at in itertools.count(1, 5):
        came = Places(at).interrupt(lambda k=at // 5 % 2: fastopt.load(tmp_path / str(k), opt))
        seen.add(found.index((opt.t, bits(*arrays_of(opt)))))
        if not came:
            break
    assert seen == {0, 1}


def assert_same_arrays(opt, ref):
    """State and counts, and that both step alike."""
    assert (opt.t, opt.counts) == (ref.t, ref.counts)
    for a, b in zip(opt._layout.leaves, ref._layout.leaves):
        a[...] = b
    g = {"a": np.ones(3), "b": None, "c": np.ones(5)}
    opt.step(g)
    ref.step(g)
    assert_same(opt, ref)


@pytest.mark.parametrize(
    ("name", "values"), [("lr", (0.1, 0.2)), ("weight_decay", (0.0, 0.1)), ("clip_norm", (None, 0.1))]
)
@pytest.mark.parametrize("case", ["array", "list"])
def test_an_interrupt_at_any_place_of_an_assignment(made, case, name, values):
    opt, ref, grads = made(case)
    for value in values * 2:
        setattr(opt, name, value)
    found = set()
    for at in itertools.count(1):
        value = values[at % 2]
        came = Places(at).interrupt(lambda value=value: setattr(opt, name, value))
        found.add(getattr(opt, name) == value)
        setattr(ref, name, getattr(opt, name))
        g = grads(opt.t)
        opt.step(g)
        ref.step(g)
        assert_same(opt, ref)
        if not came:
            break
        setattr(opt, name, values[1 - (at + 1) % 2])
    assert found == {False, True}


def test_interrupts_come_behind_the_work_and_the_first_is_raised():
    def work():
        calls.append(1)
        if len(calls) < 4:
            raise (KeyboardInterrupt, Alarm, SystemExit)[len(calls) - 1]

    calls = []
    with pytest.raises(KeyboardInterrupt):
        to_the_end(work)
    assert len(calls) == 4


def test_what_always_fails_ends():
    def work():
        calls.append(1)
        raise ValueError("no interrupt")

    calls = []
    with pytest.raises(ValueError, match="no interrupt"):
        to_the_end(work)
    assert 1 < len(calls) < 1000


# --- one thread at a time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [lambda a: a, lambda a: [a]], ids=["array", "list"])
def test_threads_lose_no_step_in_silence(hold):
    x, y, g = np.ones(3000), np.ones(3000), np.cos(np.arange(3000.0))
    opt, ref, taken, refused = fastopt.Adam(hold(x)), fastopt.Adam(hold(y)), [], []

    def work():
        for _ in range(500):
            try:
                opt.step(hold(g))
                taken.append(1)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opt.t == len(taken) == 2000 - len(refused)
    assert set(refused) <= {ONE_AT_A_TIME}
    for _ in taken:
        ref.step(hold(g))
    assert_same(opt, ref)


@pytest.mark.parametrize("held", [HELD, ALONE], ids=["by Python", "by a kernel"])
@pytest.mark.parametrize("case", ["array", "schedule", "list", "staged", "parallel"])
def test_nothing_is_done_to_an_optimiser_that_is_being_stepped(case, held):
    params, options, grads = CASES[case]
    opt = fastopt.Adam(params(), **options)
    opt.step(grads(0))
    before, saved = bits(*arrays_of(opt)), opt.state_dict()
    opt._cells[held] = 1
    for work in (lambda: opt.step(grads(1)), lambda: opt.load_state_dict(saved)):
        with pytest.raises(RuntimeError, match="one thread at a time"):
            work()
    assert (opt.t, opt._cells[held], bits(*arrays_of(opt))) == (1, 1, before)
    opt._cells[held] = 0
    opt.step(grads(1))
    assert opt.t == 2


def test_fit_refuses_an_optimiser_that_is_being_stepped_and_holds_it():
    asked = []

    def rate(step):
        asked.append(step)
        if len(asked) == 2:  # within an epoch
            with pytest.raises(RuntimeError, match="one thread at a time"):
                opt.step(np.ones(2))
        return 0.1

    opt, y = fastopt.Adam(np.zeros(2), lr=rate), np.array([1.0, 2.0, 4.0])
    fastopt.fit(numba.njit(loss), opt, y, batch_size=1, epochs=1)
    assert opt.t == 3
    opt._cells[HELD] = 1
    with pytest.raises(RuntimeError, match="one thread at a time"):
        fastopt.fit(numba.njit(loss), opt, y, batch_size=1, epochs=1)
    assert opt.t == 3


def test_a_child_of_a_fork_is_free():
    opt = fastopt.Adam([np.zeros(2)])
    opt._cells[HELD] = opt._cells[ALONE] = 1
    counts._after_fork()
    opt.step([np.ones(2)])
    assert opt.t == 1
