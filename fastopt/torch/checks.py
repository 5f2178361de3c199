"""Which tensors can be stepped, and what is said of those that cannot."""

import numpy as np
import torch
from torch.nn.parameter import is_lazy

from ..errors import shorten

DTYPES = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def name_of(k, group, i) -> str:
    """What messages call a parameter."""
    names = group.get("param_names")
    return f"param_groups[{k}]['params'][{i}]" if names is None else f"parameter {shorten(str(names[i]), 60)}"


def check_parameter(name, p):
    """Raise unless a tensor can be stepped, wherever it is."""
    if is_lazy(p):  # a lazy module's, of which nothing is known yet: when it has a gradient, it is no longer lazy
        return
    if p.layout != torch.strided:
        raise ValueError(f"{name} must be a dense tensor, got the layout {p.layout}")
    if p.dtype not in DTYPES:
        raise ValueError(f"{name} must be float32 or float64, got {p.dtype}")
    check_written(name, p)


def check_written(what, t):
    """Raise unless each element of a tensor can be written apart."""
    if t.numel() and any(stride == 0 and size > 1 for size, stride in zip(t.shape, t.stride())):
        raise ValueError(f"{what} must have memory for each of its elements, got an expanded tensor: clone it")


def check_place(name, p, fused):
    """Raise unless a tensor is memory that kernels can work on."""
    if p.device.type not in ("cpu", "cuda"):
        if fused:  # in PyTorch's words
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: "
                f"['cpu', 'cuda'] but {p.dtype} and {p.device.type}"
            )
        raise RuntimeError(f"{name} must be on the CPU or on a CUDA device, got {p.device}")
    if type(p) not in (torch.Tensor, torch.nn.Parameter) and torch.overrides.has_torch_function_unary(p):
        raise RuntimeError(f"{name} must be a plain tensor, got {type(p).__name__}")


def check_gradient(optimizer, name, p, g):
    """Raise unless a gradient can be stepped with."""
    if g.is_sparse:
        raise RuntimeError(f"{optimizer} does not support sparse gradients, got one for {name}")
    check_like(f"the gradient of {name}", g, p)


def check_like(what, t, p):
    """Raise unless a tensor is as its parameter is."""
    if t.layout != torch.strided or (t.shape, t.dtype, t.device) != (p.shape, p.dtype, p.device):
        raise RuntimeError(f"{what} must be {_spell(p)}, as the parameter is, got {_spell(t)}")


def _spell(t) -> str:
    dense = "" if t.layout == torch.strided else f"{str(t.layout).removeprefix('torch.')} "
    return f"{dense}{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)} on {t.device}"


# --- memory orders --------------------------------------------------------------------------------------------------


def order_of(p) -> list[int]:
    """The dimensions of a tensor in the order in which they lie in memory, if that is one piece; else as they are."""
    if not p.is_contiguous():
        order = sorted(range(p.dim()), key=p.stride, reverse=True)
        if p.permute(order).is_contiguous():
            return order
    return list(range(p.dim()))


def has_memory(t) -> bool:
    """Whether a contiguous tensor's storage holds it: it may have been freed, or made smaller."""
    return t.data_ptr() != 0 and t.untyped_storage().nbytes() >= t.itemsize * (t.storage_offset() + t.numel())


def lined_up(t, order):
    """A tensor's elements in this order, and the same in one piece of memory: itself, or a copy.

    PyTorch raises here where a storage is too small.
    """
    view = t.detach().permute(order)
    piece = view.clone() if view._is_zerotensor() else view.resolve_neg().contiguous()
    return view, piece
