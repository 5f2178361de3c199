"""One storm in this process: random cases from a seed on, or one case. Says on stdout what it begins and ends."""

import argparse
import json
import sys
import time
import traceback

import numpy as np

from . import storm


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--case", help="this one instead, as JSON")
    args = parser.parse_args()
    one = storm(args.name)
    if args.case:
        attempt(one, json.loads(args.case), 0)
        return
    ends, seed = time.monotonic() + args.seconds, args.seed
    while time.monotonic() < ends:
        attempt(one, case_of(one, seed), seed)
        seed += 1


def case_of(one, seed):
    """As it is after JSON: what a script or another process will see."""
    return json.loads(json.dumps(one.draw(np.random.default_rng(seed))))


def attempt(one, case, seed):
    say(begin=seed)
    try:
        tried = one.run(case)
    except Exception as error:
        traceback.print_exc()
        say(failed=seed, kind=type(error).__name__, what=" ".join(str(error).split())[:300])
        sys.exit(1)
    say(end=seed, tried=tried)


def say(**what):
    print(json.dumps({"storm": True, **what}), flush=True)


if __name__ == "__main__":
    main()
