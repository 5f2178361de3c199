"""Interrupts at random moments of steps and trainings: afterwards t, state and parameters belong together."""

import gc
import signal

import numba
import numpy as np
from numba import njit
from stepping import BY_NAME, bits, leaves

import fastopt

PROMISE = "After an interrupt t, state and parameters belong together"
TRIED = "interrupts in `step` (one array, nests, groups, threads) and in `fit`"
PATIENCE, SHORT = 120, range(9)

KINDS = ("array", "dict", "groups", "mixed", "missing", "clipped", "parallel", "fit", "compiled")
RULES = ("adam", "sgd", "nadam", "rmsprop_centered_momentum")


def draw(rng):
    return {
        "kind": KINDS[rng.integers(len(KINDS))],
        "rule": RULES[rng.integers(len(RULES))],
        "microseconds": [int(20 * 10 ** rng.uniform(0, 2.5)) for _ in range(100)],
        "seed": int(rng.integers(2**31)),
    }


def run(case):
    threads = numba.get_num_threads()
    opt = optimiser(case)
    go(case, opt, 1)  # compiled now
    for wait in case["microseconds"]:
        interrupted(lambda: go(case, opt, 10**9), wait * 1e-6)
        assert numba.get_num_threads() == threads, "the caller's number of threads was changed"
    twin = optimiser(case)
    go(case, twin, opt.t)
    assert twin.t == opt.t
    assert twin.counts == opt.counts
    for what, mine, theirs in [
        ("parameters", opt.params, twin.params),
        ("state", [*opt.state.values()], [*twin.state.values()]),
    ]:
        assert bits(*arrays_in(mine)) == bits(*arrays_in(theirs)), f"the {what} are not those of t={opt.t}"
    return len(case["microseconds"])


LOST = 1.0  # seconds after which an interrupt has been lost


class Interrupt(BaseException):
    """What no code expects."""


def interrupted(call, seconds):
    """Call what never ends, until an interrupt after so many seconds, and another where that one is lost."""

    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # what is raised in its callbacks, or a weak reference's, nobody sees
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, LOST)
        call()
    except Interrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


def optimiser(case):
    rng = np.random.default_rng(case["seed"])
    a, b = rng.normal(size=37), rng.normal(size=(5, 3))
    c = b.astype("f4")
    params = {
        "array": a,
        "groups": [{"params": a, "lr": 0.01}, {"params": [b, c], "lr": 0.02}],
        "mixed": [a, c, b],
        "fit": a[:2].copy(),
        "compiled": a[:2].copy(),
    }.get(case["kind"], {"a": a, "b": b})
    hyper = {
        "clipped": {"clip_norm": 0.5, "weight_decay": 0.01},
        "parallel": {"parallel": True, "threads": 2},
    }.get(case["kind"], {})
    return fastopt.Optimizer(params, BY_NAME[case["rule"]], **hyper)


def go(case, opt, until):
    """Step until t is so much."""
    if case["kind"] in ("fit", "compiled"):
        train(case, opt, until)
    while opt.t < until:
        opt.step(gradient(case, opt))


def gradient(case, opt):
    """Of the next step: a function of t."""
    g = [np.cos(opt.t + np.arange(p.size)).reshape(p.shape).astype(p.dtype) for p in arrays_in(opt.params)]
    if case["kind"] == "missing" and opt.t % 3 == 1:
        g[0] = None
    if case["kind"] in ("array", "fit", "compiled"):
        return g[0]
    if case["kind"] == "groups":
        return [g[0], g[1:]]
    return g if case["kind"] == "mixed" else dict(zip("ab", g))


def arrays_in(params):
    if isinstance(params, list):
        return [leaf for part in params for leaf in leaves(part)]
    return leaves(params)


# --- training: all examples are the same, so that the order of an epoch does not matter -------------------------------

EXAMPLES, BATCH = 64, 8


def loss(w, g, x, y):
    """With a gradient that is never 0, which ``fit`` would take for one that was not written."""
    f = 0.0
    for i in range(y.size):
        r = x[i, 0] * w[0] + x[i, 1] * w[1] - y[i]
        f += r * r
        g[0] += 2 * r * x[i, 0] + 0.001
        g[1] += 2 * r * x[i, 1] + 0.001
    return f


compiled_loss = njit(loss)


def train(case, opt, until):
    rng = np.random.default_rng(case["seed"])
    x, y = np.tile(rng.normal(size=2), (EXAMPLES, 1)), np.full(EXAMPLES, rng.normal())
    chosen = compiled_loss if case["kind"] == "compiled" else loss
    epochs = (until - opt.t) // (EXAMPLES // BATCH)
    if epochs > 0:
        fastopt.fit(chosen, opt, (x, y), batch_size=BATCH, epochs=epochs)
    n = BATCH * (until - opt.t)  # less than an epoch
    if n > 0:
        fastopt.fit(chosen, opt, (x[:n], y[:n]), batch_size=BATCH, epochs=1)
