"""What other rooms may know of an optimiser that users need not: the only other reader of its private attributes."""

from typing import Any

from ..kernels.counts import Counts
from ..kernels.modifiers import scale_of
from ..schedules import plateaus_in
from .layout import Layout
from .options import Options


def target_of(opt) -> Any:
    """Where its arrays are."""
    return opt._target


def layout_of(opt) -> Layout:
    """Its parameters and state, as kernels take them."""
    return opt._layout


def options_of(opt) -> Options:
    """What it was given beside the numbers of its rule."""
    return opt._options


def hyper_of(opt) -> list:
    """The numbers of its rule, for each group."""
    return opt._hyper


def is_staged(opt) -> bool:
    """Whether its kernels modify the gradient first."""
    return opt._staged


def has_schedules(opt) -> bool:
    return any(hyper.scheduled for hyper in opt._hyper)


def update_plateaus(opt, loss):
    """Tell the loss of an epoch to the schedules that go by it, to each once."""
    found = [plateau for hyper in opt._hyper for value in hyper.values.values() for plateau in plateaus_in(value)]
    for plateau in {id(plateau): plateau for plateau in found}.values():
        plateau.update(loss)


def numbers_at(opt, t) -> list:
    """What its kernels take for step t, for each group; with ``clip_norm``, before it is known."""
    options = opt._options
    return opt._numbers(t, scale_of(options.maximize, options.clip_norm is not None))


def counts_of(opt) -> Counts:
    """How many steps it applied, and left out, where compiled code counts them."""
    return opt._layout.counts


def numbers_of(opt) -> dict:
    """Its state dict without the state."""
    return opt._saved_numbers()


def load_all(opt, d, params):
    """Restore a state dict, and write these arrays into the parameters."""
    opt._load(d, list(zip(opt._layout.leaves, params)))


def refuse_not_finite(opt, grads):
    """Raise what ``check_finite=True`` raises of these gradients."""
    opt._layout.refuse_not_finite(grads)
