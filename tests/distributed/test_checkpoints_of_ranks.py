"""One file of all ranks, that any number of them loads; state dicts, which are of one rank; averages."""

import numpy as np
import pytest
from on_ranks import adam, errors, gradients, parameters, results, summed, values

import fastopt

RANKS = (1, 2, 3)
DTYPES = dict.fromkeys("Wbs", np.float64) | {"c": np.float32}  # ranks share them out by dtype, the narrowest first


def trained(comm, make, path, ranks):
    """Steps, a checkpoint, and a step more; without a communicator by the sums of so many ranks."""
    opt = make(parameters(DTYPES), comm=comm)
    for t in range(4):
        if t == 3:
            fastopt.save(path, opt)
        step(opt, comm, t, ranks)
    return values(opt.params)


def step(opt, comm, t, ranks):
    each = [gradients(opt.params, t, rank) for rank in range(ranks)]
    for g in each:
        g["b"] = None if t == 1 else g["b"]
    opt.step(summed(each) if comm is None else each[comm.Get_rank()])


def resumed(comm, make, path, ranks):
    opt = make(parameters(DTYPES, seed=1), comm=comm, lr=9.0)
    fastopt.load(path, opt)
    step(opt, comm, 3, ranks)
    return values(opt.params), opt.t, opt.counts


@pytest.mark.parametrize("make", [fastopt.Adam, fastopt.LAMB, fastopt.NovoGrad, fastopt.Prodigy])
def test_any_number_of_ranks_loads_what_any_number_saved(make, tmp_path):
    path = tmp_path / "run.npz"
    after, *_ = results(3, trained, make, path, 3)
    for ranks in RANKS:
        if ranks == 3:
            found = results(3, resumed, make, path, 3)
        else:  # with the gradient of three, which each of two has half of
            found = results(ranks, halved, make, path)
        for params, t, counts in found:
            assert (t, counts) == (4, {"W": 4, "b": 3, "c": 4, "s": 4})
            for name, p in params.items():
                np.testing.assert_allclose(p, after[name], rtol=1e-6, atol=1e-6)
                assert ranks < 3 or np.array_equal(p, after[name])
    params, t, counts = resumed(None, make, path, 3)
    for name, p in params.items():
        np.testing.assert_allclose(p, after[name], rtol=1e-6, atol=1e-6)


def halved(comm, make, path):
    opt = make(parameters(DTYPES), comm=comm)
    fastopt.load(path, opt)
    whole = summed([gradients(opt.params, 3, rank) for rank in range(3)])
    part = 1.0 / comm.Get_size()
    opt.step({name: np.asarray(part * g, g.dtype, order="F" if name == "c" else "C") for name, g in whole.items()})
    return values(opt.params), opt.t, opt.counts


def test_the_file_is_that_of_one_optimiser(tmp_path):
    """But for rounding: names, shapes and counts."""
    results(2, trained, fastopt.Adam, tmp_path / "two", 2)
    trained(None, fastopt.Adam, tmp_path / "one", 2)
    with np.load(tmp_path / "one") as one, np.load(tmp_path / "two") as two:
        assert one.files == two.files
        for name in set(one.files) - {"header"}:
            assert one[name].shape == two[name].shape
            np.testing.assert_allclose(two[name], one[name], rtol=1e-6, atol=1e-6)


def test_a_file_that_cannot_be_written_is_told_to_all(tmp_path):
    found = errors(2, lambda comm: fastopt.save(tmp_path / "no" / "run", adam(comm)))
    assert found[0].startswith("FileNotFoundError: ")
    assert found[1].startswith("RuntimeError: rank 0 of 2 raised FileNotFoundError: ")


def test_a_file_that_one_cannot_read_is_told_to_all(tmp_path):
    results(2, lambda comm: fastopt.save(tmp_path / "run", adam(comm)))

    def script(comm):
        opt = adam(comm)
        before = values(opt.params)
        opt.step(gradients(opt.params, 0, 0))
        after = values(opt.params)
        assert not np.array_equal(before["W"], after["W"])
        try:
            fastopt.load(tmp_path / ("run" if comm.Get_rank() else "none"), opt)
        finally:
            assert all(np.array_equal(after[name], p) for name, p in opt.params.items())

    found = errors(2, script)
    assert found[0].startswith("FileNotFoundError: ")
    assert found[1].startswith("RuntimeError: rank 0 of 2 raised FileNotFoundError: ")


def test_ranks_must_load_the_same_file(tmp_path):
    for t in range(2):
        results(2, lambda comm, t=t: save_after(tmp_path / f"{t}", comm, t))
    found = errors(2, lambda comm: fastopt.load(tmp_path / f"{comm.Get_rank()}", adam(comm)))
    assert all(said.startswith("ValueError: the file must be the same on all ranks, got one with") for said in found)


def save_after(path, comm, steps):
    opt = adam(comm)
    for t in range(steps):
        opt.step(gradients(opt.params, t, 0))
    fastopt.save(path, opt)


def test_a_state_dict_is_of_one_rank():
    def script(comm):
        opt, other = adam(comm), adam(comm)
        opt.step(gradients(opt.params, 0, comm.Get_rank()))
        saved = opt.state_dict()
        assert sum(m.size for m in saved["state"]["m"].values()) < 51
        other.load_state_dict(saved)
        for name, p in other.params.items():
            p[...] = opt.params[name]
        for each in (opt, other):
            each.step(gradients(opt.params, 1, comm.Get_rank()))
        assert all(np.array_equal(other.params[name], p) for name, p in opt.params.items())
        return saved

    saved, *_ = results(3, script)
    found = errors(2, lambda comm: adam(comm).load_state_dict(saved))
    assert found[0].startswith("ValueError: 'm' of params['W'] must have shape (17,), got (11,)")


@pytest.mark.parametrize("make", [lambda p, **k: fastopt.SGD(p, ema=0.5, **k), fastopt.ScheduleFreeSGD])
def test_averages_are_exchanged_on_all_ranks(make):
    def script(comm, ranks=3):
        opt = make(parameters(), lr=0.1, comm=comm)
        for t in range(3):
            step(opt, comm, t, ranks)
        before = values(opt.params)
        with opt.swapped():
            inside = values(opt.params)
            whole = comm is None or all(a.shape == p.shape for a, p in zip(opt.averaged.values(), before.values()))
        assert whole
        assert all(np.array_equal(before[name], p) for name, p in opt.params.items())
        return inside

    alone = script(None)
    for inside in results(3, script):
        for name, a in alone.items():
            np.testing.assert_allclose(inside[name], a, rtol=1e-6, atol=1e-6)


def test_an_error_inside_leaves_the_parameters():
    def script(comm):
        opt = fastopt.SGD(parameters(), lr=0.1, ema=0.5, comm=comm)
        step(opt, comm, 0, 2)
        before = values(opt.params)
        with pytest.raises(KeyError), opt.swapped():
            raise KeyError
        return all(np.array_equal(before[name], p) for name, p in opt.params.items())

    assert results(2, script) == [True, True]
