"""What PyTorch has around optimisers: autograd's versions, GradScaler, averaged models, the compiler; threads."""

import threading

import pytest
import torch
from torch.optim import swa_utils
from torch.testing import assert_close
from torch_tasks import NAMES, assert_alike, assert_bits, bits, generator, give_gradients, leaves, network, ours, theirs

pytestmark = pytest.mark.needs("peers", "torch")
FEW = ("Adam", "SGD", "NAdam")


def inputs(k, dtype=torch.float64):
    return torch.randn(8, 2, dtype=dtype, generator=generator(k))


# --- autograd --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flat", [False, True], ids=["apart", "flat"])
def test_backward_after_a_step_is_refused(name, flat):
    """Through a graph that was computed with the parameters before: autograd counts what is written."""
    model = network()
    optimizer = ours(name)(model.parameters(), flat=flat)
    loss = model(inputs(0)).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_versions_of_what_is_not_stepped_stay():
    a, b = leaves(((2,), (2,)))
    optimizer = ours("Adam")([a, b])
    a.grad = torch.ones_like(a)
    before = a._version, b._version
    optimizer.step()
    assert (a._version, b._version) == (before[0] + 1, before[1])


def test_backward_may_go_on_where_nothing_was_written():
    """Through a layer that has no gradient in this step."""
    model = network()
    optimizer = ours("SGD")(model[0].parameters())
    loss = model(inputs(0)).sum()
    optimizer.step()
    loss.backward()


@pytest.mark.parametrize("name", FEW)
def test_steps_within_backward(name):
    """One optimiser for each parameter, stepped as soon as its gradient is there, and the gradient is let go."""
    results = []
    for make in ours, theirs:
        model = network()
        optimizers = {p: make(name)([p], lr=0.05) for p in model.parameters()}

        def step(p, optimizers=optimizers):
            optimizers[p].step()
            optimizers[p].zero_grad()

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(step)
        for k in range(3):
            model(inputs(k)).pow(2).sum().backward()
        assert all(p.grad is None for p in model.parameters())
        results.append([p.detach() for p in model.parameters()])
    assert_close(*results)


# --- mixed precision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fused"), [("Adam", False), ("Adam", True), ("SGD", False), ("SGD", True), ("RMSprop", None)]
)
def test_grad_scaler(name, fused):
    """On the CPU, as with theirs: steps with infinite gradients are left out, the scale shrinks."""
    pair = []
    for make in ours, theirs:
        model, options = network(torch.float32), {} if fused is None else {"fused": fused}
        options = options if make is ours or fused else {**options, "foreach": False}
        optimizer = make(name)(model.parameters(), lr=0.01, **options)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
        for k in range(8):
            optimizer.zero_grad()
            scaler.scale(model(inputs(k, torch.float32)).pow(2).sum()).backward()
            if k == 4:
                model[0].weight.grad[0, 0] = float("inf")
            if k % 2:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
        pair.append((optimizer, scaler.get_scale()))
    (mine, scale), (reference, wanted) = pair
    assert scale == wanted != 1024.0
    assert_alike(mine, reference)


def test_autocast():
    """Gradients are float32 where the computation was in bfloat16."""
    model = network(torch.float32)
    optimizer = ours("Adam")(model.parameters())
    before = bits(optimizer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(inputs(0, torch.float32)).sum()
    loss.backward()
    optimizer.step()
    assert not torch.equal(before[0][0], model[0].weight)


# --- averages of models ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mean", "ema"])
@pytest.mark.parametrize("flat", [False, True], ids=["apart", "flat"])
def test_averaged_models(kind, flat):
    results = []
    for make, options in (ours, {"flat": flat}), (theirs, {"foreach": False}):
        model = network()
        optimizer = make("Adam")(model.parameters(), lr=0.05, **options)
        average = None if kind == "mean" else swa_utils.get_ema_multi_avg_fn(0.9)
        averaged = swa_utils.AveragedModel(model, multi_avg_fn=average)
        schedule = swa_utils.SWALR(optimizer, swa_lr=0.01, anneal_epochs=3)
        for k in range(6):
            optimizer.zero_grad()
            model(inputs(k)).pow(2).sum().backward()
            optimizer.step()
            averaged.update_parameters(model)
            schedule.step()
        results.append([p.detach() for p in averaged.parameters()])
        assert not torch.equal(results[-1][0], model[0].weight)
    assert_close(*results)


# --- the compiler and the profiler -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_training_step_in_torch_compile():
    """The model is compiled around the step, which is called; the compiler would warn of caches that it sees."""
    torch._dynamo.reset()
    results = []
    for compiled in False, True:
        model = network()
        optimizer = ours("Adam")(model.parameters(), lr=0.05)

        def train(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x).pow(2).sum()
            loss.backward()
            optimizer.step()
            return loss

        step = torch.compile(train, backend="eager") if compiled else train
        results.append([[step(inputs(k)).item() for k in range(3)], bits(optimizer)])
    torch._dynamo.reset()
    assert_bits(*results)


def test_profiler_shows_steps():
    """Under PyTorch's name for them, and our class's."""
    optimizer = ours("Adam")(leaves())
    give_gradients(0, optimizer.param_groups[0]["params"])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
        optimizer.zero_grad()
    names = {event.key for event in profile.key_averages()}
    assert {"Optimizer.step#Adam.step", "Optimizer.zero_grad#Adam.zero_grad"} <= names


# --- threads ---------------------------------------------------------------------------------------------------------


def test_two_threads_step_their_own():
    results = [None] * 4

    def work(i):
        params = leaves(((40, 30), (5,)), seed=i % 2)
        optimizer = ours("Adam")(params)
        for k in range(50):
            give_gradients(k, params)
            optimizer.step()
        results[i] = bits(optimizer)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_bits(results[0], results[2])
    assert_bits(results[1], results[3])


def test_one_optimiser_in_two_threads():
    """A step while another is on is refused in one sentence, and each counts that was taken."""
    params = leaves(((300, 200), (5,)))
    optimizer, refusals, errors = ours("Adam")(params), [], []
    give_gradients(0, params)
    optimizer.step()

    def work():
        for _ in range(100):
            try:
                optimizer.step()
            except RuntimeError as error:
                (refusals if "by one thread at a time" in str(error) else errors).append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert {state["step"].item() for state in optimizer.state.values()} == {201 - len(refusals)}


def test_a_step_within_a_step_is_refused():
    """That of a closure which steps the same optimiser is no step within: it comes before."""
    (p,) = leaves(((2,),))
    optimizer = ours("SGD")([p], lr=1.0)
    p.grad = torch.ones_like(p)
    before = p.detach().clone()
    optimizer.step(optimizer.step)
    assert_close(p.detach(), before - 2.0)
    optimizer._stepped = True
    with pytest.raises(RuntimeError, match="must be stepped by one thread at a time"):
        optimizer.step()


@pytest.mark.parametrize("name", FEW)
def test_inference_mode(name):
    """As theirs in it: parameters that were made outside are stepped."""
    pair = []
    for make in ours, theirs:
        optimizer = make(name)(leaves())
        give_gradients(0, optimizer.param_groups[0]["params"])
        with torch.inference_mode():
            optimizer.step()
        pair.append(optimizer)
    assert_alike(*pair)
