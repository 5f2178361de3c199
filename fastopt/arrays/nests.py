"""Nests of arrays: how they are flattened, rebuilt and matched."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import describe, listing, shorten


def flatten(tree, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a nest of mappings and sequences, each with its name (``params['W'][0]``)."""
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from flatten(child, f"{name}[{shorten(repr(key), 40)}]")
    elif isinstance(tree, (list, tuple, Sequence)) and not isinstance(tree, (str, bytes)):
        for i, child in enumerate(tree):
            yield from flatten(child, f"{name}[{i}]")
    else:
        yield name, tree


def rebuild(tree, leaves: Iterator):
    """The same nest with other leaves, of dicts, lists and tuples."""
    if isinstance(tree, Mapping):
        return {key: rebuild(child, leaves) for key, child in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(child, leaves) for child in tree))
    if isinstance(tree, (list, tuple, Sequence)) and not isinstance(tree, (str, bytes)):
        return (tuple if isinstance(tree, tuple) else list)(rebuild(child, leaves) for child in tree)
    return next(leaves)


def leaves_like(tree, other, name: str) -> Iterator[Any]:
    """The leaves of ``other``, which must be nested like ``tree``; a leaf of ``other`` may be anything."""
    if isinstance(tree, Mapping):
        if not isinstance(other, Mapping) or other.keys() != tree.keys():
            got = f"the keys {listing(other)}" if isinstance(other, Mapping) else describe(other)
            raise TypeError(f"{name} must be a mapping with the keys {listing(tree)}, got {got}")
        for key, child in tree.items():
            yield from leaves_like(child, other[key], f"{name}[{shorten(repr(key), 40)}]")
    elif isinstance(tree, (list, tuple)):
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)) or len(other) != len(tree):
            got = f"{len(other)} items" if isinstance(other, Sequence) else describe(other)
            raise TypeError(f"{name} must be a sequence of {len(tree)} items, got {got}")
        for i, child in enumerate(tree):
            yield from leaves_like(child, other[i], f"{name}[{i}]")
    else:
        yield other
