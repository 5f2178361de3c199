"""How PyTorch spells a rule: which variant the options of a group pick, its numbers, and the tensors of its state."""

from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import listing
from ..kernels.loops.tensors import OWNS
from ..rules import RULES, running_asgd, running_nadam, running_rprop
from ..rules.keywords import together

BY_LABEL = {rule.label: rule for rule in RULES}
PLAIN = ("GD", "SGD", "Momentum", "Nesterov")  # which keep no count of steps in their state
STEP, STEPS = "step", "steps"  # of the tensor, and of all tensors where a rule looks at all of them

SLOTS = {"m": "exp_avg", "v": "exp_avg_sq", "vmax": "max_exp_avg_sq", "b": "momentum_buffer", "s": "sum"}
SLOTS_OF = {
    "Adamax": {"u": "exp_inf"},
    "Adadelta": {"v": "square_avg", "u": "acc_delta"},
    "RMSprop": {"v": "square_avg", "a": "grad_avg"},
    "AdaBelief": {"v": "exp_avg_var"},
    "AdEMAMix": {"m": "exp_avg_fast", "slow": "exp_avg_slow"},
    "Adan": {"v": "exp_avg_diff", "n": "exp_avg_sq", "last": "pre_grad"},
    "QHM": {"m": "momentum_buffer"},  # qhoptim's names
    "MADGRAD": {"v": "grad_sum_sq", "s": "s"},  # and madgrad's
    "Prodigy": {"s": "s"},  # prodigyopt's
    "DAdaptAdam": {"s": "s"},  # and dadaptation's
}
OPTIONS = {"decoupled": "decoupled_weight_decay"}  # ours by PyTorch's


class Own(NamedTuple):
    """The numbers that each tensor has of its own, which a rule takes before the others.

    Attributes
    ----------
    rule : Rule or None
        The form of the rule that keeps what PyTorch keeps in the state; None where that is the rule's own.
    starts : mapping of str to str or float
        The name of each in a tensor's state, and what it starts from: a number, or an option's value.
    following : callable or None
        Makes of them those after a step.
    """

    rule: Any = None
    starts: Any = MappingProxyType({})
    following: Any = None


RUNNING = {
    rule: Own(running, kind.OWN, kind.advanced)
    for kind in (running_asgd, running_nadam, running_rprop)
    for rule, running in kind.RUNNING.items()
}
SLOTS_AT = 1 + OWNS  # behind the step and the own numbers


class Spelled(NamedTuple):
    """A rule or variant as a group of PyTorch's has it.

    Attributes
    ----------
    rule : Rule
    numbers : tuple of (key, index, default)
        Where a group has each hyperparameter: under a key, or there in a pair; where it has none, the default holds.
    decays : bool
        Whether the rule decays by itself, so that its gradients are not to be.
    counted : bool
        Whether the state has the tensor "step".
    own : Own
        The numbers that each tensor has of its own.
    slots : tuple of (str, str or None)
        The name of each state tensor, and the option that sets what it starts from, if one does.
    keeps : tuple of (str, str or None)
        The same of each number that a rule with sums keeps.
    """

    rule: Any
    numbers: tuple
    decays: bool
    counted: bool
    own: Any
    slots: tuple
    keeps: tuple

    def keys(self) -> tuple:
        """The names in a tensor's state: of its step and own numbers, None where it has none, then of the slots."""
        own = [*self.own.starts, *[None] * OWNS][:OWNS]
        return STEP if self.counted else None, *own, *(name for name, _ in self.slots)


def spelled(rule, group, known) -> Spelled:
    """The rule as the options of a group pick it; KeyError where it lacks one that is known to the optimiser."""
    if rule.label == "SGD" and group.get("nesterov") and group.get("dampening"):  # what PyTorch's constructor says
        raise ValueError(f"Nesterov momentum requires a momentum and zero dampening, got {group['dampening']!r}")
    if rule.label == "AdamW" and not group.get("decoupled_weight_decay", True):
        rule = BY_LABEL["Adam"]
    options = (OPTIONS.get(name, name) for name in switches(rule))
    return _spelled(rule, tuple(bool(group[name] if name in known else group.get(name)) for name in options))


@cache
def switches(rule) -> tuple:
    """The options that pick variants of a rule."""
    return tuple(dict.fromkeys(name for options in rule.variants for name in options))


@cache
def _spelled(rule, on):
    options = {name for name, is_on in zip(switches(rule), on) if is_on}
    chosen = next((v for names, v in rule.variants.items() if set(names) == options), None) if options else rule
    if chosen is None:
        raise ValueError(f"options of {rule.label} must fit together, got {listing(sorted(options))}")
    own = RUNNING.get(chosen, Own())
    starts = {slot: keyword for keyword, (slot, _) in (own.rule or rule).initial.items()}
    names = SLOTS | SLOTS_OF.get(rule.label, {}) if rule.label in BY_LABEL else {}  # your own keeps its names
    for count in (STEP, STEPS) if chosen.across else (STEP,):
        if count in (*chosen.state, *chosen.keeps):
            raise ValueError(f"state of {rule.name} must not have the name {count}, under which steps are counted")
    return Spelled(
        rule=own.rule or chosen,
        numbers=_places(chosen.hyper),
        decays="weight_decay" in chosen.hyper,
        counted=rule.label not in PLAIN,
        own=own,
        slots=tuple((names.get(slot, slot), starts.get(slot)) for slot in chosen.state),
        keeps=tuple((name, starts.get(name)) for name in (*chosen.keeps, *[STEPS] * chosen.across)),
    )


def _places(hyper) -> tuple:
    """Where a group has each number."""
    inside = {name: (whole, i) for whole, names in together(hyper).items() for i, name in enumerate(names)}
    return tuple((*inside.get(name, (name, None)), default) for name, default in hyper.items())
