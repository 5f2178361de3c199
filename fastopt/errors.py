"""How a wrong value is described: every refusal says in one short line what must be and what was given.

A value may be anything, so its text is taken here alone: of any length, with a ``repr`` that raises, with more digits
than Python writes.
"""

import numpy as np


def describe(value) -> str:
    """A few words for a value: ``a float64 array of shape (3,)``, ``a list``, ``2.5``."""
    if type(value) is np.ndarray:
        return f"a {shorten(str(value.dtype), 60)} array of shape {spell(value.shape)}"
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return quote(value)
    name = _kind(value, 60)
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def spell(value) -> str:
    """A shape, a dtype or strides in a few words."""
    return shorten(str(value), 50)


def quote(value, width: int = 80) -> str:
    """What Python would write for a value, in one line of at most this width."""
    if type(value) in (str, bytes):  # of a long one no more is written than is shown
        value = value[: width + 1]
    try:
        return shorten(repr(value), width)
    except Exception as error:  # a repr may raise anything, and Python writes no int of 4300 digits
        big = isinstance(value, int) and isinstance(error, ValueError)
        return f"an int of {value.bit_length()} bits" if big else f"a {_kind(value, 40)} whose repr raises"


def _kind(value, width: int) -> str:
    """The name of a value's class, which may be empty."""
    return shorten(type(value).__name__, width) or "nameless object"


def shorten(text: str, width: int = 80) -> str:
    """One line of at most this width."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def shorten_within(text: str, width: int = 80) -> str:
    """One line of at most this width that keeps both ends, of a name or a path."""
    text = " ".join(text.split())
    end = width // 2
    return text if len(text) <= width else f"{text[: width - end - 1]}…{text[-end:]}"


def listing(names, width: int = 80) -> str:
    """``'W', 'b'``, cut when there are many."""
    text = ""
    for name in names:
        text += (", " if text else "") + quote(name, width)
        if len(text) > width:
            break
    return shorten(text, width)
