"""What the compiler makes of the CUDA kernels, for two generations of GPUs; needs no GPU."""

import re

import numpy as np
import pytest
from extras import why_not
from stepping import BY_NAME, COMPILED, DTYPES, ONE_OF_EACH, name_of
from with_sums import EACH as WITH_SUMS

import fastopt

if why_not("cuda"):
    pytest.skip(why_not("cuda"), allow_module_level=True)

import numba
from cuda.core import Linker, LinkerOptions, ObjectCode
from numba import config, cuda, njit, types

from fastopt.cli.compare.device_losses import of_row
from fastopt.kernels.cuda import gpu as target
from fastopt.kernels.cuda import kernels as cuda_kernels
from fastopt.kernels.cuda import least_squares as cuda_squares
from fastopt.kernels.cuda import matrices as cuda_matrix
from fastopt.kernels.cuda import minimize as cuda_many
from fastopt.kernels.cuda import points as cuda_points
from fastopt.kernels.cuda import sums as cuda_sums
from fastopt.kernels.cuda.bind import device_function
from fastopt.kernels.cuda.loops import step as grid
from fastopt.kernels.loops.least_squares import PLANNED
from fastopt.kernels.loops.trust_region import MATRICES, NUMBERS, VECTORS
from fastopt.kernels.minimize import Flags
from fastopt.problems import pieces

if config.ENABLE_CUDASIM:
    pytest.skip("the simulator compiles nothing", allow_module_level=True)

pytestmark = pytest.mark.needs("cuda")
TEMPLATES = {
    "plain": {},
    "staged": {"stage": True},
    "clipped": {"stage": True, "scaled": True},
    "capturable": {"held": True},
}
CARDS = [(8, 0), (9, 0)]
LARGEST = "adan_decoupled"  # no rule has more state


class Uncompiled:
    """A kernel as it is before a GPU is known."""

    def __init__(self, function, *kinds, **options):
        self.function, self.kinds = function, kinds


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """Stands for the current device, which Numba asks for when a kernel calls a function."""

    class Card:
        compute_capability = (9, 0)

    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", Card)
    monkeypatch.setattr(target, "Kernel", Uncompiled)
    return Card


def compiled(kernel, cc, card):
    """Its PTX, and what the assembler reports."""
    card.compute_capability = cc
    signature = types.void(*kernel.kinds)
    ptx, _ = cuda.compile(kernel.function, signature, device=False, abi="numba", cc=cc, output="ptx")
    options = LinkerOptions(arch=f"sm_{cc[0]}{cc[1]}", ptxas_options=["-v"])
    linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
    linker.link("cubin")
    return ptx, linker.get_info_log()


def check_memory(ptx, log):
    assert re.search(r"Used \d+ registers", log)
    assert re.findall(r"(\d+) bytes (?:stack frame|spill stores|spill loads)", log), log
    assert set(re.findall(r"(\d+) bytes (?:stack frame|spill stores|spill loads)", log)) == {"0"}, log
    assert ".local" not in ptx


def check_sweep(rule, dtype, options, ptx, log):
    check_memory(ptx, log)
    if dtype == np.float32:
        assert ".f64" not in ptx
    loads, stores = ptx.count("ld.global"), ptx.count("st.global")
    arrays = 2 + len(rule.state)
    once = loads - stores * arrays // (arrays - 1)  # loads of what is the same for all elements
    count = len(rule.coefficients(1, *map(float, rule.hyper.values())))
    assert stores % (arrays - 1) == 0
    assert 1 <= once <= count if options.get("held") else once == options.get("scaled", False), (loads, stores)
    before = ptx.partition("bar.warp.sync")[0].count("ld.global") - ptx.partition("bar.warp.sync")[0].count("st.global")
    assert before >= grid.EACH * arrays, "a thread must have all loads of its elements in flight at once"


# Every rule in the plain template, one of each shape in all.
SWEEPS = [
    (name, template)
    for name in COMPILED
    for template in TEMPLATES
    if not BY_NAME[name].reduces and (template == "plain" or name in ONE_OF_EACH)
]


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(("name", "template"), SWEEPS)
def test_sweep(name, template, dtype, card):
    """For one generation of GPUs or the other by turns: rules by dtype, one of each shape in all templates."""
    options = TEMPLATES[template]
    kernel = cuda_kernels.sweep.__wrapped__(BY_NAME[name], np.dtype(dtype), **options)
    turn = (list(TEMPLATES).index(template) + DTYPES.index(dtype)) % 2
    for cc in CARDS if name == LARGEST else CARDS[turn : turn + 1]:
        check_sweep(BY_NAME[name], dtype, options, *compiled(kernel, cc, card))


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("name", COMPILED)
def test_advance(name, dtype, card):
    kernel = cuda_kernels.advance.__wrapped__(BY_NAME[name], np.dtype(dtype))
    check_memory(*compiled(kernel, CARDS[DTYPES.index(dtype)], card))


@pytest.mark.parametrize(("dtype", "cc"), list(zip(DTYPES, CARDS)), ids=name_of)
@pytest.mark.parametrize("rule", [BY_NAME["lamb"], BY_NAME["prodigy"], WITH_SUMS], ids=name_of)
def test_sums(rule, dtype, cc, card):
    """Sums are in float64; the step itself is not, and has what they became in its own dtype."""
    dtype, forms = np.dtype(dtype), ({}, {"stage": True, "scaled": True})
    for form in forms:
        kernels = [cuda_sums.add.__wrapped__(rule, dtype, which, **form) for which in range(cuda_sums.rounds(rule))]
        for kernel in (*kernels, cuda_sums.conclude.__wrapped__(rule, dtype, **form)):
            check_memory(*compiled(kernel, cc, card))
        ptx, log = compiled(cuda_kernels.sweep.__wrapped__(rule, dtype, **form), cc, card)
        check_memory(ptx, log)
        assert dtype == np.float64 or ".f64" not in ptx
    check_memory(*compiled(cuda_sums.note.__wrapped__(rule, dtype), cc, card))
    check_memory(*compiled(cuda_sums.total.__wrapped__(), cc, card))


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_other_kernels(dtype, card):
    for make in (cuda_kernels.squares, cuda_kernels.fill, cuda_kernels.scale, cuda_kernels.gather):
        for cc in CARDS:
            check_memory(*compiled(make.__wrapped__(np.dtype(dtype)), cc, card))
    for cc in CARDS:
        check_memory(*compiled(cuda_kernels.add.__wrapped__(np.dtype(np.float64), np.dtype(dtype)), cc, card))
        check_memory(*compiled(cuda_kernels.pick.__wrapped__(np.dtype(f"u{np.dtype(dtype).itemsize}")), cc, card))
    for make in (cuda_kernels.judge, cuda_kernels.note):
        for cc in CARDS:
            ptx, log = compiled(make.__wrapped__(), cc, card)
            check_memory(ptx, log)
            assert not re.search(r"\b(atom|red)\.", ptx)


@njit
def misfit(x, grad, y, weight, t):
    f, grad[:] = 0.0, 0.0
    for j in range(t.size):
        e = np.exp(-x[1] * t[j])  # NumPy's exp, which CUDA's Numba does not know
        r = np.float64(x[0]) * e - y[j]
        f += 0.5 * weight * r * r
        grad[0] += r * e
        grad[1] -= r * x[0] * t[j] * e
    return f


@njit
def value(x, y, weight, t):
    f = 0.0
    for j in range(t.size):
        f += 0.5 * weight * (x[0] * np.exp(-x[-1] * t[j]) - y[j]) ** 2
    for i in range(1, x.size):
        f += (x[i] - x[i - 1] ** 2) ** 2
    return f


NONE, ALL = Flags(*[False] * 6), Flags(True, False, True, True, True, True)


def many(name, dtype, flags=NONE, fun=misfit, form="inplace", **size):
    scalar = numba.from_dtype(np.dtype(dtype))
    rows = types.Tuple((types.Array(scalar, 2, "C"), types.Array(scalar, 1, "C")))
    shared = types.Tuple((types.Array(scalar, 1, "C"),))
    function, of = device_function(fun), (scalar, rows, shared)
    loop = cuda_many.loop_kernel.__wrapped__(BY_NAME[name], form, function, flags, *of, **size)
    return loop, cuda_many.evaluation_kernel.__wrapped__(form, function, *of, **size)


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, np.float64) for name in [*ONE_OF_EACH, "madgrad"]), (LARGEST, np.float32)]
)
def test_many(name, dtype, card):
    """A thread per problem, with the user's function inside: nothing in local memory, no call left.

    In float64, which takes twice the registers.
    """
    ptx, log = compiled(many(name, dtype)[0], (9, 0), card)
    check_memory(ptx, log)
    assert "call" not in ptx


@pytest.mark.parametrize(("d", "dtype"), [(2, np.float32), (8, np.float64), (17, np.float32)])
def test_many_of_values(d, dtype, card):
    """The duals of up to eight variables are in registers; those of more in local memory, once."""
    ptx, log = compiled(many("adam", dtype, fun=value, form="forward", size=d)[0], (9, 0), card)
    assert "call" not in ptx
    if d <= 8:
        check_memory(ptx, log)
    else:
        frames = {int(size) for size in re.findall(r"(\d+) bytes stack frame", log)}
        assert frames == {-(-d * 9 * np.dtype(dtype).itemsize // 8) * 8}
        assert set(re.findall(r"(\d+) bytes spill", log)) == {"0"}


@pytest.mark.parametrize(("cc", "dtype"), list(zip(CARDS, DTYPES)))
def test_many_with_all_options(cc, dtype, card):
    for kernel in many("adam", dtype, flags=ALL):
        check_memory(*compiled(kernel, cc, card))
    check_memory(*compiled(cuda_many.transfer.__wrapped__(np.dtype(np.float32), "C", "F"), cc, card))


@njit
def decay(t, a, b):
    return a * np.exp(-b * t)


@njit
def dearer(t, a, b):
    return np.tanh(a * np.exp(-b * t)) + np.sqrt(a * a + t) / (1.0 + abs(b))


@njit
def hill(t, low, high, slope, half):
    return low + (high - low) / (1.0 + np.exp(slope * (t - half)))


def squares(f, d, dtype, loss=0):
    """Fits of curves to rows at points that all share, with standard deviations of each."""
    scalar = numba.from_dtype(np.dtype(dtype))
    matrix, vector = types.Array(scalar, 2, "C"), types.Array(scalar, 1, "C")
    kinds = types.Tuple((matrix, matrix)), types.Tuple((vector,))
    return cuda_squares.loop_kernel.__wrapped__((2, 1), device_function(f), scalar, d, loss, *kinds)


@pytest.mark.parametrize(("cc", "dtype", "loss"), [(*CARDS[:1], np.float32, 3), (*CARDS[1:], np.float64, 0)])
def test_least_squares(cc, dtype, loss, card):
    """What a thread keeps from one evaluation to the next is in local memory, and nothing that it evaluates."""
    ptx, log = compiled(squares(hill, 4, dtype, loss), cc, card)
    assert "call" not in ptx
    assert set(re.findall(r"(\d+) bytes spill", log)) == {"0"}, log
    kept = (VECTORS * 4 + MATRICES * 25 + NUMBERS) * np.dtype(dtype).itemsize + 8 * (3 + 5 * 4 + PLANNED)
    assert max(map(int, re.findall(r"(\d+) bytes stack frame", log))) <= kept


def test_least_squares_stay_in_float32(card):
    """Whatever is fitted: float64 is in what is done once for each problem."""
    counts = [compiled(squares(f, 2, np.float32), (9, 0), card)[0].count(".f64") for f in (decay, dearer)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_points(dtype, card):
    scalar = numba.from_dtype(np.dtype(dtype))
    matrix, vector = types.Array(scalar, 2, "C"), types.Array(scalar, 1, "C")
    for kernel in (*(cuda_points.known.__wrapped__(matrix, sigma) for sigma in (None, matrix, vector)),
                   cuda_points.reciprocals.__wrapped__(scalar)):  # fmt: skip
        check_memory(*compiled(kernel, (9, 0), card))


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_losses(dtype, card):
    """The kernels of the losses that ``fastopt compare`` trains with."""
    scalar = numba.from_dtype(np.dtype(dtype))
    kernels = [cuda_matrix.product.__wrapped__(scalar, *order) for order in ("CC", "FC", "CF")]
    for piece in (pieces.gaussian, pieces.bernoulli, pieces.poisson):
        kernels.append(cuda_matrix.rows.__wrapped__(of_row(piece), scalar, 1, types.float64))
    kernels.append(cuda_matrix.rows.__wrapped__(of_row(pieces.categorical), scalar, 2, types.int64))
    for piece, ndim in ((pieces.tanh, 1), (pieces.add_to_rows, 1), (pieces.through_tanh, 2)):
        kernels.append(cuda_matrix.elements.__wrapped__(piece.py_func, scalar, ndim))
    kernels.append(cuda_matrix.columns.__wrapped__(pieces.sum_rows.py_func, scalar))
    kernels.append(cuda_matrix.penalties.__wrapped__(pieces.penalise.py_func, scalar))
    kernels.append(cuda_matrix.add_up.__wrapped__())
    for kernel in kernels:
        check_memory(*compiled(kernel, (9, 0), card))


def rule_of(update):
    return fastopt.Rule(name="mine", update=update, coefficients=lambda t, lr: (lr,), hyper={"lr": 1.0})


def test_a_literal_is_found(card, monkeypatch):
    """It is refused; if it were not, the check of float64 in float32 kernels would fail, as it must."""
    rule = rule_of(lambda p, g, lr: (p - lr * (1.0 - g),))
    with pytest.raises(TypeError, match=r"<lambda> of rule 'mine' must keep float32 arrays in float32, got .* 1\.0 in"):
        cuda_kernels.sweep.__wrapped__(rule, np.dtype(np.float32))
    monkeypatch.setattr(cuda_kernels, "check", lambda rule, dtype: None)
    kernel = cuda_kernels.sweep.__wrapped__(rule, np.dtype(np.float32))
    assert ".f64" in compiled(kernel, (9, 0), card)[0]


def test_rule_that_does_not_compile(monkeypatch, card):
    def compile_now(function, *kinds, **options):
        return compiled(Uncompiled(function, *kinds), (9, 0), card)

    monkeypatch.setattr(target, "Kernel", compile_now)
    rule = rule_of(lambda p, g, lr: (p - lr * np.linalg.norm(g) if g > p else p,))
    with pytest.raises(TypeError) as caught:
        cuda_kernels.sweep.__wrapped__(rule, np.dtype(np.float32))
    message = str(caught.value)
    assert message.startswith("rule 'mine' must compile for CUDA and float32 arrays: ")
    assert len(message) <= 300
    assert "\n" not in message
