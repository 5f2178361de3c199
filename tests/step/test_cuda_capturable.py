"""What a captured graph refers to stays where it is: it replays the launches of a step, with the same arguments."""

import numpy as np
import pytest
from on_cuda import SIMULATED, gpu, host
from reference import Reference
from stepping import DTYPES, assert_close, bits, name_of, problem

import fastopt

if not SIMULATED:
    pytest.skip("replays launches by hand; bench/test_gpu.py captures a graph", allow_module_level=True)

from fastopt.kernels.cuda import gpu as cuda


class Graph:
    """The launches of a step with their arguments, as a CUDA graph captures them."""

    def __init__(self, monkeypatch):
        self.launches, ready = [], cuda.Kernel.ready

        def noted(kernel, *args, **options):
            self.launches.append((kernel, args, options))
            return ready(kernel, *args, **options)

        self._patch = lambda context: context.setattr(cuda.Kernel, "ready", noted)
        self._new = monkeypatch.context

    def capture(self, step, grads):
        self.launches.clear()
        with self._new() as context:
            self._patch(context)
            step(grads)

    def replay(self):
        for kernel, args, options in self.launches:
            kernel(*args, **options)


@pytest.fixture
def graph(monkeypatch):
    return Graph(monkeypatch)


OPTIONS = [{}, {"clip_norm": 0.3}, {"maximize": True}, {"weight_decay": 0.1}]


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
@pytest.mark.parametrize(("name", "dtype"), list(zip(("momentum", "adam"), DTYPES)))
def test_a_graph_goes_on_after_load_state_dict(name, options, dtype, graph):
    """From the count, the state and the rate that were loaded."""
    params, _ = problem(dtype, steps=1)
    grads = [np.full_like(p, 0.5) for p in params]
    rule = fastopt.Adam if name == "adam" else fastopt.Momentum
    source, ref = rule(gpu(params), lr=0.25, **options), Reference(name, params, lr=0.25, **options)
    for _ in range(2):
        source.step(gpu(grads))
        ref.step(grads)
    opt, given = rule(gpu(params), lr=1e-3, capturable=True, **options), gpu(grads)
    graph.capture(opt.step, given)
    opt.load_state_dict(source.state_dict())
    for mine, theirs in zip(opt.params, source.params):
        mine.copy_to_device(theirs)
    assert opt.t == 2
    for t in (3, 4):
        graph.replay()
        ref.step(grads)
        assert opt.t == t
    assert_close([host(a) for a in opt.params], ref.params, "parameters")
    opt.step(given)  # and a step without the graph goes on from there
    ref.step(grads)
    assert opt.t == 5
    assert_close([host(a) for a in opt.params], ref.params, "parameters")


def addresses(args):
    """Of the memory in the arguments of a launch."""
    if isinstance(args, (tuple, list)):
        return [address for arg in args for address in addresses(arg)]
    return [cuda.address_of(args)] if hasattr(args, "copy_to_host") else []


def test_no_launch_refers_to_other_memory_after_load_state_dict(graph):
    """Also where nothing would show it here: the simulator keeps alive what a graph would not."""
    x, given = gpu([np.ones(4), np.ones(3, np.float32)]), gpu([np.ones(4), np.ones(3, np.float32)])
    opt = fastopt.Adam(x, clip_norm=1.0, weight_decay=0.1, capturable=True)
    seen = []
    for _ in range(2):
        graph.capture(opt.step, given)
        seen.append([addresses(args) for _, args, _ in graph.launches])
        opt.load_state_dict(opt.state_dict())
    assert len(seen[0]) == 7  # two norms, one judge, two counts, two sweeps
    assert all(seen[0])
    assert seen[0] == seen[1]


def test_groups_keep_their_own_numbers(graph):
    x = gpu([np.zeros(4), np.zeros(4, np.float32), np.zeros(4)])
    groups = [{"params": x[:2]}, {"params": x[2], "lr": 2.0}]
    opt = fastopt.GD(groups, lr=1.0, capturable=True)
    given = [gpu([np.ones(4), np.ones(4, np.float32)]), gpu(np.ones(4))]
    graph.capture(opt.step, given)
    saved = opt.state_dict()
    saved["hyper"][0]["lr"], saved["hyper"][1]["lr"] = 4.0, 8.0
    opt.load_state_dict(saved)
    graph.replay()
    assert [float(host(a)[0]) for a in x] == [-5, -5, -10]
    assert opt.t == 2


def test_a_weight_decay_that_comes_is_in_the_next_step(graph):
    """Also of a graph that was captured without one."""
    x, y, given = gpu(np.full(4, 2.0)), gpu(np.full(4, 2.0)), gpu(np.ones(4))
    opt, decays = fastopt.GD(x, lr=0.5, capturable=True), fastopt.GD(y, lr=0.5, weight_decay=0.5)
    graph.capture(opt.step, given)
    opt.load_state_dict(decays.state_dict())
    x.copy_to_device(np.full(4, 2.0))
    graph.replay()
    decays.step(gpu(np.ones(4)))
    assert bits(host(x)) == bits(host(y))
    assert opt.t == 1
    graph.replay()
    decays.step(gpu(np.ones(4)))
    assert bits(host(x)) == bits(host(y))


def test_a_refused_state_changes_nothing_on_the_device(graph):
    x = gpu(np.zeros(4))
    opt = fastopt.GD(x, lr=1.0, capturable=True)
    graph.capture(opt.step, gpu(np.ones(4)))
    saved = opt.state_dict()
    saved["hyper"]["lr"] = -1.0
    with pytest.raises(ValueError, match="lr"):
        opt.load_state_dict(saved)
    graph.replay()
    assert (host(x) == -2).all()
    assert opt.t == 2


def test_what_is_assigned_is_in_the_next_replay(graph):
    """The decay too: where a graph may have been captured, the kernels have their stage from the start."""
    x, y = gpu(np.full(4, 2.0)), np.full(4, 2.0)
    opt, ref = fastopt.Momentum(x, lr=0.5, capturable=True), Reference("momentum", [y], lr=0.5)
    given = gpu(np.ones(4))
    graph.capture(opt.step, given)
    ref.step([np.ones(4)])
    values = {"lr": 0.125, "weight_decay": 0.5, "maximize": True, "clip_value": 0.25, "momentum": 0.5}
    for name, value in values.items():
        setattr(opt, name, value)
        if hasattr(ref, name):
            setattr(ref, name, value)
        else:
            ref.hyper[name] = value
        for _ in range(2):
            graph.replay()
            ref.step([np.ones(4)])
    assert_close([host(x)], ref.params, "parameters")
    assert opt.t == 11
    for name, value in (("clip_norm", 1.0), ("lr", lambda step: 0.1), ("check_finite", True)):
        with pytest.raises(ValueError, match="capturable=True"):
            setattr(opt, name, value)
