"""The optimiser on CUDA: options, layouts, packing, state that moves between devices."""

import doctest

import numpy as np
import pytest
from on_cuda import gpu, host, on_gpu
from reference import Reference
from stand_ins import Foreign
from stepping import DTYPES, assert_close, bits, leaves, leaves_or_none, name_of, problem
from test_cuda_steps import assert_same

import fastopt
from fastopt.targets import transfer as moves

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # the simulator computes in NumPy

OPTIONS = [
    {"clip_value": 0.5},
    {"clip_norm": 0.3},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"clip_value": 0.5, "clip_norm": 0.3, "weight_decay": 0.1, "maximize": True},
]


@pytest.mark.parametrize(("capturable", "dtype"), list(zip((False, True), DTYPES)))
@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
@pytest.mark.parametrize("name", ["gd", "adam", "lion"])
def test_options(name, options, dtype, capturable):
    params, grads = problem(dtype, steps=2)
    opt, ref = on_gpu(name, params, capturable=capturable, **options), Reference(name, params, **options)
    for g in grads:
        opt.step(gpu(g))
        ref.step(g)
    assert_same(opt, ref)


def test_clip_norm_over_both_dtypes_and_all_scales():
    for size in (1e-200, 1.0, 1e200, 0.0):
        params = [np.ones(40), np.ones(300, np.float32)]
        grads = [np.linspace(-1, 1, 40) * size, np.ones(300, np.float32)]
        opt, ref = on_gpu("gd", params, clip_norm=0.5), Reference("gd", params, clip_norm=0.5)
        opt.step(gpu(grads))
        if size <= 1:
            ref.step(grads)
            assert_same(opt, ref)
        else:  # beyond the reference's range: the direction, with length 0.5
            step = (params[0] - host(opt.params[0])) / 1e-3
            assert np.linalg.norm(step) == pytest.approx(0.5, 1e-12)
            assert (host(opt.params[1]) == 1).all()


def test_norm_is_the_same_every_time():
    g = gpu(np.random.default_rng(0).normal(size=1000))
    results = []
    for _ in range(3):
        x = gpu(np.ones(1000))
        fastopt.GD(x, clip_norm=1e-3).step(g)
        results.append(bits(host(x)))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("dtype", "bad"), [(np.float32, np.nan), (np.float64, np.inf), (np.float32, -np.inf)])
def test_check_finite(dtype, bad):
    x, g = gpu({"a": np.ones(3, dtype), "b": np.ones(50, dtype)}), {"a": np.ones(3, dtype), "b": np.ones(50, dtype)}
    large = {"a": np.full(3, np.finfo(dtype).max, dtype), "b": np.ones(50, dtype)}
    g["b"][7] = bad
    opt = fastopt.Adam(x, check_finite=True, clip_value=1.0)
    with pytest.raises(ValueError, match=r"grads must be finite, got NaN or Inf in grads\['b'\]"):
        opt.step(gpu(g))
    assert opt.t == 0
    assert all((host(a) == 1).all() for a in x.values())
    opt.step(gpu(large))
    assert opt.t == 1
    opt = fastopt.Adam(x, check_finite="skip")
    opt.step(gpu(g))
    opt.step(gpu(large))
    assert (opt.t, opt.skipped) == (1, 1)


def test_groups_schedules_and_none():
    params, grads = problem(np.float64, steps=4)
    grads[1][0] = None
    grads[2] = [None] * 3
    lr = fastopt.schedules.cosine(0.1, 10)
    cpu_params = [p.copy() for p in params]
    options = {"lr": lr, "weight_decay": 0.1}
    opts = [
        fastopt.Adam([{"params": list(ps[:2])}, {"params": ps[2], "lr": 0.5}], **options)
        for ps in (cpu_params, gpu(params))
    ]
    for g in grads:
        opts[0].step([g[:2], g[2]])
        opts[1].step([gpu(g[:2]), gpu(g[2])])
    assert opts[0].t == opts[1].t == 3
    assert_close(leaves(host(opts[1].params)), leaves(opts[0].params), "parameters")


def test_layouts():
    """Fortran order, no dimensions, nests; each with its gradient in the same order."""
    rng = np.random.default_rng(1)
    deep = rng.normal(size=(2, 2, 3, 4))
    params = {"F": np.asfortranarray(rng.normal(size=(5, 7))), "0d": np.array(2.0), "deep": [deep[0]]}
    grads = {"F": np.asfortranarray(rng.normal(size=(5, 7))), "0d": np.array(0.5), "deep": [deep[1]]}
    opt, ref = on_gpu("adam", params), Reference("adam", leaves(params))
    for _ in range(2):
        opt.step(gpu(grads))
        ref.step(leaves(grads))
    assert_same(opt, ref)
    assert [a.shape for a in leaves(opt.state_dict()["state"]["m"])] == [(5, 7), (), (2, 3, 4)]


@pytest.mark.parametrize("options", [{}, {"capturable": True}, {"clip_norm": 1.0}, {"check_finite": True}], ids=name_of)
def test_a_step_on_arrays_of_size_0_counts(options):
    empty = [np.ones(0), np.ones((0, 3), np.float32)]
    others = [] if "capturable" in options else [np.ones(2)]  # a captured step takes all arrays
    params = empty + others
    opt = on_gpu("adam", params, **options)
    opt.step([*gpu(empty), *[None for _ in others]])
    opt.step([None for _ in params])
    assert opt.t == 1
    opt.step(gpu(params))
    assert opt.t == 2


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_packed(dtype, monkeypatch):
    """One launch for all arrays, with gradients that are packed, fresh, or partly None."""
    from fastopt.kernels.cuda import gpu as cuda

    params, grads = problem(dtype, steps=4, shapes=[(37,), (3, 5), (0,), (2, 3, 4)])
    names = ["a", "b", "c", "d"]
    packed = fastopt.pack(fastopt.to_device(dict(zip(names, params))))
    opt, ref = fastopt.Adam(packed), Reference("adam", params)
    launches = []
    call = cuda.Kernel.ready

    def counted(self, *args, **options):
        launches.append(self.function.__name__)
        return call(self, *args, **options)

    monkeypatch.setattr(cuda.Kernel, "ready", counted)
    buffers = packed.zeros_like()
    for name, g in zip(names, grads[0]):
        buffers[name] = gpu(g)
    opt.step(buffers)
    assert launches == ["sweep"]
    launches.clear()
    opt.step(gpu(dict(zip(names, grads[1]))))
    assert [name for name in launches if name != "note"] == ["gather", "sweep"]
    grads[2][1] = None
    opt.step(gpu(dict(zip(names, grads[2]))))
    opt.step(gpu(dict(zip(names, grads[3]))))
    for g in grads:
        ref.step(leaves_or_none(g))
    assert_close(leaves(host({k: packed[k] for k in names})), ref.params, "parameters")


@pytest.mark.parametrize("options", [{"clip_norm": 0.1}, {"check_finite": True}], ids=name_of)
def test_packed_without_a_gradient(options):
    """The norm is then taken array by array: of more parts than of the buffer as a whole."""
    params, grads = problem(np.float64, steps=1, shapes=[(7,)] * 20)
    grads[0][3] = None
    opt = fastopt.Adam(fastopt.pack(fastopt.to_device(params)), **options)
    ref = Reference("adam", params, **{k: v for k, v in options.items() if k == "clip_norm"})
    opt.step(gpu(grads[0]))
    ref.step(grads[0])
    assert_close(host(list(opt.params)), ref.params, "parameters")


@pytest.mark.parametrize("capturable", [False, True])
def test_a_step_makes_no_rule(capturable, monkeypatch):
    """The rule with its modifiers is made once, when the optimiser is."""
    x, g = gpu(np.ones(4)), gpu(np.ones(4))
    opt = fastopt.Adam(x, weight_decay=0.1, clip_norm=1.0, capturable=capturable)
    monkeypatch.setattr(fastopt.Rule, "__init__", lambda *args, **names: pytest.fail("a rule is made"))
    opt.step(g)
    opt.step(g)
    assert opt.t == 2


def test_examples():
    failed, tried = doctest.testmod(moves)
    assert tried >= 5
    assert not failed


def test_resume_across_devices():
    """CPU, GPU, CPU: the same as on the CPU throughout, to rounding; a copy on the GPU to the bit."""
    params, grads = problem(np.float64, steps=9)
    there = [p.copy() for p in params]
    straight = fastopt.NAdam(there, lr=0.05)
    for g in grads:
        straight.step(g)
    now, saved = params, None
    for k, move in enumerate([list, fastopt.to_device, fastopt.to_host]):
        now = move(now)
        opt = fastopt.NAdam(now, lr=0.01 if saved else 0.05)  # the loaded rate counts
        if saved:
            opt.load_state_dict(saved)
        for g in grads[3 * k : 3 * k + 3]:
            opt.step(gpu(g) if k == 1 else g)
        saved = opt.state_dict()
        assert all(type(a) is np.ndarray for slot in saved["state"].values() for a in slot)
    assert saved["t"] == 9
    assert_close(now, there, "parameters", {np.dtype(np.float64): 1e-13})


@pytest.mark.parametrize("capturable", [False, True])
def test_save_and_load(tmp_path, capturable):
    params, grads = problem(np.float32, steps=4)
    first = on_gpu("adam", params, lr=0.1, capturable=capturable)
    for g in grads[:2]:
        first.step(gpu(g))
    fastopt.save(tmp_path / "run.npz", first)
    second = on_gpu("adam", [np.zeros_like(p) for p in params], capturable=capturable)
    on_cpu = fastopt.Adam([np.zeros_like(p) for p in params])
    fastopt.load(tmp_path / "run.npz", second)
    fastopt.load(tmp_path / "run.npz", on_cpu)
    assert bits(*on_cpu.params) == bits(*host(first.params))
    for g in grads[2:]:
        first.step(gpu(g))
        second.step(gpu(g))
    assert second.t == 4
    assert bits(*host(first.params)) == bits(*host(second.params))


def test_arrays_of_other_libraries():
    x, g = np.linspace(-1, 1, 40), np.ones(40)
    theirs = Foreign(x)
    opt, ref = fastopt.Adam(theirs), Reference("adam", [x])
    opt.step(Foreign(g))
    opt.step(gpu(g))
    ref.step([g])
    ref.step([g])
    assert_close([fastopt.to_host(theirs)], ref.params, "parameters")
    assert opt.params is theirs


def test_a_moved_parameter_is_noticed():
    x = Foreign(np.ones(40))
    opt = fastopt.Adam(x)
    x.a = gpu(np.ones(40))
    with pytest.raises(ValueError, match="params must stay in the memory"):
        opt.step(gpu(np.ones(40)))


def test_moves():
    nest = {"a": np.arange(3), "b": [np.ones((2, 3), np.float32, order="F")]}
    back = fastopt.to_host(fastopt.to_device(nest))
    assert (back["a"] == nest["a"]).all()
    assert (back["b"][0] == nest["b"][0]).all()
    packed = fastopt.to_device(fastopt.pack([np.ones(3), np.zeros((2, 2))]))
    assert len(packed.buffers) == 1
    assert (fastopt.to_host(packed).buffers[0] == [1, 1, 1, 0, 0, 0, 0]).all()
