"""The functions of mathematics as users call them: ``fastopt.jit.exp`` and the others."""

from functools import cache

from numba import njit

from . import functions

# The formula, the largest error in units of the last place, what it is at its ends, and an example
FUNCTIONS = {
    "exp": ("eˣ", 1, "Infinite from 709.79 on; below −708.4 results are subnormal, and 0 from −745.2 on.", 0.0, 1.0),
    "expm1": ("eˣ − 1, exact where it is small, too", 2, "Infinite from 709.79 on.", 1e-20, 1e-20),
    "log": ("log x, the natural logarithm", 1, "−inf at 0, and NaN below.", 1.0, 0.0),
    "log1p": ("log(1 + x), exact where x is small, too", 2, "−inf at −1, and NaN below.", 1e-20, 1e-20),
    "tanh": ("tanh x", 2, "", 100.0, 1.0),
    "sin": ("sin x", 2, "", 0.0, 0.0),
    "cos": ("cos x", 2, "", 0.0, 1.0),
    "sigmoid": ("1/(1 + e⁻ˣ), the logistic function", 2, "Nothing overflows.", 0.0, 0.5),
    "softplus": ("log(1 + eˣ), whose derivative is ``sigmoid``", 2, "Nothing overflows.", 1000.0, 1000.0),
    "pow": ("xʸ", 1, "At zeros and infinities, and of negative x, it is what the C library gives.", "2.0, 10", 1024.0),
}
TURNS = """That bound holds for |x| ≤ 10⁵. Up to 10¹⁵ the result is that of a number that differs from x by at most
one in the last place, beyond some number from −1 to 1; NaN at ±inf."""


@cache
def function(name):
    """A Numba function, to call from compiled code or from Python."""
    inner = getattr(functions, name)
    outer = (lambda x, y: inner(x, y)) if name == "pow" else (lambda x: inner(x))
    outer.__name__ = outer.__qualname__ = name
    outer.__module__, outer.__doc__ = "fastopt.jit", _document(name)
    return njit(error_model="numpy", forceinline=True)(outer)


def _document(name):
    formula, most, ends, argument, value = FUNCTIONS[name]
    takes = "x, y : floats" if name == "pow" else "x : float"
    ends, units = TURNS if name in ("sin", "cos") else ends, f"{most} unit{'s' * (most > 1)}"
    return f"""{formula}: of a number, in vector registers where it stands in a loop.

Within {units} in the last place, in float32 within one. The bits are the same at any position in a loop, and are not
always those of ``math`` and NumPy.
{ends}

Parameters
----------
{takes}
    float32 gives float32; any other number counts as float64. An array is taken element by element, in your loop.

Raises
------
TypeError
    When it is compiled for something else than {"numbers" if name == "pow" else "a number"}.

Examples
--------
>>> import fastopt
>>> fastopt.jit.{name}({argument})
{value}
"""
