"""What depends on whose array it is: PyTorch's tensors, CuPy's arrays, and the streams that kernels are launched on."""

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numba import cuda as numba_cuda
from on_cuda import SIMULATED, gpu, host
from reference import Reference
from refusals import refuse
from stand_ins import CupyArray, Foreign, Tensor, cupy, torch
from stepping import DTYPES, assert_close, bits, name_of

import fastopt

if not SIMULATED:
    pytest.skip("the handles of these streams stand for none of a GPU's", allow_module_level=True)

from fastopt.kernels.cuda import gpu as cuda


@pytest.fixture
def asked():
    """The devices that PyTorch's current stream was asked for."""
    return []


@pytest.fixture
def stream(monkeypatch, asked):
    """The current stream of both libraries."""
    stream = {"handle": 77}
    monkeypatch.setitem(sys.modules, "torch", torch(stream, asked))
    monkeypatch.setitem(sys.modules, "cupy", cupy(stream))
    return stream


@pytest.fixture
def launched(monkeypatch, stream):
    """The handles of the streams that kernels are launched on, and the waits of one stream for another."""
    seen, call = [], cuda.Kernel.ready
    monkeypatch.setattr(cuda, "stream", lambda handle, device: handle)
    monkeypatch.setattr(cuda, "wait", lambda handle, other, device: seen.append(("wait", handle, other)))

    def launch(self, stream, *args, **options):
        seen.append(stream)
        return call(self, stream, *args, **options)

    monkeypatch.setattr(cuda.Kernel, "ready", launch)
    return seen


# --- PyTorch ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_tensors_are_stepped_in_place(dtype, requires_grad, stream):
    rng = np.random.default_rng(0)
    params = [rng.normal(size=shape).astype(dtype) for shape in [(37,), (3, 5), (2, 3, 4), ()]]
    params[1] = np.asfortranarray(params[1])
    grads = [np.ones_like(p) for p in params]
    opt = fastopt.Adam([Tensor(p, requires_grad=requires_grad) for p in params])
    ref = Reference("adam", params)
    for _ in range(2):
        opt.step([Tensor(g) for g in grads])
        ref.step(grads)
    assert_close([host(t.a) for t in opt.params], ref.params, "parameters")
    assert opt.state_dict()["state"]["m"][1].flags.f_contiguous


class Mine(Tensor):
    """A user's subclass, in a module of the user's."""


def test_subclasses_are_like_their_library(launched, stream):
    x = Mine(np.ones(4), requires_grad=True)
    fastopt.GD(x, lr=0.5).step(Mine(np.ones(4)))
    assert (host(x.a) == 0.5).all()
    assert launched == [77]


def test_empty_tensors(stream):
    opt = fastopt.Adam([Tensor(np.ones((0, 3))), Tensor(np.ones(2))])
    opt.step([Tensor(np.ones((0, 3))), Tensor(np.ones(2))])
    assert opt.t == 1


BAD = [
    ("strided", lambda: Tensor(gpu(np.ones(8))[::2]), ValueError, ["contiguous"]),
    ("turned", lambda: Tensor(gpu(np.ones((2, 3, 4))).transpose((1, 0, 2))), ValueError, ["contiguous"]),
    ("bfloat16", lambda: Tensor(np.ones(4), dtype="torch.bfloat16"), TypeError, ["float32 or float64", "bfloat16"]),
    ("a dtype of its own", lambda: Tensor(np.ones(4), dtype="torch.quint8"), TypeError, ["dtype torch.quint8"]),
    ("float16", lambda: Tensor(np.ones(4, np.float16)), TypeError, ["float32 or float64", "float16"]),
    ("ints", lambda: Tensor(np.ones(4, np.int64)), TypeError, ["float32 or float64", "int64"]),
    ("sparse", lambda: Tensor(np.ones(4), layout="torch.sparse_coo"), TypeError, ["dense", "torch.sparse_coo"]),
    ("on the CPU", lambda: Tensor(np.ones(4), is_cuda=False), TypeError, ["on the GPU like", "Tensor"]),
]


@pytest.mark.parametrize(("make", "error", "words"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_refusals(make, error, words, stream):
    bad = make()
    refuse(lambda: fastopt.Adam([Tensor(np.ones(3)), bad]), error, "params[1]", *words)
    x = Tensor(np.ones(bad.shape))
    opt = fastopt.Adam(x)
    refuse(lambda: opt.step(bad), error, "grads", *words)
    assert (host(x.a) == 1).all()


def test_a_tensor_on_the_cpu_alone(stream):
    refuse(lambda: fastopt.Adam(Tensor(np.ones(4), is_cuda=False)), TypeError, "params", "t.detach().numpy()")


def test_a_tensor_whose_storage_was_replaced(stream):
    x = Tensor(np.ones(4), requires_grad=True)
    opt = fastopt.Adam(x)
    x.a = gpu(np.ones(4))
    refuse(lambda: opt.step(Tensor(np.ones(4))), ValueError, "params", "memory", "another address")


def test_a_gradient_in_another_order(stream):
    opt = fastopt.Adam(Tensor(np.asfortranarray(np.ones((2, 3)))))
    refuse(lambda: opt.step(Tensor(np.ones((2, 3)))), ValueError, "grads", "Fortran order")


def test_tensors_are_packed_and_moved(stream):
    params = fastopt.pack({"W": Tensor(np.ones((2, 3)), requires_grad=True), "b": Tensor(np.zeros(3))})
    opt = fastopt.GD(params, lr=0.5)
    opt.step({"W": Tensor(np.ones((2, 3))), "b": Tensor(np.ones(3))})
    assert bits(fastopt.to_host(params["W"])) == bits(np.full((2, 3), 0.5))
    assert fastopt.to_host(Tensor(np.arange(3))).tolist() == [0, 1, 2]


# --- streams ---------------------------------------------------------------------------------------------------------

MAKE = [Tensor, CupyArray]
OPTIONS = [{}, {"clip_norm": 1.0}, {"check_finite": True}, {"capturable": True, "clip_norm": 1.0}]


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
@pytest.mark.parametrize("make", MAKE)
def test_the_current_stream_of_the_parameters_library(make, options, launched, stream):
    opt = fastopt.Adam(make(np.ones(4)), **options)
    assert set(launched) == {77}  # that fills the state
    before = None
    for stream["handle"] in (78, 0):
        launched.clear()
        opt.step(make(np.ones(4)))
        waits = {seen for seen in launched if isinstance(seen, tuple)}
        assert set(launched) - waits == {stream["handle"]}
        others = {other for _, handle, other in waits if other != handle}
        expected = set() if "capturable" in options else {before} - {None}
        assert others - {1} == expected  # CuPy's arrays name the stream of the step; 1 is 0
        before = stream["handle"]


def test_a_step_on_another_stream_waits_for_the_one_before(launched, stream):
    opt = fastopt.Adam(gpu(np.ones(4)))
    for stream["handle"] in (78, 79):
        launched.clear()
        opt.step(CupyArray(np.ones(4)))
    assert ("wait", 79, 78) in launched
    assert launched.index(("wait", 79, 78)) < launched.index(79)


@pytest.mark.parametrize("pending", ["neg", "conj"])
def test_tensors_that_do_not_read_as_they_are(pending, stream):
    t = Tensor(np.ones(4))
    setattr(t, f"is_{pending}", lambda: True)
    refuse(lambda: fastopt.Adam(t), TypeError, "params", f"pending {pending}", f"t.resolve_{pending}()")


@pytest.mark.parametrize("make", MAKE)
def test_the_current_stream_of_packed_arrays(make, launched, stream):
    """The gradients decide: the parameters are Numba's."""
    opt = fastopt.SGD(fastopt.pack([make(np.ones(4)), make(np.ones(3))]))
    launched.clear()
    opt.step([make(np.ones(4)), make(np.ones(3))])
    assert [seen for seen in launched if not isinstance(seen, tuple)] == [77, 77]  # gather, sweep


def test_pytorch_is_asked_for_the_stream_of_the_device(launched, stream, asked, monkeypatch):
    opt = fastopt.SGD(Tensor(np.ones(4)))
    opt._target.device = 1
    monkeypatch.setattr(cuda, "on", lambda device: contextlib.nullcontext())
    asked.clear()
    opt.step(Tensor(np.ones(4)))
    assert asked == [1]


def test_parameters_come_before_gradients_and_a_library_with_streams_before_one_without(launched, stream, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy({"handle": 5}))
    opt = fastopt.SGD([gpu(np.ones(4)), Tensor(np.ones(4))])
    opt.step([CupyArray(np.ones(4)), gpu(np.ones(4))])
    assert launched == [("wait", 77, 5), 77, 77]
    launched.clear()
    fastopt.SGD([Tensor(np.ones(4)), CupyArray(np.ones(4))]).step([gpu(np.ones(4)), gpu(np.ones(4))])
    assert launched == [77, 77]


def test_arrays_that_name_their_stream(launched):
    """The CUDA array interface: work on the stream that it names, or wait for it."""
    opt = fastopt.SGD(Foreign(np.ones(4), stream=9))
    opt.step(Foreign(np.ones(4), stream=11))
    assert launched == [("wait", 9, 11), 9]
    launched.clear()
    fastopt.SGD(gpu(np.ones(4))).step(Foreign(np.ones(4), stream=11))
    assert launched == [("wait", 11, 11), 11]
    launched.clear()
    fastopt.SGD(gpu(np.ones(4))).step(gpu(np.ones(4)))
    assert launched == [0]


def test_a_step_that_a_graph_captures_waits_for_no_other_stream(launched):
    opt = fastopt.SGD(Foreign(np.ones(4), stream=9), capturable=True)
    opt.step(Foreign(np.ones(4), stream=11))
    assert set(launched) == {9}


@pytest.mark.parametrize("skip", [True, "skip"])
def test_a_finite_check_waits_for_the_stream_of_the_step_alone(skip, launched, stream, monkeypatch):
    waited = []
    monkeypatch.setattr(cuda, "to_host_after", lambda a, stream: waited.append(stream) or a.copy_to_host())
    opt = fastopt.Adam(Tensor(np.ones(4)), check_finite=skip)
    monkeypatch.setattr(cuda.cuda, "synchronize", lambda: pytest.fail("waits for the whole device"))
    opt.step(Tensor(np.ones(4)))
    assert waited == [77]
    assert opt.t == 1


@pytest.mark.parametrize("handle", [0, 77])
def test_the_copy_of_a_finite_check_is_of_its_stream(handle, monkeypatch):
    """As it is on a GPU: queued on the stream, which is waited for; without one the copy itself waits."""
    done = []
    stream = SimpleNamespace(handle=handle, sync=lambda: done.append("wait"))
    a = SimpleNamespace(copy_to_host=lambda stream=0: done.append(stream))
    monkeypatch.setattr(cuda, "SIMULATED", False)
    monkeypatch.setattr(cuda.cuda, "synchronize", lambda: pytest.fail("waits for the whole device"))
    cuda.to_host_after(a, stream)
    assert done == ([stream, "wait"] if handle else [0])


@pytest.mark.parametrize(("handle", "other", "waits"), [(7, 8, True), (0, 8, True), (0, 1, False), (7, 7, False)])
def test_a_wait_is_queued_where_streams_differ(handle, other, waits, monkeypatch):
    done = []
    monkeypatch.setattr(cuda, "SIMULATED", False)

    def stream(handle, device):
        return SimpleNamespace(at=(handle, device), wait=lambda on: done.append(((handle, device), on.at)))

    monkeypatch.setattr(cuda, "stream", stream)
    cuda.wait(handle, other, 1)
    assert done == ([((handle, 1), (other, 1))] if waits else [])


# --- training and many problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Tensor, CupyArray])
@pytest.mark.parametrize("nest", [False, True])
def test_fit_hands_over_arrays_of_the_library(nest, kind, launched, stream):
    X, y = np.linspace(-1, 1, 14).reshape(7, 2), np.arange(7.0)
    w = [np.zeros(2), kind(np.zeros(2))]
    params = [{"w": each} for each in w] if nest else w

    def loss(w, g, X, y):
        w, g = (w.w, g.w) if nest else (w, g)
        r = X @ w - y
        g += X.T @ r
        return 0.5 * r @ r

    def on_gpu(params, grads, *batch):
        arrays = *(params if nest else (params,)), *(grads if nest else (grads,)), *batch
        assert {type(a) for a in arrays} == {kind}
        w, g, X, y = (host(a.a) for a in arrays)
        value = loss(record(w), record(g), X, y) if nest else loss(w, g, X, y)
        arrays[1].a.copy_to_device(g)
        return kind(np.array([value]))

    def record(a):
        return SimpleNamespace(w=a)

    options = {"batch_size": 3, "epochs": 2, "accumulate": 2, "reduction": "mean"}
    here = fastopt.fit(loss, fastopt.Adam(params[0], lr=0.1), (X, y), **options)
    there = fastopt.fit(on_gpu, fastopt.Adam(params[1], lr=0.1), (kind(X), kind(y)), **options)
    np.testing.assert_allclose(there.loss, here.loss, rtol=1e-12)
    np.testing.assert_allclose(host(w[1].a), w[0], rtol=1e-12)
    assert set(launched) - {("wait", 77, 77)} == {77}


@pytest.mark.parametrize("kind", [Tensor, CupyArray])
def test_minimize_many_hands_over_arrays_of_the_library(kind, launched, stream):
    def fun(x, grad, a):
        grad[0] = 2 * (x[0] - a)
        return (x[0] - a) ** 2

    found = fastopt.minimize_many(
        numba_cuda.jit(device=True)(fun), kind(np.zeros((3, 1))), (kind(np.arange(3.0)),), (), "gd", "inplace",
        options={"lr": 0.25},
    )  # fmt: skip
    assert type(found.x) is type(found.jac) is kind
    np.testing.assert_allclose(host(found.x.a)[:, 0], np.arange(3.0), atol=1e-5)
    assert set(launched) - {("wait", 77, 77)} == {77}
