"""A process that was forked after CUDA was initialised says so; one that was forked before works. Real forks."""

import json
import subprocess
import sys

import numpy as np
import on_cuda  # noqa: F401  (skips where there is neither a GPU nor the simulator)
import pytest
from processes import with_package

import fastopt

CODE = """
import json, os, sys
import numpy as np
import fastopt
from numba import config

def tried(name, call):
    try:
        call()
        answers[name] = None
    except BaseException as error:
        answers[name] = [type(error).__name__, str(error)]

def in_a_child(calls):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        for name, call in calls.items():
            tried(name, call)
        os.write(write, json.dumps(answers).encode())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    os.close(write)
    with os.fdopen(read) as file:
        return json.loads(file.read())

def cpu():
    x = np.ones(4)
    fastopt.SGD(x, lr=0.5).step(np.ones(4))
    assert (x == 0.5).all()

def gpu():
    x = fastopt.to_device(np.ones(4))
    fastopt.SGD(x, lr=0.5).step(fastopt.to_device(np.ones(4)))
    assert (fastopt.to_host(x) == 0.5).all()

answers = {}
"""

AFTER = """
cpu()
if config.ENABLE_CUDASIM:  # which initialises nothing
    from fastopt.kernels.cuda import gpu as cuda
    parent = os.getpid()
    cuda.started_in = lambda: parent
gpu()
x, g = fastopt.to_device(np.ones(4)), fastopt.to_device(np.ones(4))
opt, counted = fastopt.Adam(x), fastopt.Adam(fastopt.to_device(np.ones(4)), capturable=True)
saved = opt.state_dict()
told = in_a_child({
    "step": lambda: opt.step(g),
    "construction": lambda: fastopt.Adam(x),
    "device=": lambda: fastopt.Adam(np.ones(4), device="cuda"),
    "to_device": lambda: fastopt.to_device(np.ones(4)),
    "to_host": lambda: fastopt.to_host(x),
    "pack": lambda: fastopt.pack([x]),
    "t": lambda: counted.t,
    "state_dict": lambda: opt.state_dict(),
    "load_state_dict": lambda: opt.load_state_dict(saved),
    "cpu": cpu,
})
opt.step(g)
gpu()
print(json.dumps([told, opt.t]))
"""

BEFORE = """
import numba
cpu()
print(json.dumps([in_a_child({"gpu": gpu, "cpu": cpu}), "fastopt.kernels.cuda.gpu" in sys.modules]))
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE + code],
        env=with_package(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_a_child_forked_after_cuda_was_initialised():
    told, steps = run(AFTER)
    assert told.pop("cpu") is None
    assert len(told) == 9
    for name, answer in told.items():
        assert answer is not None, name
        kind, message = answer
        assert kind == "RuntimeError", (name, answer)
        assert "CUDA" in message, name
        assert "forked" in message, name
        assert "'spawn'" in message, name
        assert " must " in message
        assert "got" in message
        assert len(message.splitlines()) == 1
        assert len(message) <= 300
    assert steps == 1


def test_a_child_forked_before():
    told, touched = run(BEFORE)
    assert told == {"gpu": None, "cpu": None}
    assert not touched


def test_nothing_is_half_applied(monkeypatch):
    from fastopt.kernels.cuda import gpu as cuda

    x = fastopt.to_device(np.ones(4))
    opt, g = fastopt.Adam(x), fastopt.to_device(np.ones(4))
    with monkeypatch.context() as patch:
        patch.setattr(cuda, "started_in", lambda: -1)
        with pytest.raises(RuntimeError, match="'spawn'"):
            opt.step(g)
    assert opt.t == 0
    assert (fastopt.to_host(x) == 1).all()
    opt.step(g)
    assert opt.t == 1
