"""Parameters and their gradients in one buffer each, of every dtype and device."""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy


class Home(NamedTuple):
    """Where a parameter is laid out, the view that is its gradient, and for the first in a buffer that of gradients."""

    address: int
    gradient: Any
    buffer: Any


def laid_out(named) -> dict:
    """Move parameters into buffers, in place of the memory they had; the home of each.

    Parameters
    ----------
    named : list of (str, tensor)

    Raises
    ------
    ValueError
        If two of them share memory, or one is shared with other processes: that would end. Nothing is moved then.
    """
    _check(named)
    kinds: dict = {}
    for _, p in named:
        kinds.setdefault((p.dtype, p.device), []).append(p)
    homes: dict = {}
    for params in kinds.values():
        homes |= _of_one_kind(params)
    return homes


def _check(named):
    spans = []
    for name, p in named:
        if is_lazy(p):
            raise ValueError(f"{name} must have memory with flat=True, got a lazy module's: call the model once before")
        if p.device.type not in ("cpu", "cuda"):
            raise ValueError(f"{name} must be on the CPU or on a CUDA device with flat=True, got {p.device}")
        if p.is_shared() and p.device.type == "cpu":
            raise ValueError(f"{name} must not be shared between processes with flat=True, got shared memory")
        if p.numel():
            start = p.data_ptr()
            extent = 1 + sum((size - 1) * stride for size, stride in zip(p.shape, p.stride()))
            spans.append((str(p.device), start, start + extent * p.itemsize, name))
    spans.sort()
    for (device, _, end, name), (other, start, _, next_name) in pairwise(spans):
        if device == other and start < end:
            raise ValueError(f"{next_name} must have memory of its own with flat=True, got some of {name}'s")


@torch.no_grad()
def _of_one_kind(params) -> dict:
    total = sum(p.numel() for p in params)
    values = torch.empty(total, dtype=params[0].dtype, device=params[0].device)
    gradients, laid, start = torch.zeros_like(values), [], 0
    for p in params:
        view, gradient = (buffer[start : start + p.numel()].view(p.shape) for buffer in (values, gradients))
        view.copy_(p)
        if p.grad is not None:
            gradient.copy_(p.grad)
        laid.append((p, view, gradient))
        start += p.numel()
    homes: dict = {}
    for p, view, gradient in laid:
        p.data = view
        if p.requires_grad:
            p.grad = gradient
        homes[p] = Home(view.data_ptr(), gradient, None if homes else gradients)
    return homes


def clear(homes):
    """Fill all gradients with zeros, and give each parameter its view again; None to one that needs no gradient."""
    for p, home in homes.items():
        if home.buffer is not None:
            home.buffer.zero_()
        if p.grad is not home.gradient or not p.requires_grad:
            p.grad = home.gradient if p.requires_grad else None
