"""The numbers that PyTorch's ASGD keeps for the next step: ours reads and writes them, also where options change."""

import copy

import pytest
from torch_tasks import assert_alike, give_gradients, ours, params_of, theirs, twins

pytestmark = pytest.mark.needs("peers", "torch")


@pytest.mark.parametrize("turns", [(ours, ours), (ours, theirs), (theirs, ours)], ids=["ours", "handed on", "taken"])
def test_rates_and_weights_of_an_average(turns):
    """Averaging begins at the fifth step; lr and t0 change at the sixth, and count from the seventh on."""
    params, others = twins()
    options = {"lr": 0.1, "lambd": 0.3, "t0": 3}
    mine, reference = turns[0]("ASGD")(params, **options), theirs("ASGD")(others, **options, foreach=False)
    for k in range(12):
        if k == 8:
            following = turns[1]("ASGD")(params, **options)
            following.load_state_dict(copy.deepcopy(mine.state_dict()))
            mine = following
            reference.load_state_dict(reference.state_dict())  # which gives these numbers the dtype of the parameter
        for optimizer in mine, reference:
            if k == 5:
                optimizer.param_groups[0].update(lr=0.05, t0=2)
            give_gradients(k, params_of(optimizer))
            optimizer.step()
        assert_alike(mine, reference)
    state = mine.state[params[0]]
    assert float(state["mu"]) == pytest.approx(0.1)
    assert float(state["eta"]) == pytest.approx(0.05 / (1 + 0.3 * 0.05 * 12) ** 0.75)
