"""Groups of parameters: a list whose every item is a mapping with "params" and, beside it, hyperparameters."""

from collections.abc import Mapping
from typing import Any


def is_groups(params) -> bool:
    return (
        isinstance(params, (list, tuple))
        and len(params) > 0
        and all(isinstance(item, Mapping) and "params" in item for item in params)
    )


def roots_of(params) -> dict[str, Any]:
    """The nest of parameters of each group, by the name that its arrays begin with; one where there are no groups."""
    if not is_groups(params):
        return {"params": params}
    return {f"params[{i}]": group["params"] for i, group in enumerate(params)}
