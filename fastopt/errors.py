"""How a wrong value is described: every refusal says in one line what must be and what was given."""

import numpy as np


def describe(value) -> str:
    """A few words for a value: ``a float64 array of shape (3,)``, ``a list``, ``2.5``."""
    if type(value) is np.ndarray:
        return f"a {value.dtype} array of shape {value.shape}"
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return shorten(repr(value))
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shorten(text: str, width: int = 80) -> str:
    """One line of at most this width."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def listing(names) -> str:
    """``'W', 'b'``, cut when there are many."""
    return shorten(", ".join(repr(name) for name in names))
