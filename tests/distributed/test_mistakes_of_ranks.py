"""What differs between ranks, or is wrong on one, is refused on all of them, in one sentence, with nothing changed."""

import copy

import numpy as np
import pytest
from on_ranks import adam, errors, gradients, parameters, results, values

import fastopt


def rank_of(comm):
    return comm.Get_rank()


def made_otherwise(comm, **options):
    """On rank 1."""
    adam(comm, **(options if rank_of(comm) == 1 else {}))


def assigned_otherwise(comm, name, value):
    opt = adam(comm)
    if rank_of(comm) == 1:
        setattr(opt, name, value)
    step_and_see_nothing_changed(opt, comm)


def step_and_see_nothing_changed(opt, comm, **wrong):
    before = values(opt.params)
    try:
        opt.step(gradients(opt.params, 0, rank_of(comm)) | (wrong if rank_of(comm) == 1 else {}))
    finally:
        assert all(np.array_equal(before[name], p) for name, p in opt.params.items())
        assert opt.t == 0


def wrong_gradient(comm, **wrong):
    step_and_see_nothing_changed(adam(comm), comm, **wrong)


def other_params(comm, *params):
    fastopt.SGD(params[rank_of(comm) % len(params)], comm=comm)


def failing_schedule(comm):
    opt = adam(comm)
    opt.lr = lambda step: 0.1 if rank_of(comm) == 0 else float("no number")
    step_and_see_nothing_changed(opt, comm)


def other_schedule(comm):
    opt = adam(comm)
    opt.lr = lambda step: 0.5 * rank_of(comm)
    step_and_see_nothing_changed(opt, comm)


def other_step(comm):
    opt = adam(comm)
    opt.load_state_dict(opt.state_dict() | {"t": rank_of(comm)})
    opt.step(gradients(opt.params, 0, 0))


def elsewhere(comm):
    opt = adam(comm)
    if rank_of(comm):
        opt.load_state_dict(opt.state_dict())
    opt.step(gradients(opt.params, 0, 0))


def own_rule(comm):
    """With another equation on each rank."""

    def step(p, g, lr):
        return (p - lr * g,)

    def ascend(p, g, lr):
        return (p + lr * g,)

    update = ascend if rank_of(comm) else step
    rule = fastopt.Rule(name="own", update=update, coefficients=lambda t, lr: (lr,), hyper={"lr": 0.1})
    fastopt.Optimizer(np.zeros(3), rule, comm=comm)


ON_ALL = {
    "lr must be the same on all ranks, got 0.1 on rank 0 and 0.2 on rank 1": (assigned_otherwise, "lr", 0.2),
    "clip_norm must be the same on all ranks, got None on rank 0 and 1.0 on rank 1": (
        assigned_otherwise, "clip_norm", 1.0),
    "maximize must be the same on all ranks, got False on rank 0 and True on rank 1": (
        assigned_otherwise, "maximize", True),
    "check_finite must be the same on all ranks, got False on rank 0 and 'skip' on rank 1": (
        assigned_otherwise, "check_finite", "skip"),
    "lr must be the same on all ranks, got 0.0 on rank 0 and 0.5 on rank 1": (other_schedule,),
    "t must be the same on all ranks, got 0 on rank 0 and 1 on rank 1": (other_step,),
    "the arrays of params must be the same on all ranks, got params (3,) float64 C on rank 0 and params (4,) float64 C "
    "on rank 1": (other_params, np.zeros(3), np.zeros(4)),
    "the arrays of params must be the same on all ranks, got params (2, 2) float32 C on rank 0 and params (2, 2) "
    "float32 F on rank 1": (other_params, np.ones((2, 2), "f4"), np.ones((2, 2), "f4", order="F")),
    "the number of groups must be the same on all ranks, got 1 on rank 0 and 2 on rank 1": (
        other_params, [{"params": np.zeros(3)}], [{"params": np.zeros(3)}, {"params": np.zeros(2)}]),
}  # fmt: skip


@pytest.mark.parametrize("said", ON_ALL)
def test_what_differs_is_refused_on_all(said):
    assert errors(2, *ON_ALL[said]) == [f"ValueError: {said}"] * 2


def test_options_that_differ_from_the_start():
    said = "ValueError: clip_value must be the same on all ranks, got None on rank 0 and 2.0 on rank 1"

    def script(comm):
        made_otherwise(comm, clip_value=2.0)

    assert errors(3, script) == [said] * 3


@pytest.mark.parametrize("where", ["", " of group 0"])
def test_numbers_that_differ_from_the_start(where):
    said = f"ValueError: eps{where} must be the same on all ranks, got 1e-08 on rank 0 and 0.1 on rank 1"

    def script(comm):
        x = np.zeros(3)
        fastopt.Adam([{"params": x}] if where else x, eps=(1e-8, 0.1)[rank_of(comm)], comm=comm)

    assert errors(2, script) == [said] * 2


def test_parameters_that_differ_at_the_start():
    def script(comm):
        fastopt.Adam(parameters(seed=int(rank_of(comm) == 2)), comm=comm)

    for said in errors(3, script):
        assert said.startswith(
            "ValueError: the values of params['W'] must be the same on all ranks, got those with the"
        )
        assert said.count("checksum") == 2
        assert said.endswith("on rank 2")


def combined_otherwise(comm):
    """A rule that makes something else of the same sums on each rank."""

    def halved(c, sums, kept):
        return (0.5 * sums[0],), kept

    def whole(c, sums, kept):
        return (sums[0],), kept

    combine = whole if rank_of(comm) else halved
    parts = {"reduces": {"square": lambda p, g, lr: g * g}, "combine": combine, "hyper": {"lr": 0.1}}
    rule = fastopt.Rule(name="own", update=lambda p, g, lr, s: (p - s * g,), coefficients=lambda t, lr: (lr,), **parts)
    fastopt.Optimizer(np.zeros(3), rule, comm=comm)


def changed_otherwise(name):
    """By another function of the user's on each rank."""

    def script(comm):
        factor = np.float64(rank_of(comm))
        function = {"before": lambda p, g: factor * g, "after": lambda p, new, g: factor * new}[name]
        fastopt.SGD(np.zeros(3), comm=comm, **{name: function})

    return script


@pytest.mark.parametrize(
    "script", [own_rule, combined_otherwise, changed_otherwise("before"), changed_otherwise("after")]
)
def test_rules_that_differ(script):
    said = "ValueError: the equations of the rule must be the same on all ranks"
    assert all(one.startswith(said) for one in errors(2, script))


ON_ONE = {
    "ValueError: clip_norm must be finite and greater than 0, got -1.0": (made_otherwise, {"clip_norm": -1.0}),
    "TypeError: grads['W'] must have dtype float32, got float64": (wrong_gradient, {"W": np.zeros((5, 7))}),
    "ValueError: grads['b'] must have shape (3,), got (4,)": (wrong_gradient, {"b": np.zeros(4)}),
    "ValueError: could not convert string to float: 'no number'": (failing_schedule, {}),
}


@pytest.mark.parametrize("said", ON_ONE)
def test_what_one_rank_raises_all_raise(said):
    script, wrong = ON_ONE[said]
    assert errors(3, lambda comm: script(comm, **wrong))[1] == said
    kind = said.partition(":")[0]
    if script is not failing_schedule:  # which fails on rank 2, too
        assert errors(3, lambda comm: script(comm, **wrong))[::2] == [f"{kind}: rank 1 of 3 raised {said}"] * 2


def test_a_keyword_that_there_is_not():
    """Which the constructor finds before it asks the others."""
    found = errors(2, lambda comm: made_otherwise(comm, nonsense=1))
    assert found[1].startswith("TypeError: Adam must be given params, lr")
    assert found[0].startswith("TypeError: rank 1 of 2 raised TypeError: Adam must be given")


def test_other_calls_on_other_ranks():
    said = (
        "RuntimeError: all ranks must make the same calls in the same order, "
        "got opt.step on rank 0 and opt.load_state_dict on rank 1"
    )
    assert errors(2, elsewhere) == [said] * 2


@pytest.mark.parametrize("call", ["step", "save"])
def test_optimisers_in_another_order(call, tmp_path):
    """Alike in all, so that nothing else tells them apart."""
    place = {"step": "opt.step", "save": "fastopt.save"}[call]

    def script(comm):
        found = [fastopt.SGD(np.zeros(4), comm=comm) for _ in range(2)]
        for opt in reversed(found) if rank_of(comm) else found:
            opt.step(np.ones(4)) if call == "step" else fastopt.save(tmp_path / "run", opt)

    said = (
        "RuntimeError: all ranks must make the same calls in the same order, "
        f"got {place} of one optimiser on rank 0 and that of another on rank 1"
    )
    assert errors(2, script) == [said] * 2


def test_copies_are_refused():
    said = "TypeError: opt must be made without comm to be copied, got one of several ranks: fastopt.save writes it"
    assert errors(2, lambda comm: copy.deepcopy(adam(comm))) == [said] * 2


@pytest.mark.parametrize("comm", [3, np, object()])
def test_what_is_no_communicator(comm):
    with pytest.raises(TypeError, match="comm must be an MPI communicator, as mpi4py's"):
        fastopt.Adam(np.zeros(3), comm=comm)


def test_options_that_do_not_go_together():
    with pytest.raises(ValueError, match="comm must be None with capturable=True and device='cuda'"):
        results(2, lambda comm: fastopt.Adam(np.zeros(3), comm=comm, device="cuda"))
