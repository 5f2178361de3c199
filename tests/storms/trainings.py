"""Random trainings: compiled and interpreted to the same bits, whatever a callback changes on the way; and resumed."""

import numpy as np
from numba import njit
from stepping import BY_NAME, bits

import fastopt

PROMISE = "Compiled and interpreted trainings agree to the bit, a resumed one with one that ran through"
TRIED = "updates of random trainings, with options and schedules changed by callbacks"
PATIENCE, SHORT = 120, (0, 2)

CHANGES = {
    "lr": [0.5, 1e-3, "schedule"],
    "weight_decay": [0.0, 0.3],
    "clip_norm": [None, 0.5],
    "clip_value": [None, 0.2],
    "maximize": [True, False],
    "check_finite": [False, "skip", True],
}
INTEGERS = ("int", "uint8", "int16", "int64")


def draw(rng):
    def pick(values):
        return values[rng.integers(len(values))]

    epochs = int(rng.integers(2, 6))
    changes = [[int(rng.integers(epochs)), name, pick(CHANGES[name])] for name in CHANGES if rng.random() < 0.4]
    return {
        "rule": pick(("adam", "sgd", "adamw", "rmsprop_momentum")),
        "dtype": pick(("f4", "f8")),
        "n": int(rng.integers(1, 90)),
        "batch_size": int(rng.integers(1, 40)),
        "accumulate": pick((1, 1, 2, 3)),
        "reduction": pick(("sum", "mean")),
        "integer": pick(INTEGERS),
        "epochs": epochs,
        "changes": changes,
        "seed": int(rng.integers(2**31)),
    }


def loss(params, grads, X, y):
    f = 0.0
    for i in range(y.size):
        r = params.w[0] * X[i, 0] + params.w[1] * X[i, 1] + params.b[0] - y[i]
        f += float(r * r)  # which NumPy would add up in float32
        grads.w[0] += r * X[i, 0]
        grads.w[1] += r * X[i, 1]
        grads.b[0] += r
    return f


compiled_loss = njit(loss)


def run(case):
    mine, theirs = trained(loss, case), trained(compiled_loss, case)
    assert mine == theirs, "the compiled training differs from the interpreted one"
    assert trained(compiled_loss, case, resumed=True) == theirs, "the resumed training differs"
    return 3 * mine[0]


def trained(which, case, resumed=False):
    """What a training leaves behind."""
    rng = np.random.default_rng(case["seed"])
    dtype = np.dtype(case["dtype"])
    X, y = rng.normal(size=(case["n"], 2)).astype(dtype), rng.normal(size=case["n"]).astype(dtype)
    params = {"w": np.ones(2, dtype), "b": np.zeros(1, dtype)}
    opt = fastopt.Optimizer(params, BY_NAME[case["rule"]], lr=0.01)
    integer = {"int": int}.get(case["integer"]) or np.dtype(case["integer"]).type
    options = {"batch_size": integer(case["batch_size"]), "accumulate": integer(case["accumulate"])}
    losses = []

    def callback(epoch, value, opt):
        losses.append(value)
        for at, name, value in case["changes"]:
            if at == epoch:
                setattr(opt, name, (lambda t: 0.01 / (1 + t)) if value == "schedule" else value)

    def go(first, last):
        fastopt.fit(
            which,
            opt,
            (X, y),
            epochs=last,
            initial_epoch=first,
            reduction=case["reduction"],
            seed=3,
            callback=callback,
            **options,
        )

    half = case["epochs"] // 2
    for first, last in [(0, half), (half, case["epochs"])] if resumed and half else [(0, case["epochs"])]:
        go(first, last)
    arrays = [*params.values(), *(a for nest in opt.state.values() for a in nest.values())]
    return opt.t, opt.skipped, opt.counts, bits(*arrays), bits(np.array(losses))
