"""What schedules say for steps in a row."""

import gc
import weakref

import pytest

from fastopt.step.asked import Asked


def test_once_for_each_step_and_in_order():
    steps = []
    asked = Asked(lambda t: steps.append(t) or 10 * t, 5)
    assert asked.after(5, 3) == [60, 70, 80]
    assert asked.after(6, 1) == [70, 80]  # already asked
    assert asked.after(6, 3) == [70, 80, 90]
    assert asked.after(9, 0) == []
    assert asked.after(9, 1) == [100]
    assert steps == [6, 7, 8, 9, 10]


def test_what_is_raised_comes_when_its_step_is_due():
    steps = []

    def ask(t):
        steps.append(t)
        if t == 3:
            raise TypeError("its own")
        return t

    asked = Asked(ask)
    assert asked.after(0, 8) == [1, 2]
    assert asked.after(1, 8) == [2]
    with pytest.raises(TypeError, match=r"^its own$"):
        asked.after(2, 8)
    assert steps == [1, 2, 3]


def test_again_for_others_at_the_same_steps():
    steps, values = [], [10, 20, 30]
    asked = Asked(lambda t: steps.append(t) or values[t - 1])
    assert asked.again(0, 2) == [10, 20]
    assert asked.again(2, 2) == [30]
    assert asked.again(0, 8) == [10, 20, 30]
    assert asked.again(1, 1) == [20]
    with pytest.raises(IndexError):
        asked.again(3, 1)
    assert steps == [1, 2, 3, 4]


def test_what_is_raised_keeps_nothing_alive():
    """No cycle through the frames of its traceback, in which arrays would wait for the collector."""

    def raised():
        def ask(t):
            raise TypeError(f"its own {t}")

        asked = Asked(ask)
        with pytest.raises(TypeError, match=r"^its own 1$") as caught:
            asked.after(0, 3)
        assert caught.traceback[-1].name == "ask"
        del caught
        return weakref.ref(asked)

    gc.disable()
    try:
        assert raised()() is None
    finally:
        gc.enable()
