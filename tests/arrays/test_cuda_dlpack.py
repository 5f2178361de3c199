"""Arrays on the GPU that speak only DLPack are stepped in place, or refused in one sentence."""

import gc

import numpy as np
import pytest
from dlpack_exporter import CPU, MANAGED, Exporter
from on_cuda import gpu, host
from reference import Reference
from refusals import refuse
from stepping import DTYPES, assert_close, bits, name_of

import fastopt


def freed(*exporters):
    gc.collect()
    return [e.alive for e in exporters]


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(
    "how",
    [{}, {"versioned": False}, {"device": MANAGED}, {"offset": 64}, {"strides": False}],
    ids=lambda how: "+".join(how) or "plain",
)
def test_steps_in_place(how, dtype):
    x, g = np.linspace(-1, 1, 40, dtype=dtype).reshape(5, 8), np.ones((5, 8), dtype)
    theirs, given = Exporter(x, **how), Exporter(g, **how)
    opt, ref = fastopt.Adam(theirs), Reference("adam", [x])
    for grads in (given, given, gpu(g)):
        opt.step(grads)
        ref.step([g])
    assert opt.params is theirs
    assert_close([host(theirs.a)], ref.params, "parameters")
    assert (host(given.a) == 1).all()


def test_a_gradient_for_an_array_of_another_library():
    x = gpu(np.ones(4))
    fastopt.GD(x, lr=0.5).step(Exporter(np.ones(4)))
    assert (host(x) == 0.5).all()


def test_layouts():
    """Fortran order, no dimensions, no elements; packed and unpacked."""
    leaves = [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(2.0), np.ones((0, 3)), np.ones((1, 4))]
    params, packed = [Exporter(a) for a in leaves], fastopt.pack([Exporter(a) for a in leaves])
    grads = [Exporter(np.ones_like(a)) for a in leaves]
    for nest in (params, packed):
        opt = fastopt.GD(nest, lr=0.5)
        opt.step(grads)
        opt.step([gpu(np.ones_like(a)) for a in leaves])
    for a, p, q in zip(leaves, params, packed):
        assert bits(host(p.a), host(q)) == bits(a - 1, a - 1)


def test_moves_and_checkpoints(tmp_path):
    x = Exporter(np.arange(3.0))
    assert (fastopt.to_host({"x": x})["x"] == [0, 1, 2]).all()
    assert fastopt.to_host(Exporter(np.arange(3))).tolist() == [0, 1, 2]
    opt = fastopt.Adam(x)
    fastopt.save(tmp_path / "run.npz", opt)
    opt.step(gpu(np.ones(3)))
    fastopt.load(tmp_path / "run.npz", opt)
    assert (host(x.a) == [0, 1, 2]).all()


def test_finite_checks_name_the_gradient():
    opt = fastopt.Adam([gpu(np.ones(3)), gpu(np.ones(3))], check_finite=True)
    grads = [Exporter(np.ones(3)), Exporter(np.array([1, np.nan, 1]))]
    refuse(lambda: opt.step(grads), ValueError, "grads[1]", "NaN")


def test_memory_is_held_as_long_as_it_is_used(monkeypatch):
    from fastopt.kernels.cuda import gpu as cuda

    x, g = Exporter(np.ones(4)), Exporter(np.ones(4))
    opt = fastopt.SGD(x)
    assert freed(x) == [1]
    alive, call = [], cuda.Kernel.ready

    def seen(self, *args, **options):
        alive.append(g.alive)
        return call(self, *args, **options)

    monkeypatch.setattr(cuda.Kernel, "ready", seen)
    opt.step(g)
    assert alive == [1]
    assert freed(x, g) == [1, 0]
    state = fastopt.Momentum(x).state["b"]
    del opt
    assert freed(x) == [0]
    assert state.shape == (4,)


def test_memory_is_held_until_it_is_copied(monkeypatch):
    from fastopt.kernels.cuda import gpu as cuda

    x, alive, copied = Exporter(np.arange(3)), [], cuda.to_host
    monkeypatch.setattr(cuda, "to_host", lambda view: alive.append(freed(x)) or copied(view))
    assert fastopt.to_host(x).tolist() == [0, 1, 2]
    assert alive == [[1]]
    assert freed(x) == [0]


def test_memory_of_gathered_gradients_is_held_until_the_launch(monkeypatch):
    from fastopt.kernels.cuda import gpu as cuda

    packed, grads = fastopt.pack([gpu(np.ones(4)), gpu(np.ones(3))]), [Exporter(np.ones(4)), Exporter(np.ones(3))]
    alive, call = [], cuda.Kernel.ready

    def seen(self, *args, **options):
        alive.append([g.alive for g in grads])
        return call(self, *args, **options)

    monkeypatch.setattr(cuda.Kernel, "ready", seen)
    fastopt.SGD(packed).step(grads)
    assert len(alive) >= 2
    assert all(counts == [1, 1] for counts in alive)
    assert freed(*grads) == [0, 0]


def test_the_default_stream_is_named_as_dlpack_names_it():
    x, g = Exporter(np.ones(4)), Exporter(np.ones(4))
    opt = fastopt.SGD(x)
    opt.step(g)
    assert g.streams == [1]  # 0 would be ambiguous
    assert set(x.streams) == {-1}  # where it is; nothing is read
    captured = fastopt.SGD(gpu(np.ones(4)), capturable=True)
    captured.step(g)
    assert g.streams == [1, -1]  # a graph cannot wait for what is not captured


def test_a_moved_parameter_is_noticed():
    x = Exporter(np.ones(40))
    opt = fastopt.Adam(x)
    x.a = gpu(np.ones(40))
    refuse(lambda: opt.step(gpu(np.ones(40))), ValueError, "params", "memory", "another address")


BAD = [
    ("strided", lambda: Exporter(gpu(np.ones(8))[::2]), ValueError, ["contiguous", "strided"]),
    ("ints", lambda: Exporter(np.ones(4, np.int64)), TypeError, ["float32 or float64", "int64"]),
    ("bools", lambda: Exporter(np.ones(4, bool)), TypeError, ["float32 or float64", "bool"]),
    ("bfloat16", lambda: Exporter(np.ones(4), kind=(4, 16, 1)), TypeError, ["float32 or float64", "Exporter"]),
    ("vectors", lambda: Exporter(np.ones(4), kind=(2, 64, 2)), TypeError, ["float32 or float64", "Exporter"]),
    ("odd floats", lambda: Exporter(np.ones(4), kind=(2, 68, 1)), TypeError, ["float32 or float64", "Exporter"]),
    ("half bytes", lambda: Exporter(np.ones(4), kind=(2, 4, 1)), TypeError, ["float32 or float64", "Exporter"]),
    ("DLPack 2", lambda: Exporter(np.ones(4), major=2), TypeError, ["DLPack exports", "DLPack 2"]),
    ("misaligned", lambda: Exporter(gpu(np.ones(36, np.uint8))[4:], kind=(2, 64, 1)), ValueError, ["aligned"]),
]


@pytest.mark.parametrize(("make", "error", "words"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_refusals(make, error, words):
    bad, x = make(), gpu(np.ones(4))
    refuse(lambda: fastopt.Adam([gpu(np.ones(3)), bad]), error, "params[1]", *words)
    opt = fastopt.Adam(x)
    if "strided" not in words:  # which has the shape of the parameter, but what its own is comes first
        refuse(lambda: opt.step(bad), error, "grads", *words)
    assert (host(x) == 1).all()
    assert freed(bad) == [0]


def test_a_strided_gradient():
    opt = fastopt.Adam(gpu(np.ones(4)))
    refuse(lambda: opt.step(Exporter(gpu(np.ones(8))[::2])), ValueError, "grads", "contiguous")


def test_read_only():
    refuse(lambda: fastopt.Adam(Exporter(np.ones(4), read_only=True)), ValueError, "params", "writable", "read-only")
    x = gpu(np.ones(4))
    fastopt.GD(x, lr=0.5).step(Exporter(np.ones(4), read_only=True))
    assert (host(x) == 0.5).all()


def test_an_exporter_that_refuses():
    class Refuses(Exporter):
        def __dlpack__(self, **options):
            raise BufferError("it requires\na gradient")

    refuse(lambda: fastopt.Adam(Refuses(np.ones(4))), TypeError, "params", "Refuses (BufferError: it requires a")


def test_an_array_that_exports_no_capsule_or_a_used_one():
    class Wrong(Exporter):
        def __dlpack__(self, **options):
            return self.capsule

    for capsule in (None, 3, "capsule"):
        bad = Wrong(np.ones(4))
        bad.capsule = capsule
        refuse(lambda bad=bad: fastopt.Adam(bad), TypeError, "params", "DLPack", "no unused DLPack capsule")


def test_on_the_cpu_it_is_no_gpu_array():
    x = Exporter(np.ones(4), device=CPU)
    refuse(lambda: fastopt.Adam(x), TypeError, "params", "NumPy array", "Exporter")
    opt = fastopt.Adam(gpu(np.ones(4)))
    refuse(lambda: opt.step(x), TypeError, "grads", "on the GPU", "Exporter")
    refuse(lambda: fastopt.to_host(x), TypeError, "params", "on the GPU")
    refuse(lambda: fastopt.to_device(x), TypeError, "params", "NumPy")


def test_a_gradient_for_a_numpy_parameter():
    x = np.ones(4)
    refuse(
        lambda: fastopt.Adam(x).step(Exporter(np.ones(4))), TypeError, "grads", "on the GPU", "to_host", unchanged=[x]
    )


def test_overlap():
    x = gpu(np.ones(8))
    refuse(lambda: fastopt.Adam([Exporter(x), x]), ValueError, "params[0]", "params[1]", "overlap")
    opt = fastopt.Adam(Exporter(x))
    refuse(lambda: opt.step(Exporter(x)), ValueError, "grads", "overlap")
