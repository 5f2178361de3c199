"""What memory allows: rules that read and write as many arrays as a real one, with hardly any arithmetic."""

from collections.abc import Callable

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

LIMITS = tuple(
    Rule(name=f"limit{k}", update=update, coefficients=_coefficients, state=tuple("abcd"[:k]), hyper={"lr": 1e-3})
    for k, update in enumerate(_UPDATES)
)


def limit_of(rule: Rule) -> Rule:
    """The rule that moves the same bytes."""
    return LIMITS[len(rule.state)]


def bytes_moved(rule: Rule, dtype: str, size: int) -> int:
    """By one step: the gradient is read, parameters and state are read and written."""
    return size * (3 + 2 * len(rule.state)) * {"float32": 4, "float64": 8}[dtype]
