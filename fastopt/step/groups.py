"""Groups of parameters: a list whose every item is a mapping with "params" and, beside it, hyperparameters."""

from collections.abc import Iterator, Mapping, ValuesView
from typing import Any

from ..arrays.nests import flatten, rebuild
from ..errors import describe
from ..targets.packed import Packed


def is_groups(params) -> bool:
    return (
        isinstance(params, (list, tuple))
        and len(params) > 0
        and all(isinstance(item, Mapping) and "params" in item for item in params)
    )


def roots_of(params) -> dict[str, Any]:
    """The nest of parameters of each group, by the name that its arrays begin with; one where there are no groups.

    In containers of our own: what is put into the caller's later is not what is stepped.
    """
    roots = {"params": params}
    if is_groups(params):
        roots = {f"params[{i}]": group["params"] for i, group in enumerate(params)}
    for where, root in roots.items():
        if isinstance(root, (Iterator, ValuesView)):
            wanted = "an array, or a sequence or mapping of arrays"
            raise TypeError(f"{where} must be {wanted}, got {describe(root)}: pass list(...) of it")
    return {where: _own(root, where) for where, root in roots.items()}


def _own(root, where):
    leaves = [leaf for _, leaf in flatten(root, where)]
    return root if isinstance(root, Packed) else rebuild(root, iter(leaves))
