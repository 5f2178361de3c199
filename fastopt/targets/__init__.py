"""Where the work is done: one thread, several threads, a GPU.

Nothing is moved unless you ask. The work is done where the arrays are: NumPy arrays are stepped on the CPU, arrays on a
GPU by CUDA kernels made of the same rules.

Threads
-------
A step of a large array is shared among Numba's threads; from what size on, fastopt knows for each rule (``fastopt
info`` prints it, ``fastopt crossover`` measures it). ``parallel`` and ``threads`` overrule that. The bits are the same
on any number of threads, so this is about speed alone.

>>> import numpy as np, fastopt
>>> x, y = np.zeros(1000), np.zeros(1000)
>>> fastopt.Adam(x, parallel=False).step(np.ones(1000))
>>> fastopt.Adam(y, parallel=True).step(np.ones(1000))
>>> bool((x == y).all())
True

## On a GPU

``pip install "fastopt[cuda]"`` brings numba-cuda, which needs NumPy below 2.5. Give an optimiser Numba's device arrays,
CuPy's, PyTorch's CUDA tensors, or anything that speaks ``__cuda_array_interface__`` or DLPack:

    w = torch.zeros(10**6, device="cuda")
    opt = fastopt.Adam(w, lr=1e-3, device="cuda")    # device= only asserts where the arrays are
    opt.step(g)                                      # queued on the current stream; does not wait

`fastopt.to_device` and `fastopt.to_host` copy nests of NumPy arrays there and back. `fastopt.fit`,
`fastopt.minimize_many`, `fastopt.curve_fit_many` and `fastopt.least_squares_many` work there too; `fastopt.minimize`
and `fastopt.jit` are for the CPU alone.

What is different on a GPU:

- Answers are those of the CPU up to rounding, not to the bit.
- Gradients are read on the caller's stream: queue them there before ``step``, as PyTorch does by itself.
- A step costs 55 to 95 µs of the host's time, whatever its size, and one launch per array: `fastopt.pack` small arrays,
  or make the optimiser with ``capturable=True`` and replay the step in a CUDA graph.
- ``check_finite`` waits for the device in every step.
- A forked child cannot use a GPU that its parent used; that is refused in one sentence. Start processes by "spawn".

Asking for a GPU where there is none raises RuntimeError, and says whether the package, the driver or the card is
missing. Nothing falls back to the CPU in silence.
"""

from .available import missing, require
from .places import current_gpu, target_of

__all__ = ["current_gpu", "missing", "require", "target_of"]
