"""What memory allows: rules that read and write as many arrays as a real one, with hardly any arithmetic."""

import dis
from collections.abc import Callable
from functools import cache

from ..rules import Rule


def _update0(p, g, lr):
    return (p - lr * g,)


def _update1(p, g, a, lr):
    return p - lr * g, a + lr * g


def _update2(p, g, a, b, lr):
    return p - lr * g, a + lr * g, b - lr * g


def _update3(p, g, a, b, c, lr):
    return p - lr * g, a + lr * g, b - lr * g, c + lr * g


def _update4(p, g, a, b, c, d, lr):
    return p - lr * g, a + lr * g, b - lr * g, c + lr * g, d - lr * g


def _coefficients(t, lr):
    return (lr,)


_UPDATES: tuple[Callable, ...] = (_update0, _update1, _update2, _update3, _update4)

# The sums of rules that look at arrays first, by how many of g, p and the state they read.


def _sum1(p, g, *rest):
    return g * g


def _sum2(p, g, *rest):
    return g * g + p * p


def _sum3(p, g, a, *rest):
    return g * g + p * p + a * a


def _sum4(p, g, a, b, *rest):
    return g * g + p * p + a * a + b * b


def _sum5(p, g, a, b, c, *rest):
    return g * g + p * p + a * a + b * b + c * c


def _sum6(p, g, a, b, c, d, *rest):
    return g * g + p * p + a * a + b * b + c * c + d * d


_SUMS: tuple[Callable, ...] = (_sum1, _sum2, _sum3, _sum4, _sum5, _sum6)


def _nothing(c, sums, kept):
    return (), ()


@cache
def _limit(state: int, summed: int) -> Rule:
    return Rule(
        name=f"limit{state}_{summed}" if summed else f"limit{state}",
        update=_UPDATES[state],
        coefficients=_coefficients,
        state=tuple("abcd"[:state]),
        hyper={"lr": 1e-3},
        reduces={"all": _SUMS[summed - 1]} if summed else {},
        combine=_nothing if summed else None,
    )


LIMITS = tuple(_limit(state, 0) for state in range(len(_UPDATES)))


def limit_of(rule: Rule) -> Rule:
    """The rule that moves the same bytes."""
    return _limit(len(rule.state), summed(rule))


def summed(rule: Rule) -> int:
    """How many arrays the rule's sums read."""
    return len({place for function in rule.reduces.values() for place in read(function, 2 + len(rule.state))})


def read(function, count: int) -> set[int]:
    """Which of its first arguments a function reads."""
    names = function.__code__.co_varnames[:count]
    used = {i.argval for i in dis.get_instructions(function) if i.opname.startswith("LOAD_FAST")}
    return {place for place, name in enumerate(names) if name in used}


def bytes_moved(rule: Rule, dtype: str, size: int) -> int:
    """By one step: sums read arrays; then the gradient is read, parameters and state are read and written."""
    return size * (3 + 2 * len(rule.state) + summed(rule)) * {"float32": 4, "float64": 8}[dtype]
