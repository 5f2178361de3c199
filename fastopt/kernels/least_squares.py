"""Least squares: a user's function made into one that sums J'J and J'r, and the loop of loops/least_squares.py."""

from functools import cache

import numpy as np
from numba import from_dtype, types

from ..linking import UNBOUND, join, joined, link, link_read, stand_in
from . import normal_equations
from .addresses import by_address
from .bind import compiled, link_throughout
from .described import WORD, reader, vectors, words_of
from .evaluations import ROWS, rows, shared, vector
from .loops import covariance, trust_region
from .loops import least_squares as loop
from .tuples import at

KIND = types.void(*(types.int64,) * 5, types.float64)
JOB = (types.int64,)  # where a job is described
SINGULAR = 4.0  # roundings of a diagonal element


# --- an evaluation ---------------------------------------------------------------------------------------------------

# Addresses alone, as in evaluations.py, but for f_scale: of x, of the matrix of sums and of the share of ρ'.

WIDTH = LENGTH = LOSS = UNBOUND  # variables; numbers of the matrix; which of numbers/robust.py


@stand_in
def function(*args):
    """Stands for the user's function."""


@stand_in
def fill(x, r, args):
    """Stands for what writes all residuals."""


@stand_in
def nothing_yet(x, scale, share, width, loss):
    """Stands for new residuals (numbers/residuals.py, as ``sums_of`` and ``add``)."""


@stand_in
def sums_of(r, gram):
    """Stands for what writes their sums down."""


def alone(context, which, x, gram, share, scale):
    """Of the problem with this number."""
    args = at(rows(context, 0), which) + shared(context + ROWS, 0)
    collect(vector(x, WIDTH), vector(gram, LENGTH), args, scale, vector(share, 1)[0])


def side_by_side(context, buffer, x, gram, share, scale):
    """Of the problems whose rows are in this buffer."""
    args = rows(context, buffer) + shared(context + ROWS, 0)
    collect(vector(x, WIDTH), vector(gram, LENGTH), args, scale, vector(share, 1)[0])


def collect(x, gram, args, scale, share):
    r = nothing_yet(x, scale, share, WIDTH, LOSS)
    fill(x, r, args)
    sums_of(r, gram)


# --- residuals as users write them -----------------------------------------------------------------------------------


@stand_in
def on_stack(x, size, width):
    """Stands for memory of duals (numbers/seeds.py, as ``unit``)."""


@stand_in
def unit(x, i, width):
    """Stands for variable i as a dual."""


def by_residuals(x, r, args):
    duals = on_stack(x, WIDTH, WIDTH)
    for i in range(WIDTH):
        duals[i] = unit(x[i], i, WIDTH)
    function(duals, r, *args)


# --- residuals of a curve --------------------------------------------------------------------------------------------

AT = SIGMA = UNBOUND  # which of the arguments
Y = 0


@stand_in
def units(x, width):
    """Stands for all variables as duals."""


@stand_in
def add(r, value, observed):
    """Stands for one residual more."""


@stand_in
def point(args, j):
    """Stands for the independent variable."""


@stand_in
def weighed(residual, args, j):
    """Stands for a residual in units of its standard deviation."""


def by_curve(x, r, args):
    variables = units(x, WIDTH)
    y = args[Y]
    for j in range(y.size):
        add(r, weighed(function(point(args, j), *variables) - y[j], args, j), y[j])


def as_it_is(residual, args, j):
    return residual


def over_sigma(residual, args, j):
    return residual * args[SIGMA][j]


def one_number(args, j):
    return args[AT][j]


def one_of_several(args, j):
    return (args[AT][j],)


def curve(xs, sigma):
    """``fill`` for a curve, by the places of its arrays among the arguments: a tuple of those of several independent
    variables, and None where there is no sigma."""
    several = isinstance(xs, tuple)
    point = joined([link(one_of_several, AT=i) for i in xs], join) if several else link(one_number, AT=xs)
    return link(by_curve, point=point, weighed=as_it_is if sigma is None else link(over_sigma, SIGMA=sigma))


def collected(fill, function, width, loss):
    """``collect`` with a function of duals."""
    from ..numbers import residuals, seeds

    own = {name: getattr(residuals, name) for name in ("nothing_yet", "sums_of")}
    inner = {"units": seeds.units, "add": residuals.add, "on_stack": seeds.on_stack, "unit": seeds.unit}
    filled = link(link_read(fill, **inner), function=function, WIDTH=width)
    return link(collect, fill=filled, WIDTH=width, LOSS=loss, **own)


def evaluation(kinds, function, fill, width, loss, cached):
    """The compiled evaluation of a function of duals, of ``width`` variables; ``kinds`` is as in evaluations.py."""
    names = {
        "vector": vectors(kinds.x),
        "rows": reader(*kinds.rows),
        "shared": reader(*kinds.shared),
        "ROWS": WORD * sum(map(words_of, kinds.rows)),
        "collect": collected(fill, function, width, loss),
    }
    template = link(side_by_side if kinds.lanes > 1 else alone, WIDTH=width, LENGTH=(width + 1) ** 2, **names)
    besides = f"{width} {loss} {kinds.x} {[getattr(kind, 'kind', kind) for kind in kinds.rows]} {kinds.shared}"
    return compiled(template, "least_squares", KIND, cached=cached, besides=besides)


# --- the loop --------------------------------------------------------------------------------------------------------


def job_of(dtype):
    """The types of what a job describes, in the order in which ``work`` takes it."""
    one = from_dtype(dtype)

    def array(kind, ndim):
        return types.Array(kind, ndim, "C")

    of_problems = array(one, 2), array(one, 2), array(types.float64, 2), array(one, 2), array(types.int64, 2)
    of_results = array(one, 3), array(one, 2)
    of_lanes = array(one, 3), array(one, 4), array(one, 2), array(one, 2), array(types.int64, 2)
    given = array(one, 3), array(one, 2), array(types.float64, 1), array(types.int64, 1)
    return *of_problems, *of_results, *given, *of_lanes, array(types.float64, 2)


@cache
def worker(dtype, lanes):
    """The compiled loop."""
    from ..numbers.truths import madd, some
    from ..numbers.views import as_lanes

    info = np.finfo(dtype)
    numbers = {"some": some, "madd": madd, "call": by_address(types.none), "SMALLEST": float(info.tiny)}
    hot = ("number", "squared_length", "is_held", "is_flat", "take", "resize", "solve", "newton", "damp", "keep")
    judge, propose = (link_throughout(getattr(trust_region, name), hot, (), **numbers) for name in ("judge", "propose"))
    bound = link_throughout(
        loop.work, loop.HOT, loop.COLD, LANES=lanes, read=reader(*job_of(dtype)), as_lanes=as_lanes,
        judge=judge, propose=propose, covariance=link_throughout(covariance.covariance), ROUNDING=float(info.eps),
    )  # fmt: skip
    return compiled(bound, f"least_squares_{dtype}_{lanes}", types.void(*JOB))


def solver(dtype, lanes, d):
    return normal_equations.solver(dtype, lanes, d, singular(dtype))


def singular(dtype):
    return SINGULAR * float(np.finfo(dtype).eps)
