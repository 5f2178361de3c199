"""An epoch of minibatch training, in Python."""

import math

from ..arrays.libraries import STREAMS, library_of
from ..arrays.nests import flatten
from ..kernels import epoch as compiled_loop
from ..kernels.loops import epoch
from ..step.inside import layout_of, target_of
from ..targets.blocks import evaluated
from ..targets.packed import Packed, pack
from .arguments import as_arguments, is_array, name_of


class Training:
    """The loss, bound to an optimiser's parameters, to buffers for their gradient and to the examples.

    Gradients and sums are our own arrays, handed to the loss as arrays of the library that it works with.
    """

    leads = True  # shows the progress

    def __init__(self, loss_and_grad, opt, mean, data, n, batch_size, accumulate):
        self.loss_and_grad, self.opt, self.mean = loss_and_grad, opt, mean
        self.target, self.layout = target_of(opt), layout_of(opt)
        self.data, self.n, self.size, self.accumulate = data, n, min(batch_size, n), accumulate
        libraries = [library_of(leaf) for _, leaf in flatten((opt.params, data), "")]
        self.library = next((library for library in libraries if library in STREAMS), "")
        with self.target.current():
            self.batches = self.target.batches(loss_and_grad, data, self.size if self.size < n else None)
            self.params = as_arguments(self._handed_over(opt.params), opt.params)
            at = opt.averaged if opt.rule.evaluates else opt.params
            self.evaluated = as_arguments(self._handed_over(at), opt.params)  # with data that are held out
            zeros, self.buffers = self._gradients(opt.params)
            self.own = [leaf for _, leaf in flatten(zeros, "")]
            self.steps = self._handed_over(zeros) if self.library or is_array(zeros) else zeros  # given to ``step``
            self.grads = as_arguments(self.steps, opt.params)
            self.sums = [self.target.empty(g.size, g.dtype) for g in self.buffers] if accumulate > 1 else []
            self.unseen = 1  # no loss was seen to write the gradient

    def epoch(self, order) -> float:
        """One pass in this order (None: one batch holds all examples): an update per ``accumulate`` batches.

        Returns the sum, or mean, of the losses.
        """
        return self._reduced(self._pass(order), self.n)

    def _pass(self, order) -> float:
        kind = type(self)
        loop = compiled_loop.interpreted(
            self.accumulate > 1,
            self.mean,
            evaluate=kind._evaluate,
            is_written=kind._is_written,
            collect=kind._collect,
            finish=kind._finish,
            scale=kind._scaled,
            update=kind._update,
        )
        with self.target.current():
            limits = self.n, self.n, self.size, self.accumulate, 0, math.inf  # time is never over: Python sees to all
            numbers, counts = [0.0], [0, 0, self.unseen, 0, 0]
            loop(self, self, self, self.batches.moved(order), limits, numbers, counts)
            self.unseen = 0
            return self.batches.total(numbers[epoch.LOSS])

    def evaluate(self, data, n) -> float:
        """The sum, or mean, of the losses of these data."""
        return self._reduced(self._total_of(data), n)

    def _total_of(self, data) -> float:
        with self.target.current():
            return self.batches.total(self._loss_of(self.evaluated, data))

    def _reduced(self, total, n) -> float:
        """What is told of the losses of n examples."""
        return total / n if self.mean else total

    def is_stopped(self, callback, epoch, loss) -> bool:
        """Whether the callback ends the training after this epoch."""
        try:
            callback(epoch, loss, self.opt)
        except StopIteration:
            return True
        return False

    def _handed_over(self, nest):
        """A nest of the structure of the parameters as code of the library takes it."""
        leaves = [self.target.handed_over(self.library, leaf) for _, leaf in flatten(nest, "")]
        return self.layout.nest(leaves)

    def _gradients(self, params):
        """Arrays of ours in the structure of the parameters, and the buffers behind them, one per dtype."""
        if is_array(params):
            (place,) = self.layout.places
            buffer = self.target.zeros(place.size, place.dtype)
            return self.target.view(buffer, 0, place.size, place.shape, place.order), (buffer,)
        zeros = params.zeros_like() if isinstance(params, Packed) else pack(params, _fill=False)
        return zeros, zeros.buffers

    def _loss_of(self, params, batch) -> float:
        for g in self.buffers:
            self.target.fill(g, -0.0, self._stream())
        return self.batches.value(self.loss_and_grad(params, self.grads, *batch))

    def _stream(self):
        """The stream of the caller, where the loss queues its work."""
        return self.target.stream(self.data)

    # --- what the loop of kernels/loops/epoch.py calls ------------------------------------------------------------

    def _evaluate(self, order, start, end):
        return self._loss_of(self.params, self.batches.picked(order, start, end))

    def _is_written(self):
        """Raises if the loss left an array of the gradient as it was, as ``grads = X.T @ r`` does."""
        for k, g in enumerate(self.own):
            if self.target.is_untouched(g):
                name = name_of(self.grads, k)
                raise ValueError(
                    f"loss_and_grad must write {name} ({name}[...] = ... or +=), got it left as it was; "
                    "where it is 0, assign 0.0"
                )
        return True

    def _collect(self, first):
        for g, s in zip(self.buffers, self.sums):
            (self.target.copy if first else self.target.add)(s, g, self._stream())

    def _finish(self):
        for g, s in zip(self.buffers, self.sums):
            self.target.copy(g, s, self._stream())

    def _scaled(self, factor):
        if factor != 1.0:
            for g in self.buffers:
                self.target.scale(g, factor, self._stream())

    def _update(self, numbers, counts):
        self.opt.step(self.steps)

    # --- keeping the best -----------------------------------------------------------------------------------------

    def copy(self):
        """Of the parameters, and of their average where there is one."""
        kept = [
            (self.target.empty(a.size, a.dtype), a)
            for arrays in evaluated(self.opt.rule, self.layout.all)
            for a in arrays
        ]
        self.layout.write(kept)
        return kept

    def end(self, kept):
        """The last that is done: what was kept, if anything, is restored."""
        if kept is not None:
            self.layout.write([(a, copied) for copied, a in kept])
