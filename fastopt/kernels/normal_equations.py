"""Normal equations of a few variables, of one problem in each lane, written out: a kernel for each number of variables.

In a loop over variables most of the time would go into finding the numbers, which here stay in registers.
"""

from functools import cache, reduce

from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from ..linking import link, stand_in
from .bind import compiled

WORDS = (types.int64,) * 5  # addresses: of the system, of D², λ, p, and what is known of p
SQUARE, FALL, INNER, SOUND, KNOWN = range(5)  # of p: ‖Dp‖²; how fast that falls with λ; p'J'r; whether it is exact


def solution(system, slopes, scale, damping, singular):
    """Of (J'J + λD²)p = -J'r by LΔL': p, and what is known of it, as emitted values (numbers/emitted.py).

    ``system`` is the upper triangle of J'J. FALL is (D²p)'(J'J + λD²)⁻¹(D²p).
    """
    from ..numbers.emitted import select

    factor, inverse, sound = _factorised(system, scale, damping, singular)
    step = [a * b for a, b in zip(_forward(factor, [-g for g in slopes]), inverse)]
    for i in range(len(step) - 2, -1, -1):
        step[i] = _less(step[i], factor[i][i + 1 :], step[i + 1 :])
    pull = [s * p for s, p in zip(scale, step)]
    along = _forward(factor, pull)
    square, inner = (_sum([a * p for a, p in zip(each, step)]) for each in (pull, slopes))
    fall = _sum([a * b * a for a, b in zip(along, inverse)])
    return step, (square, fall, inner, select(sound, damping.like(1.0), 0.0))


def _factorised(system, scale, damping, singular):
    """L', 1/Δ, and whether no pivot was lost in rounding, which left less than ``singular`` of the diagonal element:
    that stands in for it."""
    from ..numbers.emitted import madd, select

    d, inverse, sound = len(scale), [], None
    factor, weighted = ([[None] * d for _ in range(d)] for _ in range(2))  # L' and ΔL'
    for i in range(d):
        before = [row[i] for row in factor[:i]]
        whole = madd(damping, scale[i], system[i][i])
        pivot = _less(whole, before, [row[i] for row in weighted])
        fine = pivot > whole * singular
        sound = fine if sound is None else sound & fine
        inverse.append(1.0 / select(fine, pivot, select(whole > 0.0, whole, whole.like(1.0))))
        for j in range(i + 1, d):
            weighted[i][j] = _less(system[i][j], before, [row[j] for row in weighted])
            factor[i][j] = weighted[i][j] * inverse[i]
    return factor, inverse, sound


def _forward(factor, right):
    """L⁻¹ times a vector."""
    found: list = []
    for i, number in enumerate(right):
        found.append(_less(number, [row[i] for row in factor[:i]], found))
    return found


def _less(rest, left, right):
    """A number without a product of vectors."""
    from ..numbers.emitted import madd

    for a, b in zip(left, right):
        rest = madd(-a, b, rest)
    return rest


def _sum(numbers):
    return reduce(lambda a, b: a + b, numbers)


@stand_in
def solve(system, scale, damping, step, known):
    """Stands for what is emitted."""


def solved(system, scale, damping, step, known):
    solve(system, scale, damping, step, known)


@cache
def solver(dtype, lanes, d, singular):
    """The compiled kernel."""
    bound = link(solved, solve=written_out(dtype, lanes, d, singular))
    return compiled(bound, f"normal_equations_{dtype}_{lanes}_{d}", types.void(*WORDS), besides=f"{singular}")


def written_out(dtype, lanes, d, singular):
    """The same for compiled code to call."""
    scalar = from_dtype(dtype)

    @intrinsic
    def solve(typingctx, system, scale, damping, step, known):
        def codegen(context, builder, signature, args):
            from ..numbers.emitted import Emitted

            number = context.get_value_type(scalar)
            size, kind = number.get_abi_alignment(context.target_data), ir.VectorType(number, lanes)

            def place(base, i):
                return builder.inttoptr(builder.add(args[base], args[base].type(i * lanes * size)), kind.as_pointer())

            def load(base, i):
                return Emitted(builder, builder.load(place(base, i), align=size))

            matrix = [[load(0, i * (d + 1) + j) if j >= i else None for j in range(d)] for i in range(d)]
            slopes, scales = [load(0, i * (d + 1) + d) for i in range(d)], [load(1, i) for i in range(d)]
            found = solution(matrix, slopes, scales, load(2, 0), singular)
            for base, values in zip((3, 4), found):
                for i, value in enumerate(values):
                    builder.store(value.value, place(base, i), align=size)
            return context.get_dummy_value()

        return types.void(*WORDS), codegen

    return solve
