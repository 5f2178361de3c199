"""What is made of functions that return the value alone is kept on disk, and never stale: in fresh processes."""

import pytest
from processes import Place

USER = """
from numba import njit
import fastopt
import helpers

@njit
def value(x, a):
    return a * (x[0] - 3.0) ** 2 + helpers.part(x[1])

@njit
def example(w, x, y):
    return (w[0] * x - y) ** 2 + helpers.part(w[0])

gradient = fastopt.value_and_grad(value)
loss = fastopt.per_example(example)

@njit(cache=True)
def caller(x, grad):
    return gradient(x, grad, 1.0)
"""
HELPERS = """
from numba import njit

@njit
def part(v):
    return {} * v * v
"""
CODE = """
import user
grad = np.zeros(2)
answers["one"] = fastopt.minimize(user.value, np.ones(2), (2.0,), options={"maxiter": 5}).jac
answers["called"] = [user.caller(np.ones(2), grad), *grad]
answers["loss"] = user.loss(np.ones(1), np.zeros(1), np.ones(4), np.ones(4))
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_second_process_compiles_no_function_of_the_users(place):
    place.write({"user.py": USER, "helpers.py": HELPERS.format(1.0)})
    first = place.run(CODE)
    second = place.run(CODE)
    assert second["answers"] == first["answers"]
    assert {"value", "example", "part", "caller"} <= set(first["compiled"])
    others = [name for name in second["compiled"] if "lambda" not in name]  # those call one of so many arguments
    assert others == []
    place.write({"helpers.py": HELPERS.format(2.0)})
    changed = place.run(CODE)
    assert all(changed["answers"][name] != answer for name, answer in first["answers"].items())
