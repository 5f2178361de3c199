"""Files of save and load: whole or not at all, without pickle, checked before anything is written."""

import errno
import hashlib
import json
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoints import kill_while_saving, leftovers, start_saver
from refusals import contents, refuse
from test_checkpoint import draw, made, train

import fastopt
from fastopt import schedules

posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes are of POSIX")


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


@posix
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
    with pytest.raises(FileNotFoundError, match="the folder must exist") as caught:
        fastopt.save(tmp_path / "none" / "run", made("dict"))
    assert caught.value.filename == os.path.realpath(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        fastopt.load(tmp_path / "run", made("dict"))
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def forbidden(name, *_):
        raise PermissionError(errno.EACCES, "Permission denied", name)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", forbidden)
        with pytest.raises(PermissionError, match="Permission denied") as caught:
            fastopt.save(tmp_path / "run", made("dict"))
    assert caught.value.filename == os.path.realpath(tmp_path)


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
    ("no paths", lambda a, h: h.pop("paths"), "run"),
    ("no rule", lambda a, h: h.pop("rule"), "run"),
    ("no hyper", lambda a, h: h.pop("hyper"), "run"),
    ("no counts", lambda a, h: h.pop("counts"), "run"),
    ("no sums", lambda a, h: h.pop("sums"), "run"),
    ("no state of the rule", lambda a, h: h.update(state=["m"]), "'v'"),
    ("paths of another kind", lambda a, h: h.update(paths=3), "run"),
    ("paths of numbers", lambda a, h: h.update(paths=[1, 2, 3, 4]), "run"),
    ("paths of lists", lambda a, h: h.update(paths=[[[]]] * 4), "run"),
    ("a path twice", lambda a, h: h["paths"].append(h["paths"][0]) or h["counts"].append(0), "params['W']"),
    ("counts of another kind", lambda a, h: h.update(counts={}), "run"),
    ("sums of another kind", lambda a, h: h.update(sums=[]), "run"),
    ("no parameter", lambda a, h: a.pop("params/1"), "params['F']"),
    ("no state", lambda a, h: a.pop("state/v/2"), "v"),
    ("t", lambda a, h: h.update(t=-1), "t"),
    ("t of another kind", lambda a, h: h.update(t="many"), "t"),
    ("t beyond all counts", lambda a, h: h.update(t=2**63 - 1), "2**62"),
    ("a count above t", lambda a, h: h.update(counts=[1, 0, 0, 0]), "params['W']"),
    ("a count of another kind", lambda a, h: h.update(counts=[0, 0.0, 0, 0]), "params['F']"),
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


# ---------------------------------------------------------------- what is at the path


@pytest.mark.parametrize("path", [True, 0, None, b"run", "", "r\0n", np.ones(2), 2.5, ["run"]], ids=repr)
def test_what_is_no_path(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opt = made("dict")
    refuse(lambda: fastopt.save(path, opt), (TypeError, ValueError), "path")
    refuse(lambda: fastopt.load(path, opt), (TypeError, ValueError), "path", unchanged=[opt])
    assert os.listdir() == []


def test_open_files_are_left_alone(tmp_path):
    """A number would be the descriptor of one, which would be written to, and closed."""
    opt = made("dict")
    with open(tmp_path / "run", "w+b") as file:
        for given in (file, file.fileno()):
            refuse(lambda given=given: fastopt.save(given, opt), TypeError, "path")
            refuse(lambda given=given: fastopt.load(given, opt), TypeError, "path", unchanged=[opt])
        os.fstat(file.fileno())  # OSError if it was closed


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "run").mkdir()
    refuse(lambda: fastopt.save(tmp_path / "run", made("dict")), ValueError, "a folder")
    with pytest.raises(OSError, match="directory"):
        fastopt.load(tmp_path / "run", made("dict"))
    assert os.listdir(tmp_path) == ["run"]


@posix
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "run")
    refuse(lambda: fastopt.save(tmp_path / "run", made("dict")), ValueError, "something else")
    assert stat.S_ISFIFO((tmp_path / "run").stat().st_mode)


@posix
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_links_are_followed(there, tmp_path):
    (tmp_path / "far").mkdir()
    if there:
        (tmp_path / "far" / "run").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "run")
    (tmp_path / "run").symlink_to("link")
    opt, other = made("dict"), made("dict", seed=5)
    fastopt.save(tmp_path / "run", opt)
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "link").is_symlink()
    fastopt.load(tmp_path / "far" / "run", other)
    assert contents(other) == contents(opt)
    assert os.listdir(tmp_path / "far") == ["run"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_an_old_files_mode_is_kept(mode, tmp_path):
    (tmp_path / "run").touch()
    (tmp_path / "run").chmod(mode)
    fastopt.save(tmp_path / "run", made("dict"))
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == mode


def test_a_file_system_without_modes(tmp_path, monkeypatch):
    """The file stays as it is made."""

    def chmod(name, mode):
        raise PermissionError(errno.EPERM, "Operation not permitted", name)

    opt, other = made("dict"), made("dict", seed=5)
    (tmp_path / "run").touch(mode=0o644)
    monkeypatch.setattr("os.chmod", chmod)
    fastopt.save(tmp_path / "run", opt)
    fastopt.load(tmp_path / "run", other)
    assert contents(other) == contents(opt)
    assert os.listdir(tmp_path) == ["run"]


def test_a_secret_is_secret_while_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "run").touch(mode=0o600)
    modes = []
    monkeypatch.setattr("numpy.savez", lambda file, **_: modes.append(stat.S_IMODE(os.stat(file.name).st_mode)))
    fastopt.save(tmp_path / "run", made("dict"))
    assert modes == [0o600]


# ---------------------------------------------------------------- several savers, and dead ones


def test_a_save_in_the_midst_of_a_save(tmp_path, monkeypatch):
    """As a handler of signals does: both succeed, and the outer one ends last."""
    inner, outer, savez = made("dict", seed=1), made("dict", seed=2), np.savez

    def interrupted(file, **arrays):
        monkeypatch.setattr(np, "savez", savez)
        fastopt.save(tmp_path / "run", inner)
        other = made("dict")
        fastopt.load(tmp_path / "run", other)
        assert contents(other) == contents(inner)
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    fastopt.save(tmp_path / "run", outer)
    other = made("dict")
    fastopt.load(tmp_path / "run", other)
    assert contents(other) == contents(outer)
    assert os.listdir(tmp_path) == ["run"]


@posix
def test_a_killed_save_leaves_the_old_file_and_its_own_is_removed(tmp_path):
    path = tmp_path / "run"
    left = kill_while_saving(path, start_saver(path))
    assert left, "no save was caught in its midst"
    opt = fastopt.SGD(np.zeros(1 << 20))
    fastopt.load(path, opt)
    assert (opt.params == 1.0).all()
    (tmp_path / "another").touch()
    fastopt.save(tmp_path / "walk", opt)
    assert leftovers(path) == left  # it may belong to anyone else
    fastopt.save(path, opt)
    assert sorted(os.listdir(tmp_path)) == ["another", "run", "walk"]


@posix
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """Nothing is removed there, as no one can know whose it is."""

    def flock(file, how):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    fastopt.save(tmp_path / "run", made("dict"))
    name = ".saving-" + hashlib.sha256(b"run").hexdigest()[:16] + "-dead"
    (tmp_path / name).touch()
    fastopt.save(tmp_path / "run", made("dict"))
    assert sorted(os.listdir(tmp_path)) == [name, "run"]


def test_a_platform_without_fcntl(tmp_path, monkeypatch):
    """There no file that is open can be removed; one that is closed may be about to be renamed."""
    monkeypatch.setattr("fastopt.step.replacing.fcntl", None)
    begins = ".saving-" + hashlib.sha256(b"run").hexdigest()[:16]
    for name, age in (("-dead", 2 * 3600), ("-alive", 60)):
        (tmp_path / (begins + name)).touch()
        os.utime(tmp_path / (begins + name), (time.time() - age,) * 2)
    opt, other = made("dict"), made("dict", seed=5)
    fastopt.save(tmp_path / "run", opt)
    fastopt.load(tmp_path / "run", other)
    assert contents(opt) == contents(other)
    assert sorted(os.listdir(tmp_path)) == [begins + "-alive", "run"]
