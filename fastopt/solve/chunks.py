"""The problems of a ``minimize_many`` in chunks: what each worker of an executor is told; how outcomes are joined."""

from functools import cached_property

import numpy as np

from ..distributed.executors import fan_out
from ..kernels.loops.minimize import MAXTIME
from ..targets.cpu import Cpu
from .compiled_problems import CompiledProblems, kinds_of
from .host_problems import InterpretedProblems
from .many_ended import Outcome, solved
from .objective import with_gradient
from .options import settings
from .unwritten import unwritten


class Common:
    """What problems on the CPU have in common. It is called for some of them in a worker, where it may come pickled.

    Rows are x, the lower and the upper bounds, the scale, and those of ``args``. ``method`` is the user's ``(method,
    options, tol)``, of which settings are made anew where it is unpickled: a changed rule has no name there.
    """

    def __init__(self, given, method, s, flags, shared):
        self.given, self.flags, self.shared, self.s = given, flags, shared, s
        method, options, tol = method
        options = {name: value for name, value in (options or {}).items() if name != "x_scale"}  # a row of each has it
        self.method, self.kinds, self.errors = (method, options, tol), None, np.geterr()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "s"}

    @cached_property
    def s(self):
        return settings(*self.method, self.flags.bounded)

    def problems(self, rows):
        X, low, high, scale, *args = rows
        common = Cpu(), with_gradient(self.given, X.shape[1]), self.s, self.flags
        own = X, tuple(args), self.shared, (low, high, scale)
        if self.given.is_compiled:
            return CompiledProblems(*common, *own, self.kinds)
        return InterpretedProblems(*common, *own)

    def __call__(self, rows, begin, ends):
        """The outcome of problems that begin with this number, and what the first that raised did raise."""
        problems = self.problems(rows)
        problems.first = begin
        with np.errstate(**self.errors):
            return solved(problems, ends, lambda steps, text: None)


def none_of(common, rows):
    """No problems, but all that is compiled for these: what is refused is refused here, and workers find the rest."""
    if common.given.is_compiled:  # of some rows in Fortran order, layout says nothing
        common.kinds = tuple(kind.copy(layout="A") if kind.layout == "F" else kind for kind in kinds_of(rows[4:]))
    problems = common.problems([a[:0] for a in rows])
    problems.prepare()
    return problems


def in_chunks(dealing, common, rows, none, ends, advance):
    """As ``solved``, by workers; ``none`` are no problems of the kind."""
    empty, _ = solved(none, None, advance)
    done = fan_out(dealing, common, rows, ends, advance)
    parts = [found[0] if found else _not_begun(rows[0][begin:end]) for begin, end, found in done]
    outcome = Outcome(*(np.concatenate(arrays) for arrays in zip(empty, *parts)))
    return outcome, next((found[1] for *_, found in done if found and found[1] is not None), None)


def _not_begun(X):
    """The outcome of problems for which there was no time."""
    k = len(X)
    no, none = np.zeros(k, bool), np.zeros(k, np.int64)
    return Outcome(
        x=X, jac=unwritten(X.shape, X.dtype), values=np.full(k, np.nan), nit=none, status=np.full(k, MAXTIME),
        begun=no, more=none, falls=no, noisy=no,
    )  # fmt: skip
