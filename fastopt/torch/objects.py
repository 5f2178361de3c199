"""Where PyTorch's C++ objects keep what a look reads: found by trying tensors of which everything is known.

What is read is the size of a tensor, its storage (where that is, and how large) and its start therein, and the bits
that are the same in all dense, contiguous tensors of the CPU's with one dtype, and in no other. Between the fields lies
what the memory held before: so tensors are tried in memory full of zeros, and full of ones.
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from operator import or_

import torch
from numba import config

from ..kernels.looks import OBJECT
from .checks import DTYPES

ENABLED = True  # whether compiled code looks at tensors; otherwise Python does, one by one
WORDS = range(22)  # of an object that are tried
LOW = 2**32 - 1  # the half of a word in which a kind is told, whatever lies between the fields of the other half


@cache
def objects() -> list[int] | None:
    """What a look knows from the cell NUMEL on; None where it cannot."""
    if not ENABLED or config.DISABLE_JIT or os.name != "posix" or object.__basicsize__ != 16:
        return None
    with ThreadPoolExecutor(1) as alone:  # where no mode is on: no_grad, inference, another default device
        return alone.submit(_found).result()


def _found() -> list[int] | None:
    plain = [[t for byte in (0, 255) for t in _after_filling(byte, _plain, dtype)] for dtype in DTYPES]
    every = [t for group in plain for t in group]
    if any(_word(id(t), OBJECT) != t._cdata for t in every):
        return None
    numel = _places(every, torch.Tensor.numel)
    start = _places(every, torch.Tensor.storage_offset)
    storage = _places(every, lambda t: t.untyped_storage()._cdata)
    memory = _places(map(_storage, every), torch.UntypedStorage.data_ptr)
    nbytes = _places(map(_storage, every), torch.UntypedStorage.nbytes)
    if not (numel and start and storage and memory and nbytes):
        return None
    others = _others()
    masks = {8 * k: ~_differing(plain, 8 * k) for k in WORDS}
    words = [at for at, mask in masks.items() if mask & LOW == LOW and _differing([[plain[0][0], *others]], at)]
    values = [_kind(group[0], masks, words) for group in plain]
    if any(_kind(t, masks, words) in values for t in others) or values[0] == values[1]:
        return None
    kinds = [number for kind in zip(words, (masks[at] for at in words), *values) for number in kind]
    return [numel[0], storage[0], start[0], memory[0], nbytes[0], len(words), *kinds]


def _after_filling(byte, make, *given):
    """What is made where allocations of the size of an object held this byte before."""
    c = ctypes.CDLL(None)
    c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    held = [(c.malloc(ctypes.c_size_t(size)), size) for size in range(64, 512, 16) for _ in range(32)]
    for address, size in held:
        ctypes.memset(address, byte, size)
        c.free(address)
    return make(*given)


def _plain(dtype):
    """Dense, contiguous tensors of the CPU's, that are like each other in nothing else."""
    base, leaf = torch.arange(300, dtype=dtype), torch.nn.Parameter(torch.ones(7, 11, dtype=dtype))
    (leaf * leaf).sum().backward()
    shapes = [base[23:60], base[5:125].view(2, 3, 4, 5), base[17], torch.zeros(9, 0, 2, dtype=dtype)]
    return [leaf, leaf.grad, *shapes, torch.ones(13, 17, dtype=dtype)]


def _others():
    """Tensors that a look must not take for one of those."""
    strided, x = torch.ones(6, 8), torch.ones(3, 4, 5, 6)
    changed = [strided.T, strided[:, ::2], strided[:, :1].expand(6, 8), x.to(memory_format=torch.channels_last)]
    imaginary = torch.ones(3, dtype=torch.complex64)
    kinds = [torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.bool, torch.complex64]
    return [
        *changed,
        *(torch.ones(7, dtype=kind) for kind in kinds),
        torch._neg_view(torch.ones(7)),
        imaginary.conj(),
        torch.ones(7, device="meta"),
        strided.to_sparse(),
    ]


def _storage(t):
    return t.untyped_storage()


def _places(things, found):
    known = [(one._cdata, found(one)) for one in things]
    return [8 * k for k in WORDS if all(_word(address, 8 * k) == value for address, value in known)]


def _differing(groups, at) -> int:
    """The bits of a word that are not the same in all tensors of a group."""
    return reduce(or_, (_word(t._cdata, at) ^ _word(group[0]._cdata, at) for group in groups for t in group))


def _kind(t, masks, words) -> list[int]:
    return [_word(t._cdata, at) & masks[at] for at in words]


def _word(address, at) -> int:
    return ctypes.c_int64.from_address(address + at).value
