"""What one kernel call works on."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np


class Block(NamedTuple):
    """The arrays of one kernel call: those of one parameter, or of the buffer that holds many."""

    run: Any  # the kernel, once it is bound
    p: Any
    state: tuple
    group: int
    members: tuple[tuple[int, int, int], ...]  # index of a leaf, where it begins, where it ends
    packed: bool
    runs: tuple[tuple[int, int, int], ...] = ()  # see ``runs_of``
    missed: int | None = None  # how many steps all of it has missed, where that is one run
    kept: Any = None  # the numbers that a rule with sums keeps of it, as float64
    alone: bool = False  # whether a rule sums over it alone


def state_of(target, rule, p, starts) -> tuple:
    """New state arrays for flat parameters; that to evaluate at is those until there was a step."""
    state = tuple(target.full(p.size, p.dtype, starts.get(slot, 0.0)) for slot in rule.state)
    if rule.evaluates:
        target.write(state[rule.state.index(rule.evaluates)], p)
    return state


def evaluated(rule, blocks) -> list:
    """Of each block the parameters and, where the rule has one, the state array to evaluate at."""
    at = [rule.state.index(rule.evaluates)] if rule.evaluates else []
    return [(block.p, *(block.state[k] for k in at)) for block in blocks]


def kept_of(target, rule, hyper, blocks):
    """Where a block keeps its rule's numbers: at the place of the others if sums are over all arrays."""
    if rule.across and blocks:
        return blocks[0].kept
    kept = target.zeros(len(rule.keeps), np.dtype(np.float64))
    target.write(kept, np.array(hyper.kept))
    return kept


def sums_itself(block) -> bool:
    """Whether one call of compiled code sums over a block and steps it: not where the rule must be told its sums."""
    return isinstance(block.run, partial)


def runs_of(members, missed, gradients=None) -> tuple[tuple[int, int, int], ...]:
    """Where one kernel call begins and ends, and how many steps its arrays have missed.

    Neighbours that have missed as many are one run; those whose entry in ``gradients`` is None are left out.
    """
    found: list[tuple[int, int, int]] = []
    for index, begin, end in members:
        if gradients is not None and gradients[index] is None:
            continue
        if found and found[-1][1:] == (begin, missed[index]):
            begin = found.pop()[0]
        found.append((begin, end, missed[index]))
    return tuple(found)


def with_runs(block, missed) -> Block:
    """The block, where its parameters have missed so many steps."""
    runs = runs_of(block.members, missed)
    return block._replace(runs=runs, missed=runs[0][2] if len(runs) == 1 else None)


def of_gradient(name):
    """The name of a parameter's gradient."""
    return name.replace("params", "grads", 1)
