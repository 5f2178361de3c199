"""The functions of ``fastopt.jit``, of duals: those of ``math`` with their derivatives, and the three that it lacks."""

from functools import partial

from . import functions
from .derivatives import UNARY, unary
from .dual_arithmetic import power
from .dual_typing import teach_all

SLOPES = {function.__name__: slope for same, slope in UNARY.items() for function in same}
SLOPES["sigmoid"] = lambda x, f, m: f * m(functions.sigmoid, -x)
SLOPES["softplus"] = lambda x, f, m: m(functions.sigmoid, x)

for _function in functions.PUBLIC:
    if _function is functions.pow:
        teach_all((_function,), 2, partial(power, _function))
    else:
        teach_all((_function,), 1, partial(unary, _function, SLOPES[_function.__name__]))
