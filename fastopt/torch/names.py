"""How PyTorch spells a rule: which variant the options of a group pick, its numbers, and the tensors of its state."""

from functools import cache
from typing import Any, NamedTuple

from ..errors import listing
from ..rules import RULES
from ..rules.running_nadam import RUNNING, advanced

BY_LABEL = {rule.label: rule for rule in RULES}
PLAIN = ("GD", "SGD", "Momentum", "Nesterov")  # which keep no count of steps in their state

SLOTS = {"m": "exp_avg", "v": "exp_avg_sq", "vmax": "max_exp_avg_sq", "b": "momentum_buffer", "s": "sum"}
SLOTS_OF = {
    "Adamax": {"u": "exp_inf"},
    "Adadelta": {"v": "square_avg", "u": "acc_delta"},
    "RMSprop": {"v": "square_avg", "a": "grad_avg"},
    "QHM": {"m": "momentum_buffer"},  # qhoptim's names
    "MADGRAD": {"v": "grad_sum_sq", "s": "s"},  # and madgrad's
}
OPTIONS = {"decoupled": "decoupled_weight_decay"}  # ours by PyTorch's


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
    own : (str, function) or None
        The name of a number that each tensor has of its own, which the rule takes first, and what makes the next one.
    slots : tuple of (str, str or None)
        The name of each state tensor, and the option that sets what it starts from, if one does.
    """

    rule: Any
    numbers: tuple
    decays: bool
    counted: bool
    own: Any
    slots: tuple

    def keys(self) -> tuple:
        """The names in a tensor's state: of its step and its own number, None where it has none, then of the slots."""
        return "step" if self.counted else None, self.own and self.own[0], *(name for name, _ in self.slots)


def spelled(rule, group) -> Spelled:
    """The rule as the options of a group pick it."""
    if rule.label == "AdamW" and not group.get("decoupled_weight_decay", True):
        rule = BY_LABEL["Adam"]
    return _spelled(rule, tuple(bool(group.get(OPTIONS.get(name, name))) for name in switches(rule)))


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
    own = ("mu_product", advanced) if chosen in RUNNING else None
    starts = {slot: keyword for keyword, (slot, _) in rule.initial.items()}
    names = SLOTS | SLOTS_OF.get(rule.label, {})
    return Spelled(
        rule=RUNNING.get(chosen, chosen),
        numbers=tuple(_place(name, default) for name, default in chosen.hyper.items()),
        decays="weight_decay" in chosen.hyper,
        counted=rule.label not in PLAIN,
        own=own,
        slots=tuple((names.get(slot, slot), starts.get(slot)) for slot in chosen.state),
    )


def _place(name, default):
    return ("betas", int(name[-1]) - 1, default) if name in ("beta1", "beta2") else (name, None, default)
