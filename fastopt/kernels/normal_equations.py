"""Normal equations of a few variables, of one problem in each lane, written out: a kernel for each number of variables.

In a loop over variables most of the time would go into finding the numbers, which here stay in registers.
"""

from functools import cache

from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from ..linking import link, stand_in
from .bind import compiled

WORDS = (types.int64,) * 5  # addresses: of the system, of D², λ, p, and what is known of p
SQUARE, FALL, INNER, SOUND, KNOWN = range(5)  # of p: ‖Dp‖²; how fast that falls with λ; p'J'r; whether it is exact


def solution(system, slopes, scale, damping, singular):
    """Of (J'J + λD²)p = -J'r by LΔL': p, and what is known of it, as emitted values (numbers/emitted.py).

    ``system`` is the upper triangle of J'J. A pivot of which less than ``singular`` is left is lost in rounding; the
    diagonal element stands in for it. FALL is (D²p)'(J'J + λD²)⁻¹(D²p).
    """
    from ..numbers.emitted import madd, select

    d = len(slopes)
    factor, weighted = [[[None] * d for _ in range(d)] for _ in range(2)]  # L' and ΔL'
    inverse, sound = [], None

    def without(rest, left, right, count):
        for k in range(count):
            rest = madd(-left[k], right[k], rest)
        return rest

    for i in range(d):
        whole = madd(damping, scale[i], system[i][i])
        pivot = without(whole, [row[i] for row in factor], [row[i] for row in weighted], i)
        fine = pivot > whole * singular
        sound = fine if sound is None else sound & fine
        inverse.append(1.0 / select(fine, pivot, select(whole > 0.0, whole, whole.like(1.0))))
        for j in range(i + 1, d):
            weighted[i][j] = without(system[i][j], [row[i] for row in factor], [row[j] for row in weighted], i)
            factor[i][j] = weighted[i][j] * inverse[i]

    def forward(right):
        found: list = []
        for i in range(d):
            found.append(without(right[i], [row[i] for row in factor], found, i))
        return found

    step = [a * b for a, b in zip(forward([-g for g in slopes]), inverse)]
    for i in range(d - 1, -1, -1):
        step[i] = without(step[i], factor[i][i + 1 :], step[i + 1 :], d - 1 - i)
    pull = [s * p for s, p in zip(scale, step)]
    fall = [a * b * a for a, b in zip(forward(pull), inverse)]
    known = (
        sum((s * p for s, p in zip(pull[1:], step[1:])), pull[0] * step[0]),
        sum(fall[1:], fall[0]),
        sum((g * p for g, p in zip(slopes[1:], step[1:])), slopes[0] * step[0]),
        select(sound, damping.like(1.0), 0.0),
    )
    return step, known


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
