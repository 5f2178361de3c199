"""Binding: only names that a template reads, and every stand-in replaced before anything is compiled or run."""

import gc
import re
import weakref

import pytest
from numba import types

from fastopt import RULES
from fastopt.kernels import bind
from fastopt.kernels.loops import minimize, step
from fastopt.linking import UNBOUND, stand_in

FACTOR = UNBOUND


@stand_in
def helper(x):
    """Stands for what is done with x."""


def template(x):
    return helper(x)


def outer(x):
    return template(x) + 1.0


def scaled(x):
    return x * FACTOR


def deep(x):
    def inside(y):
        return helper(y)

    return inside(x)


def twice(x):
    return x + x


def compiled(function):
    return bind.compiled(function, "tried", types.float64(types.float64), cached=False)


def test_a_name_that_is_not_read_is_refused():
    with pytest.raises(TypeError, match=r"what is bound into template must be read there, got halper, x"):
        bind.link(template, halper=twice, helper=twice, x=1)
    assert bind.link_read(template, helper=twice, halper=twice)(2.0) == 4.0


def test_names_in_inner_functions_are_read():
    assert bind.link(deep, helper=twice)(2.0) == 4.0


@pytest.mark.parametrize(("function", "name", "within"), [
    (template, "helper", "template"),
    (outer, "helper", "template"),
    (deep, "helper", "deep"),
    (scaled, "FACTOR", "scaled"),
    (minimize.loop, "evaluate", "loop"),
    (step.sweep, "update", "elements"),
])  # fmt: skip
@pytest.mark.parametrize("way", [compiled, bind.jitted])
def test_a_stand_in_is_refused_where_it_is_compiled(function, name, within, way):
    if name == "evaluate":
        function, name = bind.link(function, **{n: twice for n in bind.globals_in(function) if n != name}), name
    with pytest.raises(TypeError, match=f"{name} must be bound into {within} before it is compiled, got its stand-in"):
        way(function)


@pytest.mark.needs("cuda")
def test_a_stand_in_is_refused_in_a_cuda_kernel():
    from fastopt.kernels.cuda import bind as cuda
    from fastopt.kernels.cuda.loops import norms
    from fastopt.kernels.cuda.loops import step as loops

    with pytest.raises(TypeError, match="terms must be bound into total before it is compiled, got its stand-in"):
        cuda.bound(norms.total, finish=norms.keep)
    with pytest.raises(TypeError, match="WIDE must be bound into squares before"):
        cuda.bound(norms.total, finish=norms.keep, terms=norms.squares)
    with pytest.raises(TypeError, match="what is bound into sweep must be read there, got updat"):
        cuda.bound(loops.sweep, updat=RULES[0].update)


def test_a_stand_in_is_refused_where_it_is_run():
    with pytest.raises(TypeError, match=re.escape("helper must be bound into a template before it runs")):
        outer(1.0)


def test_bound_templates_compile():
    assert compiled(bind.link(outer, template=bind.link(template, helper=twice)))(2.0) == 5.0
    assert compiled(bind.link(scaled, FACTOR=3.0))(2.0) == 6.0


def test_what_is_made_of_a_function_goes_with_it():
    linked = bind.link(scaled, FACTOR=2.0)
    made = weakref.ref(bind.inlined(linked))
    assert bind.inlined(linked) is made()
    del linked
    gc.collect()
    assert made() is None
