"""An interrupt wherever CPython looks for one in fastopt's own code: where a function begins, behind a call, and where
a loop jumps back. Kernels, which no tracer sees, are wrapped, so that there is a place behind them too.
"""

import dis
import inspect
import sys
from functools import cache
from pathlib import Path

import fastopt
from fastopt.kernels import cpu
from fastopt.train import compiled as trainings

RETURNS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}
PACKAGE = str(Path(fastopt.__file__).parent)


def seen(kernel):
    """The kernel in a Python function."""

    def run_kernel(*args):
        return kernel(*args)

    return run_kernel


WRAPPER = seen(None).__code__


def see_kernels(monkeypatch):
    """Wrap the kernels of all optimisers that are made from here on."""
    kernel, compiled_epoch = cpu.kernel, trainings.compiled_epoch
    monkeypatch.setattr(cpu, "kernel", cache(lambda *args, **options: seen(kernel(*args, **options))))

    def epoch(*args):
        run, *rest = compiled_epoch(*args)
        return seen(run), *rest

    monkeypatch.setattr(trainings, "compiled_epoch", epoch)


class Places:
    """The places that code comes by, of which one is where it is interrupted.

    Parameters
    ----------
    at : int
        Which, from 1 on.
    error : exception
        What is raised there.
    """

    def __init__(self, at, error=KeyboardInterrupt):
        self.at, self.error, self.passed = at, error, 0
        self._last = {}  # of each frame, where it is

    def interrupt(self, run) -> bool:
        """Run, and whether the place was reached."""
        before = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        try:
            run()
        except self.error:
            pass
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])
        return self.passed >= self.at

    def _pass(self):
        self.passed += 1
        if self.passed == self.at:
            raise self.error

    def _is_ours(self, frame):
        return frame.f_code is WRAPPER or frame.f_code.co_filename.startswith(PACKAGE)

    def _profile(self, frame, event, argument):
        if event == "c_return" and self._is_ours(frame):
            self._pass()

    def _trace(self, frame, event, argument):
        if not self._is_ours(frame):
            called = frame.f_back is not None and self._is_ours(frame.f_back)
            return self._behind if called and frame.f_globals["__name__"].startswith("numba.") else None
        if frame.f_code.co_flags & inspect.CO_GENERATOR:  # C consumes it, and may close it
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._last[frame] = -1
        self._pass()
        return self._within

    def _within(self, frame, event, argument):
        jumps_back = event == "opcode" and frame.f_lasti < self._last[frame]
        self._last[frame] = frame.f_lasti
        if jumps_back:
            self._pass()
        self._behind(frame, event, argument)
        return self._within

    def _behind(self, frame, event, argument):
        """Where a function returns, which the caller's call does."""
        if event == "return" and frame.f_code.co_code[frame.f_lasti] in RETURNS:  # and was not left by an error
            self._pass()
        return self._behind
