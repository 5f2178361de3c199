"""Decoupled decay: a rule and the shrinking of the parameter, θ ← θ − lr·λθ, are together again a rule."""

from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

from ..linking import link, link_read, stand_in
from .rule import Rule

# Where numbers stand; bound for each rule. The factor follows the rule's own coefficients.
AT: Any = None
AFTER: Any = None
LR: Any = None
DECAY: Any = None
BEHIND: Any = None
P, STATE = 0, 1  # in what an update returns
DECAYED = SimpleNamespace()  # the rules made here, where caches find their functions again (kernels/stamp.py)


@stand_in
def inner(*args):
    """Stands for a function of the rule inside."""


@stand_in
def keep(t, decay, lr, *others):
    """Stands for what gives the factor that decay leaves of a parameter."""


def decayed_before(p, g, *rest):
    return inner(rest[AT] * p, g, *(rest[:AT] + rest[AFTER:]))


def decayed_after(p, g, *rest):
    new = inner(p, g, *(rest[:AT] + rest[AFTER:]))
    return (rest[AT] * new[P], *new[STATE:])


def coefficients(t, *h):
    return (*inner(t, *(h[:DECAY] + h[BEHIND:])), keep(t, h[DECAY], *h[LR:]))


def combine(c, sums, kept):
    return inner(c[:-1], sums, kept)


def shrunk(t, decay, lr, *others):
    return 1.0 - lr * decay


def decoupled(rule: Rule, keep=shrunk, form=decayed_before, before="", ranges=MappingProxyType({})) -> Rule:
    """The rule with one more hyperparameter, ``weight_decay``, by which the parameter shrinks.

    ``keep`` gives the factor, of t, the decay, lr and the hyperparameters behind it; ``form`` is the update; ``before``
    names what ``weight_decay`` stands before among the hyperparameters, where that is not the end.
    """
    names, at = list(rule.hyper), len(rule.state) + rule.width
    place = names.index(before) if before in names else len(names)
    hyper = {name: rule.hyper[name] for name in names[:place]} | {"weight_decay": 0.0} | dict(rule.hyper)
    places = {"LR": list(hyper).index("lr"), "DECAY": place, "BEHIND": place + 1}
    made = replace(
        rule,
        name=f"{rule.name}_decoupled",
        update=link_read(form, inner=rule.update, AT=at, AFTER=at + 1),
        coefficients=link(coefficients, inner=rule.coefficients, keep=keep, **places),
        hyper=hyper,
        ranges={**rule.ranges, "weight_decay": "[0, inf)", **ranges},
        reduces={name: link(decayed_before, inner=one, AT=at, AFTER=at + 1) for name, one in rule.reduces.items()},
        combine=link(combine, inner=rule.combine) if rule.reduces else None,
        variants={},
        equation="",
    )
    setattr(DECAYED, made.name, made)
    for part, function in (("update", made.update), ("coefficients", made.coefficients)):
        function.__module__, function.__qualname__ = __name__, f"DECAYED.{made.name}.{part}"
    return made


def decayable(rule: Rule, *how, **more) -> Rule:
    """The rule with ``decoupled=True`` among its options, for it and for its variants."""
    plain = {(): rule, **rule.variants}
    decayed = {(*options, "decoupled"): decoupled(one, *how, **more) for options, one in plain.items()}
    return replace(rule, variants={**rule.variants, **decayed})
