"""Tuples of any length on CUDA: a function for one item, at ``AT``, and one that joins two functions (cuda/bind.py)."""

from ....linking import UNBOUND, stand_in

AT = UNBOUND


@stand_in
def first(*args):
    """Stands for the function for the first half of the items, as ``second`` for the second half."""


second = first


def join(*args):
    return first(*args) + second(*args)


def both(*args):
    first(*args)
    second(*args)


def none(*args):
    return ()


def read(arrays, i):
    """``(arrays[0][i], arrays[1][i], ...)``"""
    return (arrays[AT][i],)


def write(arrays, i, values):
    """``arrays[0][i], arrays[1][i], ... = values[1:]``"""
    arrays[AT][i] = values[AT + 1]


def take(memory):
    """``(memory[0], memory[1], ...)``"""
    return (memory[AT],)


def put(memory, values):
    """``memory[0], memory[1], ... = values``"""
    memory[AT] = values[AT]
