"""The floating-point control word, around compiled code that an exception may leave with subnormals off."""

from functools import cache

from numba import types

from .bind import compiled
from .parts import control_word, flush_off


class restored_control:
    """Puts the control word back if compiled code was left by an exception."""

    def __init__(self, active):
        self.active = active

    def __enter__(self):
        if self.active:
            self.word = _control_functions()[0]()

    def __exit__(self, kind, error, trace):
        if kind is not None and self.active:
            _control_functions()[1](self.word)


@cache
def _control_functions():
    read = compiled(_read, "control_word", types.int64())
    return read, compiled(_write, "restore_control_word", types.void(types.int64))


def _read():
    return control_word()


def _write(word):
    flush_off(word)
