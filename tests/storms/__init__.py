"""Storms: the promises that are easily broken, tried at random, for as long as one likes (``ci/stress``).

A storm is a module with

- ``PROMISE``, ``TRIED``: what is promised and what is tried, as the README's table says it;
- ``draw(rng) -> case``: a random case, of what JSON can hold;
- ``run(case) -> int``: try it, and say how many things were tried; raises where a promise is broken;
- ``PATIENCE``: after how many seconds a case counts as hung;
- ``SHORT``: the seeds of the cases that the test suite tries.

``__main__`` lets the storms take turns, each in a process of its own (``child``), since what is broken may end the
process. What fails is made smaller (``shrink``) and becomes a script.
"""

from importlib import import_module

NAMES = (
    *("steps", "trainings", "problems", "numbers", "interrupts", "clocks", "schedules", "returns", "evaluations"),
    *("refusals", "threads", "kills", "checkpoints", "edits", "cache"),
)


def storm(name):
    return import_module(f"storms.{name}")
