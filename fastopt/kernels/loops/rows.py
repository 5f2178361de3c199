"""Rows of tables, as tuples: the numbers of a step."""

from ..overloads import compiled_form


def take(table, k, like):
    """Row k of a table, as a tuple of the length of ``like``."""
    return tuple(table[k, : len(like)])


@compiled_form(take)
def _take(table, k, like):
    if not len(like):
        return lambda table, k, like: ()
    return lambda table, k, like: (table[k, table.shape[1] - len(like)], *take(table, k, like[1:]))


def store(table, k, numbers):
    """Row k of a table from a tuple of its length."""
    table[k] = numbers


@compiled_form(store)
def _store(table, k, numbers):
    if not len(numbers):
        return lambda table, k, numbers: None

    def last_and_rest(table, k, numbers):
        table[k, len(numbers) - 1] = numbers[len(numbers) - 1]
        store(table, k, numbers[:-1])

    return last_and_rest
