"""The loops of CUDA kernels on matrices, for the losses of ``fastopt compare``; names are bound in as in step.py."""

from ....linking import UNBOUND, stand_in

cuda = UNBOUND
SCALAR = UNBOUND
TILE = UNBOUND


@stand_in
def function(*views):
    """Stands for what is done with one row or element: a function of arrays, given views of them."""


def product(A, B, C):
    """C = A·B. A block computes a tile of C, from tiles of A and B that its threads have loaded together."""
    a = cuda.shared.array((TILE, TILE), SCALAR)
    b = cuda.shared.array((TILE, TILE), SCALAR)
    zero = C.dtype.type(0)
    across = (C.shape[1] + TILE - 1) // TILE
    y, x = cuda.threadIdx.x // TILE, cuda.threadIdx.x % TILE
    i, j = cuda.blockIdx.x // across * TILE + y, cuda.blockIdx.x % across * TILE + x
    total = zero
    for k in range(0, A.shape[1], TILE):
        a[y, x] = A[i, k + x] if i < A.shape[0] and k + x < A.shape[1] else zero
        b[y, x] = B[k + y, j] if k + y < B.shape[0] and j < B.shape[1] else zero
        cuda.syncthreads()
        for m in range(TILE):
            total += a[y, m] * b[m, x]
        cuda.syncthreads()
    if i < C.shape[0] and j < C.shape[1]:
        C[i, j] = total


def rows(matrix, y, losses):
    """A thread per row, or item, with its target."""
    i = cuda.grid(1)
    while i < y.size:
        losses[i] = function(matrix[i : i + 1], y[i : i + 1])
        i += cuda.gridsize(1)


def columns(matrix, out):
    j = cuda.grid(1)
    while j < out.size:
        function(matrix[:, j : j + 1], out[j : j + 1])
        j += cuda.gridsize(1)


def elements_by_column(matrix, vector):
    k = cuda.grid(1)
    while k < matrix.size:
        i, j = k // vector.size, k % vector.size
        function(matrix[i : i + 1, j : j + 1], vector[j : j + 1])
        k += cuda.gridsize(1)


def elements(matrix, other):
    k = cuda.grid(1)
    while k < matrix.size:
        i, j = k // matrix.shape[1], k % matrix.shape[1]
        function(matrix[i : i + 1, j : j + 1], other[i : i + 1, j : j + 1])
        k += cuda.gridsize(1)


def penalties(params, grads, weight, losses):
    i = cuda.grid(1)
    while i < params.size:
        losses[i] = function(params[i : i + 1], grads[i : i + 1], weight)
        i += cuda.gridsize(1)


def single(values, k):
    """For ``total`` of norms.py, which adds up three numbers at a time."""
    return values[k], 0.0, 0.0


def add_up(out, block, a, b, c):
    """In one block."""
    out[0] += a
