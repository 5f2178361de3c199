"""Steps are counted per array: one whose gradient was None does not age."""

import numpy as np
import pytest
from numba import njit
from reference import Reference
from stepping import BY_NAME, assert_close, bits, leaves, name_of, optimizer, problem

import fastopt
from fastopt import schedules

HELD = {
    "list": (list, list),
    "packed": (fastopt.pack, list),
    "groups": (lambda arrays: [{"params": a} for a in arrays], list),
    "mapping": (lambda arrays: dict(enumerate(arrays)), lambda arrays: dict(enumerate(arrays))),
}
each_way = pytest.mark.parametrize("way", HELD)


def intermittent(grads, seed=0):
    """Some of the gradients; the second array has none for ten steps, the third only now and then."""
    rng = np.random.default_rng(seed)
    for t, given in enumerate(grads):
        yield [g if keep else None for g, keep in zip(given, (rng.random() < 0.8, t >= 10, t % 3 == 1))]


def flat(opt):
    return opt._layout.leaves


@pytest.mark.parametrize("name", BY_NAME)
@each_way
def test_every_rule_counts_the_steps_of_each_array(name, way):
    hold, form = HELD[way]
    params, grads = problem(np.float64, steps=25)
    opt, ref = optimizer(name, hold([p.copy() for p in params]), lr=0.1), Reference(name, params, lr=0.1)
    for given in intermittent(grads):
        opt.step(form(given))
        ref.step(given)
        assert_close(flat(opt), ref.params, f"parameters, t={opt.t}")
    assert opt.t == ref.t > max(ref.counts)
    assert list(opt.counts.values() if way == "mapping" else opt.counts) == ref.counts
    for slot in ref.state:
        assert_close(leaves(opt.state[slot]), ref.state[slot], slot)


@pytest.mark.parametrize("options", [{"clip_norm": 0.5}, {"check_finite": True}, {"weight_decay": 0.1}], ids=name_of)
@each_way
def test_with_options(options, way):
    hold, form = HELD[way]
    params, grads = problem(np.float64, steps=25)
    reference_options = {k: v for k, v in options.items() if k != "check_finite"}
    opt = fastopt.Adam(hold([p.copy() for p in params]), **options)
    ref = Reference("adam", params, **reference_options)
    for given in intermittent(grads):
        opt.step(form(given))
        ref.step(given)
    assert_close(flat(opt), ref.params, "parameters")


def test_schedules_see_the_steps_of_the_optimiser():
    asked = []
    opt = fastopt.Adam([np.zeros(1), np.zeros(1)], lr=lambda step: asked.append(step) or 0.1)
    for given in ([np.ones(1), None], [None, np.ones(1)], [None, None], [None, np.ones(1)]):
        opt.step(given)
    assert asked == [0, 1, 2]
    assert (opt.t, opt.counts) == (3, [1, 2])


def test_an_array_that_thaws_takes_its_first_step():
    x, y = np.zeros(1), np.zeros(1)
    opt = fastopt.Adam([x, y], lr=0.1)
    for _ in range(1000):
        opt.step([np.ones(1), None])
    opt.step([np.ones(1), np.ones(1)])
    assert y[0] == pytest.approx(-0.1)


def test_packed_arrays_are_one_call_while_they_agree():
    params = fastopt.pack([np.zeros(3), np.zeros(4), np.zeros(5)])
    opt, grads = fastopt.Adam(params), [np.ones(3), np.ones(4), np.ones(5)]
    assert len(opt._layout.pieces(grads)[0]) == len(opt._layout.pieces(params.zeros_like())[0]) == 1
    opt.step([None, *grads[1:]])
    assert len(opt._layout.pieces(grads)[0]) == len(opt._layout.pieces(params.zeros_like())[0]) == 2
    opt.step([grads[0], None, None])
    opt.load_state_dict({k: v for k, v in opt.state_dict().items() if k != "counts"})
    assert len(opt._layout.pieces(grads)[0]) == 1


@each_way
def test_counts_are_saved_and_loaded(way, tmp_path):
    hold, form = HELD[way]
    params, grads = problem(np.float64, steps=30)
    given = list(intermittent(grads))
    straight = fastopt.NAdam(hold([p.copy() for p in params]))
    for g in given:
        straight.step(form(g))
    first = fastopt.NAdam(hold([p.copy() for p in params]))
    for g in given[:17]:
        first.step(form(g))
    fastopt.save(tmp_path / "run", first)
    second, third = fastopt.NAdam(hold([p * 0 for p in params])), fastopt.NAdam(hold([p.copy() for p in flat(first)]))
    fastopt.load(tmp_path / "run", second)
    third.load_state_dict(first.state_dict())
    for opt in (second, third):
        assert opt.counts == first.counts
        for g in given[17:]:
            opt.step(form(g))
        assert opt.counts == straight.counts
        assert bits(*flat(opt)) == bits(*flat(straight))


@pytest.mark.parametrize("counts", [[3, 2], [0, -1], [0, True], [0, 1.0], [0, None], [0], {"a": 0}, 2])
def test_wrong_counts_are_refused(counts):
    opt = fastopt.Adam([np.zeros(2), np.zeros(2)])
    saved = opt.state_dict() | {"t": 2, "counts": counts}
    with pytest.raises((TypeError, ValueError), match=r"count") as caught:
        opt.load_state_dict(saved)
    assert len(str(caught.value)) <= 300
    assert (opt.t, opt.counts) == (0, [0, 0])


def test_counts_are_read_only_and_of_one_array_a_number():
    opt = fastopt.Adam(np.zeros(2))
    opt.step(np.ones(2))
    assert opt.counts == 1
    with pytest.raises(AttributeError):
        opt.counts = 2


@pytest.mark.parametrize("hold", [lambda a: a, lambda a: [a]], ids=["array", "list"])
def test_loaded_counts_hold_for_a_single_array(hold):
    """Which is stepped by a shorter way while its count is that of the optimiser."""
    x, y = np.ones(3), np.ones(3)
    opt, young = fastopt.Adam(hold(x), lr=0.1), fastopt.Adam(hold(y), lr=0.1)
    opt.load_state_dict(opt.state_dict() | {"t": 1000})
    for _ in range(3):
        opt.step(hold(np.full(3, 0.5)))
        young.step(hold(np.full(3, 0.5)))
    assert (opt.t, opt.counts) == (1003, hold(3))
    assert bits(x) == bits(y)


def test_a_skipped_step_ages_no_array():
    opt = fastopt.Adam([np.zeros(1), np.zeros(1)], check_finite="skip")
    opt.step([np.array([np.nan]), None])
    opt.step([np.ones(1), None])
    assert (opt.t, opt.skipped, opt.counts) == (1, 1, [1, 0])


def loss(params, grads, y):
    for i in range(y.size):
        grads[0][0] += params[0][0] - y[i]
        grads[1][0] += params[1][0] + y[i]
    return 0.0


@pytest.mark.parametrize("compile_it", [lambda f: f, njit], ids=["python", "compiled"])
@pytest.mark.parametrize("hold", [list, fastopt.pack])
@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1.0, "lr": schedules.exponential(0.1, 0.9)}], ids=name_of)
def test_fit_goes_on_from_the_counts(clip, hold, compile_it):
    """Also where a callback steps some of the arrays."""
    y = np.array([1.0, 2.0, 4.0])

    def prepared():
        opt = fastopt.Adam(hold([np.zeros(1), np.zeros(1)]), **clip)
        for _ in range(5):
            opt.step([np.ones(1), None])
        return opt

    def callback(epoch, loss, opt):
        if epoch == 2:
            opt.step([None, np.ones(1)])

    opt, by_hand = prepared(), prepared()
    fastopt.fit(compile_it(loss), opt, y, batch_size=None, epochs=4, callback=callback)
    for epoch in range(4):
        grads = [np.zeros(1), np.zeros(1)]
        loss(flat(by_hand), grads, y)
        by_hand.step(grads)
        callback(epoch, 0.0, by_hand)
    assert opt.counts == by_hand.counts == [9, 5]
    assert bits(*flat(opt)) == bits(*flat(by_hand))
