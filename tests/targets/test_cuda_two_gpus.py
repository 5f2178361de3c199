"""Two GPUs, of which stand-ins tell: arrays on both are refused, and the one that the arrays are on is current."""

import numpy as np
import pytest
from dlpack_exporter import Exporter
from on_cuda import SIMULATED, gpu, host
from refusals import refuse

import fastopt

if not SIMULATED:
    pytest.skip("a real GPU has arrays where they are", allow_module_level=True)

from fastopt.kernels.cuda import gpu as cuda


class Context:
    """The context of a GPU, as Numba enters it."""

    def __init__(self, index, entered):
        self.index, self.entered = index, entered

    def __enter__(self):
        self.entered.append(self.index)

    def __exit__(self, *error):
        assert self.entered.pop() == self.index


class Two:
    """Where arrays are: on GPU 1 if they were said to be. ``current`` holds the contexts entered, one in the other."""

    def __init__(self):
        self.current, self.spans = [], []
        self.used = []  # the GPU that was current when something ran

    def on_1(self, a):
        start = cuda.interface(a)["data"][0]
        self.spans.append((start, start + a.nbytes, a))
        return a

    def ordinal(self, address):
        return int(any(start <= address < end for start, end, _ in self.spans))

    def now(self, *args, **options):
        self.used.append(self.current[-1] if self.current else 0)


@pytest.fixture
def two(monkeypatch):
    two = Two()
    monkeypatch.setattr(cuda, "devices", lambda: 2)
    monkeypatch.setattr(cuda, "ordinal", two.ordinal)
    monkeypatch.setattr(cuda.cuda, "gpus", [Context(i, two.current) for i in range(2)])
    launch, array, synchronize = cuda.Kernel.ready, cuda.array, cuda.cuda.synchronize

    def noted(function, place=None):
        def run(*args, **options):
            two.now()
            out = function(*args, **options)
            return two.on_1(out) if place and two.current and two.current[-1] == 1 else out

        return run

    monkeypatch.setattr(cuda.Kernel, "ready", noted(launch))
    monkeypatch.setattr(cuda, "array", noted(array, two))
    monkeypatch.setattr(cuda, "from_host", noted(cuda.from_host, two))
    monkeypatch.setattr(cuda.cuda, "synchronize", noted(synchronize))
    return two


def test_parameters_on_both(two):
    a, b = gpu(np.ones(3)), two.on_1(gpu(np.ones(4)))
    refuse(lambda: fastopt.Adam([a, b]), ValueError, "params[1]", "GPU 0 like the other arrays, got GPU 1")
    refuse(lambda: fastopt.Adam({"b": b, "a": a}), ValueError, "params['a']", "GPU 1 like the other arrays, got GPU 0")
    refuse(lambda: fastopt.Adam([{"params": a}, {"params": [b]}]), ValueError, "params[1][0]", "GPU 0", "GPU 1")
    refuse(lambda: fastopt.Adam([Exporter(a), Exporter(b)]), ValueError, "params[1]", "GPU 0", "got GPU 1")
    refuse(lambda: fastopt.pack([b, a]), ValueError, "params[1]", "GPU 1 like the other arrays, got GPU 0")
    assert not two.current


def test_an_array_without_elements_is_anywhere(two):
    x = two.on_1(gpu(np.ones(4)))
    opt = fastopt.GD([gpu(np.ones(0)), x, gpu(np.ones((2, 0)))], lr=0.5)
    opt.step([gpu(np.ones(0)), two.on_1(gpu(np.ones(4))), None])
    assert (host(x) == 0.5).all()


@pytest.mark.parametrize("there", [0, 1])
def test_a_gradient_on_the_other(two, there):
    places = [lambda a: a, two.on_1]
    x = [places[there](gpu(np.ones(4))), places[there](gpu(np.ones(3)))]
    opt = fastopt.Adam(x)
    grads = [places[there](gpu(np.ones(4))), places[1 - there](gpu(np.ones(3)))]
    words = f"must be on GPU {there} like its parameter, got GPU {1 - there}"
    refuse(lambda: opt.step(grads), ValueError, "grads[1]", words)
    assert all((host(a) == 1).all() for a in x)
    assert opt.t == 0
    assert not two.current


OPTIONS = [{}, {"clip_norm": 1.0}, {"check_finite": True}, {"capturable": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "defaults")
def test_the_gpu_of_the_arrays_is_current(two, options, tmp_path):
    """In every launch, allocation and copy of an optimiser that lives on GPU 1."""
    x = two.on_1(gpu(np.ones(4)))
    opt = fastopt.Adam(x, **options)
    assert opt._target.device == 1
    opt.step(two.on_1(gpu(np.ones(4))))
    opt.load_state_dict(opt.state_dict())
    fastopt.save(tmp_path / "run.npz", opt)
    fastopt.load(tmp_path / "run.npz", opt)
    assert opt.t == 1
    assert len(two.used) > 5
    assert set(two.used) == {1}
    assert not two.current


def test_packing_gathering_and_moving(two):
    x, y = two.on_1(gpu(np.ones(4))), two.on_1(gpu(np.ones((2, 3))))
    packed = fastopt.pack([x, y])
    opt = fastopt.GD(packed, lr=0.5)
    opt.step([two.on_1(gpu(np.ones(4))), two.on_1(gpu(np.ones((2, 3))))])
    packed[0] = x
    assert (fastopt.to_host(packed)[1] == 0.5).all()
    assert packed.zeros_like().layout is packed.layout
    assert set(two.used) == {1}
    assert not two.current


def test_the_first_gpu_is_entered_too(two):
    """Where another is current, the caller's, the optimiser's is made it."""
    x = gpu(np.ones(4))
    opt = fastopt.GD(x, lr=0.5)
    two.used.clear()
    with cuda.cuda.gpus[1]:
        opt.step(gpu(np.ones(4)))
    assert set(two.used) == {0}
    assert (host(x) == 0.5).all()
