"""Steps of rules with sums on a GPU: summed, combined, stepped, without a wait for any of it."""

import numpy as np

from ..kernels.cuda import gpu, kernels, sums
from ..kernels.modifiers import staged as with_stage
from .cuda_steps import Steps, most_partials

TERMS = sums.AT_A_TIME
BOTH = np.dtype(np.float32), np.dtype(np.float64)


class Room:
    """Where on the device one set of sums is, and what the rule makes of it."""

    def __init__(self, rule, partials):
        self.partials = [gpu.array(TERMS * partials, np.float64) for _ in range(sums.rounds(rule))]
        self.sums = gpu.array(TERMS * len(self.partials), np.float64)
        self.extra = {dtype: gpu.array(rule.extra, dtype) for dtype in BOTH}


class StepsBySums(Steps):
    """The coefficients of a piece are on the device, and so is what its sums add to them."""

    def __init__(self, target, rule, blocks, options, counts):
        super().__init__(target, rule, blocks, options, counts)
        self._first = blocks[0]
        with target.current():
            if rule.across:
                self._rooms = {0: Room(rule, sum(map(most_partials, blocks)))}
            else:  # by the one parameter of each block
                self._rooms = {block.members[0][0]: Room(rule, most_partials(block)) for block in blocks}
            arrays = sum(len(block.members) for block in blocks)
            self._numbers = [self._memory() for _ in range(arrays + rule.across)]

    def _memory(self):
        """Where a piece's coefficients are."""
        return {dtype: gpu.array(with_stage(self._rule).width, dtype) for dtype in BOTH}

    def prepare(self, staged):
        super().prepare(staged)
        self._form = {"stage": staged, "scaled": self._clips}

    def _launches(self, pieces, t, numbers) -> list:
        stream = self._target.streams.of_step
        launches, held = self._counted.advances(stream) if self._capturable else ([], {})
        there = []
        for memory, piece in zip(self._numbers, pieces):
            kind = piece.block.group, piece.block.p.dtype
            launches += self._noted(memory, kind, t - piece.missed, numbers, stream, held)
            there.append(self._there(memory, kind, held))
        if self._rule.across:
            memory, kind = self._numbers[-1], (self._first.group, self._first.p.dtype)
            launches += self._noted(memory, kind, t, numbers, stream, held)
            launches += self._summed(self._rooms[0], pieces, there, self._there(memory, kind, held), stream)
            rooms = [self._rooms[0]] * len(pieces)
        else:
            rooms = [self._rooms[piece.block.members[0][0]] for piece in pieces]
            for room, piece, own in zip(rooms, pieces, there):
                launches += self._summed(room, [piece], [own], own, stream)
        for room, piece, own in zip(rooms, pieces, there):
            given = own, gpu.pointer(room.extra[piece.block.p.dtype])
            launches.append(piece.block.run.ready(stream, piece.grid, piece.p, piece.g, piece.state, piece.size, given))
        return launches

    def _there(self, memory, kind, held):
        """Where coefficients are: those of ``capturable``, or noted; and the factor of ``clip_norm``."""
        own = held[kind] if self._capturable else gpu.pointer(memory[kind[1]])
        return (own, self._norm.factor[kind[1]]) if self._clips else (own,)

    def _noted(self, memory, kind, count, numbers, stream, held) -> list:
        if self._capturable:
            return []
        group, dtype = kind
        note = sums.note(self._rule, dtype, stage=self._form["stage"])
        given = gpu.pointer(memory[dtype]), tuple(map(float, self._coefficients(count, *numbers[group])))
        return [note.ready(stream, 1, *given, threads=1)]

    def _summed(self, room, pieces, there, of_all, stream) -> list:
        """The sums of some pieces, and what the rule makes of them, with these coefficients."""
        launches = []
        for which, partials in enumerate(room.partials):
            begin = 0
            for piece, own in zip(pieces, there):
                count = kernels.partials(piece.size)
                add = sums.add(self._rule, piece.block.p.dtype, which, **self._form)
                given = piece.p, piece.g, piece.state, gpu.pointer(piece.block.kept), own
                out = gpu.pointer(partials[TERMS * begin : TERMS * (begin + count)])
                launches.append(add.ready(stream, count, given, piece.size, out))
                begin += count
            out = gpu.pointer(room.sums[TERMS * which : TERMS * (which + 1)])
            launches.append(sums.total().ready(stream, 1, gpu.pointer(partials), begin, out))
        block = pieces[0].block
        conclude = sums.conclude(self._rule, (self._first if self._rule.across else block).p.dtype, **self._form)
        extra = map(gpu.pointer, room.extra.values())
        kept = gpu.pointer(block.kept)
        return [*launches, conclude.ready(stream, 1, of_all, gpu.pointer(room.sums), kept, *extra, threads=1)]
