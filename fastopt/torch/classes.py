"""The class of each rule: that of PyTorch's name where there is one, else one in its style, with our steps."""

from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any

import torch

from ..errors import describe
from ..rules import texts
from ..rules.keywords import keywords, together
from ..step.constructors import NEWLINE, number_entry, variant_keywords
from .names import OPTIONS
from .parts import pair
from .stepping import Stepping

EITHER, KEYWORD = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
FLAT = Parameter("flat", KEYWORD, default=False, annotation=bool)
OURS = {theirs: ours for ours, theirs in OPTIONS.items()}

COMMON = {
    "params": """\
params : iterable of tensors, of pairs (name, tensor), or of dicts
    θ: dense float32 or float64 tensors, or groups, each a dict with the key "params" and options of its own.""",
    "maximize": """\
maximize : bool, default False
    Whether to ascend instead of descend.""",
    "foreach": """\
foreach : bool, optional
    Changes nothing: all tensors are stepped at once, without temporaries.""",
    "fused": """\
fused : bool, optional
    Changes nothing: every step is fused.""",
    "capturable": """\
capturable : bool, default False
    Must be False: a captured graph would count no steps.""",
    "differentiable": """\
differentiable : bool, default False
    Must be False.""",
    "flat": """\
flat : bool, default False
    Whether to lay parameters and gradients out in one buffer for each dtype; see `fastopt.torch`.""",
}


@cache
def class_of(rule) -> Any:
    """The optimiser class of a rule for PyTorch's tensors; of a `fastopt.Rule` of your own, too.

    >>> import torch, fastopt
    >>> from fastopt.torch import class_of
    >>> def coefficients(t, lr):
    ...     return (lr,)
    >>> def update(p, g, lr):
    ...     return (p - lr * g,)
    >>> plain = fastopt.Rule(name="plain", update=update, coefficients=coefficients, hyper={"lr": 0.5})
    >>> w = torch.ones(2, requires_grad=True)
    >>> opt = class_of(plain)([w])
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.0, 0.0]
    """
    name = rule.label or rule.name
    base = getattr(torch.optim, name, None) or in_style(rule, name)
    takes = signature(base.__init__)
    parameters = [p for p in takes.parameters.values() if p.kind != Parameter.VAR_KEYWORD]

    def __init__(self, *args, flat=False, **kwargs):
        base.__init__(self, *args, **kwargs)
        self._begin(flat)

    __init__.__signature__ = takes.replace(parameters=[*parameters, FLAT])  # type: ignore[attr-defined]
    names = {"rule": rule, "__init__": __init__, "__doc__": document(rule, name, [*parameters[1:], FLAT])}
    return type(name, (Stepping, base), names | {"__module__": "fastopt.torch", "__qualname__": name})


def in_style(rule, name):
    """An optimiser of PyTorch's kind that has a rule's options, and no step."""
    switched = {OPTIONS.get(one, one): off for one, off in variant_keywords(rule).items()}
    defaults = keywords(rule) | switched | {"maximize": False}
    parameters = [Parameter("self", EITHER), Parameter("params", EITHER)]
    parameters += [
        Parameter(one, KEYWORD if one == "maximize" else EITHER, default=default) for one, default in defaults.items()
    ]
    takes = Signature(parameters)

    def __init__(*args, **kwargs):
        given = takes.bind(*args, **kwargs)
        given.apply_defaults()
        options = {one: given.arguments[one] for one in defaults}
        for one, value in options.items():
            check(rule, one, value)
        torch.optim.Optimizer.__init__(given.arguments["self"], given.arguments["params"], options)

    __init__.__signature__ = takes  # type: ignore[attr-defined]
    return type(name, (torch.optim.Optimizer,), {"__init__": __init__, "__module__": "fastopt.torch"})


def check(rule, name, value):
    """Raise unless an option may have this value."""
    if name in (wholes := together(rule.hyper)):
        for part, one in zip(wholes[name], pair(name, value)):
            check(rule, part, one)
    elif isinstance(variant_keywords(rule).get(OURS.get(name, name)), bool):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {describe(value)}")
    elif name != "maximize":
        rule.check(name, value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value)


def document(rule, name, parameters) -> str:
    """The rule's text, what every argument means, and an example."""
    shared = (
        f"Arguments, defaults and state are those of ``torch.optim.{name}``; " if hasattr(torch.optim, name) else ""
    )
    return f"""{texts.opening(rule) if rule.doc else f"The rule {name}."}

{shared}`fastopt.torch` says what differs.

Parameters
----------
{NEWLINE.join(COMMON.get(p.name) or entry(rule, p) for p in parameters)}

Raises
------
TypeError, ValueError, RuntimeError
    Before anything is written, in one sentence.

Examples
--------
>>> import torch
>>> from fastopt.torch import {name}
>>> w = torch.ones(2, requires_grad=True)
>>> opt = {name}([w], lr=0.1)
>>> for _ in range(2):
...     opt.zero_grad()
...     (w * w).sum().backward()
...     opt.step()
>>> bool((w < 1).all())
True
"""


def entry(rule, parameter) -> str:
    """One of the rule's own arguments, as its constructor explains it, with PyTorch's tensors for schedules."""
    ours = OURS.get(parameter.name, parameter.name)
    text = number_entry(rule, ours, parameter.default).removeprefix(ours)
    return parameter.name + text.replace("float or schedule", "float or tensor of one element").replace(
        "floats or schedules", "floats or tensors of one element"
    )
