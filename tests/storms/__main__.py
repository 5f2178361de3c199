"""The storms, for so many minutes: ``python -m storms [MINUTES] [NAME ...]``. Exit code 1 where something was lost."""

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from . import NAMES, child, shrink, storm, table

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "stress"
TURN = 40.0  # seconds that a storm has before the next one's turn
ENOUGH = 3  # failures, after which a storm has no further turn

SCRIPT = '''"""{what}

A storm found it (seed {seed}), and made it smaller. Run it with PYTHONPATH=tests:tests/helpers.
"""

from storms import {name}

{name}.run({case!r})
'''


class Sky:
    """What is known of one storm."""

    def __init__(self, name, seed):
        self.name, self.storm, self.seed = name, storm(name), seed
        self.cases = self.tried = 0
        self.scripts = []

    def turn(self, seconds):
        """Let it rage for a while."""
        ends = time.monotonic() + seconds
        while len(self.scripts) < ENOUGH and (left := ends - time.monotonic()) > 1:
            failure = self.follow(["--seed", str(self.seed), "--seconds", str(left)])
            if failure is None:
                return
            self.seed += 1
            self.report(failure)

    def follow(self, arguments):
        """A process of the storm to its end: how it failed, or None."""
        failure = None
        for line in lines_of([sys.executable, "-m", "storms.child", self.name, *arguments], self.storm.PATIENCE):
            if "begin" in line:
                self.seed = line["begin"]
                failure = {"kind": "crash", "what": "the process ended"}
            elif "end" in line:
                self.seed, failure = line["end"] + 1, None
                self.cases, self.tried = self.cases + 1, self.tried + line["tried"]
            else:  # failed, hung, crashed
                failure = {"kind": line["kind"], "what": line["what"]}
        return failure

    def report(self, failure):
        seed = self.seed - 1
        print(f"{self.name}, seed {seed}: {failure['kind']}: {failure['what']}", flush=True)
        case = shrink.shrunk(child.case_of(self.storm, seed), lambda smaller: self.fails(smaller, failure))
        script = BUILD / f"{self.name}_{seed}.py"
        script.write_text(SCRIPT.format(name=self.name, seed=seed, case=case, what=failure["what"].replace("\\", "/")))
        self.scripts.append(script.name)
        print(f"  {os.path.relpath(script)}: {json.dumps(case)}", flush=True)

    def fails(self, case, failure):
        """Whether a case fails in the same way."""
        arguments = [sys.executable, "-m", "storms.child", self.name, "--case", json.dumps(case)]
        return any(way(line) == way(failure) for line in lines_of(arguments, self.storm.PATIENCE) if "kind" in line)


def way(failure):
    """In which something failed: the same with other numbers."""
    return failure["kind"], re.sub(r"\d+", "0", failure["what"])[:60]


def lines_of(arguments, patience):
    """What a process says, line by line; last, if it did not end well without saying so, why."""
    found: queue.Queue = queue.Queue()
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=(BUILD / "errors.txt").open("ab"), start_new_session=True
    )

    def read():
        for line in process.stdout:
            found.put(line)
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = False
    try:
        while (line := found.get(timeout=patience)) is not None:
            if not line.startswith(b'{"storm": '):  # what is stormed may print
                continue
            what = json.loads(line)
            said = "failed" in what
            yield what
    except queue.Empty:
        said = True
        yield {"kind": "hung", "what": f"nothing happened for {patience:.0f} s"}
    finally:
        with_children(process)
    if process.wait() and not said:
        yield {"kind": "crash", "what": f"the process ended with {process.returncode}"}


def with_children(process):
    """End a process that does not end of its own, and those it started, also where it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=int(np.random.default_rng().integers(2**31)))
    args = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}", flush=True)
    began = time.monotonic()
    skies = [Sky(name, args.seed) for name in args.names]
    while (left := began + 60 * args.minutes - time.monotonic()) > 1:
        turn = min(TURN, left / len(skies)) if left < TURN * len(skies) else TURN
        for sky in skies:
            sky.turn(turn)
            print(f"{sky.name}: {sky.cases} cases, {sky.tried} tried, {len(sky.scripts)} lost", flush=True)
    record = table.record(skies, (time.monotonic() - began) / 60)
    (BUILD / "stress.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table.markdown(record))
    sys.exit(any(sky.scripts for sky in skies))


if __name__ == "__main__":
    main()
