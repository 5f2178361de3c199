"""The explicit moves between host and GPU."""

import numpy as np

from ..arrays.libraries import is_on_device
from ..arrays.nests import flatten, rebuild
from ..arrays.placed import check_contiguous
from ..errors import describe, spell
from . import current_gpu
from .packed import Packed, pack


def to_device(params):
    """Copy NumPy arrays to the current GPU. Nothing else in fastopt moves data there.

    Parameters
    ----------
    params : array, or sequence or mapping of arrays, nested as deep as you like
        Contiguous NumPy arrays of numbers, or what :func:`fastopt.pack` returned.

    Returns
    -------
    array or nest
        Of the same structure, with Numba device arrays, which PyTorch and CuPy read through
        ``__cuda_array_interface__``. What was packed is packed again.

    Raises
    ------
    RuntimeError
        Without CUDA; the message says whether the package, the driver or the device is missing.
    TypeError, ValueError
        If something in it is not a NumPy array of numbers, or is not contiguous.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> w = fastopt.to_device(np.ones(3))
    >>> fastopt.SGD(w, lr=0.5).step(fastopt.to_device(np.ones(3)))
    >>> fastopt.to_host(w)
    array([0.5, 0.5, 0.5])
    """
    for name, leaf in flatten(params, "params"):
        if not isinstance(leaf, np.ndarray) or leaf.dtype.kind not in "fiucb":
            raise TypeError(f"{name} must be a NumPy array of numbers, got {describe(leaf)}")
        check_contiguous(name, "C" if leaf.flags.forc else None, f"strides {spell(leaf.strides)}")
    target = current_gpu("to_device")
    moved = rebuild(params, (target.copy_to_device(leaf) for _, leaf in flatten(params, "")))
    return pack(moved) if isinstance(params, Packed) else moved


def to_host(params):
    """Copy arrays on a GPU, of any library, into new NumPy arrays. Waits for the work that was queued before.

    Parameters
    ----------
    params : array, or sequence or mapping of arrays, nested as deep as you like
        Contiguous arrays on a GPU, or what :func:`fastopt.pack` made of such.

    Returns
    -------
    array or nest
        Of the same structure, with NumPy arrays. What was packed is packed again.

    Raises
    ------
    RuntimeError
        Without CUDA.
    TypeError, ValueError
        If something in it is not on a GPU, or is not contiguous.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> fastopt.to_host({"w": fastopt.to_device(np.ones(3))})
    {'w': array([1., 1., 1.])}
    """
    leaves = list(flatten(params, "params"))
    for name, leaf in leaves:
        if not is_on_device(leaf):
            raise TypeError(f"{name} must be on the GPU, got {describe(leaf)}")
    target = current_gpu("to_host")
    views = [target.array(target.numbers(name, leaf), leaf) for name, leaf in leaves]
    moved = rebuild(params, map(target.copy_to_host, views))
    return pack(moved) if isinstance(params, Packed) else moved
