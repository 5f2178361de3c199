"""Which kernel calls a nest of parameters takes, and how a nest of gradients is matched to them."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from ..arrays.host import (
    check_gradient,
    check_kind,
    check_parameter,
    check_writable,
    disjoint_spans,
    flat,
    order_of,
    span,
)
from ..arrays.nests import flatten, leaves_like, rebuild
from ..errors import describe, listing
from ..kernels import cpu, gather
from ..targets.packed import Packed


class Block(NamedTuple):
    """The arrays of one kernel call: those of one parameter, or of the buffer that holds many."""

    run: Any  # the kernel, (p, g, state, t, h) -> code
    p: np.ndarray
    state: tuple[np.ndarray, ...]
    group: int
    members: tuple[tuple[int, int, int], ...]  # index of a leaf, where it begins, where it ends
    packed: bool


class Blocks:
    """All blocks of an optimiser.

    Parameters
    ----------
    params, roots : the nest that gradients must match, and its parts by name, one per group
    rule, starts : the rule, and per group the start of its state
    staged, parallel, threads : see :func:`fastopt.kernels.cpu.step`
    """

    def __init__(self, params, roots, rule, starts, staged, parallel, threads):
        self.all: list[Block] = []
        self.names: list[str] = []
        self.leaves: list[np.ndarray] = []
        for group, (where, root) in enumerate(roots.items()):
            named = list(flatten(root, where))
            taken = [self._taken(name, leaf) for name, leaf in named]
            first, packed = len(self.leaves), isinstance(root, Packed) and bool(root.buffers)
            self.names += [name for name, _ in named]
            self.leaves += taken
            for p, members in self._split(root if packed else None, first):
                state = tuple(self._full(p, starts[group].get(slot, 0.0)) for slot in rule.state)
                self.all.append(Block(None, p, state, group, tuple(members), packed))
        self._options = {"parallel": parallel, "threads": threads}
        self._rule = rule
        self.bind(staged)
        if not self.leaves:
            raise ValueError(f"params must hold at least one array, got {describe(params)}")
        owned = [(self.names[b.members[0][0]], self._span(a)) for b in self.all for a in (b.p, *b.state)]
        self._spans = disjoint_spans(owned)
        self._packed = params if isinstance(params, Packed) and params.buffers else None
        self._tree = rebuild(params, iter(self.leaves))
        self._keys = list(self._tree) if isinstance(self._tree, dict) else []
        self._flat = all(child is leaf for child, leaf in zip_longest(_children(self._tree), self.leaves))
        self._table: gather.Table | None = None
        self._gathered: list[Any] = []

    def _taken(self, name, leaf):
        """The leaf as it is kept; raises unless it can be stepped in place."""
        check_parameter(name, leaf)
        return leaf

    def _full(self, like, value):
        """A new flat array of that size and dtype."""
        return np.full(like.size, value, like.dtype)

    def _flat_of(self, index):
        return flat(self.leaves[index])

    def _span(self, a):
        return span(a)

    def _split(self, packed, first):
        """The flat arrays that kernels are called on, with the leaves that each holds: one, or those of a buffer."""
        leaves = self.leaves
        if packed is None:
            for index in range(first, len(leaves)):
                yield self._flat_of(index), [(index, 0, leaves[index].size)]
            return
        for buffer in packed.buffers:
            members, end = [], 0
            for index in range(first, len(leaves)):
                if leaves[index].dtype == buffer.dtype:
                    members.append((index, end, end + leaves[index].size))
                    end += leaves[index].size
            yield buffer, members

    def bind(self, staged):
        """Give each block its kernel."""
        for k, block in enumerate(self.all):
            run = cpu.step(self._rule, block.p.dtype, block.p.size, stage=staged, **self._options)
            self.all[k] = block._replace(run=run)

    # --- gradients -------------------------------------------------------------------------------------------------

    def pieces(self, grads) -> list:
        """What to call kernels on: ``(block, p, g, state)`` each. Raises if a gradient does not fit."""
        i = gather.first_frozen(self.leaves)
        if i < len(self.leaves):
            check_writable(self.names[i], self.leaves[i])
        if self._packed is not None and isinstance(grads, Packed) and grads is not self._packed:
            layout = self._packed.layout
            if grads.layout is layout or grads.layout == layout:
                return [(block, block.p, g, block.state) for block, g in zip(self.all, grads.buffers)]
        leaves = self._match(grads)
        if self._table is None:
            self._table = self._prepare_gathering()
        if self._table.accepts(leaves):
            return [
                (block, block.p, buffer if block.packed else flat(leaves[block.members[0][0]]), block.state)
                for block, buffer in zip(self.all, self._gathered)
            ]
        leaves = self._checked(leaves)
        return [piece for pair in zip(self.all, self._gathered) for piece in self._present(*pair, leaves)]

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

    def _prepare_gathering(self) -> gather.Table:
        """Make the buffers that packed parameters' gradients are gathered in, and the table they are checked by."""
        self._gathered = [np.empty_like(block.p) if block.packed else None for block in self.all]
        targets = [0] * len(self.leaves)
        for block, buffer in zip(self.all, self._gathered):
            for i, start, _ in block.members if block.packed else ():
                targets[i] = buffer.ctypes.data + start * buffer.itemsize
        return gather.Table(self.leaves, targets, self._spans)

    def _checked(self, leaves) -> list:
        """The leaves as arrays or None, after NumPy's way of what ``Table.accepts`` does; raises at the first fault."""
        leaves = [
            g if g is None else check_gradient(of_gradient(name), g, p, self._spans)
            for name, g, p in zip(self.names, leaves, self.leaves)
        ]
        for block, buffer in zip(self.all, self._gathered):
            for i, start, end in block.members if block.packed else ():
                if leaves[i] is not None:
                    buffer[start:end] = flat(leaves[i])
        return leaves

    def _present(self, block, buffer, leaves):
        """One piece for a block, or one per gradient where some are None."""
        here = [(leaves[index], i, j) for index, i, j in block.members]
        if not block.packed:
            return [(block, block.p, flat(g), block.state) for g, _, _ in here if g is not None]
        if all(g is not None for g, _, _ in here):
            return [(block, block.p, buffer, block.state)]
        return [
            (block, block.p[i:j], buffer[i:j], tuple(s[i:j] for s in block.state)) for g, i, j in here if g is not None
        ]

    def first_not_finite(self, grads) -> str:
        """The name of the first gradient that holds a NaN or an Inf."""
        leaves = zip(self.names, leaves_like(self._tree, grads, "grads"))
        name = next(name for name, g in leaves if g is not None and not np.isfinite(g).all())
        return of_gradient(name)

    # --- state -----------------------------------------------------------------------------------------------------

    def views(self, slot: int):
        """A state array per parameter, nested like the parameters."""
        return self.nest(self.state_leaves(slot))

    def copies(self, slot: int):
        return self.nest([view.copy(order="K") for view in self.state_leaves(slot)])

    def nest(self, leaves: list):
        """The leaves, one per parameter, nested like the parameters."""
        return rebuild(self._tree, iter(leaves))

    def load_state(self, slots, state):
        """Copy saved state into the arrays, after checking all of it."""
        if not isinstance(state, Mapping) or set(state) != set(slots):
            got = f"the names {listing(state)}" if isinstance(state, Mapping) else describe(state)
            raise ValueError(f"d['state'] must have the names {listing(slots)}, got {got}")
        pairs = []
        for k, slot in enumerate(slots):
            new = leaves_like(self._tree, state[slot], f"d['state'][{slot!r}]")
            for name, view, a in zip(self.names, self.state_leaves(k), new):
                where = f"{slot!r} of {name}"
                check_kind(where, a)
                if a.dtype != view.dtype:
                    raise TypeError(f"{where} must have dtype {view.dtype}, got {a.dtype}")
                if a.shape != view.shape:
                    raise ValueError(f"{where} must have shape {view.shape}, got {a.shape}")
                pairs.append((view, a))
        for view, a in pairs:
            self._write(view, a)

    def _write(self, view, a):
        view[...] = a

    def host_leaves(self) -> list:
        """The parameters as NumPy arrays."""
        return self.leaves

    def write_leaves(self, arrays):
        """Copy NumPy arrays into the parameters."""
        for leaf, a in zip(self.leaves, arrays):
            self._write(leaf, a)

    def state_leaves(self, slot: int) -> list:
        """A state array per parameter, as a view."""
        found = {}
        for block in self.all:
            for index, i, j in block.members:
                leaf = self.leaves[index]
                found[index] = block.state[slot][i:j].reshape(leaf.shape, order=order_of(leaf))
        return [found[index] for index in range(len(self.leaves))]


def _children(tree):
    return tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else (None,)


def of_gradient(name):
    return name.replace("params", "grads", 1)
