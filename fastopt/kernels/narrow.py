"""Users' functions in a kernel keep to float32 where arrays are float32: one number in them would make it float64.

It is asked of Numba while it compiles such a function; of our own rules, which have no literals, nothing is asked.
"""

import linecache
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import config, types
from numba.core import ir
from numba.core.errors import NumbaError

from ..errors import shorten, shorten_within
from ..linking import link, stand_in
from .bind import compiled, helpers_of, inlined
from .modifiers import plain_name
from .overloads import emitted_form

OURS = __name__.partition(".")[0]
OF_USERS = ("change", "first", "second")  # what modifiers.py and rules/changes.py call ``before`` and ``after``


@stand_in
def update(*numbers):
    """Stands for a rule's update, or for another function that returns a tuple of numbers."""


@stand_in
def narrow(p, new):
    """Stands for the second argument; where that is wider than the first, nothing compiles."""


def guard(p, g, *rest):
    return narrow(p, update(p, g, *rest))


def probe(numbers):
    update(*numbers)


@cache
def guarded(function, name):
    """A function of the rule of this name; where a user wrote some of it, one that compiles if it keeps to float32."""
    return link(guard, update=function, narrow=_narrow(function, name)) if _is_users(function) else function


def update_of(rule):
    """A rule's update as kernels take it."""
    return guarded(rule.update, rule.name)


@cache
def check(rule, dtype):
    """Raise TypeError unless a rule keeps to float32: for a target whose compiler does not ask it."""
    function = update_of(rule)
    if dtype == np.float32 and function is not rule.update and not config.DISABLE_JIT:
        count = 2 + len(rule.state) + rule.width + rule.extra
        signature = types.void(types.UniTuple(types.float32, count))
        try:
            compiled(link(probe, update=function), f"{rule.name}_narrow", signature)
        except NumbaError:
            """What the CPU's compiler does not take at all, the other target's may."""


def _is_users(function):
    if (function.__module__ or "").partition(".")[0] != OURS:
        return True
    return any(map(_is_users, helpers_of(function).values()))


def _narrow(function, name):
    def narrow(p, new):
        return new

    @emitted_form(narrow)
    def _narrow(typingctx, p, new):
        if not isinstance(new, types.BaseTuple):
            raise TypeError(f"update of rule {plain_name(name)!r} must return a tuple whatever it is given, got {new}")
        if p == types.float32 and _is_wide(new):
            raise TypeError(_refusal(function, name))
        return new(p, new), lambda context, builder, signature, args: args[1]

    return narrow


def _is_wide(kind):
    if isinstance(kind, types.BaseTuple):
        return any(map(_is_wide, kind))
    return isinstance(kind, types.Complex) or (isinstance(kind, types.Float) and kind.bitwidth > 32)


# --- what is said ----------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """Where float32 becomes float64: in which function and line, by which number, if by one."""

    function: str
    where: ir.Loc
    number: str
    by_change: bool  # in a function of ``before`` or ``after``, which gets no coefficients


def _refusal(function, name):
    *_, made = (made for args, made in inlined(function).overloads.items() if args[0] == types.float32)
    found = _first_wide(made)
    of = f"{shorten(found.function, 30)} of rule {shorten(plain_name(name), 30)!r}"
    by = f" by the number {found.number}" if found.number else ""
    at = f"{shorten_within(Path(found.where.filename).name, 40)}:{found.where.line}"
    line = shorten(linecache.getline(found.where.filename, found.where.line), 60)
    remedy = f"write numpy.float32({found.number or '...'})" if found.by_change else "hand it in as a coefficient"
    said = f" in `{line}`" if line else ""
    return f"{of} must keep float32 arrays in float32, got float64{by}{said} ({at}): {remedy}"


def _first_wide(made, by_change=False) -> Found:
    """In a function that Numba has compiled, and that returns something wide."""
    body = _Body(made)
    for target, value, loc in body.assigned:
        if target not in body.returned:
            continue
        inner, name = body.callee(value)
        if inner is not None:
            return _first_wide(inner, by_change or name in OF_USERS)
        if body.widens(target, value):
            number, its_loc = body.number_in(target, value)
            joins = isinstance(value, ir.Var) and number  # two ways, of which another than this one may be wide
            return Found(body.name, its_loc if joins else loc, number, by_change)
    return Found(body.name, body.last, "", by_change)


class _Body:
    """The assignments of a compiled function, with their types."""

    def __init__(self, made):
        notes = made.type_annotation
        self.name, self.kinds, self.calls = made.fndesc.qualname.rpartition(".")[2], notes.typemap, notes.calltypes
        self.assigned, self.last = [], None
        ends = []
        for _, block in sorted(notes.blocks.items()):
            for one in block.body:
                self.last = one.loc
                if isinstance(one, ir.Assign):
                    self.assigned.append((one.target.name, one.value, one.loc))
                elif isinstance(one, ir.Return):
                    ends.append(one.value.name)
        self.values: dict[str, list[tuple[Any, ir.Loc]]] = {}
        for target, value, loc in self.assigned:
            self.values.setdefault(target, []).append((value, loc))
        self.returned = self._wide_behind(ends)

    def _wide_behind(self, names) -> set:
        """The wide variables that these are made of."""
        found: set = set()
        names = [*names]
        while names:
            name = names.pop()
            if name not in found and _is_wide(self.kinds[name]):
                found.add(name)
                names += [other for value, _ in self.values.get(name, ()) for other in _read(value)]
        return found

    def callee(self, value):
        """The compiled function that is called here with nothing wide, and by which name; None if none is."""
        if not (isinstance(value, ir.Expr) and value.op == "call"):
            return None, ""
        kind, args = self.kinds[value.func.name], self.calls[value].args
        made = kind.dispatcher.overloads.get(args) if isinstance(kind, types.Dispatcher) else None
        if made is None or made.type_annotation is None or any(map(_is_wide, args)):
            return None, ""
        return made, getattr(self.values[value.func.name][0][0], "name", "")

    def widens(self, target, value):
        """Whether this makes something wide of something narrow."""
        return any(self.kinds[name] == types.float32 for name in _read(value)) or (
            isinstance(value, ir.Var) and len(self.values[target]) > 1 and self.number_in(target, value)[0] != ""
        )

    def number_in(self, target, value) -> tuple[str, ir.Loc]:
        """The literal, or the name of a global number, that an assignment reads, of the ways to one variable any; and
        where it is read."""
        values = [one for one, _ in self.values[target]] if isinstance(value, ir.Var) else [value]
        names, seen = [name for one in values for name in _read(one)], set()
        while names:
            name = names.pop(0)
            if self.kinds[name] == types.float32 or name in seen:
                continue
            seen.add(name)
            for one, loc in self.values.get(name, ()):
                if isinstance(one, ir.Const):
                    return shorten(repr(one.value), 20), loc
                if isinstance(one, (ir.Global, ir.FreeVar)) and isinstance(one.value, (int, float, np.ndarray)):
                    return shorten(one.name, 30) + "[...]" * isinstance(one.value, np.ndarray), loc
                names += _read(one)
        return "", self.last


def _read(value) -> list[str]:
    if isinstance(value, ir.Var):
        return [value.name]
    if isinstance(value, ir.Expr) and value.op in ("getitem", "static_getitem"):  # and not by which index
        return [value.value.name]
    return [var.name for var in value.list_vars()] if isinstance(value, ir.Expr) else []
