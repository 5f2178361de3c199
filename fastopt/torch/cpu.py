"""Tensors on the CPU: found anew in each step, and stepped in one call of a kernel."""

from functools import partial
from operator import call
from typing import Any

import numpy as np
import torch

from ..kernels import tensors as kernels
from ..kernels.cpu import threshold
from ..kernels.looks import FLOAT32, FLOAT64, LIVE, SEPARATE, TOTAL, look
from ..kernels.loops.tensors import NUMBER, OWN, OWN_BYTES, SIZE, STATE, STEP, STEP_BYTES, TAKEN, THREAD, THREADS, P, T
from ..kernels.threads import forked, in_threads
from ..step.interrupts import to_the_end
from .names import SLOTS_AT
from .objects import objects
from .openmp import openmp
from .parts import Part, count_of, on_host


class CpuPart(Part):
    def __init__(self, *given):
        super().__init__(*given)
        count, width = len(self.params), STATE + len(self.spelled.slots)
        self._table = np.zeros((count, width), np.int64)
        self._table[:, TAKEN] = self.taken
        self._places = np.array(self.places, np.int64)
        dtype = FLOAT32 if self.dtype == torch.float32 else FLOAT64
        kinds = [id(kind) for kind in (None, torch.Tensor, torch.nn.Parameter)]
        self._known = np.array([0, 0, *kinds, dtype, *(objects() or ())], np.int64)
        self._cells = memoryview(self._known)
        self._look = look() if objects() else None
        self._where = self._table.ctypes.data, count, width
        self._looked_at = self._places.ctypes.data, *self._where, self._known.ctypes.data
        self._none = [None] * count
        self._compiled: Any = None  # whether with the stage, the kernel, and from how many elements on threads pay
        self._team: Any = None
        self._spans, self._meet = b"", False  # of the parameters, and whether some of them do

    def look(self) -> bool:
        """Find the tensors that have a gradient; whether Python must look at some of them."""
        if self._compiled is None or self._compiled[0] is not self.stage:
            self._compile()
        params = self.params
        self.grads = grads = [p.grad for p in params]
        lists = [[s[key] for s in self.states] if key else self._none for key in self.keys]
        if self._look is None:
            self._table[:, SIZE] = [0 if g is None else SEPARATE for g in grads]
            self._table[:, T] = self._cells[TOTAL] = 0
            self.live = [p for p, g in zip(params, grads) if g is not None]
            return bool(self.live)
        self._kept = found = [params, grads, *lists]  # so that nothing is freed before the step is finished
        separate = self._look(id(found), *self._looked_at)
        live = self._cells[LIVE]
        self.live = params if live == len(params) else [p for p, g in zip(params, grads) if g is not None]
        return separate > 0

    # --- one by one -------------------------------------------------------------------------------------------------

    def settle(self):
        """Look at what is left, in Python. Raises where something is none of this part's."""
        for i in np.flatnonzero(self._table[:, SIZE] == SEPARATE):
            self._settle(int(i))
        self._cells[TOTAL] = int(self._table[:, SIZE].sum())

    def _settle(self, i):
        row, state, (step, *own) = self._table[i], self.states[i], self.keys[:SLOTS_AT]
        row[P:] = [piece.data_ptr() for piece in self.pieces(i)]
        self._number(row, STEP, STEP_BYTES, state, step)
        for k, key in enumerate(own):
            self._number(row, OWN + k, OWN_BYTES + k, state, key)
            row[NUMBER + k : NUMBER + k + 1].view(np.float64)[0] = float(state[key]) if key else 0.0
        row[T] = 1 + (count_of(self.names[i], state, step) if step else row[TAKEN])
        row[SIZE] = self.params[i].numel()

    def _number(self, row, at, nbytes, state, key):
        """Note where a number of the state is."""
        t = on_host(state, key) if key else None
        row[at], row[nbytes] = (0, 0) if t is None else (t.data_ptr(), t.itemsize)

    # --- the step ---------------------------------------------------------------------------------------------------

    def run(self):
        _, one, most = self._compiled
        total = self._cells[TOTAL]
        threads = torch.get_num_threads() if total >= most else 1
        step = partial(one, *self._where, self.numbers, total)
        if threads > 1 and not forked() and not self._share_memory():
            step = self._in_threads(step, threads)
        if not self._copies:
            step()
            self.finish()
            return
        queue, called = (step, self.finish), []  # type: ignore[var-annotated]
        to_the_end(lambda: called.extend(map(call, queue[len(called) :])))  # a call and its note are one to CPython

    def _compile(self):
        rule, dtype = self.spelled.rule, self.numpy_dtype
        own = self.spelled.own
        self._kernel = {"stage": self.stage, "own": len(own.starts), "following": own.following}
        self._compiled = self.stage, kernels.kernel(rule, dtype, **self._kernel), threshold(rule, dtype)
        self._team = None

    def _in_threads(self, alone, threads):
        """The step by PyTorch's threads, or by Numba's where there is no way to those."""
        if who := openmp():
            if self._team is None:
                self._gather_team(*who)
            many, *rest = self._team
            return partial(many, *alone.args, *rest, threads)
        many = kernels.kernel(self.spelled.rule, self.numpy_dtype, parallel=True, **self._kernel)
        return partial(_by_numbas, partial(many, *alone.args), alone, threads)

    def _gather_team(self, start, *who):
        many, share, words = kernels.team(self.spelled.rule, self.numpy_dtype, **self._kernel)
        self._work = np.zeros(words, np.int64)
        self._work[[THREAD, THREADS]] = who
        self._team = many, self._work.ctypes.data, start, share

    def _share_memory(self) -> bool:
        """Whether parameters do, so that their steps must follow each other."""
        spans = self._table[:, [P, SIZE]]
        if spans.tobytes() != self._spans:
            ordered = spans[np.argsort(spans[:, 0])]
            ends = ordered[:, 0] + np.maximum(ordered[:, 1], 0) * self.dtype.itemsize
            self._spans, self._meet = spans.tobytes(), bool((ordered[1:, 0] < ends[:-1]).any())
        return self._meet


def _by_numbas(many, alone, threads):
    in_threads(many, alone, threads)
    if torch.get_num_threads() != threads:  # which Numba's threads may change as they start
        torch.set_num_threads(threads)
