"""Stand-ins for PyTorch's CUDA tensors and CuPy's arrays, over memory of Numba's: all that fastopt looks at."""

import sys
from types import SimpleNamespace

import numpy as np
from on_cuda import cuda

from fastopt.kernels.cuda.gpu import interface

STRIDED = "torch.strided"


class Tensor:
    """A PyTorch tensor on the GPU."""

    def __init__(self, a, *, requires_grad=False, dtype=None, layout=STRIDED, is_cuda=True):
        self.a = cuda.to_device(a) if isinstance(a, np.ndarray) else a
        self.requires_grad, self.layout, self.is_cuda = requires_grad, layout, is_cuda
        self.dtype = dtype or f"torch.{self.a.dtype}"

    @property
    def shape(self):
        return tuple(self.a.shape)

    @property
    def __cuda_array_interface__(self):
        if self.requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")
        return interface(self.a)

    def __dlpack__(self, **options):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    def __dlpack_device__(self):
        return 2, 0

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


class CupyArray:
    """A CuPy array, whose interface names the current stream."""

    def __init__(self, a):
        self.a = cuda.to_device(a) if isinstance(a, np.ndarray) else a

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
    return SimpleNamespace(
        asarray=CupyArray, cuda=SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=stream["handle"]))
    )
