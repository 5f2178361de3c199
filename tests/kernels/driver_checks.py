"""What only a driver shows; test_cuda_driver.py runs this file on the fake one, with one GPU and with two."""

import itertools
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from cuda.core import Device
from fake_gpu import calls, driver, execute, launches
from interrupts_everywhere import Places
from numba import cuda, njit
from on_cuda import gpu, host
from reference import Reference
from stand_ins import Foreign
from stepping import DTYPES, assert_close, bits, leaves, name_of, problem

import fastopt
from fastopt.kernels.cuda import gpu as target
from fastopt.kernels.cuda import kernels as cuda_kernels
from fastopt.kernels.modifiers import ONE

two = pytest.mark.skipif(len(cuda.gpus) < 2, reason="runs with two GPUs")

ADDS = ["total"] * 4  # the norms of three arrays, and what follows from them
STEPS = [
    ({}, ["sweep"] * 3),
    ({"weight_decay": 0.1}, ["sweep"] * 3),
    ({"capturable": True}, ["advance", *["sweep"] * 3]),
    ({"clip_norm": 0.1}, [*ADDS, *["sweep"] * 3]),
    ({"check_finite": True}, [*ADDS, "cuMemcpyDtoH", *["sweep"] * 3]),
]


@pytest.mark.parametrize(("options", "expected"), STEPS, ids=name_of)
def test_a_step_is_launches(options, expected):
    """Nothing is allocated, and only ``check_finite`` waits."""
    params, grads = problem(np.float64, steps=3)
    first, *grads = gpu(grads)
    opt = fastopt.Adam(gpu(params), **options)
    opt.step(first)  # loads kernels
    for g in grads:
        calls()
        opt.step(g)
        assert calls() == expected


def test_a_packed_step_is_three_launches_at_most():
    params, grads = problem(np.float64, steps=2)
    packed = fastopt.pack(gpu(params))
    opt, grads, buffers = fastopt.Adam(packed), gpu(grads), packed.zeros_like()
    opt.step(grads[0])
    for g, expected in [(grads[0], ["gather", "sweep"]), (grads[1], ["note", "gather", "sweep"]), (buffers, ["sweep"])]:
        calls()
        opt.step(g)
        assert calls() == expected


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"capturable": True}], ids=name_of)
def test_an_interrupt_at_any_place_of_a_step(options):
    params, grads = problem(np.float64, steps=1)
    opt, ref = (fastopt.Adam(gpu(params), **options) for _ in range(2))
    g, taken = gpu(grads[0]), set()
    opt.step(g)
    for at in itertools.count(1):
        t = opt.t
        came = Places(at).interrupt(lambda: opt.step(g))
        taken.add(opt.t - t)
        while ref.t < opt.t:
            ref.step(g)
        assert bits(*leaves(host(opt.params))) == bits(*leaves(host(ref.params)))
        if not came:
            break
    assert taken == {0, 1}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1, "weight_decay": 0.1}], ids=name_of)
def test_the_launches_of_a_capturable_step_are_all_that_a_replay_needs(options, packed):
    """What a CUDA graph replays, with the gradients in the same memory."""
    params, grads = problem(np.float64, steps=5)
    mine = fastopt.pack(gpu(params)) if packed else gpu(params)
    opt, ref, g = fastopt.Adam(mine, capturable=True, **options), Reference("adam", params, **options), gpu(grads[0])
    for k, new in enumerate(grads):
        for there, here in zip(g, new):
            there.copy_to_device(here)
        cuda.synchronize()
        if k < 2:
            begin = len(launches)
            opt.step(g)
            end = len(launches)
        else:
            assert not any(map(execute, range(begin, end)))
        ref.step(new)
    assert opt.t == 5
    assert_close(fastopt.to_host(list(mine)), ref.params, "parameters")


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_what_a_kernel_is_given(dtype):
    x, g = gpu(np.ones(1500, dtype)), gpu(np.ones(1500, dtype))
    opt = fastopt.Momentum(x, lr=0.25, momentum=0.75, dampening=0.5, clip_norm=2.0)
    before = len(launches)
    opt.step(g)
    step = launches[-1]
    assert step.block == (256, 1, 1)
    assert step.grid == (2, 1, 1)  # of four elements per thread
    assert all(launch.stream == 0 for launch in launches[before:])
    p, grad, m, n, *coefficients, factor = step.params
    pointers = [a.__cuda_array_interface__["data"][0] for a in (x, g, opt.state[opt.rule.state[0]])]
    assert struct.unpack("<4q", p + grad + m + n) == (*pointers, 1500)
    expected = opt._steps._coefficients(1, *opt._numbers(1, ONE)[0])
    assert np.frombuffer(b"".join(coefficients), dtype).tolist() == [dtype(c) for c in expected]
    assert driver.fake_device_of(target.ctypes.c_void_p(*struct.unpack("<q", factor))) == 0


def test_in_another_thread():
    """It has no CUDA context yet."""
    x, g = gpu(np.ones(5)), gpu(np.ones(5))
    with ThreadPoolExecutor() as pool:
        opt = pool.submit(fastopt.Adam, x).result()
    with ThreadPoolExecutor() as pool:
        pool.submit(opt.step, g).result()
    assert host(x) == pytest.approx(0.999)


# --- streams -------------------------------------------------------------------------------------------------------


class CuPys(Foreign):
    """Stands for an array of CuPy's."""

    __module__ = "cupy"


@pytest.fixture(params=["blocking", "non-blocking"])
def stream(request, monkeypatch):
    """CuPy's current stream, other than the default one."""
    device = Device(0)
    device.set_current()
    made = device.create_stream(options={"nonblocking": request.param == "non-blocking"})
    current = SimpleNamespace(ptr=int(made.handle))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(get_current_stream=lambda: current)))
    yield current.ptr
    made.sync()


@pytest.mark.parametrize("options", [{}, {"capturable": True}, {"clip_norm": 0.1}, {"check_finite": True}], ids=name_of)
def test_the_stream_of_the_caller(options, stream):
    params, grads = problem(np.float64, steps=3)
    mine, theirs = [CuPys(p) for p in params], [[CuPys(g) for g in at_step] for at_step in grads]
    cuda.synchronize()
    begin = len(launches)
    opt = fastopt.Adam(mine, **options)
    ref = Reference("adam", params, **{k: v for k, v in options.items() if k == "clip_norm"})
    for g, h in zip(theirs, grads):
        opt.step(g)
        ref.step(h)
    assert {launch.stream for launch in launches[begin:]} == {stream}
    assert_close(fastopt.to_host(mine), ref.params, "parameters")


def test_packed_parameters_are_stepped_on_the_stream_of_the_gradients(stream):
    params, grads = problem(np.float64, steps=3)
    packed, theirs = fastopt.pack(gpu(params)), [[CuPys(g) for g in at_step] for at_step in grads]
    opt, ref = fastopt.Adam(packed), Reference("adam", params)
    cuda.synchronize()
    begin = len(launches)
    for g, h in zip(theirs, grads):
        opt.step(g)
        ref.step(h)
    assert {launch.stream for launch in launches[begin:]} == {stream}
    assert_close(fastopt.to_host(list(packed)), ref.params, "parameters")


# --- several GPUs --------------------------------------------------------------------------------------------------


def on_second(tree):
    with cuda.gpus[1]:
        return gpu(tree)


@two
@pytest.mark.parametrize("current", [0, 1])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [{"capturable": True, "clip_norm": 0.1}, {"check_finite": True}], ids=name_of)
def test_the_other_gpu(options, packed, current, tmp_path):
    """Arrays on the second GPU, whichever is the current one."""
    params, grads = problem(np.float64, steps=4)
    ref = Reference("adam", params, **{k: v for k, v in options.items() if k == "clip_norm"})
    begin = len(launches)
    with cuda.gpus[current]:
        mine = on_second(params)
        opt = fastopt.Adam(fastopt.pack(mine) if packed else mine, **options)
        for g in grads[:2]:
            opt.step(on_second(g))
            ref.step(g)
        fastopt.save(tmp_path / "run.npz", opt)
        again = fastopt.Adam(on_second([np.zeros_like(p) for p in params]), **options)
        fastopt.load(tmp_path / "run.npz", again)
        for g in grads[2:]:
            opt.step(on_second(g))
            again.step(on_second(g))
            ref.step(g)
        for each in (opt, again):
            assert_close(leaves(fastopt.to_host(list(each.params))), ref.params, "parameters")
            for slot, arrays in each.state_dict()["state"].items():
                assert_close(leaves(arrays), ref.state[slot], slot)
        assert opt.t == again.t == 4
        assert cuda.current_context().device.id == current
    assert {launch.device for launch in launches[begin:]} == {1}


def test_an_address_that_is_on_no_gpu():
    a = np.ones(4)
    theirs = Foreign(a, data=(a.__array_interface__["data"][0], False))
    with pytest.raises(ValueError, match="params must be in the memory of a GPU, got an address that is on none"):
        fastopt.Adam(theirs)


@two
def test_arrays_on_different_gpus_are_refused():
    params = [np.ones(4), np.ones(5)]
    with pytest.raises(ValueError, match=r"params\[1\] must be on GPU 0 like the other arrays, got GPU 1"):
        fastopt.Adam([gpu(params[0]), on_second(params[1])])
    opt = fastopt.Adam(on_second(params))
    with pytest.raises(ValueError, match=r"grads\[0\] must be on GPU 1 like its parameter, got GPU 0"):
        opt.step(gpu(params))


@two
def test_one_kernel_on_both_gpus():
    x = np.ones(70)
    for mine in (gpu(x), on_second(x)):
        opt, ref = fastopt.Adam(mine), Reference("adam", [x])
        g = np.linspace(-1, 1, 70)
        opt.step(on_second(g) if opt._target.device else gpu(g))
        ref.step([g])
        assert_close([fastopt.to_host(mine)], ref.params, "parameters")


# --- minimize_many and fit ------------------------------------------------------------------------------------------


def raising(x, grad, a):
    grad[0] = x[0]
    if a > 1:
        raise ValueError("too large")
    return 0.5 * x[0] * x[0]


def test_an_objective_that_raises():
    fun, a = cuda.jit(device=True)(raising), np.array([0.0, 2.0, 0.0])
    options = {"lr": 0.1, "gtol": 0, "maxiter": 50}
    with pytest.warns(
        RuntimeWarning, match="The objective of problem 1 raised an exception, of which a GPU says no more"
    ):
        found = fastopt.minimize_many(fun, gpu(np.ones((3, 1))), (gpu(a),), (), "gd", "inplace", options=options)
    assert found.status.tolist() == [1, 5, 1]
    assert np.isnan(found.fun[1])
    assert host(found.x)[[0, 2]] == pytest.approx(0.9**50)


def test_results_are_there_on_any_stream(stream):
    """The arrays are made on a stream that nobody waits for, and the results are read on the default one."""
    X0, a = CuPys(np.full((4, 1), 3.0)), CuPys(np.arange(4.0))
    fun = cuda.jit(device=True)(parabola)
    found = fastopt.minimize_many(fun, Foreign(X0.a), (a,), (), "gd", "inplace", options={"lr": 0.5})
    assert host(found.x)[:, 0].tolist() == [0, 1, 2, 3]
    assert found.success.all()


def parabola(x, grad, a):
    grad[0] = 2 * (x[0] - a)
    return (x[0] - a) ** 2


def test_helpers_in_closures_and_rules_that_do_not_compile():
    @njit
    def helper(x):
        return np.exp(x)

    @njit
    def fun(x, grad, a):
        grad[0] = helper(a * x[0]) - 1.0
        return 0.0

    call = gpu(np.ones((2, 1))), (gpu(np.ones(2)),), ()
    found = fastopt.minimize_many(fun, *call, "gd", "inplace", options={"lr": 0.5, "maxiter": 1, "gtol": 0})
    assert host(found.x)[:, 0] == pytest.approx(1 - 0.5 * (np.e - 1))
    rule = fastopt.Rule(
        name="odd",
        update=lambda p, g, lr: (p - lr * np.linalg.norm(g),),
        coefficients=lambda t, lr: (lr,),
        hyper={"lr": 1.0},
    )
    with pytest.raises(TypeError, match="rule 'odd' must compile for CUDA"):
        fastopt.minimize_many(fun, *call, rule, "inplace")


@two
def test_arguments_on_another_gpu_are_refused():
    fun, w = cuda.jit(device=True)(parabola), gpu(np.zeros(3))
    with pytest.raises(ValueError, match=r"args\[0\] must be on GPU 0 like X0, got GPU 1"):
        fastopt.minimize_many(fun, gpu(np.ones((3, 1))), (on_second(np.ones(3)),), (), "gd", "inplace")
    with pytest.raises(ValueError, match=r"data\[0\] must be on GPU 0 like the parameters, got GPU 1"):
        fastopt.fit(lambda *a: 0.0, fastopt.SGD(w), on_second(np.ones((3, 2))), batch_size=2, epochs=1)


# --- the fake driver itself ----------------------------------------------------------------------------------------


def test_the_driver_notices():
    """A kernel beyond its array, on memory that was freed, and a copy that nobody waited for."""
    fill, short = cuda_kernels.fill(np.dtype(np.float64)), gpu(np.zeros(10))
    fill(target.stream(0, 0), 1, target.pointer(short), 10, 1.0)
    cuda.synchronize()
    assert (host(short) == 1).all()
    gone = cuda.device_array(10)
    address = target.pointer(gone)
    del gone
    cuda.current_context().deallocations.clear()
    for pointer in (target.pointer(short), address):
        fill(target.stream(0, 0), 1, pointer, 11, 1.0)
        with pytest.raises(Exception, match="LAUNCH_FAILED"):
            cuda.synchronize()
        assert driver.fake_broken()
    late = Device().create_stream()
    short.copy_to_device(np.full(10, 2.0), stream=late)
    assert (short.copy_to_host() == 1).all()
    late.sync()
    assert (short.copy_to_host() == 2).all()
