"""The functions of a rule, run once on numbers when it is made: what would be a page of typing errors, said then."""

import keyword

import numpy as np

from ..errors import quote, shorten
from ..linking import raising

TAKEN = ("x", "g", "t", "kept")  # what a rule's function in fastopt.jit has besides state and hyperparameters
NUMBER = (bool, int, float, np.bool_, np.integer, np.floating)


def is_name(name):
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def check_names(rule):
    """Raise unless state, kept numbers and hyperparameters can be told apart."""
    name, slots = quote(rule.name, 40), (*rule.state, *rule.keeps)
    names = (*slots, *rule.hyper)
    twice = next((one for k, one in enumerate(names) if one in TAKEN or one in names[:k]), None)
    if twice is not None:
        raise ValueError(
            f"the names in state, keeps and hyper of rule {name} must be unlike each other and none of "
            f"{', '.join(TAKEN)}, got {quote(twice, 40)}"
        )
    for keyword_, (slot, _) in rule.initial.items():
        if slot not in slots:
            part, known = f"initial[{quote(keyword_, 40)}]", shorten(", ".join(slots), 80)
            raise ValueError(
                f"{part} of rule {name} must be of a state array or a kept number ({known}), got {quote(slot, 40)}"
            )


def check_functions(rule) -> tuple[int, int]:
    """How many numbers ``coefficients`` returns, and ``combine`` for ``update``; raises unless the functions fit."""
    name, one, more = quote(rule.name, 40), np.float64(1.0), ()
    with np.errstate(all="ignore"):
        c = _returned(rule, "coefficients", ("t", *rule.hyper), (1, *map(float, rule.hyper.values())))
        if not _is_numbers(c):
            raise TypeError(f"coefficients of rule {name} must return a tuple of numbers, got {quote(c)}")
        numbers = [one, one, *(one for _ in rule.state), *map(np.float64, c)]
        if rule.reduces:
            more = _extra(rule, numbers, c)
        takes = ("p", "g", *rule.state, "*coefficients", *["*extra"][: bool(rule.reduces)])
        out = _returned(rule, "update", takes, (*numbers, *map(np.float64, more)))
        g = _returned(rule, "before", ("p", "g"), (one, one)) if rule.before else one
    if not _is_numbers(out) or len(out) != 1 + len(rule.state):
        wanted = "(" + ", ".join(("p", *rule.state)) + ("," if not rule.state else "") + ")"
        raise TypeError(f"update of rule {name} must return the tuple {shorten(wanted)} of numbers, got {quote(out)}")
    for part, function in {"update": rule.update, "before": rule.before, **rule.reduces}.items():
        line = function and raising(function)
        if line is not None:
            raise TypeError(f"{part} of rule {name} must not raise, which compiled steps cannot tell, got line {line}")
    if not isinstance(g, NUMBER):
        raise TypeError(f"before of rule {name} must return a number, got {quote(g)}")
    return len(c), len(more)


def _extra(rule, numbers, c):
    """What ``combine`` adds to the coefficients."""
    kept = (1.0,) * len(rule.keeps)
    for name, function in rule.reduces.items():
        part = f"reduces[{quote(name, 40)}]"
        found = _returned(
            rule, part, ("p", "g", *rule.state, "*coefficients", *rule.keeps), (*numbers, *kept), function
        )
        if not isinstance(found, NUMBER):
            raise TypeError(f"{part} of rule {quote(rule.name, 40)} must return a number, got {quote(found)}")
    sums = (1.0,) * len(rule.reduces)
    out = _returned(rule, "combine", ("coefficients", "sums", "kept"), (tuple(map(float, c)), sums, kept))
    fits = isinstance(out, tuple) and len(out) == 2 and all(map(_is_numbers, out))
    if not fits or len(out[1]) != len(kept):
        wanted = f"two tuples of numbers, more coefficients and ({', '.join(rule.keeps)})"
        raise TypeError(f"combine of rule {quote(rule.name, 40)} must return {shorten(wanted)}, got {quote(out)}")
    return out[0]


def _is_numbers(values):
    return isinstance(values, tuple) and all(isinstance(value, NUMBER) for value in values)


def _returned(rule, part, takes, args, function=None):
    function = function or getattr(rule, part)
    wanted = f"{part} of rule {quote(rule.name, 40)} must be a function ({shorten(', '.join(takes), 60)})"
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    if (given := [name for name in names if name in takes]) != [name for name in takes if name in names]:
        raise TypeError(f"{wanted}, got its arguments in the order {shorten(', '.join(given), 60)}")
    try:
        return function(*args)
    except Exception as error:
        kind = "" if isinstance(error, TypeError) else f"{type(error).__name__}: "
        said = shorten(f"{kind}{error}", 80)
        raise TypeError(f"{wanted}, got one that raised {said}") from error
