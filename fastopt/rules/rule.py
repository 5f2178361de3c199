"""What an update rule is: an equation, its per-step coefficients, a scalar update, and the names of its numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import describe, listing, quote, shorten
from .ranges import ANYWHERE, NOT_NEGATIVE, Range, check_number, parse
from .tried import check_functions, check_names, is_name


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """An update rule, from which every kernel, constructor and table entry of fastopt is made.

    Parameters
    ----------
    name : str
        An identifier: the name in ``fastopt.jit``, in ``minimize(method=...)`` and in checkpoints.
    update : callable
        ``update(p, g, *state, *c) -> (p, *state)`` on scalars: one parameter, its gradient, its state, and what
        ``coefficients`` returned. Plain Python that Numba can compile, without numbers in its arithmetic: ``0.5 * g``
        or ``1 - b`` would turn a float32 kernel into a float64 one, and is refused for float32 arrays (the exponent in
        ``g**2`` and what something is compared with are not). ``max`` and ``min`` treat NaN differently on CPU and GPU:
        write ``a if a > b else b``. It returns a tuple even if there is no state.
    coefficients : callable
        ``coefficients(t, *hyper) -> tuple`` of floats: everything that depends only on the step ``t`` (1, 2, ...) and
        the hyperparameters. Computed once per step in float64, with nothing but ``math``, and handed on in the dtype
        of the arrays.
    state : tuple of str
        The names of the state arrays, in the order of ``update``'s arguments. They start at zero. No name of state,
        ``keeps`` and ``hyper`` may occur twice, or be x, g, t or kept.
    hyper : mapping of str to float or bool
        The hyperparameters and their defaults, in the order of ``coefficients``'s arguments after ``t``.
        ``beta1`` and ``beta2`` are spelt ``betas=(beta1, beta2)`` wherever keywords are given, ``etaminus`` and
        ``etaplus`` ``etas``, ``step_size_min`` and ``step_size_max`` ``step_sizes``.
    initial : mapping of str to (str, float), optional
        Constructor keywords that set what a state array, or a kept number, starts from: keyword -> (its name, default).
    reduces : mapping of str to callable, optional
        What is summed over the elements before the update: ``f(p, g, *state, *c, *kept)``, a number of one element, in
        float64, with the state before this step. Sums are added up in a fixed order: they do not depend on the number
        of threads.
    combine : callable
        With ``reduces``: ``combine(c, sums, kept) -> (extra, kept)``, on tuples of floats: the sums in the order of
        ``reduces``, and the numbers kept from step to step. ``update`` gets ``extra`` behind its coefficients, in the
        dtype of the arrays; it does not get ``kept``. Plain Python that Numba can compile.
    keeps : tuple of str
        The names of the kept numbers, which start at zero; ``opt.state`` has them.
    across : bool
        Whether sums are over all arrays of an optimiser together, and its kept numbers those of all (``c`` is then that
        of the first group), instead of each array's own.
    before : callable, optional
        ``before(p, g) -> g``: what is done to a gradient, behind clipping and before decay, as ``before=`` of
        constructors adds it. A number in it is written ``numpy.float32(0.5)``.
    rate_free : bool
        Whether lr is a factor on a rate that the rule finds itself, so that nobody tunes it.
    evaluates : str
        The name of the state array that holds the point to evaluate at, where that is not the parameter: an average,
        ``opt.averaged``. It starts at the parameter.
    ranges : mapping of str to str, optional
        Where a hyperparameter may lie: ``{"beta": "[0, 1)", "eps": "(0, inf)"}``. Without it, any finite number.
    variants : mapping of tuple of str to Rule, optional
        The rule to use instead when these constructor keywords are switched on.
    label, equation, doc : str, optional
        The constructor's name, one line of mathematics, and the text that documents the rule.

    Raises
    ------
    TypeError, ValueError
        If the parts do not fit together, which is tried on numbers; the message says which. Where a rule is first used,
        a TypeError says what Numba cannot compile, or which number would make float64 of float32 arrays.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> def coefficients(t, lr, beta):
    ...     return lr, beta, 1.0 - beta, 0.0
    >>> def update(p, g, m, lr, beta, rest, zero):
    ...     m = beta * m + rest * g
    ...     return p - (lr if m > zero else -lr if m < zero else m), m
    >>> rule = fastopt.Rule(name="sign", update=update, coefficients=coefficients,
    ...                     state=("m",), hyper={"lr": 1e-3, "beta": 0.9}, ranges={"beta": "[0, 1)"})
    >>> opt = fastopt.Optimizer(np.ones(3), rule, lr=0.5)
    >>> opt.step(np.array([1.0, -2.0, 0.0]))
    >>> opt.params
    array([0.5, 1.5, 1. ])
    """

    name: str
    update: Callable
    coefficients: Callable
    state: tuple[str, ...] = ()
    hyper: Mapping[str, float]
    initial: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    reduces: Mapping[str, Callable] = field(default_factory=dict)
    combine: Callable | None = None
    keeps: tuple[str, ...] = ()
    across: bool = False
    before: Callable | None = None
    rate_free: bool = False
    evaluates: str = ""
    ranges: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[tuple[str, ...], "Rule"] = field(default_factory=dict)
    label: str = ""
    equation: str = ""
    doc: str = ""
    width: int = field(init=False)  # how many numbers ``coefficients`` returns
    extra: int = field(init=False)  # and ``combine``, for ``update``

    def __post_init__(self):
        if not is_name(self.name):
            raise ValueError(f"name must be an identifier, got {quote(self.name)}")
        asked = {"combine": bool(self.reduces), "before": self.before is not None}
        for part in ("update", "coefficients", *(part for part, is_asked in asked.items() if is_asked)):
            object.__setattr__(self, part, _plain(part, getattr(self, part)))
        self._check_names()
        for part in ("state", "keeps"):
            object.__setattr__(self, part, tuple(getattr(self, part)))
        reduces = {name: _plain(f"reduces[{quote(name, 40)}]", function) for name, function in self.reduces.items()}
        object.__setattr__(self, "reduces", reduces)
        for part in ("hyper", "initial", "ranges", "variants", "reduces"):
            object.__setattr__(self, part, MappingProxyType(dict(getattr(self, part))))
        defaults = {**self.hyper, **{name: default for name, (_, default) in self.initial.items()}}
        for name in self.ranges:
            if isinstance(defaults.get(name, True), bool):
                raise ValueError(
                    f"ranges must name numbers of the rule, {shorten(', '.join(defaults), 120)}, got {describe(name)}"
                )
        parsed = {name: parse(f"ranges[{quote(name, 40)}]", text) for name, text in self.ranges.items()}
        object.__setattr__(self, "ranges", MappingProxyType(parsed))
        for name, default in defaults.items():
            self.check(name, default)
        check_names(self)
        for part, count in zip(("width", "extra"), check_functions(self)):
            object.__setattr__(self, part, count)

    def range_of(self, name) -> Range:
        """Where a number of this rule or of its variants may lie; L2 weight decay too, which all rules have."""
        for rule in (self, *self.variants.values()):
            if name in rule.ranges:
                return rule.ranges[name]
        return NOT_NEGATIVE if name == "weight_decay" and name not in self.hyper else ANYWHERE

    def check(self, name, value, where=None):
        """Raise unless a hyperparameter may have this value: a number in its range, or a bool where its default is."""
        where = where or name
        if not isinstance(self.hyper.get(name), bool):
            check_number(where, value, self.range_of(name))
        elif not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{where} must be True or False, got {describe(value)}")

    def _check_names(self):
        """Raise unless state is a tuple of names and the mappings map names."""
        for part in ("state", "keeps"):
            names = getattr(self, part)
            if not isinstance(names, (tuple, list)) or not all(map(is_name, names)):
                raise TypeError(f"{part} must be a tuple of names, got {quote(names)}")
        for part in ("across", "rate_free"):
            if not isinstance(getattr(self, part), bool):
                raise TypeError(f"{part} must be True or False, got {describe(getattr(self, part))}")
        if not self.reduces and (self.combine is not None or self.keeps or self.across):
            raise ValueError("combine, keeps and across must come with reduces, got no sums")
        for part in ("hyper", "initial", "ranges", "variants", "reduces"):
            mapping = getattr(self, part)
            if not isinstance(mapping, Mapping):
                raise TypeError(f"{part} must be a mapping, got {describe(mapping)}")
            if part != "variants" and not all(map(is_name, mapping)):
                raise TypeError(f"{part} must map names, got the keys {listing(mapping)}")
        for variant in self.variants.values():
            if not isinstance(variant, Rule):
                raise TypeError(f"variants must map keywords to rules, got {describe(variant)}")
        if not isinstance(self.evaluates, str) or self.evaluates not in ("", *self.state):
            raise ValueError(f"evaluates must be one of state, {listing(self.state)}, got {describe(self.evaluates)}")
        for keyword, start in self.initial.items():
            if not isinstance(start, tuple) or len(start) != 2:
                raise TypeError(f"initial[{quote(keyword, 40)}] must be (state name, default), got {describe(start)}")

    def __repr__(self):
        return f"<Rule {self.name}>"

    def __deepcopy__(self, memo):
        return self


def _plain(part, function):
    """A part of a rule; a Numba function is unwrapped: kernels compile it."""
    function = getattr(function, "py_func", function)
    if not hasattr(function, "__code__"):
        raise TypeError(f"{part} must be a Python function, got {describe(function)}")
    return function
