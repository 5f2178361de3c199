"""NumPy's arrays of which each rank steps a part: the state is there alone (Rajbhandari et al. 2020, ZeRO, stage 1).

Gradients are added up where they are stepped, and the parameters then sent to all: 2(n - 1)/n times the bytes of the
parameters leave each of n ranks, as in a ring's all-reduce.
"""

import numpy as np

from ..arrays.host import flat
from ..kernels import cpu as kernels
from ..targets.cpu import Cpu
from .shared_gradients import GradientsOfAll
from .shared_steps import steps_of
from .stretches import Stretches, Wire


def shared(target, ranks):
    """The place of arrays that are there on all ranks."""
    if target.is_gpu:
        raise TypeError("params must be NumPy arrays with comm, got arrays on the GPU")
    return Shared(ranks)


class Shared(Cpu):
    """What an optimiser has of them: the stretches are of one group and dtype each."""

    def __init__(self, ranks):
        self.ranks, self._wire = ranks, Wire()
        self.stretches: list[tuple[Stretches, list[int]]] = []  # each with the parameters that it is of

    def owned(self, blocks):
        """The parts of a group's blocks, pairs of a flat array and its members, that this rank steps."""
        for dtype in sorted({p.dtype for p, _ in blocks}):
            of_one = [(p, members) for p, members in blocks if p.dtype == dtype]
            inside = [member for _, members in of_one for member in members]
            sizes = [end - begin for _, begin, end in inside]
            stretches = Stretches(self.ranks, self._wire, sizes, dtype)
            self.stretches.append((stretches, [index for index, _, _ in inside]))
            start, (low, high) = 0, stretches.own
            for p, members in of_one:
                begin, end = (min(max(limit - start, 0), p.size) for limit in (low, high))
                cut = [(i, *(min(max(at, begin), end) - begin for at in limits)) for i, *limits in members]
                yield p[begin:end], cut
                start += p.size

    def part(self, array, begin, end, place):
        return array[begin:end]

    def whole(self, places, parts):
        """On rank 0; the others have none."""
        first = self.ranks.rank == 0
        found = [np.empty(p.shape, p.dtype, p.order) for p in places] if first else [None] * len(places)
        for stretches, members in self.stretches:
            own = np.concatenate([parts[i] for i in members])
            stretches.collect(own, [flat(found[i]) if first else None for i in members])
        return found if first else []

    def own_parts(self, arrays):
        found = list(arrays)
        for stretches, members in self.stretches:
            for i, (begin, end) in zip(members, stretches.own_parts()):
                found[i] = flat(arrays[i])[begin:end]
        return found

    def parts_of_others(self, leaves) -> list:
        """Flat views of what other ranks step."""
        return [
            part
            for stretches, members in self.stretches
            for i, (begin, end) in zip(members, stretches.own_parts())
            for part in (flat(leaves[i])[:begin], flat(leaves[i])[end:])
        ]

    def sweep(self, rule, block, staged, options):
        """Not the call that takes sums, too: they are of all ranks."""
        p, parallel, threads = block.p, options.parallel, options.threads
        return kernels.step(rule, p.dtype, p.size, stage=staged, parallel=parallel, threads=threads)

    def gradients(self, layout, options):
        return GradientsOfAll(self, layout.names, layout.leaves, layout.all, layout.missed, layout.spans)

    def steps(self, rule, layout, options):
        return steps_of(rule)(rule, layout, options, self)

    def spread(self, leaves):
        """Send the parameters from where they were stepped to all ranks."""
        for stretches, members in self.stretches:
            stretches.spread([flat(leaves[i]) for i in members])
