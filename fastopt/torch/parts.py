"""What is stepped at once: the tensors of one group that have one dtype and device."""

from collections.abc import Sized
from typing import Any

import torch
from torch.autograd.graph import increment_version

from ..errors import describe
from ..kernels.looks import MOST
from ..kernels.modifiers import scale_of
from ..step.interrupts import to_the_end
from .checks import DTYPES, check_gradient, check_like, check_place, check_written, has_memory, lined_up, order_of
from .names import SLOTS_AT, spelled

UNCLIPPED = float("inf")
SETTLED = (bool, int, float, str)


class Part:
    """Parameters of a group, and how its rule steps them.

    A step is ``look``, ``settle`` where that found something, ``run``: nothing is written before the last.

    Parameters
    ----------
    optimizer, group : the optimiser, and its group
    names, params : lists of the parameters
    places : list of int
        Where the memory of each must be, or 0.
    fresh : collection of tensors
        Those whose state was made for the step that is under way.

    Attributes
    ----------
    live : list of tensors
        Those that have a gradient in this step.
    """

    live: list

    def __init__(self, optimizer, group, names, params, places, fresh):
        self.label, self.rule, self.state = type(optimizer).__name__, optimizer.rule, optimizer.state
        self.group, self.names, self.params, self.places = group, names, params, places
        self.dtype, self.device = params[0].dtype, params[0].device
        self._options = optimizer.defaults
        self.spelled = spelled(self.rule, group, self._options)
        self._numbers = [
            (key if key in optimizer.defaults else None, at, default) for key, at, default in self.spelled.numbers
        ]
        self._decays = "weight_decay" in optimizer.defaults and not self.spelled.decays
        self.keys, self.kept = self.spelled.keys(), tuple(name for name, _ in self.spelled.keeps)
        self._needs = [key for key in (*self.keys, *self.kept) if key]
        self.nothing = dict.fromkeys((*self.keys, *self.kept), ...)  # the state of a tensor that has none yet
        self.states = [self.state_of(p) for p in params]
        self.taken = [s is not self.nothing and p not in fresh for s, p in zip(self.states, params)]
        self._seen: Any = None  # the values of the group when it was read, but for "params"
        self._seen_params, self._params_at = None, 0
        self.grads: list = []
        self._kept: list = []
        self._copies: list = []  # of what does not lie in one piece: where to copy from, and to

    def state_of(self, p):
        """The state of a tensor, if it is complete: old checkpoints have None for a buffer that is not there yet."""
        s = self.state.get(p, self.nothing)
        return s if all(s.get(key) is not None for key in self._needs) else self.nothing

    # --- numbers ----------------------------------------------------------------------------------------------------

    def read(self) -> bool:
        """Read the group's options and numbers; whether the rule is still what it was."""
        values = [*self.group.values()]
        if len(values) > self._params_at and values[self._params_at] is self._seen_params:
            values[self._params_at] = None
            try:
                if values == self._seen:
                    return True
            except (RuntimeError, ValueError):  # which equality of arrays raises: what they are is said below
                pass
        return self._read_anew()

    def _read_anew(self) -> bool:
        group = self.group
        if spelled(self.rule, group, self._options) is not self.spelled:
            return False
        read = [
            default if key is None else group[key] if at is None else pair(key, group[key])[at]
            for key, at, default in self._numbers
        ]
        read.append(group["weight_decay"] if self._decays else 0.0)
        self._take(read, group.get("maximize", False))
        self._seen_params, self._params_at = group["params"], [*group].index("params")
        values = [None if key == "params" else value for key, value in group.items()]
        self._seen = values if all(map(_is_settled, values)) else None
        return True

    def _take(self, read, maximize):
        names = (*(key if at is None else f"{key}[{at}]" for key, at, _ in self._numbers), "weight_decay")
        *numbers, decay = map(number, names, read)
        if not isinstance(maximize, bool):
            raise TypeError(f"maximize must be True or False, got {describe(maximize)}")
        self.stage = maximize or decay != 0.0 or self.spelled.rule.before is not None
        stage = (UNCLIPPED, scale_of(maximize, False), decay) if self.stage else ()
        self.numbers = (*numbers, *stage)

    # --- tensors ----------------------------------------------------------------------------------------------------

    def check(self):
        """Raise where a tensor that has a gradient, or this, cannot be stepped."""
        for name, p in zip(self.names, self.params):
            if p.grad is not None:
                check_place(name, p, self.group.get("fused"))
                check_gradient(self.label, name, p, p.grad)

    def make_states(self) -> list:
        """Make what is missing in the state of tensors with a gradient; returns these, each with the names made."""
        missing = [
            p
            for p, s in zip(self.params, self.states)
            if p.grad is not None and any(s[key] in (None, ...) for key in self._needs)
        ]
        return [(p, self._make_state(p)) for p in missing]

    def _make_state(self, p) -> list:
        state, numbers = self.state[p], self.keys[:SLOTS_AT]
        starts = {**self.spelled.own.starts, **{name: start for name, start in self.spelled.slots if start}}
        made = [name for name in self.keys if name and state.get(name) is None]
        wide = torch.get_default_dtype() == torch.float64 and not self.group.get("fused")
        dtype = torch.float64 if wide else torch.float32  # as PyTorch's
        for name in made:
            start = starts.get(name, 0.0)
            value = number(start, self.group[start]) if isinstance(start, str) else start
            if name in numbers:
                state[name] = torch.full((), value, dtype=dtype)
            else:
                state[name] = torch.full_like(p, value, memory_format=torch.preserve_format, requires_grad=False)
        return made

    def pieces(self, i) -> list:
        """Tensor i, its gradient and its state, each as one piece of memory, which lives until the step is finished.

        Raises where one does not fit. What is a copy is written back then.
        """
        name, p = self.names[i], self.params[i]
        if self.places[i] and p.data_ptr() != self.places[i]:
            raise RuntimeError(
                f"{name} must stay in the memory that flat=True laid out, got other memory: make the optimiser after "
                "moving the model"
            )
        slots, found, order = [self.states[i][key] for key in self.keys[SLOTS_AT:]], [], order_of(p)
        for key, t in zip(self.keys[SLOTS_AT:], slots):
            check_like(f"the state {key!r} of {name}", t, p)
            check_written(f"the state {key!r} of {name}", t)
        plain = p.is_contiguous()
        for t in (p, self.grads[i], *slots):
            if plain and t.is_contiguous() and not t.is_neg() and has_memory(t):  # as most are
                found.append(t)
                continue
            view, piece = lined_up(t, order)
            if piece.numel() and not piece.data_ptr():  # a FakeTensor
                raise RuntimeError(f"{name}, its gradient and its state must have memory, got none in one of them")
            found.append(piece)
            if t is not self.grads[i] and piece.data_ptr() != view.data_ptr():
                self._copies.append((piece, view))
        if 0 < abs(found[0].data_ptr() - found[1].data_ptr()) < found[0].nbytes:
            raise RuntimeError(f"the gradient of {name} must have memory of its own, got some of the parameter's")
        self._kept += found
        return found

    def finish(self):
        """Write copies back, tell autograd of the change, and let go of the gradients."""
        if self._copies:
            to_the_end(self._write_back)
        self.grads, self._kept, self._copies = [], [], []
        increment_version(self.live)  # what was computed with these parameters before must not go on

    def _write_back(self):
        with torch.no_grad():
            for piece, view in self._copies:
                view.copy_(piece)

    def moved(self) -> bool:
        """Whether a parameter has another dtype or device than before."""
        return any(p.dtype != self.dtype or p.device != self.device for p in self.params)

    @property
    def numpy_dtype(self):
        return DTYPES[self.dtype]


def on_host(state, key):
    """A number of a state, as a tensor on the CPU that can be written; made one where it is none.

    Once, not in each step: after a checkpoint was loaded with ``fused=True``, or onto a device, PyTorch has it there,
    and who looks at it waits.
    """
    t = state[key]
    known = isinstance(t, torch.Tensor) and t.dtype in DTYPES
    if not known or t.device.type != "cpu" or t.numel() != 1:
        t = state[key] = torch.tensor(float(t), dtype=t.dtype if known else None)
    elif not has_memory(t):
        raise RuntimeError(f"the state {key!r} must have memory, got storage of {t.untyped_storage().nbytes()} bytes")
    return t


def pair(name, value):
    """What must be two numbers, such as betas."""
    if not isinstance(value, Sized) or len(value) != 2:
        got = f"{len(value)} of them" if isinstance(value, list | tuple) else describe(value)
        raise ValueError(f"{name} must be two numbers, got {got}")
    return value


def count_of(name, state, key) -> int:
    """How many steps a tensor has taken, as its state says; raises unless that is a count."""
    return whole(f"the state {key!r} of {name}", float(on_host(state, key)))


def whole(what, t) -> int:
    """A count; raises unless it is one."""
    if not (0.0 <= t < MOST and t == int(t)):
        raise RuntimeError(f"{what} must be a whole number from 0, got {t:g}")
    return int(t)


def _is_settled(value) -> bool:
    """Whether a value of a group is what it is: no tensor or list, in which another may be put."""
    return value is None or isinstance(value, SETTLED) or (type(value) is tuple and all(map(_is_settled, value)))


def number(name, value) -> float:
    """A number of a group as a float: a number, or a tensor of one element."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element, got the shape {tuple(value.shape)}")
        value = value.item()
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {describe(value)}") from None
    if not -UNCLIPPED < found < UNCLIPPED:
        raise ValueError(f"{name} must be finite, got {describe(value)}")
    return found
