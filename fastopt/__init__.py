"""First-order optimisers as fused Numba kernels, for NumPy arrays and arrays on a GPU.

>>> import numpy as np, fastopt
>>> x = np.array([3.0, -1.0])
>>> opt = fastopt.Adam(x, lr=0.1)
>>> for _ in range(200):
...     opt.step(2 * x)          # the gradient of x·x
>>> bool(abs(x).max() < 1e-2)
True

You bring the gradients, in the arrays that you have; fastopt updates the parameters in place, in one pass over memory,
by the formulas and with the defaults of PyTorch. The chapters:

- `fastopt.step`: an optimiser that steps arrays, with groups, schedules, clipping, decay and checkpoints;
- `fastopt.jit`: the same rules as functions to call inside your own ``@njit`` code;
- `fastopt.solve`: minimisation in SciPy's shape, and many small problems at once;
- `fastopt.train`: minibatch training;
- `fastopt.distributed`: beyond one machine, by Dask, MPI or any other executor;
- `fastopt.torch`: the same rules in the place of ``torch.optim``;
- `fastopt.derivatives`: gradients of functions that return the value alone;
- `fastopt.rules`: the rules with their equations, which one suits what, and rules of your own;
- `fastopt.schedules`: hyperparameters that change with the step;
- `fastopt.targets`: threads, GPUs, and where arrays are;
- `fastopt.problems`: losses and test functions to try things on;
- `fastopt.cli`: the command line.

## Coming from a NumPy loop

Replace the lines that update the parameters, and keep yours that compute the gradient. Where the loop was

>>> def gradient(w):
...     return 2 * (w - 1)
>>> w, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
>>> for t in range(1, 501):
...     g = gradient(w)
...     m = 0.9 * m + 0.1 * g
...     v = 0.999 * v + 0.001 * g * g
...     w -= 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

it becomes

>>> w2 = np.zeros(3)
>>> opt = fastopt.Adam(w2, lr=0.05)
>>> for t in range(1, 501):
...     opt.step(gradient(w2))
>>> bool(np.allclose(w, w2))
True

``w2`` is updated in place: it must be a float32 or float64 array, and stay the same array. If the gradient is a Numba
function, move the loop into ``@njit`` and call `fastopt.jit` there.

## Coming from PyTorch

Where the model stays in PyTorch, change one import: ``from fastopt.torch import Adam`` (`fastopt.torch`). To leave it:
the constructors here have PyTorch's names, formulas and defaults; arguments after ``lr`` are given by keyword. What
differs:

| PyTorch | fastopt |
|---|---|
| `torch.optim.Adam(model.parameters())` | `fastopt.Adam(arrays)`: an array, or lists and dicts of arrays, nested too |
| `loss.backward(); opt.step()` | `opt.step(grads)`, gradients in the structure of the parameters; None skips an array |
| `opt.zero_grad()` | nothing: gradients are yours, and never written |
| `lr_scheduler.CosineAnnealingLR(opt, n)` | `lr=fastopt.schedules.cosine(0.1, n)`; any hyperparameter may be one |
| `clip_grad_norm_(params, 1.0)` | `clip_norm=1.0` |
| `torch.save(opt.state_dict(), path)` | `fastopt.save(path, opt)`, parameters included |

Tensors on the CPU are given as ``t.detach().numpy()``, which shares their memory; CUDA tensors as they are.

## Coming from SciPy

`fastopt.minimize` takes the arguments of ``scipy.optimize.minimize`` and returns its result; ``method`` is the name of
a rule, and ``options`` holds the rule's hyperparameters beside ``gtol``, ``maxiter`` and the like. Or keep SciPy's
function, and give it `fastopt.method`. A first-order rule needs many more iterations than BFGS on a smooth problem of
few variables: it pays where the gradient is noisy, the problem large, or there are thousands of small ones
(`fastopt.minimize_many`).
"""

from . import jit, problems, schedules
from .derivatives import per_example, value_and_grad
from .gradient_check import GradientCheck, check_grad
from .rules import RULES, Rule
from .solve.curve_fit import curve_fit_many
from .solve.least_squares import least_squares_many
from .solve.many import minimize_many
from .solve.method import method
from .solve.minimize import minimize
from .step.checkpoint import load, save
from .step.constructors import CONSTRUCTORS
from .step.optimizer import Optimizer
from .targets.packed import pack
from .targets.transfer import to_device, to_host
from .train.fit import fit
from .train.history import History

__version__ = "0.1.0"

globals().update(CONSTRUCTORS)

__all__ = [
    "RULES",
    "GradientCheck",
    "History",
    "Optimizer",
    "Rule",
    "check_grad",
    "curve_fit_many",
    "fit",
    "jit",
    "least_squares_many",
    "load",
    "method",
    "minimize",
    "minimize_many",
    "pack",
    "per_example",
    "problems",
    "save",
    "schedules",
    "to_device",
    "to_host",
    "value_and_grad",
    *CONSTRUCTORS,
]
