"""Rules that look at whole arrays first, on PyTorch's tensors: against a plain interpreter, and our own optimisers."""

import copy
import io
import pickle
import tracemalloc
from functools import cache

import numpy as np
import pytest
import torch
from interrupts_everywhere import Places, see_kernels
from reduced import Reduced
from stepping import assert_close, name_of
from torch_tasks import assert_bits, bits, give_gradients, leaves, params_of
from with_sums import ALL, BOTH, EACH

import fastopt
from fastopt.rules import RULES
from fastopt.torch import class_of, sums

pytestmark = pytest.mark.needs("peers", "torch")
WITH_SUMS = [rule for rule in RULES if rule.reduces]
EVERY = [*WITH_SUMS, *BOTH]
SHAPES = ((4, 3), (5,), (), (0, 2))
each_rule = pytest.mark.parametrize("rule", EVERY, ids=name_of)
each_kind = pytest.mark.parametrize("rule", BOTH, ids=name_of)
make_of = cache(class_of)


def give(k, params):
    """The gradients of step k: none for one of them, which is another one in each step; in the first, for the first."""
    give_gradients(k, params)
    params[k % len(params)].grad = None


def arrays(params):
    return [p.detach().numpy() for p in params]


def kept(rule, optimizer):
    """By the name of each number, what the states say that have it."""
    states = [state for p in params_of(optimizer) if (state := optimizer.state.get(p))]
    return {name: [state[name] for state in states] for name in rule.keeps}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@each_rule
def test_as_the_rule_says(rule, dtype):
    params = leaves(SHAPES, dtype)
    optimizer = make_of(rule)(params)
    oracle = Reduced(rule, arrays(params))
    for k in range(10):
        give(k, params)
        optimizer.step()
        oracle.step([p.grad if p.grad is None else p.grad.numpy() for p in params])
        near = {np.dtype("f4"): 1e-4, np.dtype("f8"): 1e-10}
        assert_close(arrays(params), oracle.params, f"parameters, step {k}", near)
    for name, numbers in kept(rule, optimizer).items():
        assert all(type(one) is float for one in numbers)
        wanted = oracle.kept[name] * (len(params) if rule.across else 1)
        np.testing.assert_allclose(numbers, wanted, rtol=1e-4 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@each_rule
def test_same_bits_as_with_arrays(rule, dtype):
    """In two groups, decayed and up, with gradients that are missing."""
    params, options = leaves(SHAPES, dtype), {"weight_decay": 0.1, "maximize": True}
    optimizer = make_of(rule)([{"params": params[:2], "lr": 0.5}, {"params": params[2:]}], lr=0.25, **options)
    own = [p.copy() for p in arrays(params)]
    groups = [{"params": own[:2], "lr": 0.5}, {"params": own[2:]}]
    other = fastopt.Optimizer(groups, rule, lr=0.25, **options)
    for k in range(6):
        give(k, params)
        optimizer.step()
        grads = [p.grad if p.grad is None else p.grad.numpy() for p in params]
        other.step([grads[:2], grads[2:]])
    assert_bits([p.detach() for p in params], list(map(torch.from_numpy, own)))
    for name, numbers in kept(rule, optimizer).items():
        found = other.state[name] if rule.across else [one for group in other.state[name] for one in group]
        assert numbers == ([float(found)] * len(params) if rule.across else [float(one) for one in found])


@each_rule
def test_checkpoints_and_copies(rule):
    """Of float32 tensors, too, whose tensors of state PyTorch rounds as it loads them; kept numbers it does not."""
    first = make_of(rule)(leaves(dtype=torch.float32))
    for k in range(3):
        give(k, params_of(first))
        first.step()
    second = make_of(rule)([torch.nn.Parameter(p.detach().clone()) for p in params_of(first)], lr=0.5)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert kept(rule, second) == kept(rule, first)
    copies = [first, second, copy.deepcopy(first), pickle.loads(pickle.dumps(first)) if rule in RULES else first]
    for optimizer in dict.fromkeys(copies):
        for k in range(3, 6):
            give(k, params_of(optimizer))
            optimizer.step()
    for optimizer in copies[1:]:
        assert_bits(bits(optimizer), bits(first))


def test_a_state_has_the_names_of_the_rule():
    given = {"LAMB": ["exp_avg", "exp_avg_sq"], "NovoGrad": ["exp_avg", "v"], "LARS": ["momentum_buffer"]}
    given |= {"Prodigy": ["exp_avg", "exp_avg_sq", "s", "p0", "d", "r", "steps"]}
    for label, names in given.items():
        optimizer = getattr(fastopt.torch, label)(leaves())
        give_gradients(0, params_of(optimizer))
        optimizer.step()
        assert all(list(optimizer.state[p]) == ["step", *names] for p in params_of(optimizer))


def test_one_that_comes_later_has_what_is_kept_of_all():
    params = leaves(((3,), (2,), (2,)))
    optimizer = make_of(ALL)(params[:2], start=0.5)
    for k in range(3):
        give_gradients(k, params)
        params[1].grad = None
        optimizer.step()
    assert params[1] not in optimizer.state
    optimizer.add_param_group({"params": params[2:], "start": 7.0})
    give_gradients(3, params)
    optimizer.step()
    states = [optimizer.state[p] for p in params]
    assert len({(s["length"], s["weight"], s["steps"]) for s in states}) == 1
    assert [float(s["step"]) for s in states] == [4.0, 1.0, 1.0]
    assert states[0]["steps"] == 4.0


@each_kind
def test_what_is_missing_in_a_state_is_made_anew(rule):
    """Of a number of all parameters it is what the others say."""
    optimizer = stepped(rule, start=0.5)
    first, second = [optimizer.state[p] for p in params_of(optimizer)[:2]]
    first["length"] = None
    del second["length"]
    optimizer.step()
    lengths = [optimizer.state[p]["length"] for p in params_of(optimizer)]
    other = stepped(rule, start=0.5)
    other.step()
    wanted = [other.state[p]["length"] for p in params_of(other)]
    assert (lengths == wanted) is rule.across
    assert lengths[2:] == wanted[2:]


def test_the_first_group_says_where_numbers_of_all_start():
    """Also where it has no gradient yet."""
    params = leaves()
    groups = [{"params": params[:1], "start": 2.0}, {"params": params[1:], "start": 3.0}]
    starts = []
    for make in make_of(ALL), make_of(EACH):
        optimizer = make(copy.deepcopy(groups), lr=0.0)
        give_gradients(0, params_of(optimizer))
        for p in params_of(optimizer)[1:]:
            p.grad.zero_()
        params_of(optimizer)[0].grad = None
        optimizer.step()
        starts.append({optimizer.state[p]["length"] for p in params_of(optimizer)[1:]})
    assert starts == [{2.0}, {3.0}]  # nothing was added to them


def stepped(rule, **options):
    optimizer = make_of(rule)(leaves(), **options)
    give_gradients(0, params_of(optimizer))
    optimizer.step()
    give_gradients(1, params_of(optimizer))
    return optimizer


@pytest.mark.parametrize(
    ("rule", "wrong", "says"),
    [
        (
            ALL,
            {"length": 2.0},
            r"^the state 'length' must be the same in all parameters of all_by_sums, got .*\['params",
        ),
        (
            ALL,
            {"length": "far"},
            r"^the state 'length' of param_groups\[0\]\['params'\]\[1\] must be a number, got 'far'",
        ),
        (EACH, {"weight": torch.ones(2)}, r"^the state 'weight' of .* must be a number, got "),
        (ALL, {"steps": 0.5}, r"^the state 'steps' must be the same in all"),
    ],
)
def test_a_state_that_does_not_fit(rule, wrong, says):
    optimizer = stepped(rule)
    optimizer.state[params_of(optimizer)[1]].update(wrong)
    before = bits(optimizer)
    with pytest.raises((TypeError, RuntimeError), match=says) as caught:
        optimizer.step()
    assert len(str(caught.value)) <= 300
    assert_bits(bits(optimizer)[0], before[0])


def test_steps_of_all_are_a_count():
    optimizer = stepped(ALL)
    for p in params_of(optimizer):
        optimizer.state[p]["steps"] = 0.5
    with pytest.raises(RuntimeError, match=r"^the state 'steps' must be a whole number from 0, got 0.5"):
        optimizer.step()


@each_kind
def test_numbers_may_come_as_tensors(rule):
    """As other software hands them on."""
    one, two = stepped(rule), stepped(rule)
    for p in params_of(two):
        two.state[p] |= {name: torch.tensor(two.state[p][name], dtype=torch.float64) for name in rule.keeps}
    for optimizer in one, two:
        optimizer.step()
    assert_bits(bits(one), bits(two))


def test_nothing_is_left_of_a_step_that_fails():
    def combine(c, sums, kept):
        return (1.0 / sums[0],), kept

    given = {"reduces": {"squares": lambda p, g, lr: g * g}, "hyper": {"lr": 0.5}, "coefficients": lambda t, lr: (lr,)}
    rule = fastopt.Rule(name="fails", update=lambda p, g, lr, scale: (p - lr * scale * g,), combine=combine, **given)
    params = leaves(((3,), (2,)))
    optimizer, before = class_of(rule)(params), copy.deepcopy(params)
    give_gradients(0, params)
    params[1].grad.zero_()
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert_bits(params, before)
    assert not any(optimizer.state.values())
    params[1].grad.fill_(1.0)
    optimizer.step()
    assert_close(arrays(params)[1:], [before[1].detach().numpy() - 0.25], "parameters")


def test_names_under_which_steps_are_counted():
    given = {name: getattr(ALL, name) for name in ("update", "coefficients", "state", "hyper", "reduces", "combine")}
    for across, name in (True, "steps"), (False, "step"):
        wrong = fastopt.Rule(name="wrong", **given, keeps=("length", name), across=across)
        optimizer = class_of(wrong)(leaves())
        give_gradients(0, params_of(optimizer))
        with pytest.raises(ValueError, match=f"^state of wrong must not have the name {name}, under which"):
            optimizer.step()


def test_groups_that_sum_otherwise():
    given = {name: getattr(ALL, name) for name in ("update", "coefficients", "state", "hyper", "reduces", "keeps")}
    rules = [
        fastopt.Rule(name=name, **given, combine=lambda c, sums, kept: ((0.0, 0.0), kept), across=True, **more)
        for name, more in (("wild", {}), ("mixed", {"variants": {("wild",): ALL}}))
    ]
    params = leaves()
    optimizer = class_of(rules[1])([{"params": params[:1], "wild": True}, {"params": params[1:]}])
    give_gradients(0, params)
    with pytest.raises(ValueError, match=r"^groups of mixed must have one way to sum, got options"):
        optimizer.step()
    assert not any(optimizer.state.values())


def test_variants_that_sum_alike():
    """DAdaptAdam's, decoupled in one group only: where nothing decays, both are the same."""
    both = []
    for options in {"decoupled_weight_decay": True}, {}:
        params = leaves()
        optimizer = fastopt.torch.DAdaptAdam([{"params": params[:1], **options}, {"params": params[1:]}], d0=0.01)
        for k in range(4):
            give(k, params)
            optimizer.step()
        both.append([p.detach() for p in params])
    assert_bits(*both)


@each_kind
def test_same_bits_on_any_number_of_threads(rule):
    before, outs = torch.get_num_threads(), []
    try:
        for threads in 1, 2:
            torch.set_num_threads(threads)
            params = leaves(((1 << 18,), (3,)), torch.float32)
            optimizer = make_of(rule)(params)
            for k in range(2):
                give_gradients(k, params)
                optimizer.step()
            assert torch.get_num_threads() == threads
            outs.append(bits(optimizer))
    finally:
        torch.set_num_threads(before)
    assert_bits(*outs)


def test_pytorchs_number_of_threads_stays(monkeypatch):
    """Which the threads of another library may change as they start."""
    optimizer, before = stepped(EACH), torch.get_num_threads()
    add, changed = sums.kernels.add_sums, []

    def add_sums(*given):
        add(*given)
        torch.set_num_threads(before + 1)
        changed.append(torch.get_num_threads())

    monkeypatch.setattr(sums.kernels, "add_sums", add_sums)
    try:
        optimizer.step()
        assert changed[0] == before + 1
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


@each_kind
def test_tensors_in_any_order_of_memory(rule):
    """Every second element, and dimensions in another order; with gradients in yet another one."""
    plain, apart = leaves(((4, 6), (3, 2))), leaves(((4, 6), (3, 2)))
    wide = torch.zeros(4, 12, dtype=torch.float64)
    wide[:, ::2] = apart[0].detach()
    apart = [torch.nn.Parameter(wide[:, ::2]), torch.nn.Parameter(apart[1].detach().t().contiguous().t())]
    optimizers = [make_of(rule)(params) for params in (plain, apart)]
    for k in range(3):
        give_gradients(k, plain, apart)
        for optimizer in optimizers:
            optimizer.step()
    # what is summed in another order differs by rounding
    torch.testing.assert_close([p.detach() for p in plain], [p.detach() for p in apart], rtol=1e-14, atol=1e-14)
    assert not wide[:, 1::2].any()


@each_kind
def test_a_gradient_that_is_the_parameter_itself(rule):
    (p,), (q,) = leaves(((5,),)), leaves(((5,),))
    p.grad, q.grad = p.detach(), q.detach().clone()
    for optimizer in make_of(rule)([p]), make_of(rule)([q]):
        optimizer.step()
    assert_bits(p.detach(), q.detach())


@each_kind
def test_flat(rule):
    both = []
    for flat in False, True:
        params = leaves()
        optimizer = make_of(rule)(params, flat=flat)
        for k in range(3):
            give_gradients(k, params)
            optimizer.step()
        both.append(bits(optimizer))
    assert_bits(*both)


def test_an_interrupt_leaves_no_part_of_a_step_undone(monkeypatch):
    """Wherever it comes: two groups have taken it, or none has, and the next step is as always."""
    see_kernels(monkeypatch)

    def begun():
        params = leaves(((3,), (2, 2)))
        params[1].data = params[1].data.t()  # and one that is stepped in a copy
        optimizer = make_of(ALL)([{"params": [p]} for p in params])
        give_gradients(0, params)
        optimizer.step()
        give_gradients(1, params)
        return optimizer

    ends, at = [begun() for _ in range(3)], 1
    for taken, optimizer in enumerate(ends):
        for _ in range(taken):
            optimizer.step()
    ends = [bits(optimizer) for optimizer in ends]
    while True:
        optimizer = begun()
        reached = Places(at).interrupt(optimizer.step)
        once = float(optimizer.state[params_of(optimizer)[0]]["step"]) == 2.0
        assert_bits(bits(optimizer), ends[once])
        optimizer.step()
        assert_bits(bits(optimizer), ends[once + 1])
        if not reached:
            break
        at += 1
    assert once
    assert at > 100


def test_no_copies(monkeypatch):
    """Nothing as large as a tensor is made in a step."""
    params = leaves(((1 << 16,),))
    optimizer = make_of(EACH)(params)
    give_gradients(0, params)
    optimizer.step()
    monkeypatch.setattr(torch.Tensor, "clone", lambda t: pytest.fail("a copy"))
    tracemalloc.start()
    try:
        optimizer.step()
        assert 0 < tracemalloc.get_traced_memory()[1] < 1 << 16  # bytes: an eighth
    finally:
        tracemalloc.stop()
