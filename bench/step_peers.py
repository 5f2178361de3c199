"""The contestants of the races between steps: every rule in fastopt, PyTorch, optax and NumPy, and the limit."""

from functools import partial

import numba
import numpy as np
from conftest import Contestant, lap
from reference import Reference

import fastopt
from fastopt.cli.same_bytes import limit_of

PERIOD = 1000  # elements, after which parameters and gradients repeat, so that the reference stays quick

TORCH = {  # its class and what it needs besides; "fused" where it has such a kernel
    "gd": ("SGD", {"fused": True}),
    "sgd": ("SGD", {"fused": True}),
    "momentum": ("SGD", {"fused": True, "momentum": 0.9}),
    "nesterov": ("SGD", {"fused": True, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"fused": True}),
    "adadelta": ("Adadelta", {"foreach": True}),
    "rmsprop": ("RMSprop", {"foreach": True}),
    "adam": ("Adam", {"fused": True}),
    "adamw": ("AdamW", {"fused": True}),
    "amsgrad": ("Adam", {"fused": True, "amsgrad": True}),
    "adamax": ("Adamax", {"foreach": True}),
    "nadam": ("NAdam", {"foreach": True}),
    "radam": ("RAdam", {"foreach": True}),
}
OPTAX = {  # its function and arguments, where it means the same (its NAdam does not)
    "gd": ("sgd", {"learning_rate": 1e-3}),
    "sgd": ("sgd", {"learning_rate": 1e-3}),
    "momentum": ("sgd", {"learning_rate": 1e-3, "momentum": 0.9}),
    "nesterov": ("sgd", {"learning_rate": 1e-3, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("adagrad", {"learning_rate": 1e-2, "eps": 0.0, "initial_accumulator_value": 0.0}),
    "adadelta": ("adadelta", {"learning_rate": 1.0}),
    "rmsprop": ("rmsprop", {"learning_rate": 1e-2, "decay": 0.99, "eps_in_sqrt": False}),
    "adam": ("adam", {"learning_rate": 1e-3}),
    "adamw": ("adamw", {"learning_rate": 1e-3, "weight_decay": 1e-2}),
    "amsgrad": ("amsgrad", {"learning_rate": 1e-3}),
    "adamax": ("adamax", {"learning_rate": 2e-3}),
    "radam": ("radam", {"learning_rate": 1e-3}),
    "lion": ("lion", {"learning_rate": 1e-4, "weight_decay": 0.0}),
    "adabelief": ("adabelief", {"learning_rate": 1e-3}),
}


class Start:
    """Parameters and gradients of this size, and what the parameters must be after so many steps of a rule."""

    def __init__(self, rule, size, dtype, steps):
        self.steps, rng = steps, np.random.default_rng(0)
        period = size if rule.reduces else min(size, PERIOD)  # sums are of all
        p, g = rng.normal(size=(2, period)).astype(dtype)
        reference = Reference(rule.name, [p])
        for _ in range(steps):
            reference.step([g.astype(float)])
        self.p, self.g = np.resize(p, size), np.resize(g, size)
        self.expected = self.some(np.resize(reference.params[0], size))

    def some(self, a):
        """All of a small array, a hundred periods of a large one."""
        return a if a.size < 100 * PERIOD else a.reshape(-1, PERIOD)[:: a.size // PERIOD // 100].ravel()

    def contestant(self, step, result):
        return Contestant(step, lambda: self.some(result()), self.expected)


def fastopts(rule, start, **options):
    p = start.p.copy()
    opt = fastopt.Optimizer(p, rule, **options)
    return start.contestant(lambda: opt.step(start.g), lambda: p)


def best_threads(torch, step):
    """Let PyTorch run on one thread or on all, whichever is faster."""
    taken = {}
    for threads in (1, numba.config.NUMBA_NUM_THREADS) * 2:
        torch.set_num_threads(threads)
        lap(step, 3)
        taken[threads] = min(taken.get(threads, np.inf), *(lap(step, 3) for _ in range(3)))
    torch.set_num_threads(min(taken, key=taken.get))


def torches(torch, rule, start, device="cpu", **kind):
    """PyTorch's fastest kernel for one array; ``kind`` picks another."""
    cls, keywords = TORCH[rule.name]
    keywords = {k: v for k, v in keywords.items() if k not in ("fused", "foreach")} | kind if kind else keywords
    p = torch.tensor(start.p, device=device, requires_grad=True)
    p.grad = torch.tensor(start.g, device=device)
    opt = getattr(torch.optim, cls)([p], **keywords)
    return start.contestant(opt.step, lambda: p.detach().cpu().numpy())


def optaxs(peers, rule, start):
    """optax, compiled, its parameters and state updated in place (donated)."""
    name, keywords = OPTAX[rule.name]
    optimiser = getattr(peers.optax, name)(**keywords)

    @partial(peers.jax.jit, donate_argnums=(0, 1))
    def update(p, state, g):
        updates, state = optimiser.update(g, state, p)
        return peers.optax.apply_updates(p, updates), state

    held = {"p": peers.jax.numpy.array(start.p), "g": peers.jax.numpy.array(start.g)}
    held["state"] = optimiser.init(held["p"])

    def step():
        held["p"], held["state"] = update(held["p"], held["state"], held["g"])
        held["p"].block_until_ready()

    return start.contestant(step, lambda: np.asarray(held["p"]))


def numpys(start):
    """Adam as it is written in NumPy, in place."""
    p, m, v, work, t = start.p.copy(), np.zeros_like(start.p), np.zeros_like(start.p), np.empty_like(start.p), [0]
    real = p.dtype.type

    def step():
        t[0] += 1
        m.__imul__(real(0.9)).__iadd__(real(0.1) * start.g)
        np.multiply(start.g, start.g, out=work)
        v.__imul__(real(0.999)).__iadd__(real(0.001) * work)
        np.sqrt(v, out=work)
        work.__imul__(real(1 / (1 - 0.999 ** t[0]) ** 0.5)).__iadd__(real(1e-8))
        p.__isub__(real(1e-3 / (1 - 0.9 ** t[0])) * m / work)

    return start.contestant(step, lambda: p)


def limit(rule, start, **options):
    """What memory allows: a kernel that reads and writes as many arrays, with hardly any arithmetic."""
    p = start.p.copy()
    opt = fastopt.Optimizer(p, limit_of(rule), **options)
    expected = start.some(start.p) - start.steps * 1e-3 * start.some(start.g)
    return Contestant(lambda: opt.step(start.g), lambda: start.some(p), expected)
