"""A step: the short way of a single array, and the general way."""

import traceback
from typing import Any

import numpy as np

from ..arrays.host import order_of
from ..kernels.counts import LEFT, SKIPPED, T
from ..kernels.modifiers import ONE, PART
from ..targets.blocks import sums_itself
from .attributes import Attributes
from .held import STEP, held
from .interrupts import to_the_end


class Stepping(Attributes):
    """What is stepped, and by which kernels, is for the optimiser to say."""

    __slots__ = (
        *("_rule", "_params", "_state", "_cells", "_grouped", "_hyper", "_fixed", "_layout", "_steps", "_general"),
        *("_address", "_bare", "_c_order", "_h", "_kind", "_leaf", "_p", "_run", "_shape", "_slots"),  # the short way
    )
    _general: Any

    def _hold_numbers(self):
        """Hold what ``_numbers`` are made of, where no schedule changes it."""
        scheduled = any(mine.scheduled for mine in self._hyper)
        self._fixed = None if scheduled else [(mine.at(1), mine.decay(1)) for mine in self._hyper]

    def _hold_fast_path(self):
        """Hold what the step of a single NumPy array needs, where nothing has to be done to its gradient."""
        block, leaf = self._layout.all[0], self._layout.leaves[0]
        self._kind = None
        plain = not (self._staged or self._options.check_finite or block.missed)
        plain &= (not self._rule.reduces or sums_itself(block)) and self._target.ranks is None
        if self._params is leaf and plain:
            self._kind = np.ndarray
            self._leaf, self._shape, self._c_order = leaf, leaf.shape, order_of(leaf) == "C"
            self._run, self._slots = block.run, block.state
            self._bare = leaf.ndim == 1  # of the leaf itself Numba sees whether it is writable
            self._p = leaf if self._bare else block.p
            self._address = self._layout.counts.address
            self._h = self._fixed and self._fixed[0][0]

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self, grads) -> None:
        """Apply one update.

        Parameters
        ----------
        grads : array or nest of arrays
            In the structure of ``params``, with the same shapes, dtypes and memory orders; never written. None skips
            that array. With groups, a list with one structure per group.

        Raises
        ------
        TypeError, ValueError
            If a gradient does not fit, or is not finite with ``check_finite=True``. Nothing is changed then.
        RuntimeError
            If another thread is stepping this optimiser. Nothing is changed by this step then.

        Notes
        -----
        Parameters, state and counts belong together whatever interrupts a step: Ctrl-C, or a signal's handler that
        raises. Either nothing was changed, or the step was finished first.
        """
        # The kernel refuses by a code or by TypeError what is not tested here; the way below explains, or copes.
        if type(grads) is self._kind and grads.shape == self._shape and (self._bare or self._leaf.flags.writeable):
            g = grads
            if len(self._shape) != 1:
                flags = g.flags
                if flags.c_contiguous if self._c_order else flags.f_contiguous:
                    g = g.reshape(-1, order="C" if self._c_order else "F")
            t, h = 0, self._h
            if h is None:
                t = self._cells[T] + 1
                h = self._hyper[0].at(t)
            try:
                if not self._run(self._p, g, self._slots, self._address, -t, h):  # which counts the step
                    return
            except TypeError as error:
                if not _is_numbas(error):
                    raise
        self._general(self, grads)

    def _apply(self, grads):
        held(self._cells, STEP, self._apply_held, grads)

    def _apply_held(self, grads):
        pieces, absent = self._layout.pieces(grads)
        if len(absent) < len(self._layout.leaves):
            self._step(pieces, absent, grads)

    def _step(self, pieces, absent, grads, found=None):
        """A step by pieces of gradients; ``found`` are the hyperparameters of it, where they are known."""
        cells = self._cells
        scale, t = self._scale, cells[T] + 1
        if self._measures and pieces:
            factor = self._factor(pieces, grads)
            if factor is None:
                cells[SKIPPED] += 1
                return
            scale = scale * PART * factor  # in this order: both are in that unit
        numbers = () if self._options.capturable else self._numbers(t, scale, found)
        cells[LEFT] = len(pieces) or 1
        one_call = len(pieces) == 1 and not (absent or self._target.is_gpu)
        if one_call and (not self._rule.reduces or sums_itself(pieces[0][0])):  # that steps and counts
            self._steps.run(pieces, t, numbers)
        else:
            missed = self._layout.without(absent) if absent else None
            to_the_end(self._take, pieces, t, numbers, missed)

    def _take(self, pieces, t, numbers, missed):
        """Take a step; goes on where it was interrupted."""
        self._steps.run(pieces, t, numbers)
        self._cells[T] = t
        if missed is not None:
            self._layout.take_missed(*missed)

    def _numbers(self, t, scale, found=None) -> list:
        """What the kernels of each group take for step t: the hyperparameters, and those of the stage."""
        found = found or self._hyper_at(t)
        if not self._staged:
            return [rules for rules, _ in found]
        return [(*rules, self._bound, scale, decay) for rules, decay in found]

    def _hyper_at(self, t):
        """Of each group the rule's hyperparameters and the decay of step t."""
        return self._fixed or [(mine.at(t), mine.decay(t)) for mine in self._hyper]

    def _factor(self, pieces, grads):
        """The factor of ``clip_norm``, in the unit of scales; None if the step is to be skipped. Raises if refused."""
        options = self._options
        if options.check_finite and not self._steps.is_finite(pieces):
            if options.check_finite == "skip":
                return None
            self._layout.refuse_not_finite(grads)
        return ONE if options.clip_norm is None else self._steps.factor(pieces, options.clip_norm, self._bound)


def _is_numbas(error) -> bool:
    """Whether Numba raised it, at its door: the handler of a signal may raise one behind a step that was taken."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals["__name__"].partition(".")[0] in ("numba", __name__.partition(".")[0])
