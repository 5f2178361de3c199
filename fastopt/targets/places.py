"""Where arrays are, asked for once: one object for each place.

A place offers the same everywhere, so what is above it exists once. In ``cpu.py`` and in ``cuda.py``, which is imported
only where an array is on a GPU:

- *what an array is*: ``describe`` and ``parameter`` (checked), ``array`` and ``flat`` (as kernels take it);
- *memory*: ``zeros``, ``full``, ``empty``, ``view``, ``span``, ``write``, ``assign``, ``copy_to_host``, ``on_host``;
- *sums*: ``fill``, ``copy``, ``add``, ``scale``;
- *order*: ``current`` and ``within`` (the device that is current), ``stream``, ``finish``;
- *steps*: ``check_options``, ``sweep`` (the kernel), ``gradients`` (matched to blocks), ``steps`` (made of them);
- *training*: ``examples`` (checked), ``batches`` (of them), ``handed_over`` (an array as a library's code takes it),
  ``is_untouched`` (a gradient that no loss wrote).
"""

from typing import Any

from ..arrays.libraries import is_on_device
from .available import require
from .cpu import Cpu


def target_of(named) -> Any:
    """The place of arrays, of pairs (name, array): a GPU where one of them is on one. Raises where CUDA is missing."""
    found = next((name for name, a in named if is_on_device(a)), None)
    return Cpu() if found is None else current_gpu(f"{found}, on the GPU,")


def current_gpu(what) -> Any:
    """The GPU of the first array that it is asked to describe; raises where CUDA is missing."""
    require(what)
    from .cuda import Cuda

    return Cuda()
