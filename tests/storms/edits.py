"""Edits of what a user's function is made of: no old code runs, in the next process and in the one after."""

import tempfile
from functools import cache
from pathlib import Path

from edits import EDITS
from processes import Place

PROMISE = "No old code runs after an edit"
TRIED = "edits of functions, classes, enums, overloads and what else objectives are made of"
PATIENCE, SHORT = 300, (3,)

WAYS = ("inline", "address", "many", "fit")

CODE = """
from numba import njit
import user

POINT = np.array([1.25, 2.5, 3.75])

@njit
def fun(x, grad):
    grad[0] = x[0] - user.value(POINT)
    return 0.0

@njit
def loss(w, g, X):
    g[0] += w[0] - user.value(POINT)
    return 0.0

answers["called"] = user.value(POINT)
for way in WAYS:
    x = np.zeros(1)
    options = {"lr": 1.0, "maxiter": 1, "gtol": 0}
    if way == "fit":
        fastopt.fit(loss, fastopt.SGD(x, lr=1.0), np.ones(1), batch_size=None, epochs=1)
    elif way == "many":
        x = fastopt.minimize_many(fun, x[None], method="sgd", jac="inplace", options=options).x
    else:
        x = fastopt.minimize(fun, x, method="sgd", jac="inplace", options=options | {"inline": way == "inline"}).x
    answers[way] = x
"""


def draw(rng):
    first = rng.integers(2)
    return {
        "edit": int(rng.integers(len(EDITS))),
        "ways": [way for way in WAYS if rng.random() < 0.4] or ["inline"],
        "versions": [int(first + k) % 2 for k in range(rng.integers(2, 4))],
    }


@cache
def place():
    """One folder and one cache for all cases of a process: what is left there must not be found."""
    return Place(Path(tempfile.mkdtemp()))


def run(case):
    edit = EDITS[case["edit"]]
    code = CODE.replace("WAYS", repr(case["ways"]))
    answers = {}
    for version in case["versions"]:
        text = edit.module()
        place().write({"user.py": text.replace(edit.old, edit.new) if version else text})
        found = place().run("import warnings\nwarnings.simplefilter('ignore')\n" + code)["answers"]
        for way in case["ways"]:
            assert found[way] == found["called"], f"{edit.name}: {way} gives {found[way]}, a call {found['called']}"
        assert answers.setdefault(version, found["called"]) == found["called"]
    assert len({str(found) for found in answers.values()}) == len(answers), "nothing was edited"
    return len(case["versions"]) * len(case["ways"])
