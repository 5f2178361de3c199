"""Tensors on a CUDA device against torch.optim, step by step. In the simulator tensors on the CPU stand in."""

import contextlib
import copy
import io
import weakref
from types import SimpleNamespace

import pytest
from on_cuda import SIMULATED
from reference import Reference

pytestmark = pytest.mark.needs("peers", "torch")
with contextlib.suppress(ModuleNotFoundError):
    import torch

    import fastopt.torch
    from fastopt.torch import stepping

STEPS = 3
SHAPES = [(5,), (), (0, 3), (3, 4), (2,)]
TURNED, NEVER, LATE = 3, 4, 1  # not contiguous; without a gradient in all steps, and in the first
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.7, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.7, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"weight_decay": 0.3}),
    ("AdamW", {"amsgrad": True, "maximize": True}),
    ("Adamax", {"weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.05, "initial_accumulator_value": 0.3}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.6, "centered": True}),
    ("RMSprop", {"weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"weight_decay": 0.1, "betas": (0.8, 0.95)}),
    ("RAdam", {"weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.1, "maximize": True}),
    ("ASGD", {"lr": 0.1, "lambd": 0.3, "t0": 0, "weight_decay": 0.1}),
]


def name_of(case):
    return "+".join(case) or "defaults" if isinstance(case, dict) else None


# --- what stands for a device ----------------------------------------------------------------------------------------


def on_gpu(thing):
    """A tensor on the device, or a module."""
    if not SIMULATED:
        return thing.cuda() if isinstance(thing, torch.nn.Module) else thing.detach().cuda().requires_grad_()
    for t in thing.parameters() if isinstance(thing, torch.nn.Module) else [thing]:
        t.stands_for_cuda = True
    return thing


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """What happens: the streams of the kernels launched, and the devices whose current stream was asked for."""
    from fastopt.kernels.cuda import gpu
    from fastopt.torch.cpu import CpuPart
    from fastopt.torch.gpu import GpuPart

    seen = SimpleNamespace(launches=[], devices=[], capturing=False, fails=False)
    ready = gpu.Kernel.ready

    def noted(kernel, stream, *args, **options):
        run, handle = ready(kernel, stream, *args, **options), int(getattr(stream, "handle", stream))

        def launch():
            if seen.fails:
                raise RuntimeError("no such launch")
            seen.launches.append(handle)
            return run()

        return launch

    monkeypatch.setattr(gpu.Kernel, "ready", noted)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam's product, which PyTorch keeps in it
    if SIMULATED:

        def part(*given):
            return (GpuPart if hasattr(given[3][0], "stands_for_cuda") else CpuPart)(*given)

        def current_stream(device):
            seen.devices.append(device)
            return SimpleNamespace(cuda_stream=77)

        monkeypatch.setattr(stepping, "part_of", lambda device, rule: part)
        monkeypatch.setattr(gpu, "stream", lambda handle, device: handle)
        monkeypatch.setattr(torch.cuda, "current_stream", current_stream)
        monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: seen.capturing)
    yield seen
    torch.set_default_dtype(before)


# --- what is stepped, and compared -----------------------------------------------------------------------------------


def parameters(seed=0):
    """Of SHAPES, in both dtypes, on the CPU."""
    source = torch.Generator().manual_seed(seed)
    values = [torch.randn(s, generator=source, dtype=d) for d in (torch.float32, torch.float64) for s in SHAPES]
    return [(t.t() if i % len(SHAPES) == TURNED else t).requires_grad_() for i, t in enumerate(values)]


def copies(params):
    return [p.detach().clone().requires_grad_() for p in params]


def gradients(params, step):
    """Of each parameter, on the CPU, None where it has none; the first of each dtype is strided."""
    source, made = torch.Generator().manual_seed(100 + step), []
    for i, p in enumerate(params):
        g, kind = torch.randn(p.shape, generator=source, dtype=p.dtype), i % len(SHAPES)
        left_out = kind == NEVER or (kind == LATE and step == 0)
        made.append(None if left_out else torch.stack([g, g], 1)[:, 0] if kind == 0 else g)
    return made


def give(params, grads):
    for p, g in zip(params, grads):
        p.grad = None if g is None else g.to(p.device)


def steps(optimizers, lists, begin=0, end=STEPS):
    for step in range(begin, end):
        for optimizer, params in zip(optimizers, lists):
            give(params, gradients(params, step))
            optimizer.step()


def assert_close(a, b, what, limit=1e-11):
    assert a.shape == b.shape, what
    assert a.dtype == b.dtype or what.startswith("mu_product"), what  # which PyTorch loads in its parameter's
    if a.numel():
        a, b = a.detach().cpu(), b.detach().cpu()
        limit = 1e-5 if a.dtype == torch.float32 else limit
        assert (a - b).abs().max() <= limit * max(1e-3, float(b.abs().max())), what


def assert_same(mine, theirs, **limit):
    """Parameters and state of two optimisers."""
    pairs = [pair for a, b in zip(mine.param_groups, theirs.param_groups) for pair in zip(a["params"], b["params"])]
    for i, (p, q) in enumerate(pairs):
        assert_close(p, q, f"parameter {i}", **limit)
        state = {key: value for key, value in theirs.state.get(q, {}).items() if value is not None}
        assert mine.state.get(p, {}).keys() == state.keys()
        for key, value in state.items():
            assert_close(mine.state[p][key], value, f"{key} of parameter {i}", **limit)


# --- tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), CASES, ids=name_of)
def test_steps_are_pytorchs(name, options):
    """In groups of both dtypes, of which each has a rate of its own."""
    theirs = parameters()
    mine = [on_gpu(p) for p in copies(theirs)]

    def groups(params):
        return [{"params": params[::2]}, {"params": params[1::2], "lr": 0.02}]

    opt = getattr(fastopt.torch, name)(groups(mine), **options)
    ref = getattr(torch.optim, name)(groups(theirs), **options)
    for step in range(STEPS):
        steps([opt, ref], [mine, theirs], step, step + 1)
        assert_same(opt, ref)


def test_numbers_that_change():
    theirs = parameters()
    mine = to_gpu(theirs)
    opt = fastopt.torch.Adam(mine, lr=torch.tensor(0.1), maximize=True)
    ref = torch.optim.Adam(theirs, lr=torch.tensor(0.1), maximize=True)
    for step in range(STEPS):
        steps([opt, ref], [mine, theirs], step, step + 1)
        for optimizer in (opt, ref):
            optimizer.param_groups[0].update(lr=0.1 / (2 + step), maximize=False, weight_decay=0.1 * step)
    assert_same(opt, ref)


def test_lion():
    params = parameters()
    mine = to_gpu(params)
    opt = fastopt.torch.Lion(mine, lr=0.05, weight_decay=0.3)
    ref = Reference("lion", [p.detach().numpy() for p in params], lr=0.05, weight_decay=0.3)
    for step in range(STEPS):
        steps([opt], [mine], step, step + 1)
        ref.step([g if g is None else g.numpy() for g in gradients(params, step)])
    for i, (p, expected) in enumerate(zip(mine, ref.params)):
        assert_close(p, torch.as_tensor(expected, dtype=p.dtype), f"parameter {i}")


@pytest.mark.parametrize("name", ["SGD", "NAdam"])
def test_a_checkpoint_goes_to_the_device_and_back(name):
    """Theirs on the CPU, ours on the device, ours on the CPU, theirs: as theirs alone."""
    options = {"lr": 0.05} | ({"momentum": 0.9} if name == "SGD" else {})
    ours, torchs = getattr(fastopt.torch, name), getattr(torch.optim, name)
    params, alone = parameters(), parameters()
    ref, opt = torchs(alone, **options), None
    for k, (make, place) in enumerate([(torchs, copies), (ours, to_gpu), (ours, to_cpu), (torchs, to_cpu)]):
        params = place(params)
        following = make(params, **options)
        if opt:
            file = io.BytesIO()
            torch.save(opt.state_dict(), file)
            file.seek(0)
            following.load_state_dict(torch.load(file))
        opt = following
        steps([opt, ref], [params, alone], 2 * k, 2 * k + 2)
        assert_same(opt, ref)


def to_gpu(params):
    return [on_gpu(p) for p in copies(params)]


def to_cpu(params):
    return copies([p.cpu() for p in params])


def test_numbers_of_the_state_that_are_on_the_device_are_fetched_once():
    """As PyTorch leaves them there after a checkpoint was loaded with fused=True, and NAdam's product always."""
    theirs = parameters()
    mine = to_gpu(theirs)
    opt, ref = fastopt.torch.NAdam(mine), torch.optim.NAdam(theirs)
    steps([opt, ref], [mine, theirs], 0, 2)
    looks = []
    for state in opt.state.values():
        for key in ("step", "mu_product"):
            state[key] = on_a_device(state[key], looks)
    steps([opt, ref], [mine, theirs], 2, 4)
    assert_same(opt, ref)
    numbers = [state[key] for state in opt.state.values() for key in ("step", "mu_product")]
    assert all(type(t) is torch.Tensor and t.is_cpu for t in numbers)
    assert len(looks) == (len(numbers) if SIMULATED else 0)


def on_a_device(t, looks):
    if not SIMULATED:
        return t.cuda()

    class There(torch.Tensor):
        device = torch.device("cuda", 0)

        def __float__(self):
            looks.append(self)
            return self.item()

    return t.as_subclass(There)


def test_a_model_on_both():
    """In one group."""
    both, alone = (models() for _ in range(2))
    on_gpu(both[0])
    opt, ref = fastopt.torch.AdamW(both.parameters(), lr=0.1), torch.optim.AdamW(alone.parameters(), lr=0.1)
    x = torch.linspace(-1, 1, 21).reshape(7, 3)
    for _ in range(STEPS):
        for model, optimizer in ((both, opt), (alone, ref)):
            optimizer.zero_grad()
            first, second = model
            hidden = torch.tanh(first(x.to(first.weight)))
            second(hidden.to(second.weight)).square().sum().backward()
            optimizer.step()
    assert_same(opt, ref, limit=1e-5)  # what comes out of the first layer is float32


def models():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 4, dtype=torch.float32), torch.nn.Linear(4, 1))


def test_flat():
    theirs = parameters()
    mine = to_gpu(theirs)
    opt, ref = fastopt.torch.Adam(mine, flat=True), torch.optim.Adam(theirs)
    for step in range(STEPS):
        opt.zero_grad()
        grads = [torch.zeros_like(p) if g is None else g for p, g in zip(theirs, gradients(theirs, step))]
        for p, g in zip(mine, grads):
            p.grad.copy_(g)
        give(theirs, grads)
        opt.step()
        ref.step()
        assert_same(opt, ref)


def test_a_strided_parameter_is_stepped_where_it_is():
    theirs, around = torch.ones(4, requires_grad=True), torch.ones(4, 2) if SIMULATED else torch.ones(4, 2).cuda()
    mine = around[:, 0].requires_grad_()
    mine.stands_for_cuda = True
    steps([fastopt.torch.Adam([mine]), torch.optim.Adam([theirs])], [[mine], [theirs]])
    assert_close(around[:, 0], theirs, "parameter")
    assert (around[:, 1] == 1).all()


def test_nothing_is_stepped_without_gradients(seen):
    """Not with those of the step before either, which the optimiser does not keep alive."""
    params = [on_gpu(torch.ones(3, requires_grad=True)), on_gpu(torch.ones((), requires_grad=True))]
    opt = fastopt.torch.Adam(params)
    opt.step()
    assert not seen.launches
    assert not opt.state
    give(params, [torch.ones(3), torch.ones(())])
    opt.step()
    there, count = weakref.ref(params[0].grad), len(seen.launches)
    opt.zero_grad()
    assert there() is None
    before = [p.detach().clone() for p in params]
    opt.step()
    assert len(seen.launches) == count == 2
    assert all(map(torch.equal, params, before))


def test_what_a_failed_step_left_over_is_not_made_up_for(seen):
    x = on_gpu(torch.ones(3, requires_grad=True))
    opt = fastopt.torch.SGD([x])
    x.grad, seen.fails = torch.ones_like(x), True
    with pytest.raises(RuntimeError, match="no such launch"):
        opt.step()
    seen.fails = False
    opt.zero_grad()
    opt.step()
    assert not seen.launches
    x.grad = torch.ones_like(x)
    opt.step()
    assert len(seen.launches) == 1


def test_autograd_is_told():
    w = on_gpu(torch.ones(3, requires_grad=True))
    loss = (w * w).sum()
    w.grad = torch.ones_like(w)
    fastopt.torch.SGD([w]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_does_not_fit_is_refused_before_anything_is_written(seen):
    params = [on_gpu(torch.ones(3, requires_grad=True)), on_gpu(torch.ones(4, requires_grad=True))]
    opt = fastopt.torch.Adam(params)
    give(params, [torch.ones(3), torch.ones(4)])
    opt.step()
    before, count = [p.detach().clone() for p in params], len(seen.launches)
    opt.state[params[1]]["exp_avg"] = torch.zeros(5)
    with pytest.raises(RuntimeError, match=r"the state 'exp_avg' of .* must be float64"):
        opt.step()
    assert len(seen.launches) == count
    assert all(map(torch.equal, params, before))
    assert [float(opt.state[p]["step"]) for p in params] == [1.0, 1.0]


def test_the_stream_and_device_are_pytorchs_current_ones(seen):
    x = on_gpu(torch.ones(3, requires_grad=True))
    x.grad = torch.ones_like(x)
    opt, handle = fastopt.torch.Adam([x]), 77
    if SIMULATED:
        opt.step()
        assert seen.devices == [x.device.index]
    else:
        side = torch.cuda.Stream()
        handle = side.cuda_stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            opt.step()
        torch.cuda.synchronize()
    assert seen.launches == [handle]


def test_a_capture_is_refused(seen):
    """And what was made for the step is taken back."""
    x = on_gpu(torch.ones(3, requires_grad=True))
    x.grad = torch.ones_like(x)
    opt = fastopt.torch.Adam([x])
    with captured(seen), pytest.raises(RuntimeError, match="step must not be captured in a CUDA graph, got a capture"):
        opt.step()
    assert not opt.state[x]
    assert not seen.launches
    opt.step()
    assert float(opt.state[x]["step"]) == 1.0


@contextlib.contextmanager
def captured(seen):
    seen.capturing = True
    if SIMULATED:
        yield
    else:
        y = torch.ones(3, device="cuda")
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            y.add_(1)  # a graph of nothing is warned of
            yield
    seen.capturing = False


def test_a_copy_steps_the_same():
    params = to_gpu(parameters())
    opt = fastopt.torch.Adam(params)
    steps([opt], [params], 0, 1)
    other = copy.deepcopy(opt)
    twins = [on_gpu(p) if SIMULATED else p for p in other.param_groups[0]["params"]]
    steps([opt, other], [params, twins], 1, 2)
    assert_same(other, opt)
