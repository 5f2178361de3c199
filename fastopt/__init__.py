"""First-order optimisers as fused Numba kernels for NumPy arrays.

>>> import numpy as np, fastopt
>>> x = np.array([3.0, -1.0])
>>> opt = fastopt.Adam(x, lr=0.1)
>>> for _ in range(200):
...     opt.step(2 * x)          # the gradient of x·x
>>> bool(abs(x).max() < 1e-2)
True
"""

from . import jit, problems, schedules
from .rules import RULES, Rule
from .solve.many import minimize_many
from .solve.method import method
from .solve.minimize import minimize
from .step.checkpoint import load, save
from .step.constructors import CONSTRUCTORS
from .step.optimizer import Optimizer
from .targets.packed import pack
from .targets.transfer import to_device, to_host
from .train.fit import History, fit

__version__ = "0.1.0"

globals().update(CONSTRUCTORS)

__all__ = [
    "RULES",
    "History",
    "Optimizer",
    "Rule",
    "fit",
    "jit",
    "load",
    "method",
    "minimize",
    "minimize_many",
    "pack",
    "problems",
    "save",
    "schedules",
    "to_device",
    "to_host",
    *CONSTRUCTORS,
]
