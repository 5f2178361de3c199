"""What every refusal has in common: its type, one short line that says what must be, and nothing changed."""

import numpy as np
import pytest
from stand_ins import Tensor, Unreachable

import fastopt

GIVEN = ("got", "missing", "multiple values", "too many", "device='cuda'")  # how a message may say what was given


def contents(thing):
    """The bits of an optimiser (parameters, state, counts, numbers) or of an array."""
    if isinstance(thing, np.ndarray):
        return np.asarray(thing).tobytes()
    if isinstance(thing, fastopt.Optimizer):
        blocks = thing._layout
        arrays = [*blocks.leaves, *(a for slot in blocks.slots for a in blocks.state_leaves(slot))]
        return thing.t, thing.skipped, repr(thing), [a.tobytes() for a in arrays]
    return repr(thing)


def refuse(call, error, *words, unchanged=()):
    """The message with which ``call`` raises ``error`` (or one of them), after checking all that a refusal promises."""
    before = [contents(thing) for thing in unchanged]
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) in (error if isinstance(error, tuple) else (error,))
    message = str(caught.value)
    assert len(message.splitlines()) == 1, f"more than one line: {message}"
    assert len(message) <= 300, f"{len(message)} characters: {message}"
    assert " must " in message, f"says not what must be: {message}"
    assert any(word in message for word in GIVEN), f"says not what was given: {message}"
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    assert before == [contents(thing) for thing in unchanged], "something was changed"
    return message


class Sub(np.ndarray):
    pass


def misaligned(shape, dtype):
    dtype = np.dtype(dtype)
    raw = np.zeros(int(np.prod(shape)) * dtype.itemsize + 1, np.uint8)
    return raw[1:].view(dtype).reshape(shape)


# name, how to make it from an array that would do, error, what the message says of it
WRONG_KIND = [
    ("list", lambda a: a.tolist(), TypeError, "list"),
    ("string", lambda a: "W", TypeError, "'W'"),
    ("number", lambda a: 1.5, TypeError, "1.5"),
    ("ints", lambda a: np.ones(a.shape, np.int64), TypeError, "int64"),
    ("bools", lambda a: np.ones(a.shape, bool), TypeError, "bool"),
    ("complex", lambda a: np.ones(a.shape, complex), TypeError, "complex128"),
    ("float16", lambda a: np.ones(a.shape, np.float16), TypeError, "float16"),
    ("longdouble", lambda a: np.ones(a.shape, np.longdouble), TypeError, np.dtype(np.longdouble).name),
    ("objects", lambda a: np.ones(a.shape, object), TypeError, "object"),
    ("strings", lambda a: np.full(a.shape, "1.0"), TypeError, "<U3"),
    ("text", lambda a: np.full(a.shape, "1.0", np.dtypes.StringDType()), TypeError, "float32 or float64"),
    ("dates", lambda a: np.zeros(a.shape, "M8[s]"), TypeError, "datetime64"),
    ("records", lambda a: np.zeros(a.shape, "f8,f8"), TypeError, "f0"),
    ("masked", lambda a: np.ma.masked_array(np.ones(a.shape)), TypeError, "asked"),
    ("matrix", lambda a: np.ones(a.shape).view(np.matrix), TypeError, "matrix"),
    ("subclass", lambda a: np.ones(a.shape).view(Sub), TypeError, "Sub"),
    ("tensor", lambda a: Tensor(a, is_cuda=False), TypeError, "t.detach().numpy()"),
    ("swapped bytes", lambda a: np.ones(a.shape, np.dtype("f8").newbyteorder("S")), ValueError, "byte order"),
    ("misaligned", lambda a: misaligned(a.shape, "f8"), ValueError, "aligned"),
]
# and where NumPy arrays are stepped, whether this machine has a GPU or not
WRONG_GRADIENT = [*WRONG_KIND, ("GPU array", lambda a: Unreachable(), TypeError, "on the GPU: fastopt.to_host")]


def cases(table):
    return [pytest.param(*row[1:], id=row[0]) for row in table]
