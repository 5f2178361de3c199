"""maxfun: what is counted is what was called, and it exceeds maxfun by one gradient's calls at most."""

import itertools

import numpy as np
import pytest

import fastopt

FORMS = ("inplace", True, "jac", "2-point", "3-point", "cs")


def counted(form, calls, ends):
    """A quadratic in this form; after ``ends`` evaluations its values are not finite."""

    def value(x, *_):
        calls[0] += 1
        return np.sum(x * x) * (np.nan if calls[0] > ends else 1.0)

    def gradient(x):
        return 2.0 * x

    def inplace(x, grad):
        grad[:] = 2.0 * x
        return value(x)

    return {
        "inplace": (inplace, "inplace"),
        True: (lambda x: (value(x), gradient(x)), True),
        "jac": (value, gradient),
    }.get(form, (value, form))


@pytest.mark.filterwarnings("ignore:.* problems succeeded:RuntimeWarning")
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("ends", [1, 3, 10**9])
def test_no_more_than_one_gradient_beyond(form, ends):
    for d, maxfun, best, many in itertools.product((1, 5), (1, 2, 3, 11, 12, 22, 25, 40), (False, True), (False, True)):
        calls = [0]
        fun, jac = counted(form, calls, ends)
        options = {"maxfun": maxfun, "gtol": 0.0, "best": best, "lr": 0.01}
        x0 = np.ones(d)
        if many:
            res = fastopt.minimize_many(fun, x0[None], (), (), "adam", jac, options=options)
            nfev = int(res.nfev[0])
        else:
            nfev = fastopt.minimize(fun, x0, (), "adam", jac, options=options).nfev
        assert nfev == calls[0], (d, maxfun, best, many)
        gradient = {"2-point": d + 1, "3-point": 2 * d + 1, "cs": d + 1}.get(form, 1)
        assert nfev <= maxfun + gradient, (d, maxfun, best, many)
