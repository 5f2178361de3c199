"""Signals that wait: their handlers run once the work is done."""

import _signal as signal  # what signal wraps: to name the numbers, as that does, takes 0.2 ms
import threading
from contextlib import contextmanager

NUMBERS = tuple(signal.valid_signals())


@contextmanager
def postponed():
    """Ctrl-C, and every signal that has a handler in Python, come after this block.

    An exception in the midst of an exchange would leave the other ranks waiting in it for ever.
    """
    if threading.current_thread() is not threading.main_thread():  # no other runs handlers
        yield
        return
    came: list[int] = []
    handlers = {number: handler for number in NUMBERS if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        _restore(handlers)
        for each in dict.fromkeys(came):
            signal.raise_signal(each)


def _restore(handlers):
    """Whatever a handler that is back raises."""
    try:
        while handlers:
            number, handler = handlers.popitem()
            signal.signal(number, handler)
    finally:
        if handlers:
            _restore(handlers)
