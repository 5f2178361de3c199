"""The loss of one example, made into the loss of a batch that ``fit`` takes: the sum, and its gradient by duals.

Whatever the parameters' structure, their numbers lie side by side in one vector of duals, of which the user's function
is given views; eight partials at a time go through all examples of the batch.
"""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ..numbers.dual_arrays import number_like
from ..numbers.seeds import as_dual, dtype_of, put, unit, value
from .forward import WIDEST, WIDTH, for_duals, function, mark, public
from .functions import remembered
from .overloads import compiled_form
from .tuples import at


@remembered(lambda one: (one,), maxsize=64)
def of_batch(one):
    """``(params, grads, *batch) -> float`` from ``one(params, *example) -> float``."""
    return public(batch_loss, one, "per_example", function=for_duals(one), WIDTH=WIDEST)


def batch_loss(params, grads, *batch):
    mark()
    arrays, slopes = arrays_of(params), arrays_of(grads)
    n = size_of(arrays)
    x = np.empty(n, arrays[0].dtype)
    gather(x, arrays)
    g = np.empty_like(x)
    duals = np.empty(n, dtype_of(x, WIDTH))
    first = 0
    while True:
        for i in range(n):
            duals[i] = unit(x[i], i - first, WIDTH)
        given = like(params, views(duals, arrays))
        total, loss = number_like(duals, 0.0), 0.0
        for i in range(len(batch[0])):
            f = as_dual(function(given, *at(batch, i)), x, WIDTH)
            total = total + f
            loss += value(f)
        put(total, g, first)
        first += WIDTH
        if first >= n:
            break
    scatter(slopes, g)
    return loss


# --- parameters of any structure -------------------------------------------------------------------------------------


def arrays_of(params):
    """A tuple of them."""


@compiled_form(arrays_of)
def _arrays_of(params):
    if isinstance(params, types.BaseTuple):
        return lambda params: tuple(params)
    return lambda params: (params,)


def size_of(arrays):
    """How many numbers there are."""


@compiled_form(size_of)
def _size_of(arrays):
    if not len(arrays):
        return lambda arrays: 0
    return lambda arrays: arrays[0].size + size_of(arrays[1:])


def gather(x, arrays):
    """Copy the numbers into a vector."""


@compiled_form(gather)
def _gather(x, arrays):
    if not len(arrays):
        return lambda x, arrays: None
    if arrays[0].dtype != x.dtype:
        raise TypingError(f"the parameters must have one dtype, got {x.dtype} and {arrays[0].dtype}")

    def gathered(x, arrays):
        for i, number in enumerate(arrays[0].flat):
            x[i] = number
        gather(x[arrays[0].size :], arrays[1:])

    return gathered


def scatter(arrays, g):
    """Copy a vector into the arrays."""


@compiled_form(scatter)
def _scatter(arrays, g):
    if not len(arrays):
        return lambda arrays, g: None

    def scattered(arrays, g):
        for i in range(arrays[0].size):
            arrays[0].flat[i] = g[i]
        scatter(arrays[1:], g[arrays[0].size :])

    return scattered


def views(x, arrays):
    """Views of a vector in the shapes of the arrays; for one without dimensions, its number."""


@compiled_form(views)
def _views(x, arrays):
    if not len(arrays):
        return lambda x, arrays: ()
    if arrays[0].ndim == 0:
        return lambda x, arrays: (x[0], *views(x[1:], arrays[1:]))
    return lambda x, arrays: (
        x[: arrays[0].size].reshape(arrays[0].shape),
        *views(x[arrays[0].size :], arrays[1:]),
    )


@intrinsic
def like(typingctx, params, views):
    """The views in the structure of the parameters."""
    if isinstance(params, (types.NamedTuple, types.NamedUniTuple)):
        to = types.NamedTuple(views.types, params.instance_class)
    else:
        to = views if isinstance(params, types.BaseTuple) else views.types[0]

    def codegen(context, builder, signature, args):
        parts = [builder.extract_value(args[1], i) for i in range(len(signature.args[1]))]
        result = context.make_tuple(builder, to, parts) if isinstance(to, types.BaseTuple) else parts[0]
        if context.enable_nrt:
            context.nrt.incref(builder, to, result)
        return result

    return to(params, views), codegen
