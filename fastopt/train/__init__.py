"""Minibatch training.

`fastopt.fit` goes through data in batches, in a random order that depends on the seed and the epoch alone, and updates
the parameters of an optimiser after each batch. You give a function that returns the sum of a batch's losses and puts
the sum of their gradients into ``grads``:

>>> import numpy as np, fastopt
>>> rng = np.random.default_rng(0)
>>> X = np.c_[rng.normal(size=(200, 2)), np.ones(200)]
>>> y = X @ [2.0, -1.0, 0.5]
>>> def loss_and_grad(w, grad, X, y):
...     r = X @ w - y
...     grad[:] = X.T @ r
...     return 0.5 * r @ r
>>> w = np.zeros(3)
>>> opt = fastopt.Adam(w, lr=fastopt.schedules.cosine(0.1, 40 * 7))
>>> history = fastopt.fit(loss_and_grad, opt, (X, y), batch_size=32, epochs=40)
>>> w.round(2)
array([ 2. , -1. ,  0.5])

With the parameters in a mapping, ``params`` and ``grads`` arrive as named tuples: ``grads.W[:] = ...``. If
``loss_and_grad`` is a Numba function, whole epochs are compiled, to the same bits. `fastopt.problems` has losses ready.

## Sums and means

The loss of a batch is the **sum** over its examples, and so is the gradient: parameters change only after every example
of the batch is in. With ``reduction="mean"`` the gradient is divided by the number of examples, as most books and
libraries have it, and lr no longer depends on the batch size. ``accumulate=k`` sums k batches before the one update.

## How far to go

``validation=(X, y)`` records the loss on other data after each epoch; ``patience=5`` stops after five epochs without a
better one and restores the best parameters. A ``callback`` may stop too, by raising StopIteration.

## Going on later

Save the optimiser with `fastopt.save`, load it into one made alike, and call ``fit`` with ``initial_epoch`` set to the
number of epochs done: the bits are those of a run without a break.

## On several machines

With an optimiser made with ``comm=`` each rank of MPI calls ``fit`` with its own examples, and all train together: see
`fastopt.distributed`.

## Full batches

`fastopt.GD` is gradient descent on all the data, and ``fit`` insists on that: give ``batch_size=None``.
"""
