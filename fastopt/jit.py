"""The rules as functions to call inside your own ``@njit`` code: one step in place, with no Python in between.

There is one function per rule and variant: ``gd sgd momentum nesterov adagrad adadelta rmsprop rmsprop_centered
rmsprop_momentum rmsprop_centered_momentum adam amsgrad adamw adamw_amsgrad adamax nadam radam lion rprop rprop_minus
asgd adabelief yogi ademamix adopt laprop adan qhm qhadam madgrad ftrl signsgd signum schedule_free_sgd
schedule_free_adamw lamb lars novograd stableadamw prodigy dadapt_adam dog memoryless_bfgs``, and those with
``_decoupled`` added to the name of a rule that has this variant (``dir(fastopt.jit)``).
Each takes the parameters, the gradient, the state arrays (zeros at the start), the numbers ``kept`` of a rule that
keeps some, the step ``t`` (1 at the first), and the hyperparameters, by position or keyword, of which all but ``lr``
have the constructors' defaults; ``help(fastopt.jit.adam)`` explains them. All arrays are contiguous, of one dtype
(float32 or float64) and one size.
They work in ``@njit``, ``@njit(parallel=True)`` (serial inside your ``prange``) and with ``cache=True``, also
across processes; a cached function is recompiled when a rule has changed, and in every process where it calls a rule of
your own whose functions cannot be looked up by their names (a lambda, or made inside a function).

>>> import numpy as np
>>> from numba import njit
>>> from fastopt import jit
>>> @njit
... def minimise(x, steps):
...     g, m, v = np.empty_like(x), np.zeros_like(x), np.zeros_like(x)
...     for t in range(1, steps + 1):
...         g[:] = 2 * (x - 3)
...         jit.adam(x, g, m, v, t, lr=0.1, beta2=0.99)
...     return x
>>> minimise(np.zeros(2), 500).round(3)
array([3., 3.])

``exp expm1 log log1p tanh sin cos sigmoid softplus pow`` are functions of numbers for your loops, as accurate as those
of ``math`` and several times as fast: a loop with them in it, and no sum, runs in vector registers, which calls of the
C library prevent (fill an array with them first, and sum it afterwards).

A schedule is tabulated before: ``lrs = schedules.cosine(0.1, 500).table(500)``, and ``lr=lrs[t - 1]``. A nest of arrays
is stepped in a loop.
"""

import math
from functools import cache, partial

import numpy as np
from numba import njit

from .errors import describe
from .kernels import asked, modifiers, norms
from .kernels.bind import OPTIONS, callee
from .kernels.inside import flat, number
from .kernels.inside_step import run_of
from .kernels.stamp import mark_of
from .kernels.subnormals import flush_off, flush_on
from .kernels.tuples import cast_like
from .rules import ALL_RULES, Rule, table, texts

_RULES = {rule.name: rule for rule in ALL_RULES}
_MATHEMATICS = ("cos", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "softplus", "tanh")


def step(rule: Rule):
    """The function of any rule, your own too: ``f(x, g, *state, t, *hyper)`` in place, for ``@njit`` code.

    Parameters
    ----------
    rule : Rule
        One of ``fastopt.RULES``, or a rule of your own.

    Returns
    -------
    Numba function
        Raises ValueError when the sizes differ, ``t`` is below 1 or a number is out of its range, and TypeError when
        compiled for arrays that are not contiguous or not all float32 or all float64, or for anything but numbers.

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
    if rule not in ALL_RULES:
        asked.check(rule)  # now: within the caller's code it would be a page
    return _function(rule)


@cache
def _function(rule):
    run = run_of(rule)
    hyper, state = ", ".join(map(partial(_argument, rule), rule.hyper)), "".join(f"{slot}, " for slot in rule.state)
    kept = "kept, " if rule.keeps else ""
    numbers = "".join(f"1.0 * number_{name}({name}), " for name in rule.hyper)
    checks = "".join(f"    if not {_in_range(rule, name)}:\n        raise ValueError({_refusal(rule, name)!r})\n"
                     for name, default in rule.hyper.items() if not isinstance(default, bool))  # fmt: skip
    # The one place where code is made from text: Numba takes argument names from nowhere else.
    source = f"""def {rule.name}(x, g, {state}{kept}t, {hyper}):
    if number_t(t) < 1:
        raise ValueError("t must be 1 at the first step, got less: for t in range(1, n + 1)")
    h = ({numbers})
{checks}    run(x, g, ({state}), t, h, {kept})
"""
    names = {"run": callee(run), "inf": math.inf} | {f"number_{name}": number(name) for name in ("t", *rule.hyper)}
    exec(source, names)
    function = names[rule.name]
    function.__module__ = __name__
    function.__doc__ = _document(rule, hyper)
    return njit(**OPTIONS)(function)


def _argument(rule, name):
    """As it stands in the signature: all but lr, and what a rule of your own has before it, have a default."""
    before = list(rule.hyper)[: list(rule.hyper).index("lr") + 1] if "lr" in rule.hyper else []
    default = rule.hyper[name]
    return name if name in before else f"{name}={default if isinstance(default, bool) else float(default)!r}"


def _in_range(rule, name):
    """The test of a number's range, as source; false for NaN."""
    low, high, low_belongs, high_belongs = rule.range_of(name)
    return f"({low} {'<=' if low_belongs else '<'} {name} {'<=' if high_belongs else '<'} {high})"


def _refusal(rule, name):
    return f"{name} must be {rule.range_of(name)}, got another number"


def _document(rule, hyper):
    state = "".join(f"{s}, " for s in (*rule.state, *["kept"][: bool(rule.keeps)]))
    return f"""One step of {rule.label or rule.name}, in place: ``{rule.name}(x, g, {state}t, {hyper})``.

{texts.opening(rule)}

Parameters
----------
x : contiguous array of float32 or float64
    The parameters θ; updated.
g : array
    The gradient, of the same size and dtype; not written.
{", ".join(rule.state) or "(no state)"} : arrays
    The state, of the same size and dtype: zeros before the first step; updated.{_kept(rule)}
t : int
    The step: 1 at the first.
{chr(10).join(map(partial(_number, rule), rule.hyper))}

Raises
------
ValueError
    If sizes differ, ``t`` is below 1 or a number is out of its range; nothing is written then. Inside a ``prange``
    Numba loses the exception.
TypeError
    When it is compiled for arrays that are not contiguous and of one kind, or for something else than a number.
"""


def _kept(rule):
    """What is said of the numbers that a rule keeps."""
    start = dict(rule.initial.values())
    names = ", ".join(f"{name} ({start.get(name, 0.0):g} before the first step)" for name in rule.keeps)
    return (
        f"\nkept : array of float64\n    The numbers that the rule keeps from step to step: {names}." if names else ""
    )


def _number(rule, name):
    """One hyperparameter's entry."""
    default = table.spelt(rule.hyper[name])
    given = "default" if "=" in _argument(rule, name) else "always given; the constructor's default is"
    kind = "bool" if isinstance(rule.hyper[name], bool) else f"float, {texts.range_of(rule, name)}"
    kind += f", {given} {default}"
    return f"{name} : {kind}\n{texts.meaning(rule, name)}"


# --- what loops need besides -----------------------------------------------------------------------------------------


_norm, _clip_factor, _parts = callee(norms.norm_of_one), callee(norms.clip_factor), callee(modifiers.parts)
_mark = mark_of()  # of this package's code


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
    _mark()
    g = flat(g)
    root, unit = _norm(g)
    factor = _clip_factor((root, unit), max_norm)
    if factor != modifiers.ONE:  # so a norm that is NaN makes all of g NaN
        first, scale = cast_like(_parts(factor), g)
        control = flush_on()
        for i in range(g.size):
            g[i] = g[i] * first * scale
        flush_off(control)
    return root / unit


@njit(**OPTIONS)
def all_finite(g):
    """Whether no element of ``g`` is NaN or infinite.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> fastopt.jit.all_finite(np.array([1.0, np.nan]))
    False
    """
    _mark()
    g = flat(g)
    finite = True
    for i in range(g.size):
        finite &= np.isfinite(g[i])
    return finite


def __getattr__(name: str):
    """``adam`` and the others, made when they are first asked for: all at once would cost an import 40 ms."""
    if name in _MATHEMATICS:
        from .numbers.public import function

        return function(name)
    if name not in _RULES:
        raise AttributeError(f"module 'fastopt.jit' has no attribute {name!r}; its rules are {', '.join(_RULES)}")
    return _function(_RULES[name])


def __dir__():
    return [*_RULES, *_MATHEMATICS, "all_finite", "clip_norm", "step"]
