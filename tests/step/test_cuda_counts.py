"""Steps are counted per array on a GPU, too."""

import copy

import numpy as np
import pytest
from on_cuda import gpu, host
from reference import Reference
from stepping import assert_close, bits, name_of, problem

import fastopt

FORMS = {"list": list, "packed": fastopt.pack, "groups": lambda arrays: [{"params": a} for a in arrays]}


@pytest.mark.parametrize(
    ("options", "dtype"),
    [({}, np.float32), ({"clip_norm": 0.5}, np.float64), ({"check_finite": True}, np.float32)],
    ids=name_of,
)
@pytest.mark.parametrize("form", FORMS)
def test_an_array_without_a_gradient_does_not_age(form, options, dtype):
    params, grads = problem(dtype, steps=8)
    opt = fastopt.NAdam(FORMS[form](gpu(params)), **options)
    ref = Reference("nadam", params, **{k: v for k, v in options.items() if k != "check_finite"})
    for t, given in enumerate(grads):
        given = [given[0], given[1] if t >= 3 else None, given[2] if t % 3 else None]
        opt.step([g if g is None else gpu(g) for g in given])
        ref.step(given)
    gathered = gpu(grads[0])
    opt.step(gathered)
    ref.step(grads[0])
    assert opt.counts == ref.counts == [9, 6, 6]
    assert_close([host(a) for a in opt._layout.leaves], ref.params, "parameters")
    if form == "packed":
        packed = fastopt.pack(gathered)
        opt.step(packed)
        ref.step(grads[0])
        assert_close([host(a) for a in opt._layout.leaves], ref.params, "parameters")
    saved = opt.state_dict()
    other = fastopt.NAdam(FORMS[form](gpu(params)))
    other.load_state_dict(saved)
    assert other.counts == opt.counts


def test_a_captured_step_takes_all_arrays():
    x = gpu([np.zeros(3), np.zeros(3)])
    opt = fastopt.Adam(x, capturable=True)
    with pytest.raises(ValueError, match=r"^grads\[1\] must be an array with capturable=True, got None$"):
        opt.step([gpu(np.ones(3)), None])
    opt.step([None, None])
    assert (opt.t, opt.counts) == (0, [0, 0])
    opt.step(gpu([np.ones(3), np.ones(3)]))
    assert (opt.t, opt.counts) == (1, [1, 1])
    with pytest.raises(ValueError, match=r"^the count of params\[0\] must be 2, as t is, with capturable=True, got 1$"):
        opt.load_state_dict(opt.state_dict() | {"t": 2})


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_is_on_the_gpu_and_steps_the_same(form):
    params, grads = problem(np.float64, steps=3)
    opt = fastopt.Adam(FORMS[form](gpu(params)))
    opt.step(gpu(grads[0]))
    other = copy.deepcopy(opt)
    opt.step(gpu(grads[1]))
    other.step(gpu(grads[1]))
    assert bits(*map(host, opt._layout.leaves)) == bits(*map(host, other._layout.leaves))
    assert opt.t == other.t == 2
    with pytest.raises(TypeError, match="capturable=False to be copied"):
        copy.deepcopy(fastopt.Adam(gpu(params), capturable=True))
