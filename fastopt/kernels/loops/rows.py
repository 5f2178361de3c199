"""Rows of tables, as tuples: the numbers of a step."""

import operator

from numba import types

from ..overloads import emitted_form
from ..tuples import call

PLACE = types.UniTuple(types.intp, 2)


def take(table, k, like):
    """Row k of a table, as a tuple of the length of ``like``."""
    return tuple(table[k, : len(like)])


@emitted_form(take)
def _take(typingctx, table, k, like):
    getting = typingctx.resolve_function_type(operator.getitem, (table, PLACE), {})
    row = types.UniTuple(table.dtype, len(like))

    def codegen(context, builder, signature, args):
        found = [
            call(context, builder, operator.getitem, getting, (args[0], place), (table, PLACE))
            for place in _places(context, builder, args[1], len(like))
        ]
        return context.make_tuple(builder, row, found)

    return row(table, types.intp, like), codegen


def store(table, k, numbers):
    """Row k of a table from a tuple of its length."""
    table[k] = numbers


@emitted_form(store)
def _store(typingctx, table, k, numbers):
    settings = [typingctx.resolve_setitem(table, PLACE, number) for number in numbers]

    def codegen(context, builder, signature, args):
        for i, place in enumerate(_places(context, builder, args[1], len(numbers))):
            given = args[0], place, builder.extract_value(args[2], i)
            call(context, builder, operator.setitem, settings[i], given, (table, PLACE, numbers[i]))
        return context.get_dummy_value()

    return types.void(table, types.intp, numbers), codegen


def _places(context, builder, k, width):
    """``(k, 0), (k, 1), ...``"""
    columns = [context.get_constant(types.intp, i) for i in range(width)]
    return [context.make_tuple(builder, PLACE, (k, column)) for column in columns]
