"""Tuples of any length on CUDA: functions for one item, at ``AT``, of which ``each`` (linking.py) makes one for all."""

from ....linking import UNBOUND

AT = UNBOUND


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
