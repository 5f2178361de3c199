"""What a layout holds, by the names that users know: the parameters, and the state of each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays.host import check_kind
from ..arrays.nests import leaves_like, rebuild
from ..arrays.placed import check_like, check_writable
from ..errors import describe, listing
from ..rules import Rule
from ..targets.blocks import Block


class Contents:
    """Of the arrays that :class:`Layout` has laid out."""

    _target: Any
    _rule: Rule
    _tree: Any
    all: list[Block]
    names: list[str]
    places: list
    leaves: list[Any]

    def nest(self, leaves: list):
        """The leaves, one per parameter, nested like the parameters."""
        return rebuild(self._tree, iter(leaves))

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state: of its arrays, and of the numbers that the rule keeps."""
        return (*self._rule.state, *self._rule.keeps)

    def state_leaves(self, slot: str) -> list:
        """A state array per parameter, as a view; of what is kept of all parameters together, one."""
        if slot in self._rule.keeps:
            k, blocks = self._rule.keeps.index(slot), sorted(self.all, key=lambda block: block.members[0][0])
            blocks = blocks[:1] if self._rule.across else blocks
            return [self._target.view(block.kept, k, k + 1, (), "C") for block in blocks]
        found = {}
        for block in self.all:
            for index, i, j in block.members:
                place = self.places[index]
                array = block.state[self._rule.state.index(slot)]
                found[index] = self._target.part(array, i, j, place)
        return [found[index] for index in range(len(self.leaves))]

    def like_state(self, slot: str, leaves: list):
        """Nested like the parameters, or the one that there is."""
        return leaves[0] if self.is_shared(slot) else self.nest(leaves)

    def is_shared(self, slot: str) -> bool:
        """Whether it is kept of all parameters together."""
        return self._rule.across and slot in self._rule.keeps

    def views(self) -> dict:
        """All state by name."""
        return {slot: self.like_state(slot, self.state_leaves(slot)) for slot in self.slots}

    def copies(self) -> dict:
        """The same, as new NumPy arrays."""
        copy = self._target.copy_to_host
        return {slot: self.like_state(slot, list(map(copy, self.state_leaves(slot)))) for slot in self.slots}

    def whole_state(self, slot: str) -> list:
        """New NumPy arrays of a slot, of whole parameters; of what ranks share, all of it on rank 0, else nothing."""
        leaves = self.state_leaves(slot)
        if slot in self._rule.keeps:
            return [self._target.copy_to_host(leaf) for leaf in leaves]
        return self._target.whole(self.places, leaves)

    def whole_likes(self, slot: str) -> list:
        """Arrays of the shapes and dtypes of these."""
        return self.state_leaves(slot) if slot in self._rule.keeps or self._target.ranks is None else self.leaves

    def own_state(self, slot: str, whole: list) -> list:
        """Of such arrays the parts that are kept here."""
        return whole if slot in self._rule.keeps else self._target.own_parts(whole)

    def state_pairs(self, state) -> list:
        """The state arrays, each with the saved one to be written there; raises unless all of them fit."""
        if not isinstance(state, Mapping) or set(state) != set(self.slots):
            got = f"the names {listing(state)}" if isinstance(state, Mapping) else describe(state)
            raise ValueError(f"d['state'] must have the names {listing(self.slots)}, got {got}")
        pairs = []
        for slot in self.slots:
            where, views = f"d['state'][{slot!r}]", self.state_leaves(slot)
            new = [state[slot]] if self.is_shared(slot) else leaves_like(self._tree, state[slot], where)
            names = [where] if self.is_shared(slot) else [f"{slot!r} of {name}" for name in self.names]
            for name, view, a in zip(names, views, new):
                check_kind(name, a)
                check_like(name, a, view)
                check_writable(name, _is_writable(view))
                pairs.append((view, a))
        return pairs

    def write(self, pairs):
        """Copy arrays into those of this place."""
        for view, a in pairs:
            self._target.write(view, a)

    def host_leaves(self) -> list:
        """The parameters as NumPy arrays, which may be the parameters themselves."""
        return [self._target.on_host(name, leaf) for name, leaf in zip(self.names, self.leaves)]

    def check_writable(self):
        """Raise where a parameter was made read-only since the optimiser was made."""
        for name, leaf in zip(self.names, self.leaves):
            check_writable(name, _is_writable(leaf))


def _is_writable(a):
    return not isinstance(a, np.ndarray) or a.flags.writeable
