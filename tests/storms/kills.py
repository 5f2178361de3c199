"""Processes killed while they save: the file is whole, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from processes import with_package

import fastopt

PROMISE = "A save that is killed leaves the old file whole, and no other behind"
TRIED = "processes killed while they saved"
PATIENCE, SHORT = 120, range(1)

SAVER = """
import sys, numpy as np, fastopt
params = {"a": np.zeros(int(sys.argv[2])), "b": np.zeros(3, "f4")}
opt = fastopt.Adam(params)
print("ready", flush=True)
while True:
    fastopt.save(sys.argv[1], opt)
    opt.step({k: np.ones_like(a) for k, a in params.items()})
"""


def draw(rng):
    return {
        "size": int(10 ** rng.uniform(2, 6)),
        "milliseconds": [round(float(10 ** rng.uniform(0, 2)), 2) for _ in range(3)],
        "savers": int(rng.integers(1, 3)),
    }


def run(case):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        for wait in case["milliseconds"]:
            savers = [start(path, case["size"]) for _ in range(case["savers"])]
            time.sleep((wait or 0) * 1e-3)
            for saver in savers:
                os.kill(saver.pid, signal.SIGKILL)
                saver.communicate()
            if path.exists():
                check(path, case["size"])
        opt = fastopt.SGD(np.zeros(2))
        fastopt.save(path, opt)
        left = sorted(os.listdir(folder))
        assert left == ["run.npz"], f"left behind: {left}"
    return len(case["milliseconds"]) * case["savers"]


def start(path, size):
    saver = subprocess.Popen(
        [sys.executable, "-c", SAVER, path, str(size)], stdout=subprocess.PIPE, text=True, env=with_package()
    )
    assert saver.stdout.readline() == "ready\n"
    return saver


def check(path, size):
    params = {"a": np.full(size, np.nan), "b": np.zeros(3, "f4")}
    opt = fastopt.Adam(params)
    fastopt.load(path, opt)
    expected = np.zeros(size)
    twin = fastopt.Adam(expected)
    for _ in range(opt.t):
        twin.step(np.ones(size))
    assert params["a"].tobytes() == expected.tobytes(), f"the parameters are not those of t={opt.t}"
