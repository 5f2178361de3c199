"""Arrays of libraries that are not installed, and the libraries: all of them that fastopt looks at.

Their memory is Numba's, in the simulator or on a GPU; nothing here asks for CUDA before there is an array. What speaks
DLPack alone is in dlpack_exporter.py.
"""

import sys
from types import SimpleNamespace

import numpy as np

STRIDED = "torch.strided"


def interface(a):
    from fastopt.arrays.device import interface

    return interface(a)


def on_device(a):
    """A copy on the GPU of a NumPy array; anything else as it is."""
    from numba import cuda

    return cuda.to_device(a) if isinstance(a, np.ndarray) else a


class Foreign:
    """An array of some library: it has the CUDA array interface and nothing else, with these changes."""

    def __init__(self, a, **changes):
        self.a, self.changes = on_device(a), changes

    @property
    def __cuda_array_interface__(self):
        return interface(self.a) | self.changes


class Unreachable:
    """An array on a GPU, seen from where no GPU is."""

    __cuda_array_interface__ = {"shape": (3,), "typestr": "<f8", "data": (1024, False), "version": 3}  # noqa: RUF012


class UnreachableDLPack:
    """The same, of a library that speaks DLPack alone."""

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **options):
        raise AssertionError("there is no GPU to read")


class Tensor:
    """A PyTorch tensor, on the GPU unless ``is_cuda`` says otherwise."""

    def __init__(self, a, *, requires_grad=False, dtype=None, layout=STRIDED, is_cuda=True):
        self.a = on_device(a) if is_cuda else a
        self.requires_grad, self.layout, self.is_cuda = requires_grad, layout, is_cuda
        self.dtype = dtype or f"torch.{self.a.dtype}"

    @property
    def shape(self):
        return tuple(self.a.shape)

    @property
    def __cuda_array_interface__(self):
        if not self.is_cuda:
            raise AttributeError("Can't get __cuda_array_interface__ on non-CUDA tensor type: torch.FloatTensor")
        if self.requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")
        return interface(self.a)

    def __dlpack__(self, **options):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    def __dlpack_device__(self):
        return (2 if self.is_cuda else 1), 0

    def detach(self):
        raise AssertionError("nothing is converted in silence")

    def dim(self):
        return self.a.ndim

    def data_ptr(self):
        return interface(self.a)["data"][0] if self.a.size else 0

    def is_contiguous(self):
        return bool(self.a.is_c_contiguous())

    def permute(self, *axes):
        return Tensor(self.a.transpose(axes))


Tensor.__module__ = "torch"


class CupyArray(Foreign):
    """A CuPy array, whose interface names the current stream."""

    @property
    def __cuda_array_interface__(self):
        return interface(self.a) | {"stream": sys.modules["cupy"].cuda.get_current_stream().ptr or 1}


CupyArray.__module__ = "cupy._core.core"


def torch(stream, asked):
    """The module, with the handle of its current stream, and where to note the devices that it was asked for."""

    def current_stream(device=None):
        asked.append(device)
        return SimpleNamespace(cuda_stream=stream["handle"])

    def as_tensor(a, device):
        assert device == "cuda:0"
        return Tensor(a)

    return SimpleNamespace(strided=STRIDED, as_tensor=as_tensor, cuda=SimpleNamespace(current_stream=current_stream))


def cupy(stream):
    """The module, with the handle of its current stream."""
    current = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=stream["handle"]))
    return SimpleNamespace(asarray=CupyArray, cuda=current)
