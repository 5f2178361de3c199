"""Large tensors, stepped by PyTorch's threads, by Numba's where there is no way to those, or by one alone."""

import pytest
import torch
from torch_tasks import ours

from fastopt.torch import cpu

pytestmark = pytest.mark.needs("peers", "torch")
SIZES = (70_001, 3, 40_000)  # together enough for threads, in parts that end within a tensor


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def stepped():
    random = torch.Generator().manual_seed(3)
    params = [torch.randn(size, generator=random).requires_grad_() for size in SIZES]
    opt = ours("Adam")(params, lr=0.01)
    for _ in range(2):
        for p in params:
            p.grad = torch.randn(p.shape, generator=random)
        opt.step()
    return [p.detach() for p in params] + [opt.state[p][key] for p in params for key in ("step", "exp_avg_sq")]


def by_one(monkeypatch):
    """The same where nothing else may be taken."""
    monkeypatch.setattr(cpu.CpuPart, "_in_threads", lambda *_: pytest.fail("one thread only"))
    return stepped()


@pytest.mark.parametrize("way", ["PyTorch's", "Numba's"])
def test_who_steps_makes_no_difference(way, threads, monkeypatch):
    called = []
    if way == "Numba's":
        monkeypatch.setattr(cpu, "openmp", lambda: None)
        inner = cpu._by_numbas
        monkeypatch.setattr(cpu, "_by_numbas", lambda *given: (called.append(way), inner(*given)))
    else:
        inner = cpu.CpuPart._gather_team
        monkeypatch.setattr(cpu.CpuPart, "_gather_team", lambda *given: (called.append(way), inner(*given)))
    shared = stepped()
    assert called
    assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert all(map(torch.equal, shared, by_one(monkeypatch)))


def test_a_forked_process_takes_one_thread(threads, monkeypatch):
    """Whose threads are those of its parent."""
    monkeypatch.setattr(cpu, "forked", lambda: True)
    by_one(monkeypatch)
