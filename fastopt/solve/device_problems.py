"""The problems of a ``minimize_many`` on a GPU: a thread for each, with the user's function inside its loop."""

import inspect

import numba
import numpy as np
from numba import typeof, types
from numba.core.errors import NumbaError

from ..arrays.device import placed
from ..arrays.libraries import is_on_device, library_of
from ..errors import describe
from ..kernels.bind import first_reason
from ..kernels.cuda import gpu, kernels
from ..kernels.cuda import minimize as cuda_many
from ..kernels.cuda.bind import device_function
from .problem_set import Problems
from .unwritten import BITS

FORMS = ("inplace", "2-point", "3-point") if gpu.SIMULATED else ("inplace", "forward", "2-point", "3-point")
JACS = f"{', '.join(map(repr, FORMS[:-1]))} or {FORMS[-1]!r}"
MOST_FORWARD = 256  # variables, whose duals a thread has in memory of its own: 18 KB of float64


class DeviceProblems(Problems):
    """Each slice is one launch. Matrices are in Fortran order inside: neighbouring threads read neighbouring memory."""

    block = 1 << 20

    def __init__(self, target, given, s, flags, X0, args, shared):
        place = placed("X0", X0)
        if len(place.shape) != 2:
            raise ValueError(f"X0 must have shape (k, d), got {place.shape}")
        if place.order is None:
            raise ValueError("X0 must be contiguous (C or Fortran order), got a strided array on the GPU")
        super().__init__(target, given, s, flags, *place.shape)
        target.adopt("X0", place, X0)
        self.dtype, self.order, self.returns = place.dtype, place.order, library_of(X0)
        s.check_fits(self.dtype)
        self._arguments = (*args, *shared)
        with target.current():
            self.args, self.shared = seen(target, "X0", self.k, args, shared)
            self._kernels(function_of(given, self.d))
            gpu.finish()  # what made the arrays, on whatever streams
            self._tests = gpu.from_host(s.tests)
            self.place(gpu.view_of(place, X0))

    def _kernels(self, function):
        scalar = numba.from_dtype(self.dtype)
        kinds = kinds_of(self.args), kinds_of(self.shared)
        form, (what, call) = self.given.form, _call_of(self.given, len(self.args) + len(self.shared))
        size = {"size": self.d} if form == "forward" else {}
        otherwise = "; it must make no arrays, and may write its gradient (jac='inplace')" if size else ""
        try:
            self._each = cuda_many.evaluation_kernel(form, function, scalar, *kinds, **size)
        except Exception as error:  # NumPy's functions that CUDA's Numba does not know end in a KeyError, for one
            reason = first_reason(error) or type(error).__name__
            says = f"fun must compile for CUDA as {call}, but {what} does not: {reason}"
            raise TypeError(says[: 300 - len(otherwise)] + otherwise) from error
        try:
            self._loop = cuda_many.loop_kernel(self.s.rule, form, function, self.flags, scalar, *kinds, **size)
        except NumbaError as error:
            raise kernels.refusal(self.s.rule, self.dtype, error) from error

    def _transfer(self, source, order, target, to):
        blocks = kernels.blocks(self.k * self.d, 1)
        if blocks:
            cuda_many.transfer(self.dtype, order, to)(self._stream(), blocks, source, target)

    def _stream(self):
        """The stream of the caller."""
        return self.target.stream(self._arguments)

    def _launch(self, kernel, begin, end, *arguments):
        blocks = -(-(end - begin) // cuda_many.THREADS)
        kernel(self._stream(), blocks, self.args, self.shared, *arguments, threads=cuda_many.THREADS)

    def _slice(self, begin, end, nit, limit, table):
        with self.target.current():
            table, running = gpu.from_host(table), gpu.from_host(np.zeros(1, np.int64))
            course = table, self._tests, (limit, self.most, self.reason, nit)
            self._launch(self._loop, begin, end, tuple(self.kept), course, (begin, end), running)
            return nit + limit if gpu.to_host(running)[0] else None

    def _evaluate(self, x, g, numbers, marks):
        for begin in range(0, self.k, self.block):
            end = min(begin + self.block, self.k)
            self._launch(self._each, begin, end, x, g, self._tests, numbers, marks, (begin, end))

    # --- where the arrays are ----------------------------------------------------------------------------------------

    def _matrix(self, value):
        return self._of(kernels.full(self.k * self.d, self.dtype, value, self._stream()), "F")

    def _unwritten(self):
        integer, bits = BITS[self.dtype.itemsize]
        return self._of(kernels.full(self.k * self.d, np.dtype(integer), bits, self._stream()), "F")

    def _of(self, flat, order):
        return gpu.view(gpu.address_of(flat), (self.k, self.d), order, self.dtype, flat)

    def _copy(self, source, to, order="F"):
        self._transfer(source, order, to, "F")

    def _moved(self, a):
        return gpu.from_host(np.asfortranarray(a))

    def _read(self, a):
        return gpu.to_host(a)

    def _handed_over(self, a):
        """A copy in the order of X0, as an array of its library."""
        with self.target.current():
            out = self._of(gpu.array(self.k * self.d, self.dtype), self.order)
            self._transfer(a, "F", out, self.order)
            gpu.finish()
            return self.target.handed_over(self.returns, out)

    def raised(self, i) -> str:
        return "an exception, of which a GPU says no more"


def function_of(given, d):
    """The user's function for use in a kernel; raises unless there can be one, of d variables."""
    if given.form not in FORMS:
        got = given.form if given.jac is None else given.jac
        raise ValueError(f"jac must be {JACS} for arrays on the GPU, got {describe(got)}")
    if given.form == "forward" and d > MOST_FORWARD:
        raise ValueError(
            f"X0 must have at most {MOST_FORWARD} variables with jac='forward' on the GPU, got {d}: "
            "write the gradient (jac='inplace')"
        )
    function = device_function(given.fun)
    if function is None:
        raise TypeError(
            f"fun must be a Numba function for arrays on the GPU, @cuda.jit(device=True) or @njit, "
            f"got {describe(given.fun)}"
        )
    return function


def _call_of(given, count):
    """The function's name, and how it must be callable; raises if it takes another number of arguments."""
    names = ["x", "grad"] if given.form == "inplace" else ["x"]
    names += [f"arg{i}" for i in range(1, count + 1)]
    call, plain = f"fun({', '.join(names)}) -> float", getattr(given.fun, "py_func", None) or given.fun.fn
    try:
        inspect.signature(plain).bind(*names)
    except TypeError:
        raise TypeError(f"fun must be callable as {call}, got {plain.__name__}{inspect.signature(plain)}") from None
    return plain.__name__, call


def seen(target, start, k, args, shared):
    """Numba device arrays over the memory of arguments, which are where the array named ``start`` is."""
    rows = tuple(_view(target, start, f"args[{i}]", a, k) for i, a in enumerate(args))
    return rows, tuple(_view(target, start, f"shared[{i}]", a) if _is_array(a) else a for i, a in enumerate(shared))


def _view(target, start, name, a, k=None):
    """``k`` is the length of its first axis."""
    place = target.beside(name, a, start)
    if k is not None and (not place.shape or place.shape[0] != k):
        raise ValueError(f"{name} must have a leading axis of {k} problems, got shape {place.shape}")
    return gpu.view_of(place, a)


def _is_array(a):
    """Whether it is no number, but must be an array on the GPU."""
    return is_on_device(a) or not isinstance(a, (np.generic, int, float, complex))


def kinds_of(arguments):
    """The Numba type of their tuple."""
    return types.Tuple(tuple(map(kind, arguments)))


def kind(a):
    """The Numba type of an argument."""
    if isinstance(a, (np.generic, int, float, complex)):
        return typeof(a)
    order = "C" if a.is_c_contiguous() else "F"
    return types.Array(numba.from_dtype(a.dtype), a.ndim, order)
