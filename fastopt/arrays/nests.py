"""Nests of arrays: how they are flattened, named, rebuilt and matched."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import describe, listing, quote, shorten_within

DEEPEST = 200  # levels: a nest that holds itself has more, and Python's own stack ends at a thousand


def flatten(tree, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a nest of mappings and sequences, each with its name (``params['W'][0]``), as messages show it."""
    for path, leaf in _walk(tree, name, ()):
        yield spelt(name, path), leaf


def paths(tree, name: str) -> list[tuple]:
    """Where each leaf is, in full: at every level a sequence's position, or the text of a mapping's key.

    Raises where that says no more which leaf it is, as for keys with a ``repr`` of their own.
    """
    found = [tuple(_text_of(name, *step) for step in path) for path in steps(tree, name)]
    seen: set[tuple] = set()
    twice = next((path for path in found if path in seen or seen.add(path)), None)  # type: ignore[func-returns-value]
    if twice is not None:
        raise ValueError(f"the keys of {name} must have a repr each of their own, got {quote(twice[-1])} twice")
    return found


def steps(tree, name: str) -> list[tuple]:
    """Where each leaf is: at every level a key, and whether it is a mapping's."""
    return [path for path, _ in _walk(tree, name, ())]


def named(name: str, path) -> str:
    """The name of the leaf at one of the ``paths``, as messages show it."""
    return shorten_within(name + "".join(f"[{text}]" for text in path))


def spelt(name: str, path) -> str:
    """The name of the leaf at some ``steps``, as messages show it."""
    return shorten_within(name + "".join(f"[{quote(key, 40)}]" for key, _ in path))


def rebuild(tree, leaves: Iterator):
    """The same nest with other leaves, of dicts, lists and tuples."""
    if isinstance(tree, Mapping):
        return {key: rebuild(child, leaves) for key, child in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(child, leaves) for child in tree))
    if _is_sequence(tree):
        return (tuple if isinstance(tree, tuple) else list)(rebuild(child, leaves) for child in tree)
    return next(leaves)


def copied(tree):
    """What ``rebuild`` made, in containers of its own, with the same leaves."""
    if type(tree) is dict:
        return {key: copied(child) for key, child in tree.items()}
    if type(tree) is list:
        return [copied(child) for child in tree]
    if isinstance(tree, tuple):
        return type(tree)(*map(copied, tree)) if hasattr(tree, "_fields") else tuple(map(copied, tree))
    return tree


def leaves_like(tree, other, name: str, path: tuple = ()) -> Iterator[Any]:
    """The leaves of ``other``, which must be nested like ``tree``; a leaf of ``other`` may be anything."""
    if isinstance(tree, Mapping):
        if not isinstance(other, Mapping) or other.keys() != tree.keys():
            got = f"the keys {listing(other)}" if isinstance(other, Mapping) else describe(other)
            raise TypeError(f"{spelt(name, path)} must be a mapping with the keys {listing(tree)}, got {got}")
        for key, child in tree.items():
            yield from leaves_like(child, other[key], name, (*path, (key, True)))
    elif isinstance(tree, (list, tuple)):
        if not _is_sequence(other) or len(other) != len(tree):
            got = f"{len(other)} items" if isinstance(other, Sequence) else describe(other)
            raise TypeError(f"{spelt(name, path)} must be a sequence of {len(tree)} items, got {got}")
        for i, child in enumerate(tree):
            yield from leaves_like(child, other[i], name, (*path, (i, False)))
    else:
        yield other


def _walk(tree, name, path):
    """The leaves, each with its path: (key, whether it is a mapping's) at every level."""
    if isinstance(tree, Mapping):
        children = [((key, True), child) for key, child in tree.items()]
    elif _is_sequence(tree):
        children = [((i, False), child) for i, child in enumerate(tree)]
    else:
        yield path, tree
        return
    if len(path) == DEEPEST:
        raise ValueError(
            f"{name} must be nested at most {DEEPEST} deep, got {spelt(name, path)} that is, or holds itself"
        )
    for step, child in children:
        yield from _walk(child, name, (*path, step))


def _is_sequence(tree):
    return isinstance(tree, Sequence) and not isinstance(tree, (str, bytes))


def _text_of(name, key, of_mapping):
    """A position, or a key in full, so that no two that differ have one text: 1, True and '1' do not."""
    if not of_mapping:
        return key
    if isinstance(key, int) and key.bit_length() > 64:
        return hex(key)  # Python writes no more than 4300 digits
    for kind in (str, bool, int):  # also of a subclass: in a mapping it is what it equals
        if isinstance(key, kind):
            return kind.__repr__(key)
    try:
        return repr(key) if type(key) in (float, bytes, type(None)) else f"{type(key).__qualname__} {key!r}"
    except Exception as error:
        raise TypeError(f"the keys of {name} must have a repr, got {describe(key)} whose repr raises") from error
