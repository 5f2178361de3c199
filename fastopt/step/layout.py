"""Which kernel calls a nest of parameters takes, and how a nest of gradients is matched to them."""

from itertools import zip_longest
from typing import Any

import numpy as np

from ..arrays.nests import flatten, leaves_like, rebuild
from ..arrays.spans import disjoint_spans
from ..errors import describe
from ..kernels.counts import Counts
from ..targets.blocks import Block, kept_of, of_gradient, state_of, with_runs
from ..targets.packed import Packed
from .contents import Contents


class Layout(Contents):
    """The parameters and the state of an optimiser, in blocks for kernels.

    Parameters
    ----------
    target : where the arrays are
    params, roots : the nest that gradients must match, and its parts by name, one per group
    rule, hyper : the rule, and per group its numbers, which are settled for the dtype of its arrays
    options : of the optimiser

    Attributes
    ----------
    all : list of Block
    names, given, places, leaves : of each parameter: its name, the caller's array, where it is, and the kernels' array
    missed : how many of the optimiser's steps each parameter was left out of
    counts : the optimiser's steps
    spans : the addresses of parameters and state, sorted
    gradients : what checks gradients, and makes of them the pieces of a step
    """

    def __init__(self, target, params, roots, rule, hyper, options):
        self._target, self._rule = target, rule
        self._one_by_one = bool(rule.reduces) and not rule.across  # a buffer's sums would be those of many arrays
        self.all: list[Block] = []
        self.names: list[str] = []
        self.given: list = []
        self.places: list = []
        self.leaves: list[Any] = []
        self.missed: list[int] = []
        self.counts = Counts()
        self._block_of: dict[int, int] = {}  # by parameter
        self._owned: list[tuple[str, tuple[int, int]]] = []  # what is written, by the name of a parameter
        for group, (where, root) in enumerate(roots.items()):
            self._add(group, where, root, hyper[group])
        if self._rule.across and len(self.leaves) == 1:
            self.all = [block._replace(alone=True) for block in self.all]
        if not self.leaves:
            raise ValueError(f"params must hold at least one array, got {describe(params)}")
        self.spans = disjoint_spans(self._owned)
        self._packed = params if isinstance(params, Packed) and params.buffers and not self._one_by_one else None
        self._tree = rebuild(params, iter(self.leaves))
        self._keys = list(self._tree) if isinstance(self._tree, dict) else []
        self._flat = all(child is leaf for child, leaf in zip_longest(_children(self._tree), self.leaves))
        self.gradients = target.gradients(self, options)

    def _add(self, group, where, root, hyper):
        """The parameters of a group; raises unless they can be stepped in place."""
        first, target = len(self.leaves), self._target
        for name, a in flatten(root, where):
            place = target.parameter(name, a)
            self.names.append(name)
            self.given.append(a)
            self.places.append(place)
            self.leaves.append(target.array(place, a))
            self.missed.append(0)
        for dtype in sorted({place.dtype for place in self.places[first:]}, reverse=True):  # the narrowest last
            hyper.settle(dtype)
        packed = isinstance(root, Packed) and bool(root.buffers) and not self._one_by_one
        blocks = list(self._split(root if packed else None, first))
        self._owned += [(self.names[members[0][0]], target.span(p)) for p, members in blocks]
        for p, members in target.owned(blocks):
            state = state_of(target, self._rule, p, hyper.start)
            self._owned += [(self.names[members[0][0]], target.span(a)) for a in state]
            self._block_of |= {index: len(self.all) for index, _, _ in members}
            block = Block(None, p, state, group, tuple(members), packed, alone=self._one_by_one)
            kept = kept_of(target, self._rule, hyper, self.all)
            self.all.append(with_runs(block._replace(kept=kept), self.missed))

    def _split(self, packed, first):
        """The flat arrays that kernels are called on, with the leaves that each holds: one, or those of a buffer."""
        places = self.places
        if packed is None:
            for index in range(first, len(places)):
                yield self._target.flat(places[index], self.given[index]), [(index, 0, places[index].size)]
            return
        for buffer in packed.buffers:
            members, end = [], 0
            for index in range(first, len(places)):
                if places[index].dtype == buffer.dtype:
                    members.append((index, end, end + places[index].size))
                    end += places[index].size
            yield buffer, members

    def check_options(self, options):
        """Raise where an option is no number in the dtype of an array."""
        for dtype in {place.dtype for place in self.places}:
            options.check_fits(dtype)

    def bind(self, staged, options):
        """Give each block its kernel, with the modifiers of the gradient or without them."""
        for k, block in enumerate(self.all):
            run = self._target.sweep(self._rule, block, staged, options)
            self.all[k] = block._replace(run=run)

    # --- gradients -------------------------------------------------------------------------------------------------

    def pieces(self, grads) -> tuple[list, list[int]]:
        """What to call kernels on, as the target's ``steps`` take it, and which parameters have no gradient.

        Raises if a gradient does not fit.
        """
        if self._packed is not None and isinstance(grads, Packed) and grads is not self._packed:
            layout = self._packed.layout
            if grads.layout is layout or grads.layout == layout:
                found = self.gradients.of_buffers(grads.buffers)
                if found is not None:
                    return found, []
        return self.gradients.pieces(self.matched(grads))

    def pieces_of_own(self, grads) -> list:
        """The same of gradients that were made to fit; raises where a parameter was made read-only."""
        if any(block.packed for block in self.all):
            return self.pieces(grads)[0]
        return self.gradients.of_own(self.matched(grads))

    def without(self, absent) -> tuple[list[int], list[Block]]:
        """What to ``take_missed`` after a step that these parameters were left out of."""
        missed, blocks = self.missed.copy(), self.all.copy()
        for i in absent:
            missed[i] += 1
        for k in {self._block_of[i] for i in absent}:
            blocks[k] = with_runs(blocks[k], missed)
        return missed, blocks

    def take_missed(self, missed, blocks):
        """Go on where each parameter was left out of so many steps; no interrupt comes between the two."""
        self.missed[:] = missed
        self.all[:] = blocks

    def take_counts(self, t, counts):
        """Go on from where each parameter was stepped so often, and the optimiser t times."""
        missed = [t - count for count in counts]
        self.take_missed(missed, [with_runs(block, missed) for block in self.all])

    def matched(self, grads) -> list:
        """The leaves of ``grads`` in the order of the parameters."""
        tree = self._tree
        if self._flat and type(grads) is type(tree) and len(grads) == len(tree):
            if type(grads) is list:
                return grads
            if isinstance(grads, tuple):
                return list(grads)
            if list(grads) == self._keys:
                return list(grads.values())
        return list(leaves_like(tree, grads, "grads"))

    def refuse_not_finite(self, grads):
        """Raise, with the name of the first gradient that holds a NaN or an Inf."""
        for name, g in zip(self.names, self.matched(grads)):
            if g is not None and not np.isfinite(self._target.on_host(name, g)).all():
                raise ValueError(f"grads must be finite, got NaN or Inf in {of_gradient(name)}")
        raise AssertionError("a gradient was not finite, and is now: please report this")


def _children(tree):
    return tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else (None,)
