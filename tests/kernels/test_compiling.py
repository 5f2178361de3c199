"""What compiling takes: how many functions there are to compile, and what is emitted in place of small ones."""

import numpy as np
import pytest
from numba import config, njit, types
from numba.core import event
from numba.core.runtime import _nrt_python, rtsys

from fastopt import RULES
from fastopt.kernels import bind, cpu, many
from fastopt.kernels.inside import all_of_size, flat, flat_like
from fastopt.kernels.loops.batches import gather, head
from fastopt.kernels.loops.rows import store, take
from fastopt.kernels.loops.step import serial
from fastopt.kernels.tuples import address, at, cast_like, part, put

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="compiles")


class Compiled(event.Listener):
    """The names of the functions that are compiled."""

    def __init__(self):
        self.names = []

    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event):
        pass


def names_compiled(work):
    listener = Compiled()
    with event.install_listener("numba:compile", listener):
        work()
    return listener.names


def test_a_step_is_few_functions_and_its_sweep_is_compiled_once_for_all_kernels():
    """Each costs 20 to 50 ms, whatever it does."""
    (rule,) = (rule for rule in RULES if rule.name == "momentum")
    array = types.Array(types.float32, 1, "C")
    state, hyper = types.UniTuple(array, 1), types.UniTuple(types.float64, len(rule.hyper))
    signature = types.int64(array, array, state, types.int64, types.int64, hyper)

    def compile_one():
        step = bind.link(serial, sweep=cpu.sweep(rule), coefficients=rule.coefficients)
        bind.compiled(step, "tried", signature, cached=False)

    names = names_compiled(compile_one)
    assert {*names} <= {"serial", "fault", "apart", "begin", "end", "sweep", "elements", "update", "coefficients"}
    assert names_compiled(compile_one) == ["serial"]


def doubled(x):
    return x + x


def test_helpers_have_no_entry_from_python_or_c():
    bind.inlined(doubled).compile((types.float64,))
    (made,) = bind.inlined(doubled).overloads.values()
    names = [function.name for function in made.library.get_defined_functions()]
    assert names
    assert not [name for name in names if name.startswith(("cfunc.", "_ZN7cpython"))], names


def of_helpers(x):
    return hot(x) + cold(x) * cold(x + 1.0)


def hot(x):
    return x * doubled(x)


def cold(x):
    return doubled(x) - 3.0


def defined_in(kernel):
    (made,) = kernel.overloads.values()
    return {name for f in made.library.get_defined_functions() for name in ("hot", "cold", "doubled") if name in f.name}


def test_helpers_have_machine_code_in_their_callers_alone():
    """Without it LLVM would optimise a helper, and make code of it, for itself and again in each of its callers."""
    name = next(iter(bind.inlined(doubled).overloads.values())).fndesc.llvm_func_name
    (made,) = bind.inlined(doubled).overloads.values()
    assert made.library.get_pointer_to_function(name) == 0
    kernel = bind.compiled(bind.link_throughout(of_helpers), "tried", types.float64(types.float64), cached=False)
    assert kernel(4.0) == 4.0 * 8.0 + 5.0 * 7.0
    assert defined_in(kernel) == set()


def test_what_is_cold_is_kept_out_of_its_callers():
    bound = bind.link_throughout(of_helpers, ("hot",), ("cold",))
    kernel = bind.compiled(bound, "tried", types.float64(types.float64), cached=False)
    assert kernel(4.0) == 4.0 * 8.0 + 5.0 * 7.0
    assert defined_in(kernel) == {"cold"}


def test_the_loop_over_many_problems_is_compiled_once_for_each_helper():
    """A constant among arguments is a type of its own to Numba. (What was kept in files has none to compile.)"""
    helpers = [f for f in many.worker(np.dtype(np.float64), 8).py_func.__globals__.values() if hasattr(f, "overloads")]
    assert helpers
    assert all(len(f.overloads) <= 1 for f in helpers)


def taken(arrays, numbers, table):
    put(arrays, 1, (5, 6.5))
    put(arrays, -1, at(arrays, 0))
    store(table, 1, numbers)
    other = (np.zeros(3, np.float32), np.zeros((3, 2)))
    gather(other, (arrays[0].astype(np.float32), table[:, :2].copy()), np.array([1, 0, 1]))
    flats = flat_like(table, (table, table))
    return (
        at(arrays, -2),
        put((), 0, ()),
        at((), 0),
        part(arrays, 1, 3),
        head(arrays, 2),
        take(table, 0, numbers),
        take(table, 1, (0.0, 0.0)) if len(table) > 5 else take(table, 1, numbers)[:2],
        take(table, 1, ()),
        cast_like(numbers, arrays[1]),
        (at((table,), 1), flat(table), flats[0], flats[1]),
        (all_of_size((table, flats[0]), 6), all_of_size((table, flats[0]), 5), all_of_size((), 3)),
        (address(arrays[0]) == arrays[0].ctypes.data, address(part(arrays, 1, 3)[0]) - address(arrays[0])),
        other,
    )


def given():
    arrays = np.arange(5, dtype=np.int64), np.linspace(0.0, 1.0, 5).astype(np.float32)
    return arrays, (7.25, 8.5, 9.125), np.arange(6.0).reshape(2, 3)


def test_what_is_emitted_is_what_python_does():
    found, expected = given(), given()
    assert_equal((njit(taken)(*found), found), (taken(*expected), expected))
    in_fortrans_order = np.asfortranarray(found[2])
    same = njit(lambda a: flat(a))(in_fortrans_order)
    np.testing.assert_array_equal(same, flat(in_fortrans_order))
    same[0] = 77.0
    assert in_fortrans_order[0, 0] == 77.0


def assert_equal(a, b):
    if isinstance(b, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_equal(one, other)
    else:
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None) or np.isscalar(a)
        np.testing.assert_array_equal(a, b)


def test_views_that_are_emitted_hold_their_memory_and_let_it_go():
    @njit
    def views():
        a = np.arange(6.0).reshape(2, 3)
        return at((a, a), 1), head((a,), 1), flat(a), flat_like(a, (a,))

    views.compile(())
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        (row, _), (first,), whole, (again,) = views()
        kept = [row.tolist(), first.tolist(), whole.tolist(), again.tolist()]
        assert kept == [[3.0, 4.0, 5.0], [[0.0, 1.0, 2.0]], list(range(6)), list(range(6))]
        del row, _, first, whole, again
        after = rtsys.get_allocation_stats()
        assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free > 0
    finally:
        _nrt_python.memsys_disable_stats()
