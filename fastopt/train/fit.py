"""Minibatch training: epochs over data in a reproducible random order, one update per batch."""

import math
import time
from functools import partial

import numpy as np

from ..errors import describe
from ..progress import progress_bar
from ..step.inside import update_plateaus
from ..step.optimizer import Optimizer
from .compiled import training_of
from .examples import examples_of, held_out_of
from .history import History
from .ranks import TrainingOfRanks, company_of


def fit(
    loss_and_grad,
    opt,
    data,
    *,
    batch_size,
    epochs,
    seed=0,
    reduction="sum",
    accumulate=1,
    validation=None,
    patience=None,
    callback=None,
    progress=False,
    initial_epoch=0,
) -> History:
    """Train the parameters of an optimiser on data, in place.

    Each epoch goes through the data once, without replacement, in an order that is a function of (seed, epoch) alone.
    The parameters change only once every example of a batch has been counted.

    With parameters on a GPU the examples must be there too, and ``loss_and_grad`` queues its work on the caller's
    stream (Numba kernels, or CuPy's or PyTorch's operations); it may return the loss in an array of one element on the
    GPU. Batches are picked there, and an epoch waits for the device once, at its end, to read the loss.

    Where the optimiser was made with ``comm``, every rank calls ``fit`` with examples of its own, in any number, and
    otherwise the same arguments. An update sums the gradients of a batch of each rank, ``batch_size`` examples or
    what is left; an epoch has as many updates as the rank with the most examples needs. ``reduction="mean"`` divides
    by the examples of all ranks. ``validation`` is what each rank holds out. Losses are those of all ranks, so the
    history is the same on all but for its times. StopIteration in a callback ends the training on all ranks;
    what else one of them raises ends it, too, and the others raise an exception that says so.

    Parameters
    ----------
    loss_and_grad : callable
        ``loss_and_grad(params, grads, *batch) -> float``: returns the sum of the batch's losses, and assigns or adds
        the sum of the per-example gradients into ``grads``, which is zero before each call (-0.0, by which ``fit``
        sees after the first batch whether each array was written; one that has no gradient there is assigned 0.0).
        ``params`` and ``grads`` are the array itself, a tuple for a sequence, a named tuple for a mapping. On a GPU
        they are PyTorch's or CuPy's arrays if the parameters or the examples are, and Numba's otherwise.
    opt : Optimizer
        Holds the parameters to train, with the rule and its hyperparameters.
    data : array, or tuple of arrays
        Arrays with the examples along their first axis (on a GPU in C order). A batch takes the same examples of each.
        The losses of ``fastopt.problems`` check them once; to others NaN is a number.
    batch_size : int or None
        Examples per batch; the last batch of an epoch may be smaller. None takes all the data at once, unshuffled;
        1 is textbook SGD.
    epochs : int
        The epoch to stop before: epochs are numbered from ``initial_epoch`` to ``epochs - 1``.
    seed : int
        Determines the order of the examples: the same seed gives the same batches.
    reduction : "sum" or "mean"
        Whether an update takes the sum of its examples' gradients, or that sum divided by their number.
    accumulate : int
        How many batches to add up before each update.
    validation : array or tuple of arrays, optional
        Data whose loss is recorded after each epoch: that of ``opt.averaged`` where the optimiser has an average.
    patience : int, optional
        Stop after this many epochs in a row without a smaller validation loss, and restore the parameters of the best
        epoch, and their average (the optimiser's other state and ``t`` stay those of the last).
    callback : callable, optional
        ``callback(epoch, loss, opt)`` after each epoch; raising StopIteration ends the training.
    progress : bool
        Show a progress bar (needs the ``cli`` extra).
    initial_epoch : int
        The epoch to start at. To resume, load the optimiser and give the number of epochs done: the result is that of
        an uninterrupted run, to the bit.

    Returns
    -------
    History

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, before anything is changed; with GD, if an update does not see all the data.

    Examples
    --------
    >>> import numpy as np, fastopt
    >>> X = np.c_[np.linspace(-1, 1, 64), np.ones(64)]
    >>> y = X @ [2.0, -1.0]
    >>> def loss_and_grad(w, g, X, y):
    ...     r = X @ w - y
    ...     g += X.T @ r
    ...     return 0.5 * r @ r
    >>> w = np.zeros(2)
    >>> hist = fastopt.fit(loss_and_grad, fastopt.Adam(w, lr=0.05), (X, y), batch_size=16, epochs=100)
    >>> print(np.round(w, 2))
    [ 2. -1.]
    """
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be a fastopt.Optimizer, got {describe(opt)}")
    with company_of(opt) as company:
        if not callable(loss_and_grad):
            raise TypeError(f"loss_and_grad must be callable, got {describe(loss_and_grad)}")
        data, shapes = examples_of("data", data, opt, loss_and_grad)
        numbers = {"batch_size": batch_size, "epochs": epochs, "seed": seed, "accumulate": accumulate}
        numbers |= {"initial_epoch": initial_epoch, "patience": patience}
        _check(numbers, reduction, validation, callback, progress)
        n = shapes[0][0]
        size, accumulate = n if batch_size is None else int(batch_size), int(accumulate)  # np.uint8(100) overflows
        if opt.rule.name == "gd" and size * accumulate < n:
            raise ValueError(
                f"batch_size * accumulate must cover all {n} examples with GD, got {size * accumulate}; SGD need not"
            )
        held_out = None if validation is None else held_out_of(validation, opt, loss_and_grad, data, shapes)
        train = training_of(loss_and_grad, opt)(loss_and_grad, opt, reduction == "mean", data, n, size, accumulate)
        if isinstance(train, TrainingOfRanks):
            given = {"validation": validation is not None, "callback": callback is not None}
            train.join(company, {**numbers, "reduction": reduction}, given)
        order = partial(_order, n, size, seed)
        return _trained(train, order, range(initial_epoch, epochs), held_out, patience, callback, progress)


def _trained(train, order, epochs, held_out, patience, callback, progress) -> History:
    history, best, waited, kept = History(), None, 0, None
    began = time.perf_counter()
    total = epochs.stop - epochs.start  # of any size, which len is not
    with progress_bar(progress and train.leads, total, "epochs") as advance:
        for epoch in epochs:
            loss = train.epoch(order(epoch))
            history.loss.append(loss)
            history.epoch.append(epoch)
            if held_out is not None:
                history.validation.append(train.evaluate(*held_out))
                if best is None or math.isnan(best) or history.validation[-1] < best:
                    best, waited = history.validation[-1], 0
                    kept = train.copy() if patience is not None else None
                else:
                    waited += 1
            update_plateaus(train.opt, loss if held_out is None else history.validation[-1])
            history.time.append(time.perf_counter() - began)
            advance(1, f"loss {loss:.6g}")
            if callback is not None and train.is_stopped(callback, epoch, loss):
                history.stopped = "callback"
                break
            if patience is not None and waited >= patience:
                history.stopped = "patience"
                break
    train.end(kept)
    return history


def _order(n, batch_size, seed, epoch):
    """The examples in the order of an epoch; None where one batch holds them all."""
    return None if batch_size >= n else np.random.default_rng((seed, epoch)).permutation(n)


def _check(numbers, reduction, validation, callback, progress):
    for name, value in numbers.items():
        if value is None and name in ("batch_size", "patience"):
            continue
        least = 0 if name in ("epochs", "seed", "initial_epoch") else 1
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be a whole number, got {describe(value)}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {describe(value)}")
    epochs, first = numbers["epochs"], numbers["initial_epoch"]
    if first > epochs:
        raise ValueError(f"initial_epoch must be at most epochs, {describe(epochs)}, got {describe(first)}")
    if not isinstance(reduction, str) or reduction not in ("sum", "mean"):
        raise ValueError(f"reduction must be 'sum' or 'mean', got {describe(reduction)}")
    if numbers["patience"] is not None and validation is None:
        raise ValueError("patience must come with validation data, got none")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {describe(callback)}")
    if not isinstance(progress, bool):
        raise TypeError(f"progress must be True or False, got {describe(progress)}")
