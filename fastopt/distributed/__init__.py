"""Beyond one machine: the workers of any executor for many problems, the ranks of MPI for one large fit.

Engines that exist start the processes, move the data and know what to do when a machine fails; nothing here does.

## Many problems

`fastopt.minimize_many` takes any ``concurrent.futures.Executor``, and deals the problems out to its workers; so do
`fastopt.curve_fit_many` and `fastopt.least_squares_many`:

>>> import numpy as np, fastopt
>>> from concurrent.futures import ThreadPoolExecutor
>>> from numba import njit
>>> @njit
... def fun(x, grad, centre):
...     grad[0] = x[0] - centre
...     return 0.5 * grad[0] ** 2
>>> centres = np.linspace(-1.0, 1.0, 100)
>>> given = fun, np.zeros((100, 1)), (centres,), (), "nesterov", "inplace"
>>> with ThreadPoolExecutor(2) as executor:
...     there = fastopt.minimize_many(*given, options={"lr": 0.5}, executor=executor)
>>> here = fastopt.minimize_many(*given, options={"lr": 0.5})
>>> bool((there.x == here.x).all()), there.message
(True, '100 of 100 problems succeeded: 100 gtol.')

The result has the same bits whoever the workers are, however many they are, and whatever the size of a chunk. On one
machine threads are enough: a Numba function uses all cores without an executor. Processes pay for Python functions,
which run one at a time in each, and on several machines. With [Dask](https://distributed.dask.org), installed by
``pip install "fastopt[dask]"``, the client has an executor:

```python
import dask.distributed
import numpy as np
from numba import njit

import fastopt


@njit
def misfit(x, y, t):
    total = 0.0
    for j in range(t.size):
        total += (x[0] + x[1] * t[j] - y[j]) ** 2
    return total


if __name__ == "__main__":
    t = np.linspace(-1.0, 1.0, 20)
    lines = np.random.default_rng(0).normal(size=(1000, 2))
    Y = lines[:, :1] + lines[:, 1:] * t
    with dask.distributed.Client(n_workers=2, threads_per_worker=1) as client:  # or the address of a scheduler
        res = fastopt.minimize_many(
            misfit, np.zeros((1000, 2)), (Y,), (t,), "nesterov", options={"lr": 0.01}, executor=client.get_executor()
        )
    print(res.message)
```

With [mpi4py](https://mpi4py.readthedocs.io), installed by ``pip install "fastopt[mpi]"``, the ranks but the first are
the workers of this script, which is run by ``mpiexec -n 3 python -m mpi4py.futures fits.py``:

```python
from mpi4py.futures import MPIPoolExecutor
import numpy as np
from numba import njit

import fastopt


@njit
def misfit(x, y, t):
    total = 0.0
    for j in range(t.size):
        total += (x[0] + x[1] * t[j] - y[j]) ** 2
    return total


if __name__ == "__main__":
    t = np.linspace(-1.0, 1.0, 20)
    lines = np.random.default_rng(0).normal(size=(1000, 2))
    Y = lines[:, :1] + lines[:, 1:] * t
    with MPIPoolExecutor() as executor:
        res = fastopt.minimize_many(
            misfit, np.zeros((1000, 2)), (Y,), (t,), "nesterov", options={"lr": 0.01}, executor=executor
        )
    print(res.message)
```

Python's own ``ProcessPoolExecutor`` serves as well, however it starts processes, and joblib's loky
(``joblib.externals.loky.get_reusable_executor()``).

### How a function travels

A function that workers can import goes by its name, and its compiled code is found on the disk if it is decorated by
``@njit(cache=True)``: put it in a module. What is imported there is used only if it is the same, with the same globals.
What is in a script or a notebook, or made within a function, goes by value where a worker has not run the same script:
as code, with the globals that it reads, and each worker compiles it. A function of ten lines that writes its gradient
took 85 ms before its first problem, against 15 from the disk. Schedules, ``before`` and ``after``, and rules of your
own travel the same way.

``shared`` arrays go once to each worker, rows with their chunk. What is sent must be picklable, but functions need not.

### What a worker does

Each worker uses its share of the cores: those of its machine, by the number of workers there. Where those of Dask and
MPI are is known; other executors are taken to have theirs on one machine. A thread of Dask's is a worker.
A process that was forked uses one core: where there are fewer workers than cores, start them by "spawn".

``maxtime`` is by the clocks of the machines, which must agree. Problems that were not begun in time are as they are
without an executor. Ctrl-C cancels what is pending; a chunk that has begun is run to its end by its worker.

What an objective raises is a result, status 5, as always. Any other exception in a worker is raised by the call, of
the first chunk if it comes in several. Where a worker dies the call raises what its executor raises; Dask first tries
others.

## MPI

One large fit over several processes, on one machine or on many: each rank runs the same script and holds its own data.
With [mpi4py](https://mpi4py.readthedocs.io) and an MPI (``pip install "fastopt[mpi]"`` brings both), every constructor
takes a communicator, ``comm=``, and `fastopt.fit` goes by it. This is ``train.py``, run by
``mpiexec -n 2 python train.py``:

```python
from mpi4py import MPI
import numpy as np
from sklearn.datasets import load_breast_cancer

import fastopt

comm = MPI.COMM_WORLD
X, y = load_breast_cancer(return_X_y=True)
X = np.c_[(X - X.mean(0)) / X.std(0), np.ones(len(X))]
mine = slice(comm.Get_rank(), None, comm.Get_size())  # each rank has examples of its own


def loss_and_grad(w, grad, X, y):  # logistic regression with a little decay
    z = X @ w
    grad += X.T @ (1.0 / (1.0 + np.exp(-z)) - y) + 1e-2 * len(y) * w
    return np.sum(np.logaddexp(0.0, z) - y * z) + 0.5e-2 * len(y) * w @ w


w = np.zeros(31)
opt = fastopt.Adam(w, lr=fastopt.schedules.cosine(0.1, 500), comm=comm)
hist = fastopt.fit(loss_and_grad, opt, (X[mine], y[mine]), batch_size=None, epochs=500)
fastopt.save("run.npz", opt)  # one file, by all ranks together
if comm.Get_rank() == 0:
    print(f"loss {hist.loss[-1]:.3f}, {np.mean((X @ w > 0) == y):.1%} right")
```

The parameters are the same on all ranks, to the bit; the state is not there as a whole: each rank has that of its own
stretch of the parameters, receives the others' gradients for it, adds them up in the order of the ranks, steps it, and
sends it to all (ZeRO, stage 1). As many ranks repeat a run to the bit; other numbers of ranks agree to rounding, for
sums are taken in another order. Rules with sums, ``clip_norm`` and ``check_finite`` go by all ranks together. A
gradient that is None on some ranks counts as zero there. ``opt.state``, ``opt.averaged`` and ``state_dict()`` show this
rank's part; `fastopt.save`, `fastopt.load` and ``opt.swapped()`` are for all ranks at once, and any number of ranks
loads what any number saved.

### What it costs

In a step 2(n − 1)/n times the bytes P of the parameters leave each of n ranks, as in the all-reduce of a ring, in three
exchanges of which the first tells whether all ranks are well. Each has the memory of the parameters, of their
gradients, of 1/n of the state and of the summed gradients, and 32 MiB of buffers: for a rule of s state arrays
P·(2 + (s + 1)/n). Adam on 10⁸ float32 parameters was counted to send 400 MB on two ranks and 600 on four, and to take
1.44 and 1.14 GB. By the same formula 10¹⁰ parameters (P = 40 GB) on 64 ranks send 78.8 GB in a step and take 81.9 GB
each, where one process alone would take 160.

Each rank steps with all of Numba's threads: with several on one machine share the cores out, by
``NUMBA_NUM_THREADS=1 mpiexec -n 2 python train.py``, say.

### What goes wrong

What differs between ranks (parameters at the start, hyperparameters, schedules, the shapes of gradients, calls) is
refused on all of them in one sentence, with nothing changed; what one raises in a step, or within `fit` in its loss or
its callback, all raise: ``rank 1 of 2 raised ValueError: ...``. Ctrl-C waits until a step is done on all. But if a loop
of your own raises between steps, the other ranks wait for it in theirs, for ever: start such a script by
``mpiexec -n 2 python -m mpi4py train.py``, which ends them all.
"""
