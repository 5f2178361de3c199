"""Which kernel calls a nest of parameters takes, and how a nest of gradients is matched to them."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np

from ..arrays.host import check_kind
from ..arrays.nests import flatten, leaves_like, rebuild
from ..arrays.placed import check_like, check_writable
from ..arrays.spans import disjoint_spans
from ..errors import describe, listing
from ..kernels.counts import Counts
from ..targets.blocks import Block, of_gradient, with_runs
from ..targets.packed import Packed


class Layout:
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
    """

    def __init__(self, target, params, roots, rule, hyper, options):
        self._target, self._rule = target, rule
        self.all: list[Block] = []
        self.names: list[str] = []
        self.given: list = []
        self.places: list = []
        self.leaves: list[Any] = []
        self.missed: list[int] = []
        self.counts = Counts()
        self._block_of: dict[int, int] = {}  # by parameter
        for group, (where, root) in enumerate(roots.items()):
            self._add(group, where, root, hyper[group])
        if not self.leaves:
            raise ValueError(f"params must hold at least one array, got {describe(params)}")
        owned = [(self.names[b.members[0][0]], target.span(a)) for b in self.all for a in (b.p, *b.state)]
        self.spans = disjoint_spans(owned)
        self._packed = params if isinstance(params, Packed) and params.buffers else None
        self._tree = rebuild(params, iter(self.leaves))
        self._keys = list(self._tree) if isinstance(self._tree, dict) else []
        self._flat = all(child is leaf for child, leaf in zip_longest(_children(self._tree), self.leaves))
        self._gradients = target.gradients(self, options)

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
        packed = isinstance(root, Packed) and bool(root.buffers)
        for p, members in self._split(root if packed else None, first):
            state = tuple(self._start(slot, p, hyper.start.get(slot, 0.0)) for slot in self._rule.state)
            self._block_of |= {index: len(self.all) for index, _, _ in members}
            self.all.append(with_runs(Block(None, p, state, group, tuple(members), packed), self.missed))

    def _start(self, slot, p, value):
        """A new state array; that to evaluate at is the parameter until there was a step."""
        if slot != self._rule.evaluates:
            return self._target.full(p.size, p.dtype, value)
        out = self._target.empty(p.size, p.dtype)
        self._target.write(out, p)
        return out

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
            run = self._target.sweep(self._rule, block.p, staged, options)
            self.all[k] = block._replace(run=run)

    # --- gradients -------------------------------------------------------------------------------------------------

    def pieces(self, grads) -> tuple[list, list[int]]:
        """What to call kernels on, as the target's ``steps`` take it, and which parameters have no gradient.

        Raises if a gradient does not fit.
        """
        if self._packed is not None and isinstance(grads, Packed) and grads is not self._packed:
            layout = self._packed.layout
            if grads.layout is layout or grads.layout == layout:
                found = self._gradients.of_buffers(grads.buffers)
                if found is not None:
                    return found, []
        return self._gradients.pieces(self._match(grads))

    def pieces_of_own(self, grads) -> list:
        """The same of gradients that were made to fit; raises where a parameter was made read-only."""
        if any(block.packed for block in self.all):
            return self.pieces(grads)[0]
        return self._gradients.of_own(self._match(grads))

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

    def _match(self, grads) -> list:
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
        for name, g in zip(self.names, self._match(grads)):
            if g is not None and not np.isfinite(self._target.on_host(name, g)).all():
                raise ValueError(f"grads must be finite, got NaN or Inf in {of_gradient(name)}")
        raise AssertionError("a gradient was not finite, and is now: please report this")

    # --- parameters and state --------------------------------------------------------------------------------------

    def nest(self, leaves: list):
        """The leaves, one per parameter, nested like the parameters."""
        return rebuild(self._tree, iter(leaves))

    def state_leaves(self, slot: int) -> list:
        """A state array per parameter, as a view."""
        found = {}
        for block in self.all:
            for index, i, j in block.members:
                place = self.places[index]
                found[index] = self._target.view(block.state[slot], i, j, place.shape, place.order)
        return [found[index] for index in range(len(self.leaves))]

    def views(self, slot: int):
        """The same, nested like the parameters."""
        return self.nest(self.state_leaves(slot))

    def copies(self, slot: int):
        """The same, as new NumPy arrays."""
        return self.nest([self._target.copy_to_host(view) for view in self.state_leaves(slot)])

    def state_pairs(self, slots, state) -> list:
        """The state arrays, each with the saved one to be written there; raises unless all of them fit."""
        if not isinstance(state, Mapping) or set(state) != set(slots):
            got = f"the names {listing(state)}" if isinstance(state, Mapping) else describe(state)
            raise ValueError(f"d['state'] must have the names {listing(slots)}, got {got}")
        pairs = []
        for k, slot in enumerate(slots):
            new = leaves_like(self._tree, state[slot], f"d['state'][{slot!r}]")
            for name, view, a in zip(self.names, self.state_leaves(k), new):
                check_kind(f"{slot!r} of {name}", a)
                check_like(f"{slot!r} of {name}", a, view)
                check_writable(f"{slot!r} of {name}", _is_writable(view))
                pairs.append((view, a))
        return pairs

    def write(self, pairs):
        """Copy arrays into those of this place."""
        for view, a in pairs:
            self._target.write(view, a)

    def like_parameters(self) -> list:
        """New arrays for what is in the parameters, flat; not filled."""
        return [self._target.empty(block.p.size, block.p.dtype) for block in self.all]

    def evaluated(self) -> list:
        """The parameters, flat, each with the state array to evaluate at; without those where the rule has none."""
        slot = self._rule.evaluates
        at = [self._rule.state.index(slot)] if slot else []
        return [(block.p, *(block.state[k] for k in at)) for block in self.all]

    def host_leaves(self) -> list:
        """The parameters as NumPy arrays, which may be the parameters themselves."""
        return [self._target.on_host(name, leaf) for name, leaf in zip(self.names, self.leaves)]

    def check_writable(self):
        """Raise where a parameter was made read-only since the optimiser was made."""
        for name, leaf in zip(self.names, self.leaves):
            check_writable(name, _is_writable(leaf))


def _is_writable(a):
    return not isinstance(a, np.ndarray) or a.flags.writeable


def _children(tree):
    return tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else (None,)
