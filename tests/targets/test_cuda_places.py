"""A GPU offers what the CPU does, under the same names and with the same meaning: what is above asks for no more."""

import inspect

import numpy as np
import pytest
from on_cuda import gpu
from stepping import bits

from fastopt.targets import target_of
from fastopt.targets.cpu import Cpu
from fastopt.targets.cuda import Cuda

OFFERED = [name for name in vars(Cpu) if not name.startswith("_")]


@pytest.fixture(params=["cpu", "cuda"])
def place(request):
    """A target, and what moves arrays there."""
    moved = gpu if request.param == "cuda" else np.copy
    return target_of([("a", moved(np.ones(1)))]), moved


@pytest.mark.parametrize("name", OFFERED)
def test_the_same_is_offered(name):
    here, there = getattr(Cpu, name), getattr(Cuda, name)
    assert callable(here) == callable(there)
    if callable(here):
        assert list(inspect.signature(here).parameters) == list(inspect.signature(there).parameters)


def test_a_place_is_found_by_any_of_the_arrays():
    assert not target_of([("a", np.ones(3)), ("b", "no array")]).is_gpu
    assert target_of([("a", np.ones(3)), ("b", gpu(np.ones(3)))]).is_gpu


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory(place, dtype):
    target, moved = place
    flat = target.zeros(12, np.dtype(dtype))
    view = target.view(flat, 2, 8, (2, 3), "F")
    target.write(view, np.arange(6, dtype=dtype).reshape(2, 3))
    assert bits(target.copy_to_host(flat)) == bits(np.array([0, 0, 0, 3, 1, 4, 2, 5, 0, 0, 0, 0], dtype))
    target.assign("view", view, moved(np.asfortranarray(np.full((2, 3), 7.0, dtype))))
    assert (target.on_host("view", view) == 7).all()
    with pytest.raises(TypeError, match="view must have dtype"):
        target.assign("view", view, moved(np.ones((2, 3), np.float32 if dtype is np.float64 else np.float64)))
    start, end = target.span(flat)
    assert end - start == 12 * np.dtype(dtype).itemsize
    assert target.span(target.view(flat, 2, 8, (6,), "C"))[0] == start + 2 * np.dtype(dtype).itemsize


def test_what_is_known_of_an_array(place):
    target, moved = place
    a = moved(np.asfortranarray(np.ones((2, 3))))
    found = target.parameter("a", a)
    assert (found.shape, found.order, found.size, found.nbytes) == ((2, 3), "F", 6, 48)
    flat = target.flat(found, a)
    assert flat.shape == (6,)
    assert target.span(flat) == found.span == target.span(target.array(found, a))


def test_sums(place):
    target, moved = place
    a, b = target.full(5, np.dtype(np.float32), 2.0), moved(np.arange(5.0, dtype=np.float32))
    target.add(a, b)
    target.scale(a, 0.5)
    assert target.copy_to_host(a).tolist() == [1, 1.5, 2, 2.5, 3]
    target.fill(a, 4.0)
    target.finish()
    assert target.copy_to_host(a).tolist() == [4] * 5
