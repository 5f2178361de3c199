"""Which parameter of a checkpoint is which of an optimiser's: by where it is in the nest, in full."""

from typing import Any

from ..arrays.nests import named, paths, steps
from ..errors import shorten

CUT = 40  # characters that the first format kept of a key


def places_of(layout) -> list[tuple]:
    """Where each parameter is, as a checkpoint has it."""
    return paths(layout.nest(layout.leaves), "params")


def matched(layout, header, path) -> list[int]:
    """Of each parameter which one in the file it is; raises unless they are the same, in whatever order."""
    mine: list[Any]
    theirs: list[Any]
    if "paths" in header:
        mine, theirs = places_of(layout), [tuple(place) for place in header["paths"]]
        names = [named("params", place) for place in mine + theirs]
    else:
        mine, theirs = _cut_names(layout, path), header["names"]
        names = mine + theirs
    called, found = dict(zip(mine + theirs, names)), {place: i for i, place in enumerate(theirs)}
    expected = set(mine)
    lacking = next((place for place in mine if place not in found), None)
    extra = next((place for place in theirs if place not in expected), None)
    if lacking is not None:
        got = "a file without it" if extra is None else f"{shorten(called[extra])} instead"
        raise ValueError(f"{path} must hold {shorten(called[lacking])}, got {got}")
    if extra is not None or len(found) < len(theirs):
        raise ValueError(f"{path} must hold the parameters of opt alone, got {shorten(called[extra or theirs[0]])} too")
    return [found[place] for place in mine]


def _cut_names(layout, path) -> list[str]:
    """The names of the first format; raises where one may mean several parameters."""
    names = []
    for place in steps(layout.nest(layout.leaves), "params"):
        texts = [repr(key) for key, _ in place]
        cut = next((text for text in texts if shorten(text, CUT) != text), None)
        if cut is not None:
            raise ValueError(f"{path} must be saved anew to load keys like {shorten(cut)}, got a format that cuts them")
        names.append("params" + "".join(f"[{text}]" for text in texts))
    return names
