"""Gradients of functions that return the value alone, exact to rounding: dual numbers ride through the function itself.

`fastopt.minimize` and `fastopt.minimize_many` do so by themselves for a Numba function (``jac="forward"``).
`value_and_grad` is for your own ``@njit`` code, `per_example` for `fastopt.fit`.

What such a function may use: arithmetic, comparisons and branches, loops, tuples, slices, helpers that are Numba
functions; the functions of ``math``, NumPy and `fastopt.jit` that have a derivative; arrays made by
``np.empty_like(x)`` or ``np.zeros(n, x.dtype)``, and expressions of arrays, ``np.sum``, ``np.mean``, ``np.where``,
``A @ x``. At a corner (of ``abs``, ``max``) the derivative is that of one side: where two corners meet at the start,
as in ``max(z, 0) + log1p(exp(-abs(z)))`` at z = 0, it may be that of neither (write ``fastopt.jit.softplus(z)``). A
division by zero gives inf or NaN, and float32 stays float32.
"""

from numba.core.dispatcher import Dispatcher

from .errors import describe


def value_and_grad(fun):
    """A Numba function that returns the value and writes the gradient, made of one that returns the value.

    Parameters
    ----------
    fun : Numba function
        ``fun(x, *args) -> float`` of an array x of shape (d,), float32 or float64.

    Returns
    -------
    Numba function
        ``f(x, grad, *args) -> float``, which writes all of ``grad``, an array as x. Call it from Python, or from your
        own ``@njit`` code, also with ``cache=True``: what is cached is compiled again once ``fun`` has changed. It
        raises ValueError where ``grad`` has another size.

    Raises
    ------
    TypeError
        If ``fun`` is not a Numba function.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def fun(x, a):
    ...     return (1 - x[0]) ** 2 + a * (x[1] - x[0] ** 2) ** 2
    >>> f = fastopt.value_and_grad(fun)
    >>> x, grad = np.array([-1.0, 2.0]), np.empty(2)
    >>> f(x, grad, 100.0), grad
    (104.0, array([396., 200.]))
    """
    _check("fun", fun)
    from .kernels.forward import of_any_size

    return of_any_size(fun)


def per_example(loss):
    """A ``loss_and_grad`` for `fastopt.fit`, made of the loss of one example.

    Parameters
    ----------
    loss : Numba function
        ``loss(params, *example) -> float``: for `fastopt.fit` one negative log-likelihood. ``params`` is the array of
        the parameters, a tuple for a sequence of arrays, a named tuple for a mapping; an array without dimensions
        arrives as a number. An example is a row of each array of the data: a number, where that has one dimension.

    Returns
    -------
    Numba function
        ``loss_and_grad(params, grads, *batch) -> float``: the sum over the batch, whose gradient it assigns to
        ``grads``. The work grows with the number of parameters: it suits up to about 64 numbers; write the gradient of
        a network by hand.

    Raises
    ------
    TypeError
        If ``loss`` is not a Numba function, or the parameters have several dtypes.

    Examples
    --------
    >>> import math, numpy as np, fastopt
    >>> from numba import njit
    >>> @njit
    ... def poisson(w, x, y):                     # -log P(y | x), without the constant log y!
    ...     eta = np.dot(x, w)
    ...     return math.exp(eta) - y * eta
    >>> X = np.c_[np.ones(200), np.linspace(-1, 1, 200)]
    >>> y = np.random.default_rng(0).poisson(np.exp(X @ [0.5, 1.0]))
    >>> w = np.zeros(2)
    >>> opt = fastopt.Adam(w, lr=0.05)
    >>> hist = fastopt.fit(fastopt.per_example(poisson), opt, (X, y), batch_size=None, epochs=500)
    >>> print(w.round(2))
    [0.67 0.86]
    """
    _check("loss", loss)
    from .kernels.per_example import of_batch

    return of_batch(loss)


def _check(name, function):
    if not isinstance(function, Dispatcher):
        raise TypeError(f"{name} must be a Numba function: put @njit on it, got {describe(function)}")
