"""Minimisation in SciPy's shape, one problem or many at once.

`fastopt.minimize` takes what ``scipy.optimize.minimize`` takes and returns what it returns. Where the objective is a
Numba function, the whole loop is compiled around it:

>>> import numpy as np, fastopt
>>> from numba import njit
>>> @njit
... def fun(x, grad):  # writes the gradient, returns the value
...     a, b = x[1] - x[0] ** 2, 1 - x[0]
...     grad[0], grad[1] = -400 * x[0] * a - 2 * b, 200 * a
...     return 100 * a * a + b * b
>>> res = fastopt.minimize(fun, [-1.2, 1.0], jac="inplace")
>>> res.success, res.x.round(3)
(True, array([1., 1.]))

Ordinary Python functions work as well, with their gradient in any of SciPy's ways, and within bounds:

>>> res = fastopt.minimize(lambda x: np.sum((x - 2) ** 2), [0.0, 0.0], jac="3-point", bounds=[(0, 1), (0, 3)])
>>> res.x.round(3)
array([1., 2.])

## How it ends

A minimisation that fails is a result, not an exception: read ``res.success`` and ``res.message``.

>>> res = fastopt.minimize(lambda x: (x @ x, 2 * x), [5.0], method="adam", jac=True,
...                        options={"lr": 0.001, "maxiter": 10})
>>> res.success, res.message
(False, 'maxiter iterations are done, and the value was still falling: raise lr (0.001) or maxiter.')

Where lr is too large, some rules run off to where the function is flat, and its gradient vanishes there as well. Such a
run is no success, but has status 8, "diverged": where the value ended above that at the start, and where the variable
that went furthest can go as far again without a change of the value. Over the classic functions, a GARCH likelihood and
dose-response curves (2040 runs, of ten rules with lr from 1e-4 to 10, of which 892 ended by ``gtol``) this found 120 of
the 121 that had not converged; 6 that had jumped to a local minimum worse than the start are called diverged as well,
and none that ended better.

## Which rule, which lr

Without ``method`` it is "memoryless_bfgs", which searches along lines by the slopes that gradients tell, and learns how
much each variable bends; nothing is to be tuned. It was chosen by measurement (``bench/which_default.py``) over the
classic functions, the same with variables in units from 0.01 to 100, and convex losses on real data, 35 problems. How
many values came within 1e-6·max(1, |f*|) of the minimum in at most 10000 iterations:

| rule, the same lr for all | solved | median iterations |
|---|---:|---:|
| memoryless_bfgs; sigma=0.5; 0.9 | 34; 34; 34 | 36; 40; 39 |
| rprop, step_sizes=(1e-14, 1e6) | 34 | 136 |
| rprop_minus, step_sizes=(1e-14, 1e6) | 33 | 155 |
| memoryless_bfgs, lr=0.0001; 0.01; 0.1 | 34; 32; 32 | 40; 42; 44 |
| rprop, its own step_sizes | 30 | 10000 |
| adamax, lr=0.1 | 27 | 2110 |
| amsgrad, lr=0.1 | 26 | 1427 |
| adam, lr=0.1; 0.01; 0.001 | 25; 22; 15 | 1111; 5078; 10000 |
| adagrad, lr=0.1 | 16 | 10000 |
| nesterov, lr=0.0001 | 15 | 994 |
| lion, lr=0.001 | 12 | 10000 |
| rmsprop, lr=0.01 | 10 | 10000 |
| adadelta | 4 | 10000 |

The one that is left ends in a local minimum. Of 32 problems of Moré, Garbow and Hillstrom, which had no say in that, it
solves all (three in a local minimum), where Rprop solves 25. An iteration is one evaluation, on the way along a line
too, and three state arrays.

Within bounds it is "rprop" with ``step_sizes=(1e-14, 1e6)``, by the signs of the gradient, for which it does not matter
that bounds hold other variables; a slope along a line would be wrong there. Name another rule where values or gradients
are noisy or of minibatches ("adam"), for noise misleads both defaults.

Neither knows where a function is not defined, and trials may go far: x − c·log x of twenty variables led 17 of 20 runs
of memoryless BFGS from random starts to x < 0, and 9 of Rprop's. Give bounds, or minimise over log x.

Of the rules that want an lr start with "nesterov" and about one over the largest curvature, or with "adam" and about a
hundredth of the distance to go. Adam circles the minimum at a distance of about lr: to
converge to a tight ``gtol`` let lr fall, as a schedule (`fastopt.schedules`).

## Many problems at once

`fastopt.minimize_many` solves thousands of small problems of one kind, such as a curve fit for each pixel, in parallel
over the cores or on a GPU. Each stops by itself.

>>> @njit
... def misfit(x, grad, y, t):  # a line through the points (t, y)
...     f, grad[:] = 0.0, 0.0
...     for j in range(t.size):
...         r = x[0] + x[1] * t[j] - y[j]
...         f += 0.5 * r * r
...         grad[0] += r
...         grad[1] += r * t[j]
...     return f
>>> t, lines = np.linspace(-1, 1, 5), np.array([[1.0, 2.0], [0.0, -1.0]])
>>> Y = lines[:, :1] + lines[:, 1:] * t  # a row for each problem
>>> res = fastopt.minimize_many(misfit, np.zeros((2, 2)), (Y,), (t,), "nesterov", "inplace", options={"lr": 0.1})
>>> res.x.round(3)
array([[ 1.,  2.],
       [ 0., -1.]])

## Curve fits, thousands at once

`fastopt.curve_fit_many` is SciPy's ``curve_fit`` for many rows of data: it finds the parameters of each curve in about
ten evaluations, where a rule takes hundreds, and their standard errors. The model is a Numba function of one point, the
same that SciPy takes; its derivatives are exact, and nothing is to be tuned.

>>> @njit
... def decay(t, a, b):
...     return a * np.exp(-b * t)
>>> t = np.linspace(0, 2, 30)
>>> Y = np.array([[1.0], [2.0]]) * np.exp(-0.7 * t) + 0.01 * np.cos(40 * t)  # a row for each curve
>>> res = fastopt.curve_fit_many(decay, t, Y, [1.0, 1.0])
>>> res.x.round(2), res.stderr.round(3)
(array([[1. , 0.7],
       [2. , 0.7]]), array([[0.003, 0.005],
       [0.003, 0.002]]))

Take it for every sum of squares of up to 16 parameters. `fastopt.least_squares_many` is the same for residuals of any
kind, such as several curves that have parameters in common. For other sums take `fastopt.minimize_many`: the likelihood
of counts, a penalty of absolute values, more variables.

**Standard errors** are those of SciPy: the roots of the diagonal of ``cov``, scaled by the residuals, unless
``absolute_sigma=True`` says that ``sigma`` is known. Where the data do not determine a parameter its error is NaN, and
``rank`` is less than the number of parameters; the others keep theirs.

**Points** that are NaN in ``Y`` are left out, and ``sigma`` weighs the others. Outliers spoil a sum of squares; the
losses "soft_l1", "huber" and "cauchy" let them count for less, from a residual of about ``f_scale`` on:

>>> Y[:, 5], Y[:, 11] = np.nan, 9.0
>>> res = fastopt.curve_fit_many(decay, t, Y, [1.0, 1.0], loss="cauchy", f_scale=0.02)
>>> res.x.round(2)
array([[1. , 0.7],
       [2. , 0.7]])

**Starts.** A fit ends in a minimum near its start, which may not be the lowest. ``P0`` may have a row for each curve;
or, within finite ``bounds``, ``starts=n`` tries n points of a Latin hypercube for each curve and keeps the best fit, at
n times the cost. Of a frequency there are many minima, and one start finds what it is near to:

>>> @njit
... def wave(t, a, w):
...     return a * np.sin(w * t)
>>> W = np.sin(np.array([[2.0], [5.0], [9.0]]) * t)
>>> bounds = [0.1, 0.5], [3.0, 12.0]
>>> fastopt.curve_fit_many(wave, t, W, [1.0, 3.0], bounds=bounds).x[:, 1].round(1)
array([2. , 5. , 2.2])
>>> fastopt.curve_fit_many(wave, t, W, bounds=bounds, starts=16).x[:, 1].round(1)
array([2., 5., 9.])

**More machines.** ``executor=`` deals the curves out to the workers of any executor, as in `fastopt.minimize_many`, to
the same bits (`fastopt.distributed`).

What it does not do: it knows no constraints but bounds, no covariances between points, and no errors of ``xdata``. Of
a model with jumps it knows the slopes between them alone. A curve that is not finite at the start is not fitted;
``success`` and ``status`` tell of each how it ended.

## Inside SciPy

`fastopt.method` makes a rule a ``method=`` of ``scipy.optimize.minimize``.
"""
