"""Rules with sums on the GPU: what the CPU does, to rounding."""

import numpy as np
import pytest
from numba import cuda
from refusals import refuse
from stepping import name_of
from with_sums import BOTH, FOUR

import fastopt

NAMES = ("lamb", "prodigy", "memoryless_bfgs")
RULES = (*BOTH, FOUR, *(rule for rule in fastopt.RULES if rule.name in NAMES))
pytestmark = pytest.mark.skipif(not cuda.is_available(), reason="no GPU, and no simulator")
OPTIONS = ({}, {"clip_norm": 0.5, "weight_decay": 0.1}, {"capturable": True})


@pytest.mark.parametrize("packed", [False, True], ids=["apart", "packed"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_as_on_the_cpu(rule, options, packed):
    rng = np.random.default_rng(0)
    start = {"W": rng.random((3, 4)), "b": rng.random(7).astype("f4"), "long": rng.random(300)}
    on_host = {name: a.copy() for name, a in start.items()}
    on_gpu = {name: cuda.to_device(a) for name, a in start.items()}
    if packed:
        on_host, on_gpu = fastopt.pack(on_host), fastopt.pack(on_gpu)
    host = fastopt.Optimizer(on_host, rule, lr=0.5, **{k: v for k, v in options.items() if k != "capturable"})
    gpu = fastopt.Optimizer(on_gpu, rule, lr=0.5, **options)
    for t in range(4):
        grads = {name: rng.normal(size=a.shape).astype(a.dtype) for name, a in start.items()}
        if t == 2 and "capturable" not in options:
            grads["b"] = None
        host.step(grads)
        gpu.step({name: g if g is None else cuda.to_device(g) for name, g in grads.items()})
    for name, a in start.items():
        near = 1e-5 if a.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(gpu.params[name].copy_to_host(), host.params[name], rtol=near, atol=near)
    mine, theirs = gpu.state_dict()["state"], host.state_dict()["state"]
    for name in rule.keeps:
        pairs = [(mine[name], theirs[name])] if rule.across else [(mine[name][k], theirs[name][k]) for k in start]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_number_in_a_users_rule_is_refused():
    """As on the CPU, and in ``minimize_many``."""

    def update(p, g, lr):
        return (p - lr * 0.5 * g,)

    @cuda.jit(device=True)
    def bowl(x, g):
        g[0] = x[0]
        return x[0] * x[0]

    rule = fastopt.Rule(name="mine", update=update, coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1})
    p = cuda.to_device(np.ones(2, "f4"))
    refuse(
        lambda: fastopt.Optimizer(p, rule), TypeError, "got float64 by the number 0.5 in `return (p - lr * 0.5 * g,)`"
    )
    X0 = cuda.to_device(np.ones((2, 1), "f4"))
    refuse(lambda: fastopt.minimize_many(bowl, X0, jac="inplace", method=rule), TypeError, "by the number 0.5 in")


def test_in_a_thread_of_minimize_many():
    @cuda.jit(device=True)
    def bowl(x, g):
        total = 0.0
        for i in range(x.size):
            g[i] = (i + 1) * (x[i] - 1)
            total += 0.5 * (i + 1) * (x[i] - 1) ** 2
        return total

    def of_host(x, g):
        g[:] = np.arange(1, x.size + 1) * (x - 1)
        return 0.5 * (g * (x - 1)).sum()

    X0, options = np.random.default_rng(0).random((3, 4)), {"maxiter": 12, "gtol": 0}
    for rule in BOTH:
        a = fastopt.minimize_many(bowl, cuda.to_device(X0), jac="inplace", method=rule, options=options)
        b = fastopt.minimize_many(of_host, X0, jac="inplace", method=rule, options=options)
        np.testing.assert_allclose(a.x.copy_to_host(), b.x, rtol=1e-11)
