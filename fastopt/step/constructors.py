"""The constructors ``fastopt.Adam`` and so on, generated from the rules: real signatures, real docstrings."""

from inspect import Parameter, Signature

from ..errors import describe, listing, shorten
from ..rules import RULES
from ..rules.keywords import keywords
from ..rules.rule import check_hyper
from .optimizer import Optimizer
from .options import Options


def constructor(rule):
    """A function that makes an Optimizer with this rule, or with the variant that its keywords switch on."""
    switches = variant_keywords(rule)
    signature = signature_of(rule, switches)

    def construct(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            takes = ", ".join(signature.parameters)
            raise TypeError(f"{rule.label} must be given {takes}; {shorten(str(error), 80)}") from None
        chosen = choose(rule, switches, given)
        return Optimizer(given.pop("params"), chosen, **given)

    construct.__name__ = construct.__qualname__ = rule.label
    construct.__module__ = "fastopt"
    construct.__signature__ = signature  # type: ignore[attr-defined]
    construct.__doc__ = document(rule, switches)
    return construct


def variant_keywords(rule) -> dict:
    """The keywords that only variants of the rule have, switched off."""
    known = keywords(rule)
    found: dict[str, bool | float] = {}
    for options, variant in rule.variants.items():
        numbers = [name for name in keywords(variant) if name not in known]
        found |= dict.fromkeys(numbers, 0.0) | {name: False for name in options if name not in numbers}
    # a number in one variant is a number in all: SGD(momentum=0.9, nesterov=True)
    return {**found, **{k: 0.0 for v in rule.variants.values() for k in keywords(v) if k in found}}


def choose(rule, switches, given):
    """The rule or variant that the given keywords switch on; those that only switch are taken out."""
    for name, off in switches.items():
        if name in given and isinstance(off, bool) and not isinstance(given[name], bool):
            raise TypeError(f"{name} must be True or False, got {describe(given[name])}")
        if name in given and not isinstance(off, bool) and not callable(given[name]):
            check_hyper(name, given[name], off)
    deciding = {name for options in rule.variants for name in options if given.get(name)}
    chosen = rule
    if deciding:
        chosen = next((v for options, v in rule.variants.items() if set(options) == deciding), None)
        if chosen is None:
            allowed = " or ".join(" and ".join(options) for options in rule.variants)
            raise ValueError(f"{rule.label} must be given {allowed} (or none of them), got {listing(sorted(deciding))}")
    for name in switches.keys() - keywords(chosen).keys():
        value = given.pop(name, False)
        if value and name not in deciding:
            raise ValueError(f"{name} must be 0 with these options of {rule.label}, got {describe(value)}")
    return chosen


def signature_of(rule, switches) -> Signature:
    """params, the rule's numbers (by position too), and by keyword the switches and the common options."""
    hyper = keywords(rule)
    either, keyword = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
    parameters = [Parameter("params", either)]
    own = [name for name in hyper if name != "weight_decay" or "weight_decay" in rule.hyper]
    parameters += [Parameter(name, either, default=hyper[name]) for name in own]
    rest = switches | {name: hyper[name] for name in hyper if name not in own} | Options._field_defaults
    parameters += [Parameter(name, keyword, default=default) for name, default in rest.items()]
    return Signature(parameters, return_annotation=Optimizer)


def document(rule, switches) -> str:
    numbers = ", ".join(f"{name}={default!r}" for name, default in (keywords(rule) | switches).items())
    state = ", ".join(rule.state) or "none"
    return f"""{rule.doc.strip()}

Parameters
----------
params : array, or sequence or mapping of arrays (nested too), or list of groups
    float32 or float64 NumPy arrays, contiguous and writable; updated in place.
{numbers}
    Floats, or schedules: callables ``step -> float``, with step 0 at the first update.
maximize, clip_value, clip_norm, check_finite, parallel, threads, device, capturable
    As in :class:`fastopt.Optimizer`, which says what is raised too.

Returns
-------
Optimizer
    With ``step(grads)``, ``params``, ``t`` and ``state`` ({state}).

Examples
--------
>>> import numpy as np, fastopt
>>> x = np.array([1.0, -2.0])
>>> opt = fastopt.{rule.label}(x, lr=0.01)
>>> opt.step(2 * x)
>>> opt.t
1
"""


CONSTRUCTORS = {rule.label: constructor(rule) for rule in RULES}
