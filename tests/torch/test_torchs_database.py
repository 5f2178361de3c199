"""PyTorch's database of its own optimisers against ours: every configuration, and every error.

What its ``test/test_optim.py`` asks of each of them stands here, as the table of where we ask the same, or why not.
"""

import copy
import re
from pathlib import Path

import pytest
import torch
from torch_tasks import NAMES, assert_alike, configurations, database, generator, network, ours, theirs

pytestmark = pytest.mark.needs("peers", "torch", "expecttest")

NOT_OURS = {
    "Adafactor": "a factored second moment is no rule of elements",
    "LBFGS": "no method of first order that steps element by element",
    "Muon": "orthogonalises matrices",
    "SparseAdam": "sparse gradients are refused",
}

HERE = "test_torchs_database.test_"
TESTED = {  # by the names of their tests: the file and test of ours
    "errors": HERE + "errors",
    "forloop_goes_right_direction": "test_directions.test_goes_the_right_way",
    "param_group_with_lrscheduler_goes_right_direction": "test_directions.test_groups_with_a_scheduler",
    "tensor_lr": "test_directions.test_rate_as_a_tensor",
    "foreach_matches_forloop": HERE + "configurations",
    "fused_matches_forloop": HERE + "configurations",
    "fused_error_on_params_on_meta": "test_tensors.test_meta_parameters",
    "set_default_dtype_works_with_foreach": "test_state_dicts.test_step_has_pytorchs_dtype",
    "peak_memory_foreach": "test_peak_memory.test_peak_is_not_above_theirs",
    "mixed_device_dtype": "test_tensors.test_two_dtypes",
    "param_groups_weight_decay": "test_directions.test_groups",
    "param_groups_lr": "test_directions.test_groups",
    "step_is_noop_when_params_have_no_grad": "test_directions.test_nothing_without_gradients",
    "step_is_noop_for_zero_grads": "test_directions.test_nothing_for_zero_gradients",
    "optimizer_can_be_printed": "test_directions.test_printing",
    "state_dict_deterministic": "test_state_dicts.test_copy_goes_on_alike",
    "can_load_older_state_dict": "test_state_dicts.test_older_state_dicts",
    "can_load_from_to_named_state_dict": "test_state_dicts.test_named_and_not",
    "save_load_equality_with_weights_only": "test_state_dicts.test_saved_and_loaded",
    "load_nontensor_step": "test_state_dicts.test_step_as_a_number",
    "state_dict_pre_hook": "test_hooks.test_hooks_of_state_dicts",
    "state_dict_post_hook": "test_hooks.test_hooks_of_state_dicts",
    "state_dict_pre_post_hook": "test_hooks.test_hooks_of_state_dicts",
    "load_state_dict_pre_hook_and_prepend": "test_hooks.test_hooks_of_loading",
    "load_state_dict_post_hook": "test_hooks.test_hooks_of_loading",
    "load_state_dict_pre_post_hook": "test_hooks.test_hooks_of_loading",
    "step_post_hook": "test_hooks.test_hooks_of_steps",
    "step_pre_hook": "test_hooks.test_hooks_of_steps",
    "step_all_hooks": "test_hooks.test_order_of_hooks",
    "deepcopy_copies_all_public_attrs": "test_state_dicts.test_copies",
    "non_empty_state": "test_directions.test_state_is_there",
}
NOT_ASKED = {
    "optim_infos_do_not_specify_global_cliquey_kwargs": "of the database, not of an optimiser",
    "forloop_goes_right_direction_multigpu": "several GPUs",
    "rosenbrock_sparse": "sparse gradients are refused (test_unsteppable)",
    "complex": "complex parameters are refused (test_unsteppable)",
    "complex_2d": "complex parameters are refused (test_unsteppable)",
    "foreach_large_tensor": "72 GB on a GPU, in half precision, which is refused",
    "fused_large_tensor": "64 GB in half precision, which is refused",
    "fused_does_not_step_if_foundinf": "CUDA; a GradScaler unscales by itself (test_utilities)",
    "cpu_load_state_dict": "a checkpoint of a GPU's; capturable is refused (test_unsteppable)",
    "state_dict_with_cuda_params": "needs a GPU",
    "second_order_optims_return_consistent_types": "LBFGS",
    "fused_cpu_matches_cuda": "needs a GPU",
    "defaults_changed_to_foreach": "there is one implementation, whatever foreach says",
}


def test_every_optimiser_is_ours_or_listed():
    assert set(database()) == {*NAMES, *NOT_OURS}
    assert not [name for name in NOT_OURS if ours_has(name)]


def ours_has(name):
    return hasattr(__import__("fastopt.torch").torch, name)


def test_what_is_said_to_be_tested_is():
    assert not TESTED.keys() & NOT_ASKED.keys()
    for place in TESTED.values():
        module, _, test = place.partition(".")
        text = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        assert f"\ndef {test}(" in text, place


@pytest.mark.parametrize("name", NAMES)
def test_errors(name):
    """With PyTorch's words: the database knows the patterns."""
    found = database()[name].optim_error_inputs_func(device="cpu", dtype=torch.float32)
    assert len(found) >= 7
    for error in found:
        given = error.optimizer_error_input
        assert error.error_on.name == "CONSTRUCTION_ERROR"
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                ours(name)(given.params, **given.kwargs)
        else:
            with pytest.raises(error.error_type) as caught:
                ours(name)(given.params, **given.kwargs)
            assert re.search(error.error_regex, str(caught.value)), given.desc


# --- configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_configurations(name):
    given = configurations(name, flags=True)
    assert any(kwargs.get("foreach") for kwargs in given)
    for kwargs in given:
        compare(name, kwargs, torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_plain_configuration_in_float32(name):
    compare(name, {}, torch.float32)


def compare(name, kwargs, dtype):
    """Seven steps, after which RAdam's switch is past: without gradients, with a frozen layer, and with all."""
    mine, reference = task(dtype), task(dtype)
    optimizer = ours(name)(mine[1], **copy.deepcopy(kwargs))
    single = {key: value for key, value in copy.deepcopy(kwargs).items() if key != "fused"} | {"foreach": False}
    other = theirs(name)(reference[1], **single)
    for i in range(7):
        for (model, _), opt in (mine, optimizer), (reference, other):
            advance(model, opt, i, dtype)
        try:
            assert_alike(optimizer, other)
        except AssertionError as error:
            raise AssertionError(f"{name} {kwargs}, step {i}: {error}") from None


def task(dtype):
    """A model and its parameters, with one of no dimension that no loss uses, but that has a gradient at first."""
    model = network(dtype)
    lonely = torch.full((), 0.5, dtype=dtype, requires_grad=True)
    lonely.grad = torch.full_like(lonely, 0.25)
    return model, [*model.parameters(), lonely]


def advance(model, optimizer, i, dtype):
    x = torch.randn(3, 2, dtype=dtype, generator=generator(i))
    if i > 0:
        optimizer.zero_grad()
    if i in (3, 5):
        model[2].requires_grad_(i == 5)
    if i != 2:
        model(x).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_differentiated_through_says_so(name):
    for option in ("differentiable", "capturable"):
        if option == "capturable" and name in ("Adagrad", "SGD"):  # which have no such option
            continue
        with pytest.raises(ValueError, match=f"^{option} must be False, got True"):
            ours(name)([torch.ones(2, requires_grad=True)], **{option: True})
