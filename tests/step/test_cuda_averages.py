"""Averages of parameters on a GPU."""

import copy

import numpy as np
import pytest
from on_cuda import gpu, host
from reference import Reference
from stepping import BY_NAME, assert_close, bits, problem

import fastopt

FORMS = {"list": list, "packed": fastopt.pack, "groups": lambda arrays: [{"params": a} for a in arrays]}
ASKED = [{"ema": 0.75}, {"average": "polyak"}]


def values(nest):
    return [host(a) for a in nest]


@pytest.mark.parametrize("asked", ASKED, ids=["ema", "polyak"])
@pytest.mark.parametrize("form", FORMS)
def test_steps_are_the_references_and_swap_exactly(form, asked):
    """Of a rule with five state arrays then, where some gradients are missing."""
    params, grads = problem(np.float64, steps=6)
    ref = Reference("adan", params, lr=0.1, **asked)
    opt = fastopt.Adan(FORMS[form](gpu(params)), lr=0.1, **asked)
    assert bits(*values(opt.averaged)) == bits(*params)
    for t, given in enumerate(grads):
        given = [given[0], given[1] if t >= 3 else None, given[2]]
        opt.step([g if g is None else gpu(g) for g in given])
        ref.step(given)
        assert_close(values(opt.averaged), ref.state["average"], f"average, t={ref.t}")
    p, average = bits(*values(opt.params)), bits(*values(opt.averaged))
    with opt.swapped():
        assert bits(*values(opt.params)) == average != p
        with pytest.raises(RuntimeError, match="outside the block of opt"):
            opt.step([gpu(g) for g in grads[0]])
    assert (bits(*values(opt.params)), bits(*values(opt.averaged))) == (p, average)
    other = copy.deepcopy(opt)
    opt.step([gpu(g) for g in grads[0]])
    other.step([gpu(g) for g in grads[0]])
    assert bits(*values(other.averaged)) == bits(*values(opt.averaged))


def test_where_the_device_counts_and_where_the_gradient_is_modified():
    params, grads = problem(np.float32, steps=5)
    more = {"clip_norm": 0.5, "weight_decay": 0.1}
    ref = Reference("momentum", params, lr=0.1, ema=0.6, **more)
    opt = fastopt.Optimizer(gpu(params), BY_NAME["momentum"], lr=0.1, ema=0.6, capturable=True, **more)
    for given in grads:
        opt.step(gpu(given))
        ref.step(given)
    assert_close(values(opt.averaged), ref.state["average"], "average")
    opt.ema = 0.2
    ref.ema = 0.2
    opt.step(gpu(grads[0]))
    ref.step(grads[0])
    assert_close(values(opt.averaged), ref.state["average"], "average")


def test_fit_evaluates_there():
    X, y = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8.0)

    def loss(w, g, X, y):
        w, r = host(w), host(X) @ host(w) - host(y)
        g.copy_to_device(host(X).T @ r)
        return 0.5 * (r @ r)

    w = gpu(np.zeros(3))
    opt = fastopt.Adam(w, lr=0.1, ema=0.5)
    data = gpu(X), gpu(y)
    hist = fastopt.fit(loss, opt, data, batch_size=4, epochs=3, validation=data)
    r = X @ host(opt.averaged) - y
    assert hist.validation[-1] == pytest.approx(0.5 * (r @ r), rel=1e-12)
    assert hist.validation[-1] != pytest.approx(0.5 * np.sum((X @ host(w) - y) ** 2), rel=1e-6)
