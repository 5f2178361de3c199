"""curve_fit_many on NIST's nonlinear regression problems, from both starts, beside SciPy's least_squares."""

import re

import numpy as np
import pytest
import scipy.optimize
import strd
from fitted_curves import jacobian, stderr

import fastopt

ENOUGH = {"parameters": 6, "stderr": 4}  # digits
# The residuals of Lanczos1 are 1e-13, a few hundred roundings of the curve: of their sum three or four digits are luck.
ENOUGH_OF_LANCZOS1 = {"parameters": 6, "stderr": 2.5}
TOLERANCES = ({}, dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15))
# (problem, start, what): why fastopt has fewer digits where SciPy has enough.
KNOWN: dict[tuple[str, int, str], str] = {}


def residuals(data, b):
    return data.model.py_func(data.x, *b) - data.y


def digits(data, x, errors):
    return {"parameters": strd.digits(x, data.parameters), "stderr": strd.digits(errors, data.stderr)}


def better(one, other):
    return {what: np.fmax(one[what], other[what]) for what in ENOUGH}


def scipys(data, start):
    """The most digits that SciPy gets, with its own tolerances and tight ones, its own differences and exact ones."""
    best = dict.fromkeys(ENOUGH, -np.inf)
    for tolerances in TOLERANCES:
        for jac in ("2-point", lambda b: jacobian(data.model, data.x, b)):
            most = {"max_nfev": 20_000} if tolerances else {}
            res = scipy.optimize.least_squares(
                lambda b: residuals(data, b), start, jac, method="lm", **tolerances, **most
            )
            if np.isfinite(res.jac).all() and np.linalg.norm(res.jac, axis=0).all():
                best = better(best, digits(data, res.x, stderr(res.jac, 2 * res.cost)))
    return best


def fastopts(data, **tolerances):
    """From both starts at once."""
    return fastopt.curve_fit_many(data.model, data.x, np.array([data.y, data.y]), data.starts, **tolerances)


def is_minimum(data, b):
    """Whether no Gauss-Newton step, by at most a tenth of any parameter, and no change of one lowers the cost by 1e-6.

    A Gauss-Newton step that changes no digit is not tried: where the residuals are rounding, it may lower the cost.
    """
    r, J = residuals(data, b), jacobian(data.model, data.x, b)
    norms = np.maximum(np.linalg.norm(J, axis=0), 1e-300)
    step = np.linalg.lstsq(J / norms, -r, rcond=1e-14)[0] / norms
    step *= min(1, 0.1 / np.max(np.abs(step / b)))
    steps = [0.3**k * step for k in range(4) if np.any(np.abs(step) > 1e-9 * np.abs(b))]
    around = [b + change for change in (*steps, *np.diag(1e-3 * b), *np.diag(-1e-3 * b))]
    return min(np.sum(residuals(data, near) ** 2) for near in around) >= (1 - 1e-6) * np.sum(r**2)


@pytest.mark.parametrize("name", strd.NAMES)
@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning")  # NumPy's, on SciPy's way
def test_certified_digits(name):
    """As many as NIST's certificates need wherever SciPy has them; and success is said of minima alone."""
    data = strd.load(name)
    found = [dict.fromkeys(ENOUGH, -np.inf)] * 2
    for tolerances in TOLERANCES:
        res = fastopts(data, **tolerances)
        for k in range(2):
            found[k] = better(found[k], digits(data, res.x[k], res.stderr[k]))
            assert is_minimum(data, res.x[k]) or not res.success[k], (k + 1, tolerances, res.status[k], res.x[k])
    short = {}
    for k, start in enumerate(data.starts):
        scipys_best = scipys(data, start)
        for what, enough in (ENOUGH_OF_LANCZOS1 if name == "Lanczos1" else ENOUGH).items():
            if scipys_best[what] >= enough and not found[k][what] >= enough:
                short[name, k + 1, what] = f"{found[k][what]:.1f} digits, SciPy {scipys_best[what]:.1f}"
    assert set(short) == {case for case in KNOWN if case[0] == name}, short


@pytest.mark.parametrize("name", strd.NAMES)
def test_the_certified_parameters_have_the_certified_sum(name):
    """So neither the data nor the model was mistyped."""
    data = strd.load(name)
    points = re.search(r"^Number of Observations: +(\d+)", strd.text(name), re.MULTILINE)
    assert data.y.shape == (int(points[1]),)
    assert data.starts.shape == (2, data.parameters.size)
    rounding = 1e-20 if name == "Lanczos1" else 0  # eleven digits of the parameters do not give so small a sum
    rss = np.sum(residuals(data, data.parameters) ** 2)
    assert rss == pytest.approx(data.rss, rel=2e-10, abs=rounding)
    if not rounding:
        errors = stderr(jacobian(data.model, data.x, data.parameters), rss)
        assert strd.digits(errors, data.stderr) > 8


def test_all_are_there():
    assert len(strd.NAMES) == 27
