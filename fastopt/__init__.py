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
from .api import CONSTRUCTORS
from .checkpoint import load, save
from .fit import History, fit
from .many import minimize_many
from .minimize import minimize
from .moves import to_device, to_host
from .optimizer import Optimizer
from .packed import pack
from .rules import RULES, Rule
from .scipy_method import method

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
