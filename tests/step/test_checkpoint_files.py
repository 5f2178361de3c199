"""Files of save and load: whole or not at all, without pickle, checked before anything is written."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from refusals import contents, refuse
from test_checkpoint import draw, made, train

import fastopt
from fastopt import schedules


@pytest.mark.parametrize("kind", [str, Path])
def test_the_path_is_used_as_it_is(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "run.npz", "run.tar.gz", "ünï cødé", "n" * 200):
        opt, other = made("dict"), made("dict", seed=5)
        train(opt, "dict", [1])
        fastopt.save(kind(name), opt)
        fastopt.load(kind(tmp_path / name), other)
        assert contents(opt) == contents(other)
        assert os.listdir(tmp_path) == [name]
        os.unlink(name)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_that_of_any_new_file(mask, tmp_path):
    old = os.umask(mask)
    try:
        (tmp_path / "plain").write_bytes(b"")
        fastopt.save(tmp_path / "run", made("dict"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


CRASHES = [("numpy.savez", OSError), ("os.replace", OSError), ("os.fsync", OSError), ("numpy.savez", KeyboardInterrupt)]


@pytest.mark.parametrize(("where", "error"), CRASHES)
@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "new"])
def test_a_crash_leaves_the_old_file_whole(old, where, error, tmp_path, monkeypatch):
    opt, before = made("dict"), b""
    if old:
        fastopt.save(tmp_path / "run", opt)
        before = (tmp_path / "run").read_bytes()
    train(opt, "dict", [1])

    def crash(file, *args, **kwargs):
        if where == "numpy.savez":
            file.write(b"PK half of it")
        raise error("no space left")

    monkeypatch.setattr(where, crash)
    with pytest.raises(error, match="no space left"):
        fastopt.save(tmp_path / "run", opt)
    assert os.listdir(tmp_path) == (["run"] if old else [])
    assert not old or (tmp_path / "run").read_bytes() == before


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastopt.save(tmp_path / "none" / "run", made("dict"))
    with pytest.raises(FileNotFoundError):
        fastopt.load(tmp_path / "run", made("dict"))
    assert os.listdir(tmp_path) == []


def rewritten(path, change):
    """The file with other arrays."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes())
    change(arrays, header)
    if "header" in arrays:
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=True, **arrays)


CHANGES = [
    ("no format", lambda a, h: h.pop("format"), "format"),
    ("another format", lambda a, h: h.update(format="fastopt checkpoint 9"), "format"),
    ("no header", lambda a, h: a.pop("header"), "run"),
    ("no names", lambda a, h: h.pop("names"), "run"),
    ("no rule", lambda a, h: h.pop("rule"), "run"),
    ("no hyper", lambda a, h: h.pop("hyper"), "run"),
    ("names of another kind", lambda a, h: h.update(names=3), "run"),
    ("no parameter", lambda a, h: a.pop("params/1"), "params['F']"),
    ("no state", lambda a, h: a.pop("state/v/2"), "v"),
    ("t", lambda a, h: h.update(t=-1), "t"),
    ("t of another kind", lambda a, h: h.update(t="many"), "t"),
    ("lr out of range", lambda a, h: h["hyper"].update(lr=-0.5), "lr"),
    ("beta out of range", lambda a, h: h["hyper"].update(beta1=2.0), "beta1"),
    ("nan", lambda a, h: h["hyper"].update(eps=float("nan")), "eps"),
    ("shape", lambda a, h: a.update({"params/0": np.ones((3, 4))}), "params['W']"),
    ("shape of a state", lambda a, h: a.update({"state/v/0": np.ones((3, 4))}), "params['W']"),
]


@pytest.mark.parametrize(("change", "word"), [pytest.param(*row[1:], id=row[0]) for row in CHANGES])
def test_files_that_do_not_fit(change, word, tmp_path):
    fastopt.save(tmp_path / "run", made("dict"))
    rewritten(tmp_path / "run", change)
    other = made("dict", seed=3)
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, word, unchanged=[other])


@pytest.mark.parametrize("key", ["params/1", "state/m/1", "header"])
def test_no_pickle(key, tmp_path):
    opened = []

    class Trap:
        def __reduce__(self):
            return opened.append, (1,)

    fastopt.save(tmp_path / "run", made("dict"))
    with np.load(tmp_path / "run") as archive:
        arrays = dict(archive) | {key: np.array([Trap()])}
    with open(tmp_path / "run", "wb") as file:
        np.savez(file, allow_pickle=True, **arrays)
    opened.clear()
    other = made("dict", seed=3)
    refuse(lambda: fastopt.load(tmp_path / "run", other), ValueError, "run", unchanged=[other])
    assert not opened


def test_dtypes_and_names_and_rules_are_checked(tmp_path):
    path = tmp_path / "run"
    fastopt.save(path, made("dict"))
    arrays = draw(3)
    others = [
        (fastopt.Adam(arrays | {"b": np.ones(7)}), TypeError, "params['b']", "float64", "float32"),
        (fastopt.Adam(arrays | {"b": np.ones(8, "f4")}), ValueError, "params['b']", "(8,)", "(7,)"),
        (fastopt.Adam(arrays | {"c": np.ones(7)}), ValueError, "params['c']"),
        (fastopt.Adam({key: arrays[key] for key in "WFb"}), ValueError, "params['s']"),
        (fastopt.Adam(dict(reversed(arrays.items()))), ValueError, "order"),
        (fastopt.Adam(list(arrays.values())), ValueError, "params['W']"),
        (fastopt.SGD(arrays | {"b": np.ones(7)}), TypeError, "params['b']", "float64", "float32"),
        (fastopt.AdamW(arrays), ValueError, "'adamw'", "'adam'"),
        (fastopt.SGD(arrays), ValueError, "'sgd'"),
        (fastopt.SGD(arrays, lr=schedules.constant(1.0)), ValueError, "'sgd'"),
    ]
    for other, error, *words in others:
        refuse(lambda other=other: fastopt.load(path, other), error, *words, unchanged=[other])
    long = fastopt.Adam({"k" * 500: np.ones(1)})
    refuse(lambda: fastopt.load(path, long), ValueError, unchanged=[long])
    fastopt.save(path, long)
    other = made("dict")
    refuse(lambda: fastopt.load(path, other), ValueError, unchanged=[other])


def foreign_files(path):
    yield "empty", lambda: path.write_bytes(b"")
    yield "text", lambda: path.write_text("no checkpoint")
    yield "zip alone", lambda: path.write_bytes(b"PK\x05\x06" + bytes(18))
    yield "npz", lambda: save_with(np.savez, path, a=np.ones(2))
    yield "compressed npz", lambda: save_with(np.savez_compressed, path, a=np.ones(2))
    yield "npy", lambda: save_with(np.save, path, np.ones(2))
    yield "pickle", lambda: save_with(lambda file, a: np.save(file, a, allow_pickle=True), path, np.array([{}]))
    yield "header of bytes", lambda: save_with(np.savez, path, header=np.arange(9, dtype=np.uint8))
    yield "header of text", lambda: save_with(np.savez, path, header=np.array("{}"))
    yield "header of a list", lambda: save_with(np.savez, path, header=np.frombuffer(b"[1]", np.uint8))


def save_with(how, path, *args, **arrays):
    with open(path, "wb") as file:
        how(file, *args, **arrays)


def test_foreign_files(tmp_path):
    path, other = tmp_path / "run", made("dict")
    for _, write in foreign_files(path):
        write()
        refuse(lambda: fastopt.load(path, other), ValueError, "run", unchanged=[other])


def test_damaged_files(tmp_path):
    """Cut anywhere, or with any byte changed: the same as before, or a ValueError and nothing loaded."""
    opt, other = fastopt.Momentum(np.arange(3.0)), fastopt.Momentum(np.zeros(3))
    opt.step(np.ones(3))
    fastopt.save(tmp_path / "run", opt)
    whole, path = (tmp_path / "run").read_bytes(), tmp_path / "damaged"
    directory = whole.index(b"PK\x01\x02")
    damaged = [whole[:i] for i in range(0, len(whole), 9)]
    for i in [*range(0, directory, 3), *range(directory, len(whole))]:
        damaged += [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for bit in (1, 128)]
    untouched, outcomes = contents(other), set()
    for raw in damaged:
        path.write_bytes(raw)
        try:
            fastopt.load(path, other)
        except Exception as error:
            outcomes.add(type(error).__name__ if len(str(error).splitlines()) == 1 else str(error))
            assert contents(other) == untouched
        else:
            assert contents(other) == contents(opt)
            other = fastopt.Momentum(np.zeros(3))
    assert outcomes == {"ValueError"}


@pytest.mark.parametrize("opt", [None, np.ones(2), fastopt.Adam], ids=["None", "array", "class"])
def test_what_is_no_optimizer(opt, tmp_path):
    refuse(lambda: fastopt.save(tmp_path / "run", opt), TypeError, "opt", "Optimizer")
    refuse(lambda: fastopt.load(tmp_path / "run", opt), TypeError, "opt", "Optimizer")
    assert os.listdir(tmp_path) == []
