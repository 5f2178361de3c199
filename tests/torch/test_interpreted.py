"""Without a compiler the same loops run in Python, over the same table of addresses."""

import subprocess
import sys

import pytest
from processes import with_package
from torch_tasks import NAMES

pytestmark = pytest.mark.needs("peers", "torch")

SCRIPT = """
import torch
from torch_tasks import NAMES, SHAPES, assert_alike, give_gradients, leaves, ours, theirs

for name in NAMES:
    pair = [make(name)(leaves((*SHAPES, (0,)))) for make in (ours, theirs)]
    for k in range(3):
        for optimizer in pair:
            params = optimizer.param_groups[0]["params"]
            give_gradients(k, params)
            params[k].grad = None
            optimizer.step()
    assert_alike(*pair)
    print(name)
"""


def test_steps_without_a_compiler():
    env = with_package(NUMBA_DISABLE_JIT="1")
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == len(NAMES)
