"""An optimiser is saved and copied between its steps, never in the midst of one."""

import copy
import signal
import threading

import numpy as np
import pytest

import fastopt

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
COPIES = {
    "save": lambda opt, path: fastopt.save(path, opt),
    "state_dict": lambda opt, path: opt.state_dict(),
    "deepcopy": lambda opt, path: copy.deepcopy(opt),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_signals_handler_in_the_midst_of_a_step_is_refused(way, tmp_path):
    """What it gets otherwise is of one step: all arrays were stepped as often as t says."""
    params = {f"p{i}": np.zeros(3) for i in range(20)}
    opt = fastopt.SGD(params, lr=1.0)
    grads = {name: -np.ones(3) for name in params}
    refused, seen = [], []

    def handler(*_):
        try:
            COPIES[way](opt, tmp_path / "run.npz")
        except RuntimeError as error:
            refused.append(str(error))
        else:
            seen.append({opt.t, *(float(x) for p in params.values() for x in p)})
        signal.setitimer(signal.ITIMER_REAL, 0.00037)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while len(refused) < 5 or len(seen) < 1:
            opt.step(grads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(len(values) == 1 for values in seen)
    assert {message.partition(", got")[0] for message in refused} == {
        "an optimiser must be saved or copied between its steps"
    }


def test_what_is_saved_beside_a_thread_that_steps_can_be_loaded(tmp_path):
    params, ended = np.zeros(200_000), threading.Event()
    opt, saved, path = fastopt.SGD(params, lr=1.0), 0, tmp_path / "run.npz"

    def step():
        while not ended.is_set():
            opt.step(-np.ones(params.size))

    thread = threading.Thread(target=step)
    thread.start()
    try:
        for _ in range(30):
            try:
                fastopt.save(path, opt)
            except RuntimeError:
                continue
            saved += 1
            other = fastopt.SGD(np.zeros(params.size))
            fastopt.load(path, other)
            assert set(other.params) == {other.t}
    finally:
        ended.set()
        thread.join()
    fastopt.save(path, opt)
    fastopt.load(path, fastopt.SGD(np.zeros(params.size)))


def test_a_handler_may_save_while_a_compiled_fit_runs(tmp_path):
    from numba import njit

    @njit
    def loss(w, g, x):
        g[0] += -1.0
        return 0.0

    opt, path, done = fastopt.SGD(np.zeros(1), lr=1.0), tmp_path / "run.npz", []

    def handler(*_):
        fastopt.save(path, opt)
        done.append(opt.t)
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        for epoch in range(100):
            fastopt.fit(loss, opt, np.ones(3_000_000), batch_size=1, epochs=epoch + 1, initial_epoch=epoch)
            if any(t % 3_000_000 for t in done):
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert any(t % 3_000_000 for t in done), "never in the midst of an epoch"
    other = fastopt.SGD(np.zeros(1))
    fastopt.load(path, other)
    assert other.params[0] == other.t == done[-1]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_rate_may_decay_to_nothing(dtype):
    x = np.zeros(3, dtype)
    opt = fastopt.SGD(x, lr=lambda step: 10.0 ** (-30.0 * step))
    for _ in range(20):
        opt.step(np.ones(3, dtype))
    assert opt.t == 20
    assert (x == -1).all()
