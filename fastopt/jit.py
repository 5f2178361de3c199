"""The rules as functions to call inside your own ``@njit`` code: one step in place, with no Python in between.

There is one function per rule and variant: ``gd sgd momentum nesterov adagrad adadelta rmsprop rmsprop_centered
rmsprop_momentum rmsprop_centered_momentum adam amsgrad adamw adamax nadam radam lion``. Each takes the parameters, the
gradient, the state arrays (zeros at the start), the step ``t`` (1 at the first), and the hyperparameters, by position
or keyword; ``help(fastopt.jit.adam)`` explains them. All arrays are contiguous, of one dtype (float32 or float64) and
one size. They work in ``@njit``, ``@njit(parallel=True)`` (serial inside your ``prange``) and with ``cache=True``,
also across processes; a cached function is recompiled when a rule has changed.

>>> import numpy as np
>>> from numba import njit
>>> from fastopt import jit
>>> @njit
... def minimise(x, steps):
...     g, m, v = np.empty_like(x), np.zeros_like(x), np.zeros_like(x)
...     for t in range(1, steps + 1):
...         g[:] = 2 * (x - 3)
...         jit.adam(x, g, m, v, t, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8)
...     return x
>>> minimise(np.zeros(2), 500).round(3)
array([3., 3.])
"""

from functools import cache, partial

import numpy as np
from numba import njit, types
from numba.core.errors import TypingError

from .errors import describe
from .kernels import norms
from .kernels.bind import OPTIONS, jitted, link
from .kernels.loops import step as templates
from .kernels.loops.step import coefficients, sweep
from .kernels.overloads import compiled_form
from .kernels.stamp import mark_of
from .kernels.stand_ins import stand_in
from .kernels.tuples import cast_like
from .rules import ALL_RULES, Rule, table, texts

_RULES = {rule.name: rule for rule in ALL_RULES}


def step(rule: Rule):
    """The function of any rule, your own too: ``f(x, g, *state, t, *hyper)`` in place, for ``@njit`` code.

    Parameters
    ----------
    rule : Rule
        One of ``fastopt.RULES``, or a rule of your own.

    Returns
    -------
    Numba function
        Raises ValueError when the sizes differ, and TypingError when compiled for arrays that are not contiguous or
        not all float32 or all float64.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> adam = fastopt.jit.step(fastopt.RULES[7])
    >>> x, g = np.ones(2), np.ones(2)
    >>> adam(x, g, np.zeros(2), np.zeros(2), 1, 0.5, 0.9, 0.999, 1e-8)
    >>> x.round(6)
    array([0.5, 0.5])
    """
    if not isinstance(rule, Rule):
        raise TypeError(f"rule must be a fastopt.Rule, got {describe(rule)}")
    return _function(rule)


@cache
def _function(rule):
    bound = link(templates.sweep, elements=link(templates.elements, update=rule.update))
    run = link(_run, sweep=bound, coefficients=rule.coefficients, mark=mark_of(rule))
    flags = {name: default for name, default in rule.hyper.items() if isinstance(default, bool)}
    hyper = ", ".join(f"{name}={flags[name]}" if name in flags else name for name in rule.hyper)
    state = "".join(f"{slot}, " for slot in rule.state)
    numbers = "".join(f"1.0 * {name}, " for name in rule.hyper)
    # The one place where code is made from text: Numba takes argument names from nowhere else.
    source = f"def {rule.name}(x, g, {state}t, {hyper}):\n    run(x, g, ({state}), t, ({numbers}))\n"
    names = {"run": jitted(run)}
    exec(source, names)
    function = names[rule.name]
    function.__module__ = __name__
    function.__doc__ = _document(rule, hyper)
    return njit(**OPTIONS)(function)


@stand_in
def mark():
    """Stands for the stamp of a rule."""


def _run(x, g, state, t, h):
    g, state = flat_like(x, (g,))[0], flat_like(x, state)
    x = flat(x)
    if g.size != x.size:
        raise ValueError("g must have the size of x")
    if not all_of_size(state, x.size):
        raise ValueError("the state arrays must have the size of x")
    mark()
    sweep(x, g, state, cast_like(coefficients(t, *h), x))


def _document(rule, hyper):
    state = "".join(f"{s}, " for s in rule.state)
    return f"""One step of {rule.label or rule.name}, in place: ``{rule.name}(x, g, {state}t, {hyper})``.

{texts.opening(rule)}

Parameters
----------
x : contiguous array of float32 or float64
    The parameters θ; updated.
g : array
    The gradient, of the same size and dtype; not written.
{", ".join(rule.state) or "(no state)"} : arrays
    The state, of the same size and dtype: zeros before the first step; updated.
t : int
    The step: 1 at the first.
{chr(10).join(map(partial(_number, rule), rule.hyper))}

Raises
------
ValueError
    If sizes differ; nothing is written then. Inside a ``prange`` Numba loses the exception.
"""


def _number(rule, name):
    """One hyperparameter's entry."""
    default = table.spelt(rule.hyper[name])
    if isinstance(rule.hyper[name], bool):
        kind = f"bool, default {default}"
    else:
        kind = f"float, {texts.range_of(name)}; the constructor's default is {default}"
    return f"{name} : {kind}\n{texts.meaning(rule, name)}"


# --- arrays of any shape, as one dimension ---------------------------------------------------------------------------


def flat(a):
    """A contiguous array as one dimension, without a copy."""
    return a.reshape(-1) if a.flags.c_contiguous else a.T.reshape(-1)


@compiled_form(flat)
def _flat(a):
    _check_kind(a)
    if a.ndim == 1:
        return lambda a: a
    if a.layout == "C":
        return lambda a: a.reshape(-1)
    if a.layout == "F":
        return lambda a: a.T.reshape(-1)
    raise TypingError(f"fastopt.jit takes contiguous arrays, got {a}")


def all_of_size(arrays, size):
    return all(a.size == size for a in arrays)


@compiled_form(all_of_size)
def _all_of_size(arrays, size):
    if not len(arrays):
        return lambda arrays, size: True
    return lambda arrays, size: arrays[0].size == size and all_of_size(arrays[1:], size)


def flat_like(x, arrays):
    return tuple(flat(a) for a in arrays)


@compiled_form(flat_like)
def _flat_like(x, arrays):
    if not len(arrays):
        return lambda x, arrays: ()
    _check_kind(x)
    if not isinstance(arrays[0], types.Array) or _form(arrays[0]) != _form(x):
        raise TypingError(f"fastopt.jit takes arrays of one dtype, dimension and memory order, got {x} and {arrays[0]}")
    return lambda x, arrays: (flat(arrays[0]), *flat_like(x, arrays[1:]))


def _check_kind(a):
    if not isinstance(a, types.Array) or a.dtype not in (types.float32, types.float64):
        raise TypingError(f"fastopt.jit takes arrays of float32 or float64, got {a}")


def _form(a):
    return a.dtype, a.ndim, a.layout if a.ndim > 1 else ""


# --- what loops need besides -----------------------------------------------------------------------------------------


_norm, _clip_factor = jitted(norms.norm_of_one), jitted(norms.clip_factor)


@njit(**OPTIONS)
def clip_norm(g, max_norm):
    """Scale ``g`` in place by min(1, max_norm/(norm + 1e-6)), as the option ``clip_norm`` does; returns the norm.

    Parameters
    ----------
    g : contiguous array of float32 or float64
        The gradient; scaled.
    max_norm : float
        The largest norm to leave.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> g = np.array([3.0, 4.0])
    >>> fastopt.jit.clip_norm(g, 1.0)
    5.0
    >>> g.round(3)
    array([0.6, 0.8])
    """
    g = flat(g)
    norm = _norm(g)
    factor = _clip_factor(norm, max_norm)
    if factor != 1.0:  # so a norm that is NaN makes all of g NaN
        scale = cast_like((factor,), g)[0]
        for i in range(g.size):
            g[i] *= scale
    return norm


@njit(**OPTIONS)
def all_finite(g):
    """Whether no element of ``g`` is NaN or infinite.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> fastopt.jit.all_finite(np.array([1.0, np.nan]))
    False
    """
    g = flat(g)
    finite = True
    for i in range(g.size):
        finite &= np.isfinite(g[i])
    return finite


def __getattr__(name: str):
    """``adam`` and the others, made when they are first asked for: all at once would cost an import 40 ms."""
    if name not in _RULES:
        raise AttributeError(f"module 'fastopt.jit' has no attribute {name!r}; its rules are {', '.join(_RULES)}")
    return _function(_RULES[name])


def __dir__():
    return [*_RULES, "all_finite", "clip_norm", "step"]
