"""What the digest of a function looks at, and what it does not."""

import numpy as np
import pytest
from numba import types

from fastopt.kernels.digest import digest


def made(body, **names):
    """A function of a user's module that has these globals."""
    space = {"__name__": "users", "np": np, **names}
    exec(f"def f(x): return {body}", space)
    return space["f"]


CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize("value", [object(), CYCLE, 2, np.zeros(200_000)], ids=["object", "cycle", "number", "large"])
def test_a_global_with_the_name_of_an_attribute_does_not_count(value):
    assert digest(made("x.T", T=value)) == digest(made("x.T", T=1)) != digest(made("x.size", T=1))


def test_what_holds_itself_is_not_seen_through():
    assert digest(made("held", held=CYCLE)) is None


def test_arrays_count_unless_compiled_code_has_them_by_their_address():
    ones, other = np.ones((2, 3)), np.ones((2, 3))
    other[1, 2] = 2.0
    assert digest(made("K[0, 0]", K=ones)) == digest(made("K[0, 0]", K=ones.copy()))
    assert len({digest(made("K[0, 0]", K=k)) for k in (ones, other, np.asfortranarray(ones))}) == 3
    assert digest(made("K[0]", K=np.zeros(125_000))) is not None
    assert digest(made("K[0]", K=np.zeros(125_001))) is digest(made("K[0]", K=np.zeros(6)[::2])) is None


def test_the_types_of_arguments_that_are_none_or_left_out_are_seen():
    kinds = types.none, types.Omitted(None), types.Omitted(2.0), types.Omitted(3.0), types.float64
    found = {digest(made("x"), kind) for kind in kinds}
    assert len(found) == len(kinds)
    assert None not in found


def test_a_set_is_noted():
    assert digest(made("1 in K", K={1})) != digest(made("1 in K", K=set())) is not None
