"""Rules with sums for tensors on a CUDA device, as on the CPU. In the simulator tensors on the CPU stand in."""

import contextlib
from types import SimpleNamespace

import pytest
from on_cuda import SIMULATED
from stepping import name_of
from with_sums import ALL, BOTH, EACH

from fastopt.rules import RULES

pytestmark = pytest.mark.needs("peers", "torch")
with contextlib.suppress(ModuleNotFoundError):
    import torch
    from torch_tasks import give_gradients, leaves, params_of

    from fastopt.torch import class_of, stepping
    from fastopt.torch.gpu_sums import GpuSumsPart
    from fastopt.torch.sums import SumsPart

SHAPES = ((4, 3), (), (0, 2), (300,))
WITH_SUMS = [rule for rule in RULES if rule.reduces]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """What makes tensors that are on the CPU step as on a device, where there is none."""
    seen = SimpleNamespace(capturing=False, on_gpu=set())
    if not SIMULATED:
        return seen

    def part(*given):
        return (GpuSumsPart if id(given[3][0]) in seen.on_gpu else SumsPart)(*given)

    monkeypatch.setattr(stepping, "part_of", lambda device, rule: part)
    monkeypatch.setattr("fastopt.kernels.cuda.gpu.stream", lambda handle, device: handle)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=77))
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: seen.capturing)
    return seen


def there(here, params):
    if not SIMULATED:
        return [p.detach().cuda().requires_grad_() for p in params]
    here.on_gpu |= set(map(id, params))
    return params


def assert_alike(mine, reference, dtype):
    near = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-12}
    for p, q in zip(params_of(mine), params_of(reference), strict=True):
        torch.testing.assert_close(p.cpu(), q, **near)
        state, wanted = mine.state[p], reference.state[q]
        assert state.keys() == wanted.keys()
        for key, value in wanted.items():
            found = state[key].cpu() if isinstance(value, torch.Tensor) else state[key]
            torch.testing.assert_close(found, value, **near)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [*WITH_SUMS, *BOTH], ids=name_of)
def test_as_on_the_cpu(here, rule, dtype):
    """In two groups, one decayed and up, with gradients that are missing, and a state of half the way loaded."""
    dtype = getattr(torch, dtype)

    def made(params):
        groups = [{"params": params[:2], "weight_decay": 0.1, "maximize": True}, {"params": params[2:], "lr": 0.5}]
        return class_of(rule)(groups, lr=0.25)

    both = made(there(here, leaves(SHAPES, dtype))), made(leaves(SHAPES, dtype))
    for k in range(4):
        for optimizer in both:
            params = params_of(optimizer)
            on_host = [p.detach().cpu() for p in params]
            give_gradients(k, on_host)
            for p, q in zip(params, on_host):
                p.grad = q.grad.to(p.device)
            params[k % 2].grad = None
            if k == 2:
                optimizer.load_state_dict(optimizer.state_dict())
            optimizer.step()
    assert_alike(*both, dtype)


def test_all_on_both(here):
    """Sums are over parameters on a device and on the CPU together."""
    params, others = leaves(((3,), (5,))), leaves(((3,), (5,)))
    params = [*there(here, params[:1]), params[1]]
    optimizers = [class_of(ALL)([{"params": [p]} for p in those]) for those in (params, others)]
    for k in range(3):
        for optimizer in optimizers:
            for p in params_of(optimizer):
                p.grad = torch.cos(p.detach() + k)
            optimizer.step()
    assert_alike(*optimizers, torch.float64)


def test_captures_are_refused(here):
    if not SIMULATED:
        pytest.skip("the simulator asks")
    params = there(here, leaves(((3,),)))
    optimizer = class_of(EACH)(params)
    give_gradients(0, params)
    here.capturing = True
    with pytest.raises(RuntimeError, match=r"^step must not be captured in a CUDA graph"):
        optimizer.step()
    assert not any(optimizer.state.values())
