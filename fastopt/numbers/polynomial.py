"""What the functions of this room share: polynomials, powers of two, and products whose rounding is known."""

import math
import platform
from functools import cache

from numba import config
from numba.core.codegen import get_host_cpu_features

from .emitted import intrinsic, madd, select

INF, NAN = math.inf, math.nan
SHIFT = 6755399441055744.0  # 1.5·2⁵²: added to a float, it leaves the nearest integer in the lowest bits


def polynomial(x, *coefficients):
    """Σ cᵢ·xⁱ, in pairs (Estrin's form), of which many are computed at a time."""
    terms = [x.like(c) for c in coefficients]
    while len(terms) > 1:
        pairs = [madd(b, x, a) for a, b in zip(terms[::2], terms[1::2])]
        terms, x = pairs + terms[len(pairs) * 2 :], x * x
    return terms[0]


def clamp(x, low, high):
    """NaN stays."""
    x = select(x < low, x.like(low), x)
    return select(x > high, x.like(high), x)


def rounded(x):
    """The nearest integer: as a float, and with SHIFT, which holds it in its bits."""
    shifted = x + SHIFT
    return shifted - SHIFT, shifted


@cache
def has_fma():
    """Whether llvm.fma is an instruction of this processor's, and no call of the C library."""
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else get_host_cpu_features()
    return platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686") or "+fma," in f"{features},"


def product(a, b):
    """a·b, and what was lost in rounding it."""
    high = a * b
    if has_fma():
        return high, intrinsic("fma", a, b, -high)
    (a, a_low), (b, b_low) = split(a), split(b)  # Dekker
    return high, ((a * b - high) + a * b_low + a_low * b) + a_low * b_low


def split(x):
    """As a sum of two numbers of 26 bits (Veltkamp)."""
    scaled_up = x * 134217729.0
    high = scaled_up - (scaled_up - x)
    return high, x - high


def total(a, b):
    """a + b where |a| ≥ |b|, and what was lost in rounding it."""
    high = a + b
    return high, b - (high - a)
