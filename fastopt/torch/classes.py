"""The class of each rule: that of PyTorch's name where there is one, else one in its style, with our steps."""

from functools import cache
from inspect import Parameter, Signature, cleandoc, signature
from typing import Any

import torch

from ..rules import texts
from ..rules.keywords import keywords
from .stepping import Stepping

KEYWORD = Parameter.KEYWORD_ONLY
FLAT = Parameter("flat", KEYWORD, default=False, annotation=bool)


@cache
def class_of(rule) -> Any:
    """The optimiser class of a rule for PyTorch's tensors; of your own `fastopt.Rule`, too.

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
    theirs = getattr(torch.optim, name, None)
    base = theirs or in_style(rule, name)
    takes = signature(base.__init__)
    parameters = [p for p in takes.parameters.values() if p.kind != Parameter.VAR_KEYWORD]

    def __init__(self, *args, flat=False, **kwargs):
        base.__init__(self, *args, **kwargs)
        self._begin(flat)

    __init__.__signature__ = takes.replace(parameters=[*parameters, FLAT])  # type: ignore[attr-defined]
    names = {"rule": rule, "__init__": __init__, "__doc__": document(rule, name, theirs), "__module__": "fastopt.torch"}
    return type(name, (Stepping, base), names)


def in_style(rule, name):
    """An optimiser of PyTorch's kind that has a rule's options, and no step."""
    defaults = keywords(rule) | {"maximize": False}
    either = Parameter.POSITIONAL_OR_KEYWORD
    parameters = [Parameter(one, either) for one in ("self", "params")]
    parameters += [
        Parameter(one, KEYWORD if one == "maximize" else either, default=default) for one, default in defaults.items()
    ]
    takes = Signature(parameters)

    def __init__(*args, **kwargs):
        given = takes.bind(*args, **kwargs)
        given.apply_defaults()
        self, params, *_ = given.arguments.values()
        numbers = {one: given.arguments[one] for one in defaults}
        for one, value in numbers.items():
            check(rule, one, value)
        torch.optim.Optimizer.__init__(self, params, numbers)

    __init__.__signature__ = takes  # type: ignore[attr-defined]
    return type(name, (torch.optim.Optimizer,), {"__init__": __init__, "__module__": "fastopt.torch"})


def check(rule, name, value):
    """Raise unless an option may have this value."""
    if name == "betas":
        for beta, one in zip(("beta1", "beta2"), value):
            check(rule, beta, one)
    elif name != "maximize":
        rule.check(name, value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value)


def document(rule, name, theirs) -> str:
    if theirs:
        what = f"In the place of `torch.optim.{name}`: its arguments and defaults, its state, and one pass over memory."
    else:
        what = texts.opening(rule) if rule.doc else f"The rule {rule.name}."
    return cleandoc(f"""{what}

Parameters
----------
params, ...
    As PyTorch's: tensors, named tensors, or groups as dicts, and then the numbers of the rule.
flat : bool, default False
    Whether to lay parameters and gradients out in one buffer of each dtype; see `fastopt.torch`.
""")
