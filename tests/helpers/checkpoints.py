"""Files of ``save`` for tests and storms: written in the first format, mutated, and left by savers that were killed."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
from processes import with_package

import fastopt
from fastopt.errors import shorten


def write_first_format(path, opt, names=None, without=()):
    """What ``save`` wrote before keys were kept in full, and before rules had these hyperparameters."""
    fastopt.save(path, opt)
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header").tobytes())
    cut = [cut_name(place) for place in header.pop("paths")]
    header |= {"format": "fastopt checkpoint 1", "names": names or cut}
    del header["sums"]
    for group in header["hyper"] if isinstance(header["hyper"], list) else [header["hyper"]]:
        for name in without:
            del group[name]
    with open(path, "wb") as file:
        np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def cut_name(place):
    return "params" + "".join(f"[{shorten(str(step), 40)}]" for step in place)


# --- mutations -------------------------------------------------------------------------------------------------------


def flip(raw, rng):
    """A bit changed somewhere."""
    i = int(rng.integers(len(raw)))
    return raw[:i] + bytes([raw[i] ^ (1 << int(rng.integers(8)))]) + raw[i + 1 :]


def overwrite(raw, rng):
    """A few bytes overwritten."""
    i, n = int(rng.integers(len(raw))), int(rng.integers(1, 20))
    return raw[:i] + rng.bytes(n) + raw[i + n :]


def cut(raw, rng):
    """The end, or a piece, left out."""
    i, n = int(rng.integers(len(raw))), int(rng.integers(1, len(raw)))
    return raw[:i] + (raw[i + n :] if rng.random() < 0.5 else b"")


def insert(raw, rng):
    """A piece of the file once more."""
    i, j, n = (int(k) for k in rng.integers(len(raw), size=3))
    return raw[:i] + raw[j : j + n % 200] + raw[i:]


def swap(raw, rng):
    """Two pieces of the file exchanged."""
    n = int(rng.integers(1, max(2, len(raw) // 8)))
    i, j = sorted(int(k) for k in rng.integers(len(raw) - n, size=2))
    j = max(j, i + n)
    return raw[:i] + raw[j : j + n] + raw[i + n : j] + raw[i : i + n] + raw[j + n :]


MUTATIONS = (flip, overwrite, cut, insert, swap)


def mutate(raw, rng):
    """The bytes of a file with one to three things done to them."""
    for _ in range(int(rng.integers(1, 4))):
        if len(raw) > 16:
            raw = MUTATIONS[int(rng.integers(len(MUTATIONS)))](raw, rng)
    return raw


def repacked(path, compression=zipfile.ZIP_DEFLATED, **extra):
    """The same members packed otherwise, and more of them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, raw in (members | extra).items():
            archive.writestr(name, raw)


# --- savers that are killed ------------------------------------------------------------------------------------------

SAVER = """
import sys, numpy as np, fastopt
opt = fastopt.SGD(np.full(int(sys.argv[2]), 1.0))
fastopt.save(sys.argv[1], opt)
print("saving", flush=True)
while True:
    fastopt.save(sys.argv[1], opt)
"""


def start_saver(path, size=1 << 20):
    """A process that saves over and over, once it has done so."""
    command = [sys.executable, "-c", SAVER, str(path), str(size)]
    saver = subprocess.Popen(command, env=with_package(), stdout=subprocess.PIPE, text=True)
    assert saver.stdout is not None
    assert saver.stdout.readline() == "saving\n"
    return saver


def kill_while_saving(path, saver, seconds=60.0):
    """Kill it in the midst of a save; the names of what it left, none where the time did not suffice."""
    until, left = time.monotonic() + seconds, []
    while time.monotonic() < until and not left:
        saver.send_signal(signal.SIGSTOP)
        left = leftovers(path)
        if not left:
            saver.send_signal(signal.SIGCONT)
            time.sleep(0.0007)
    saver.kill()
    saver.wait()
    saver.stdout.close()
    return left


def leftovers(path):
    return [name for name in os.listdir(path.parent) if name.startswith(".saving-")]
