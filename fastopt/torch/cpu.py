"""Tensors on the CPU: found anew in each step, and stepped in one call of a kernel."""

import sys
from typing import Any

import numba
import numpy as np
import torch
from torch.nn.parameter import is_lazy

from ..kernels import tensors as kernels
from ..kernels.cpu import threshold
from ..kernels.looks import KNOWN, LIVE, SEPARATE, TOTAL, look
from ..kernels.loops.tensors import OWN, OWN_BYTES, P, SIZE, STATE, STEP, STEP_BYTES, T, TAKEN
from ..kernels.threads import in_threads
from .checks import questions, what_is_known
from .parts import Part

FLOATS = (torch.float32, torch.float64)


class CpuPart(Part):
    def __init__(self, *given):
        super().__init__(*given)
        count = len(self.params)
        self._table = np.zeros((count, STATE + len(self.spelled.slots)), np.int64)
        self._table[:, TAKEN] = self.taken
        self._own, self._places = np.ones(count), np.array(self.places, np.int64)
        self._known, self._ask = np.zeros(KNOWN, np.int64), questions()
        self._look = None if self._ask is None else look()
        if self._look:
            facts = what_is_known(self.dtype)
            self._known[: len(facts)] = facts
        self._cells = memoryview(self._known)
        self._none = [None] * count
        self._single = [i for i, p in enumerate(self.params) if not is_lazy(p) and p.numel() == 1]
        self._compiled: Any = None  # the kernels, and whether with the stage

    def look(self) -> bool:
        """Find the tensors that have a gradient; whether Python must look at some of them."""
        params = self.params
        self.grads = grads = [p.grad for p in params]
        lists = [[s[key] for s in self.states] if key else self._none for key in self.keys]
        if self._look is None:
            self._table[:, SIZE] = [0 if g is None else SEPARATE for g in grads]
            self._table[:, T] = self._cells[TOTAL] = 0
            self.live = [p for p, g in zip(params, grads) if g is not None]
            return bool(self.live)
        found = [params, grads, *lists]
        separate = self._look(id(found), self._places, self._table, self._own, self._ask, self._known)
        for i in self._single:  # after complex numbers its gradient may be a view with the other sign, as no array's is
            if grads[i] is not None and grads[i].is_neg():
                self._table[i, SIZE] = SEPARATE
                separate += 1
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
        row, state, (step, own, *_) = self._table[i], self.states[i], self.keys
        row[P:] = [piece.data_ptr() for piece in self.pieces(i)]
        self._number(row, STEP, STEP_BYTES, state, step)
        self._number(row, OWN, OWN_BYTES, state, own)
        row[T] = 1 + (int(state[step]) if step else row[TAKEN])
        self._own[i] = float(state[own]) if own else 1.0
        row[SIZE] = self.params[i].numel()

    def _number(self, row, at, nbytes, state, key):
        """Note where a number of the state is, which is made a tensor if it is none that a kernel can write."""
        row[nbytes] = 0
        if key is None:
            return
        t = state[key]
        if not isinstance(t, torch.Tensor) or t.dtype not in FLOATS or t.device.type != "cpu" or t.numel() != 1:
            t = state[key] = torch.tensor(float(t))
        row[at], row[nbytes] = t.data_ptr(), t.itemsize

    # --- the step ---------------------------------------------------------------------------------------------------

    def run(self):
        if self._compiled is None or self._compiled[0] is not self.stage:
            self._compile()
        _, one, many, most = self._compiled
        total = self._cells[TOTAL]
        given = self._table, self._own, self.numbers, total
        if total < most or torch.get_num_threads() == 1 or self._share_memory():
            one(*given)
        else:
            in_threads(lambda chunks: many()(*given, chunks), lambda: one(*given), torch.get_num_threads())
        self.finish()

    def _compile(self):
        spelled, stage = self.spelled, self.stage
        given = {"stage": stage, "own": spelled.own and spelled.own[1]}
        rule, dtype = spelled.rule, self.numpy_dtype
        one = kernels.kernel(rule, dtype, **given)
        most = threshold(rule, dtype) if numba.config.NUMBA_NUM_THREADS > 1 else sys.maxsize
        self._compiled = stage, one, lambda: kernels.kernel(rule, dtype, parallel=True, **given), most

    def _share_memory(self) -> bool:
        """Whether parameters do, so that their steps must follow each other."""
        rows = self._table[self._table[:, SIZE] > 0]
        rows = rows[np.argsort(rows[:, P])]
        ends = rows[:, P] + rows[:, SIZE] * self.dtype.itemsize
        return bool((rows[1:, P] < ends[:-1]).any())
