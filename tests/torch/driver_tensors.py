"""Steps of PyTorch's tensors as a driver sees them; kernels/test_cuda_driver.py runs this file on the fake one.

PyTorch for the CPU knows no device, so the tensors say that they are on the CPU, over the fake device's memory.
"""

import ctypes
import itertools
from types import SimpleNamespace

import pytest
import torch
from cuda.core import Device
from fake_gpu import calls, launches
from interrupts_everywhere import Places
from numba import cuda
from on_cuda import gpu
from stepping import name_of
from with_sums import BOTH

import fastopt.torch
from fastopt.torch import stepping
from fastopt.torch.gpu import GpuPart
from fastopt.torch.gpu_sums import GpuSumsPart

GPUS = range(len(cuda.gpus))


class Moved:
    """Of tensors on the GPU that they were made for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.device = torch.device("cuda", given[3][0].gpu)

    def moved(self):
        return False


class There(Moved, GpuPart):
    pass


class SumsThere(Moved, GpuSumsPart):
    def _there(self, rows, dtype):
        return there(torch.tensor(rows, dtype=dtype), self.device.index)

    def _here(self, t):
        with cuda.gpus[t.gpu]:
            cuda.synchronize()
        return t.numpy()


def there(t, index):
    """A tensor of these elements in the memory of a GPU."""
    with cuda.gpus[index]:
        owner = gpu(t.detach().numpy())
        cuda.synchronize()
    memory = (ctypes.c_char * t.nbytes).from_address(owner.__cuda_array_interface__["data"][0])
    made = torch.frombuffer(memory, dtype=t.dtype).reshape(t.shape)
    made.owner, made.gpu = owner, index
    return made


@pytest.fixture(autouse=True)
def streams(monkeypatch):
    """PyTorch's current stream on each GPU, by its handle."""
    made = []
    for index in GPUS:
        with cuda.gpus[index]:
            device = Device(index)
            device.set_current()
            made.append(device.create_stream(options={"nonblocking": True}))
    now = [SimpleNamespace(cuda_stream=int(stream.handle)) for stream in made]
    full_like = torch.full_like
    monkeypatch.setattr(stepping, "part_of", lambda device, rule: SumsThere if rule.reduces else There)
    monkeypatch.setattr(torch, "full_like", lambda p, *args, **options: there(full_like(p, *args, **options), p.gpu))
    monkeypatch.setattr(torch.cuda, "current_stream", now.__getitem__)
    monkeypatch.setattr(torch.cuda, "device", lambda device: cuda.gpus[device.index])
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    yield [one.cuda_stream for one in now]
    cuda.synchronize()


def pairs(dtype, gpus):
    """Parameters on these GPUs and on the CPU, and what gives both the gradients of a step."""
    theirs = [torch.linspace(-1, 1, size, dtype=dtype, requires_grad=True) for _ in gpus for size in (5, 1300)]
    mine = [there(p, index).requires_grad_() for p, index in zip(theirs, [g for g in gpus for _ in range(2)])]

    def give(step):
        for p, q in zip(mine, theirs):
            q.grad = torch.cos(q.detach() * 5 + step)
            p.grad = there(q.grad, p.gpu)
            p.grad.gpu = p.gpu

    return mine, theirs, give


def assert_same(mine, theirs):
    for index in GPUS:
        with cuda.gpus[index]:
            cuda.synchronize()
    for p, q in zip(mine, theirs):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


CASES = [(torch.float32, {}), (torch.float64, {"weight_decay": 0.1, "maximize": True})]


@pytest.mark.parametrize(("dtype", "options"), CASES)
def test_a_step_is_launches(dtype, options, streams):
    """On PyTorch's stream, and nothing else; for each GPU on its own."""
    for index in GPUS:
        mine, theirs, give = pairs(dtype, [index])
        opt, ref = fastopt.torch.Adam(mine, **options), torch.optim.Adam(theirs, **options)
        for step in range(3):
            give(step)
            calls()
            begin = len(launches)
            opt.step()
            assert step == 0 or calls() == ["sweep"] * 2  # the first one loads the kernel
            assert [(launch.device, launch.stream) for launch in launches[begin:]] == [(index, streams[index])] * 2
            ref.step()
        assert_same(mine, theirs)


@pytest.mark.parametrize(("dtype", "options"), CASES)
@pytest.mark.parametrize("rule", BOTH, ids=name_of)
def test_sums_are_taken_first(rule, dtype, options, streams):
    """On the stream of each GPU; of all parameters on both together, where the rule asks for that."""
    mine, theirs, give = pairs(dtype, GPUS)
    groups = [{"params": [p for p in mine if p.gpu == index]} for index in GPUS]
    opt = fastopt.torch.class_of(rule)(groups, **options)
    ref = fastopt.Optimizer([q.detach().numpy() for q in theirs], rule, **options)
    for step in range(3):
        give(step)
        begin = len(launches)
        opt.step()
        found = [(launch.device, launch.stream) for launch in launches[begin:]]
        of_each = 4, 2  # two launches that sum a tensor, and one that steps it
        assert found == [(index, streams[index]) for count in of_each for index in GPUS for _ in range(count)]
        ref.step([q.grad.numpy() for q in theirs])
    assert_same(mine, theirs)


def test_an_interrupt_at_any_place_of_a_step():
    """Leaves all tensors stepped, counted, and known to autograd as changed, or none."""
    mine, theirs, give = pairs(torch.float64, [0])
    opt, ref, taken = fastopt.torch.NAdam(mine), torch.optim.NAdam(theirs), set()
    give(0)
    opt.step()
    ref.step()
    for at in itertools.count(1):
        before, versions = count(opt), [p._version for p in mine]
        opt._take_parts()  # an interrupt may have left none, and all steps are to come by the same places
        came = Places(at).interrupt(opt.step)
        taken.add(count(opt) - before)
        if count(opt) > before:
            ref.step()
        assert [p._version > version for p, version in zip(mine, versions)] == [count(opt) > before] * len(mine)
        assert_same(mine, theirs)
        if not came:
            break
    assert taken == {0, 1}


def count(opt):
    (found,) = {int(state["step"]) for state in opt.state.values()}
    return found
