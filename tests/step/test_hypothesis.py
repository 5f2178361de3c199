"""Properties over random shapes, orders, dtypes, nests, values and rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import contents
from stepping import BY_NAME, ONE_OF_EACH

import fastopt
from fastopt import pack
from fastopt.kernels import gather
from fastopt.rules import ALL_RULES

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e-30, 1e-40, 5e-324, 1e300, -1e-310]

BY_SIGN = ("Lion", "Rprop", "RpropMinus", "SignSGD", "Signum", "FTRL")  # or, in FTRL, by whether there was a gradient

shapes = st.one_of(
    st.just(()),
    st.tuples(st.sampled_from([0, 1, 2, 7, 31, 32, 33, 255, 256, 257, 300])),
    st.tuples(st.integers(0, 17), st.integers(0, 17)),
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 8)),
)
arrays = st.tuples(shapes, st.sampled_from(["f4", "f8"]), st.sampled_from("CF"))
layouts = st.lists(arrays, min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)
rules = st.sampled_from([rule for rule in ALL_RULES if not rule.reduces])
shaped = st.sampled_from(
    [BY_NAME[name] for name in ONE_OF_EACH if not BY_NAME[name].across]
)  # where the loops are asked, not the rules


def draw(layout, seed, special=()):
    """An array of each kind, with special values sprinkled in."""
    rng = np.random.default_rng(seed)
    for shape, dtype, order in layout:
        a = np.asarray(rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4), dtype, order=order)
        where = rng.random(shape) < (0.2 if special else 0)
        with np.errstate(over="ignore"):
            a[where] = rng.choice(special or [0.0], int(where.sum())).astype(dtype)
        yield a


def started(rule, p):
    """Its state before the first step."""
    values = dict(rule.initial.values())
    return [np.full_like(p, values.get(slot, 0.0)) for slot in rule.state]


def nests(count):
    """How to hold so many arrays: a function from their list to a nest."""
    if count == 1:
        leaf = st.just(lambda arrays: arrays[0])
        return leaf | st.just(lambda arrays: [arrays[0]]) | st.just(lambda arrays: {"only": (arrays[0],)})
    halves = st.integers(1, count - 1).flatmap(lambda k: st.tuples(st.just(k), nests(k), nests(count - k)))
    kinds = st.sampled_from(
        [list, tuple, lambda pair: dict(zip("ab", pair)), lambda pair: {0: {"x": pair[0]}, 1: pair[1]}]
    )
    split = st.tuples(halves, kinds).map(
        lambda drawn: lambda arrays: drawn[1]([drawn[0][1](arrays[: drawn[0][0]]), drawn[0][2](arrays[drawn[0][0] :])])
    )
    return st.just(list) | st.just(lambda arrays: {f"p{i}": a for i, a in enumerate(arrays)}) | split


held = layouts.flatmap(lambda layout: st.tuples(st.just(layout), nests(len(layout))))


def python_step(rule, t, p, g, state):
    """The rule's own functions on scalars of the arrays' dtype."""
    c = [p.dtype.type(x) for x in rule.coefficients(t, *rule.hyper.values())]
    out = [np.empty_like(a) for a in (p, *state)]
    for i in np.ndindex(p.shape):
        for a, value in zip(out, rule.update(p[i], g[i], *(s[i] for s in state), *c), strict=True):
            a[i] = value
    return out


@settings(max_examples=150)
@given(held, rules, seeds, st.sampled_from([(), SPECIAL[:6], SPECIAL]))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_nest_is_stepped_like_plain_python(held, rule, seed, special):
    layout, nest = held
    if special is SPECIAL and rule.label in BY_SIGN:
        special = SPECIAL[:6]  # kernels count a subnormal number as zero, and the sign of zero is zero
    params = list(draw(layout, seed))
    naive = [[p.copy(order="K"), *started(rule, p)] for p in params]
    opt = fastopt.Optimizer(nest(params), rule)
    for t in (1, 2, 3):
        gradients = list(draw(layout, seed + t, special))
        opt.step(nest(gradients))
        naive = [python_step(rule, t, one[0], g, one[1:]) for one, g in zip(naive, gradients)]
    found = zip(opt._layout.leaves, *(opt._layout.state_leaves(slot) for slot in rule.state))
    for mine, expected in zip(found, naive, strict=True):
        for a, b in zip(mine, expected, strict=True):
            assert a.dtype == b.dtype
            single = a.dtype == "f4"
            np.testing.assert_allclose(a, b, rtol=2e-6 if single else 4e-15, atol=1e-28 if single else 1e-290)


@settings(max_examples=80)
@given(held, shaped, seeds, st.booleans(), st.booleans())
def test_packed_is_unpacked_and_parallel_is_serial_to_the_bit(held, rule, seed, compiled, staged):
    layout, nest = held
    options = {"maximize": True, "weight_decay": 0.1} if staged and rule.name in ("adam", "momentum") else {}
    forms = [(nest, nest, False), (nest, nest, True)]
    if not isinstance(nest(list(draw(layout, seed))), np.ndarray):
        hold = lambda arrays: pack(nest(arrays))  # noqa: E731
        forms += [(hold, nest, False), (hold, hold, True)]
    found = []
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(gather, "kernel", lambda: None)
        for hold, form, parallel in forms:
            opt = fastopt.Optimizer(hold(list(draw(layout, seed))), rule, parallel=parallel, **options)
            for t in (1, 2, 3):
                opt.step(form(list(draw(layout, seed + t, SPECIAL))))
            found.append(contents(opt)[3])
    assert all(one == found[0] for one in found)


def transform(kind, a):
    """An array that may or may not do in the place of ``a``, and whether it does."""
    good = a.copy(order="K")
    if kind == "fits":
        return good, True
    if kind == "other order":
        other = np.array(a, order="C" if a.flags.f_contiguous else "F")
        return other, other.flags.c_contiguous if a.flags.c_contiguous else other.flags.f_contiguous
    if kind == "other dtype":
        return a.astype("f8" if a.dtype == "f4" else "f4"), False
    if kind == "backwards":
        return good[::-1] if a.ndim else good, a.ndim == 0 or a.shape[0] <= 1 or a.size == 0
    if kind == "every other":
        return np.repeat(good, 2, 0)[::2] if a.ndim else good, a.ndim == 0 or a.shape[0] <= 1 or a.size == 0
    return good.reshape(-1), a.ndim == 1


kinds = st.sampled_from(["fits", "other order", "other dtype", "backwards", "every other", "flat"])


@settings(max_examples=300)
@given(layouts, st.lists(kinds, min_size=5, max_size=5), seeds, st.booleans(), st.booleans())
def test_gradients_are_taken_if_they_fit_and_else_nothing_is_changed(layout, kinds, seed, packed, compiled):
    params, gradients = list(draw(layout, seed)), list(draw(layout, seed + 1))
    given, fits = zip(*(transform(kind, g) for kind, g in zip(kinds, gradients)))
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(gather, "kernel", lambda: None)
        hold, clean = (pack, pack(params)) if packed else (list, [p.copy(order="K") for p in params])
        opt, expected = fastopt.Adam(hold(params)), fastopt.Adam(clean)
        before = contents(opt)
        if all(fits):
            opt.step(list(given))
            expected.step(gradients)
            assert contents(opt)[3] == contents(expected)[3]
        else:
            with pytest.raises((TypeError, ValueError)) as caught:
                opt.step(list(given))
            assert f"grads[{fits.index(False)}]" in str(caught.value)
            assert contents(opt) == before
    alone, g, good = params[0], given[0], fits[0]
    single = fastopt.Momentum(alone)
    before = contents(single)
    if good:
        single.step(g)
        assert single.t == 1
    else:
        with pytest.raises((TypeError, ValueError), match="grads"):
            single.step(g)
        assert contents(single) == before


@settings(max_examples=100)
@given(held)
def test_packs_hold_what_they_were_given(held):
    layout, nest = held
    given = list(draw(layout, 1))
    if isinstance(nest(given), np.ndarray):
        return
    packed = pack(nest(given))
    again, zeros = fastopt.Adam(pack(packed))._layout.leaves, fastopt.Adam(packed.zeros_like())._layout.leaves
    for a, b, zero in zip(given, again, zeros, strict=True):
        assert a.tobytes() == b.tobytes()
        assert (a.dtype, a.shape, a.flags.c_contiguous) == (b.dtype, b.shape, b.flags.c_contiguous)
        assert (a.dtype, a.shape) == (zero.dtype, zero.shape)
        assert not zero.any()
    assert sum(buffer.size for buffer in packed.buffers) == sum(a.size for a in given)
