"""The constructors ``fastopt.Adam`` and so on, generated from the rules: real signatures, real docstrings."""

import contextlib
from inspect import Parameter, Signature, cleandoc

from ..distributed.ranks import ranks_of
from ..errors import describe, listing, shorten
from ..rules import RULES, table, texts
from ..rules.keywords import keywords
from ..rules.presets import FRAMEWORKS, PRESETS, preset_of
from .optimizer import Optimizer
from .options import Options
from .together import PLACE


def constructor(rule):
    """A function that makes an Optimizer with this rule, or with the variant that its keywords switch on."""
    switches = variant_keywords(rule)
    signature = signature_of(rule, switches)

    def construct(*args, **kwargs):
        ranks = ranks_of(kwargs.get("comm"))
        with contextlib.nullcontext() if ranks is None else ranks.telling(PLACE):
            given = bound(rule, signature, args, kwargs)
            chosen = choose(rule, switches, given)
        return Optimizer(given.pop("params"), chosen, **given)

    construct.__name__ = construct.__qualname__ = rule.label
    construct.__module__ = "fastopt"
    construct.__signature__ = signature  # type: ignore[attr-defined]
    construct.__doc__ = document(rule, signature) if rule.doc else None  # python -OO leaves none
    return construct


def bound(rule, signature, args, kwargs) -> dict:
    """The arguments by name."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        takes = shorten(", ".join(signature.parameters), 190)
        if len(args) > 2:  # PyTorch's order differs from rule to rule, and silence would hide it
            takes = "params and lr by position, everything else by keyword"
        raise TypeError(f"{rule.label} must be given {takes}; {shorten(str(error), 80)}") from None


def variant_keywords(rule) -> dict:
    """The keywords that only variants of the rule have, switched off."""
    known = keywords(rule)
    found: dict[str, bool | float] = {}
    for options, variant in rule.variants.items():
        numbers = [name for name in keywords(variant) if name not in known]
        found |= dict.fromkeys(numbers, 0.0) | {name: False for name in options if name not in numbers}
    # a number in one variant is a number in all: SGD(momentum=0.9, nesterov=True)
    numbers_of_any = {name: value for v in rule.variants.values() for name, value in keywords(v).items()}
    return {**found, **{k: False if isinstance(v, bool) else 0.0 for k, v in numbers_of_any.items() if k in found}}


def choose(rule, switches, given):
    """The rule or variant that the given keywords switch on; those that only switch are taken out."""
    for name, off in switches.items():
        if name in given and isinstance(off, bool) and not isinstance(given[name], bool):
            raise TypeError(f"{name} must be True or False, got {describe(given[name])}")
        if name in given and not isinstance(off, bool) and not callable(given[name]):
            rule.check(name, given[name])
    take_preset(rule, given)
    chosen = picked(rule, given)
    for name, default in keywords(rule).items():  # which hold for the variant: AdamW's decay is not Adam's
        if keywords(chosen).get(name, default) != default:
            given.setdefault(name, default)
    deciding = deciding_of(rule)
    for name in switches.keys() - keywords(chosen).keys():
        value = given.pop(name, False)
        if value and name not in deciding:
            off = "False" if isinstance(switches[name], bool) else "0"
            raise ValueError(f"{name} must be {off} with these options of {rule.label}, got {describe(value)}")
    return chosen


def take_preset(rule, given):
    """Put in place of ``preset`` the keywords that it sets: those that were not given, and that the variant takes."""
    preset = preset_of(rule.label, given.pop("preset", None))
    free = {name: value for name, value in preset.items() if name not in given}
    given |= {name: value for name, value in free.items() if name in deciding_of(rule)}
    taken = keywords(picked(rule, given))
    given |= {name: value for name, value in free.items() if name in taken}


def deciding_of(rule) -> set:
    """The keywords that pick variants of the rule."""
    return {name for options in rule.variants for name in options}


def picked(rule, given):
    """The rule or variant that these keywords pick; raises where there is no such variant."""
    deciding = {name for name in deciding_of(rule) if given.get(name)}
    if not deciding:
        return rule
    chosen = next((v for options, v in rule.variants.items() if set(options) == deciding), None)
    if chosen is None:
        allowed = " or ".join(" and ".join(options) for options in rule.variants)
        raise ValueError(f"{rule.label} must be given {allowed} (or none of them), got {listing(sorted(deciding))}")
    return chosen


def signature_of(rule, switches) -> Signature:
    """params and lr, by position too; by keyword the rule's other numbers, the switches and the common options."""
    hyper = keywords(rule)
    either, keyword = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
    parameters = [Parameter("params", either)]
    own = [name for name in hyper if name != "weight_decay" or "weight_decay" in rule.hyper]
    parameters += [Parameter(name, either if name == "lr" else keyword, default=hyper[name]) for name in own]
    rest = switches | {name: hyper[name] for name in hyper if name not in own} | Options._field_defaults | AVERAGES
    parameters += [Parameter(name, keyword, default=default) for name, default in rest.items()]
    parameters += [Parameter("preset", keyword, default=None)]
    return Signature(parameters, return_annotation=Optimizer)


def document(rule, signature) -> str:
    """The rule's text, every argument explained for this rule, and the rule's example."""
    arguments = [
        COMMON[name] if name in COMMON else number_entry(rule, name, parameter.default)
        for name, parameter in signature.parameters.items()
        if name not in ("params", "preset")
    ]
    arguments.append(preset_entry(rule))
    state = ", ".join(rule.state) or "empty"
    return f"""{texts.opening(rule)}

Parameters
----------
params : array, or sequence or mapping of arrays (nested too), or list of groups
    θ: float32 or float64, contiguous and writable; updated in place. NumPy arrays, or arrays on a GPU (Numba's, CuPy's,
    PyTorch's), which a CUDA kernel of the same rule steps there, equal up to rounding.
{NEWLINE.join(arguments)}

Returns
-------
Optimizer
    With ``step(grads)``, ``params``, ``t`` and ``state`` ({state}); see :class:`fastopt.Optimizer`.

Raises
------
TypeError, ValueError
    Before anything is written, in one sentence: what must be, and what was given.

Examples
--------
{texts.examples(rule)}
"""


def number_entry(rule, name, default) -> str:
    """One of the rule's own arguments: its kind, default and range, then its meaning."""
    shown = f"default {table.spelt(default)}"
    if isinstance(default, bool):
        kind = f"bool, {shown}"
    elif isinstance(default, tuple):
        symbols, ranges = texts.whole(rule, name)
        kind = f"pair ({', '.join(symbols)}) of floats or schedules, {shown}, {ranges}"
    else:
        kind = f"float{'' if name in rule.initial else ' or schedule'}, {shown}, {texts.range_of(rule, name)}"
    return f"{name} : {kind}\n{texts.meaning(rule, name)}"


def preset_entry(rule) -> str:
    """What each framework's dialect sets in this rule."""
    known = PRESETS.get(rule.label)
    if not known:
        return f"preset : None\n    Of {', '.join(FRAMEWORKS)} none has this rule as it is here."
    sets = [f"    ``{name!r}``: {table.numbers(found) or 'nothing'}" for name, found in known.items()]
    return f"""preset : {" or ".join(map(repr, known))}, optional
    Whose dialect to speak: sets those of these keywords that are not given, and that the variant has; it picks none.
{f";{NEWLINE}".join(sets)}."""


AVERAGES = {"ema": None, "average": None}
# The options of every optimiser, as the class explains them.
COMMON = texts.entries(texts.sections(cleandoc(Optimizer.__doc__ or "")).get("Parameters", ""))
NEWLINE = "\n"  # Python 3.11 takes no backslash in an f-string's braces

CONSTRUCTORS = {rule.label: constructor(rule) for rule in RULES}
