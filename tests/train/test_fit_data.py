"""Data that people hand in: what a loss cannot take is refused in a sentence, once, before anything is trained."""

import numpy as np
import pytest
from numba import njit
from refusals import refuse
from scipy import sparse
from test_fit import N, X, Y, linear

import fastopt
from fastopt import fit, problems

ONES, LABELS = (Y > 0).astype(float), (Y > 0).astype(int)
LOSSES = {
    "linear": (problems.linear, np.zeros(3), Y),
    "logistic": (problems.logistic, np.zeros(3), ONES),
    "softmax": (problems.softmax, np.zeros((3, 2)), LABELS),
    "poisson": (problems.poisson, np.zeros(3), ONES),
    "mlp": (problems.mlp, problems.init_mlp(3, 4, 2), LABELS),
}


def changed(a, row, value):
    a = np.array(a, type(value) if a.ndim == 1 else None)
    a[row] = value
    return a


NAN = changed(X, (7, 1), np.nan)
WRONG = [  # loss, X, y, error, what the sentence says
    *((name, NAN, None, ValueError, "data[0] must hold finite numbers, got nan in row 7") for name in LOSSES),
    ("linear", changed(X, (3, 0), -np.inf), None, ValueError, "data[0] must hold finite numbers, got -inf in row 3"),
    ("linear", X, changed(Y, 4, np.inf), ValueError, "data[1] must hold finite numbers, got inf in row 4"),
    ("logistic", X, changed(ONES, 5, -1.0), ValueError, "data[1] must hold labels 0 and 1 for logistic, got -1.0"),
    ("logistic", X, 2 * LABELS - 1, ValueError, "(y > 0) makes them of -1 and 1"),
    ("logistic", X, changed(ONES, 5, np.nan), ValueError, "got nan in row 5"),
    ("logistic", X, np.where(LABELS, "yes", "no"), TypeError, "got dtype <U3: np.unique(y, return_inverse=True)[1]"),
    ("poisson", X, changed(ONES, 2, -1.0), ValueError, "data[1] must hold counts 0, 1, 2, ... for poisson, got -1.0"),
    ("poisson", X, changed(ONES, 2, np.inf), ValueError, "got inf in row 2"),
    ("softmax", X, changed(LABELS, 6, 2), ValueError, "integers from 0 to 1, for softmax, got 2 in row 6"),
    ("mlp", X, changed(LABELS, 6, -1), ValueError, "integers from 0 to 1, for mlp, got -1 in row 6"),
    *(("softmax", X, LABELS.astype(kind), TypeError, "y.astype(int)") for kind in (float, bool)),
    ("softmax", X, np.where(LABELS, "yes", "no"), TypeError, "return_inverse=True"),
    ("softmax", X, LABELS[:, None], ValueError, "data[1] must have shape (n,)"),
    *((name, X.astype("f4"), None, TypeError, "dtype of the parameters, float64, got float32") for name in LOSSES),
    ("linear", X.astype(object), None, TypeError, "float64, got object"),
    ("linear", X[:, :2], None, ValueError, "data[0] must have shape (n, 3)"),
]


@pytest.mark.parametrize(("name", "features", "y", "error", "says"), WRONG)
def test_examples_that_a_loss_cannot_take(name, features, y, error, says):
    make, params, targets = LOSSES[name]
    opt = fastopt.Adam(params)
    y = targets if y is None else y
    refuse(lambda: fit(make(), opt, (features, y), batch_size=5, epochs=1), error, says, unchanged=[opt])
    held_out = says.replace("data[", "validation[")
    if features.shape == X.shape and y.shape == targets.shape:
        call = lambda: fit(make(), opt, (X, targets), batch_size=5, epochs=1, validation=(features, y))  # noqa: E731
        refuse(call, error, held_out, unchanged=[opt])


def test_arrays_and_parameters_that_a_loss_cannot_take():
    opt = fastopt.SGD(np.zeros(3))
    refuse(lambda: fit(problems.linear(), opt, X, batch_size=5, epochs=1), ValueError, "data must hold two arrays")
    for name, params in {"linear": np.zeros((3, 2)), "softmax": np.zeros(3), "mlp": {"w": np.zeros(3)}}.items():
        make, _, y = LOSSES[name]
        opt = fastopt.SGD(params)
        refuse(lambda: fit(make(), opt, (X, y), batch_size=5, epochs=1), TypeError, "params must", name)  # noqa: B023


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_targets_that_a_loss_can_take(name):
    """Any dtype of numbers; probabilities; large finite numbers, whose sum is none."""
    make, params, y = LOSSES[name]
    for targets in (y, y > 0, y.astype(np.uint8), np.full(N, 0.25)):
        hist = fit(make(), fastopt.SGD(params.copy(), lr=1e-3), (X, targets), batch_size=5, epochs=2)
        assert np.isfinite(hist.loss).all()
    large = np.where(LABELS, 1.7e308, 1e308)
    with np.errstate(over="ignore"):
        fit(problems.linear(), fastopt.SGD(params.copy()), (X, large), batch_size=5, epochs=0)


def test_a_loss_of_ones_own_is_not_checked_but_by_itself():
    w = np.zeros(3)
    assert np.isnan(fit(linear, fastopt.SGD(w), (NAN, Y), batch_size=5, epochs=1).loss).all()
    seen = []

    def own(w, g, X, y):
        return linear(w, g, X, y)

    own.check_data = lambda params, examples: seen.append((params, examples))
    hist = fit(own, fastopt.SGD(w), (X, Y), batch_size=5, epochs=3, validation=(X[:4], Y[:4]))
    assert len(hist.loss) == 3
    assert [list(examples) for _, examples in seen] == [["data[0]", "data[1]"], ["validation[0]", "validation[1]"]]
    assert all(params is w for params, _ in seen)


# --- tables, sparse matrices, mixed dtypes -------------------------------------------------------------------------


def of_pandas(kind, a):
    """What fit sees of a DataFrame or a Series, which the tests do without."""
    return type(kind, (), {"__module__": "pandas.core", "ndim": a.ndim, "to_numpy": lambda self, dtype=None: a})()


def test_tables_and_sparse_matrices():
    opt, frame = fastopt.SGD(np.zeros(3)), of_pandas("DataFrame", X)
    for data, says in {
        "frame": ((frame, Y), "data[0] must be an array with the examples along its first axis, got a DataFrame: "
                              "pass df.to_numpy(float)"),
        "series": ((X, of_pandas("Series", Y)), "data[1] must be an array with the examples along its first axis, "
                                          "got a Series: pass s.to_numpy()"),
        "alone": (frame, "df.to_numpy(float)"),
        "sparse": ((sparse.csr_matrix(X), Y), "got a csr_matrix, which is sparse: pass X.toarray()"),
        "sparse array": ((sparse.coo_array(X), Y), "which is sparse: pass X.toarray()"),
    }.values():  # fmt: skip
        refuse(lambda: fit(linear, opt, data, batch_size=5, epochs=1), TypeError, says, unchanged=[opt])  # noqa: B023


@njit
def by_product(w, g, X, y):
    r = X @ w - y
    g[:] = X.T @ r
    return 0.5 * np.sum(r * r)


@njit
def by_index(w, g, X, y):
    g[y[0]] = 1.0
    return 0.0


@njit
def by_string(w, g, X, y):
    g[0] = w[0] * y[0]
    return 0.0


@pytest.mark.parametrize(
    ("loss", "data", "says"),
    [
        (by_product, (X.astype("f4"), Y), ["data[0]", "float64", "got float32", "r = X @ w - y"]),
        (by_index, (X, Y), ["Unsupported array index type float64", "g[y[0]] = 1.0"]),
        (by_string, (X, np.full(N, "abc")), ["data", "numbers", "<U3"]),
    ],
)
def test_a_compiled_loss_that_cannot_take_the_data_says_why(loss, data, says):
    opt = fastopt.SGD(np.zeros(3))
    with pytest.raises(TypeError) as caught:
        fit(loss, opt, data, batch_size=5, epochs=1)
    message = str(caught.value)
    assert all(words in message for words in says)
    assert len(message.splitlines()) == 1
    assert len(message) <= 300
    assert "found for signature" not in message


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64])
def test_counts_of_any_kind_of_integer(kind):
    """A product of two np.uint8 would overflow."""
    ends = []
    for whole in (int, kind):
        w = np.zeros(3)
        counts = {name: whole(n) for name, n in {"batch_size": 100, "accumulate": 3, "epochs": 2, "seed": 1}.items()}
        hist = fit(linear, fastopt.GD(w, lr=1e-3), (np.tile(X, (9, 1)), np.tile(Y, 9)), **counts)
        ends.append((w.tobytes(), hist.loss))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("make", [lambda f: f, njit], ids=["python", "compiled"])
def test_validation_data_have_the_dtypes_of_data(make):
    def product(w, g, X, y):
        r = X @ w - y
        g += X.T @ r
        return 0.5 * (r * r).sum()

    opt = fastopt.SGD(np.zeros(3), lr=0.01)
    held_out = X[:4].astype(np.float32), Y[:4]
    words = "validation[0] must have dtype float64 like data[0], got float32"
    refuse(
        lambda: fit(make(product), opt, (X, Y), batch_size=5, epochs=1, validation=held_out),
        TypeError,
        words,
        unchanged=[opt],
    )
    fit(make(product), opt, (X, LABELS), batch_size=5, epochs=1, validation=(X[:4], LABELS[:4] > 0))
