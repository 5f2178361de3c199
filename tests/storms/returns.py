"""Functions that return what is no number, or no array of numbers: one sentence, and nothing is cast."""

import warnings

import numpy as np

import fastopt

PROMISE = "What a function returns wrongly is refused in a sentence"
TRIED = "wrong values and gradients of objectives and losses"
PATIENCE, SHORT = 60, range(40)

WRONG = {
    "text": lambda d: "3.0",
    "bytes": lambda d: b"3.0",
    "none": lambda d: None,
    "complex": lambda d: 1 + 2j,
    "list of text": lambda d: ["1.0"] * d,
    "dict": lambda d: {"f": 1.0},
    "texts": lambda d: np.full(d, "1.0"),
    "complexes": lambda d: np.full(d, 1 + 2j),
    "masked": lambda d: np.ma.masked_array(np.ones(d), [True] * d),
    "dates": lambda d: np.zeros(d, "M8[s]"),
    "too long": lambda d: np.ones(d + 1),
    "matrix": lambda d: np.ones((d, d + 1)),
    "objects": lambda d: np.array([object()] * d),
}
WAYS = ("value", "gradient", "pair", "many value", "many gradient", "loss", "method", "check_grad")


def draw(rng):
    names = list(WRONG)
    return {
        "way": WAYS[rng.integers(len(WAYS))],
        "wrong": names[rng.integers(len(names))],
        "d": int(rng.integers(2, 6)),
        "after": int(rng.integers(0, 20)),  # evaluations that went well
    }


def run(case):
    import scipy.optimize

    d, left = case["d"], [case["after"]]
    way, wrong = case["way"], lambda: WRONG[case["wrong"]](d)

    def once(good, role):
        if role in way and left[0] <= 0:
            return wrong()
        left[0] -= role in way
        return good

    def value(x):
        return once(float(x @ x), "value" if "value" in way else "method")

    def gradient(x):
        return once(2 * x, "gradient" if "gradient" in way else "check_grad")

    def pair(x):
        return float(x @ x), once(2 * x, "pair")

    def loss(w, g, x):
        g += w
        return once(1.0, "loss")

    calls = {
        "value": lambda: fastopt.minimize(value, np.ones(d), jac=gradient, method="adam"),
        "gradient": lambda: fastopt.minimize(value, np.ones(d), jac=gradient, method="adam"),
        "pair": lambda: fastopt.minimize(pair, np.ones(d), jac=True, method="adam"),
        "many value": lambda: fastopt.minimize_many(value, np.ones((3, d)), jac=gradient),
        "many gradient": lambda: fastopt.minimize_many(value, np.ones((3, d)), jac=gradient),
        "loss": lambda: fastopt.fit(loss, fastopt.SGD(np.ones(d)), np.ones(50), batch_size=1, epochs=1),
        "method": lambda: scipy.optimize.minimize(value, np.ones(d), jac=gradient, method=fastopt.method("adam")),
        "check_grad": lambda: fastopt.check_grad(value, gradient, np.ones(d)),
    }
    if "gradient" not in way and way not in ("pair", "loss"):  # values are asked for once or so
        left[0] = 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result = calls[way]()
        except (TypeError, ValueError) as refused:
            message = str(refused)
        else:  # of many problems each ends by itself, and what was raised is in the warning
            if not (way.startswith("many") and set(result.status) == {5}):
                raise AssertionError(f"{way}: {case['wrong']} was taken")
            message = str(warned[-1].message)
    if way != "method":  # there SciPy looks first, in its own words
        assert " must " in message, message
        assert len(message) <= 300, f"{len(message)} characters"
    return 1
