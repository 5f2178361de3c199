"""Damaged and hostile checkpoints: a ValueError that names what is damaged, nothing changed, and no more read than is
wanted."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from checkpoints import MUTATIONS, mutate, repacked
from refusals import contents, refuse

import fastopt


def made(fill=0.0):
    return fastopt.Momentum({"W": np.full((2, 3), fill), "b": np.full(3, fill, "f4")})


@pytest.fixture
def saved(tmp_path):
    opt = made(1.0)
    opt.step({"W": np.ones((2, 3)), "b": np.ones(3, "f4")})
    fastopt.save(tmp_path / "run", opt)
    return opt, tmp_path / "run"


def test_mutated_files(saved):
    """The same as before, or a ValueError and nothing loaded."""
    opt, path = saved
    whole, rng, other = path.read_bytes(), np.random.default_rng(13), made()
    untouched, loaded, longest = contents(other), 0, 0
    for _ in range(500):
        path.write_bytes(mutate(whole, rng))
        try:
            fastopt.load(path, other)
        except ValueError as error:
            longest = max(longest, len(str(error)))
            assert contents(other) == untouched
        else:
            loaded += 1
            assert contents(other) == contents(opt)
            other = made()
    assert 0 < longest <= 300
    assert loaded < 150


def test_every_mutation_changes_something(saved):
    whole, rng = saved[1].read_bytes(), np.random.default_rng(1)
    assert all(any(change(whole, rng) != whole for _ in range(9)) for change in MUTATIONS)


@pytest.mark.parametrize("member", ["params/0", "params/1", "state/b/0", "state/b/1"])
def test_a_flipped_bit_is_named(member, saved):
    _, path = saved
    raw, other = path.read_bytes(), made()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{member}.npy")
        end = info.header_offset + 30 + len(info.filename) + info.file_size
    for back in (0, 9):  # in the last bytes of the member's data, whatever stands before them
        at = raw.index(f"{member}.npy".encode()) and end - 1 - back
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        name = ("'b' of " if "state" in member else "") + ("params['W']" if member.endswith("0") else "params['b']")
        refuse(lambda name=name: fastopt.load(path, other), ValueError, name, "damaged", unchanged=[other])


def test_a_flipped_bit_that_zip_does_not_see(saved):
    """Members that were packed anew after the damage are told by the sums."""
    _, path = saved
    with zipfile.ZipFile(path) as archive:
        raw = bytearray(archive.read("params/0.npy"))
    raw[-1] ^= 1
    repacked(path, zipfile.ZIP_STORED, **{"params/0.npy": bytes(raw)})
    other = made()
    refuse(lambda: fastopt.load(path, other), ValueError, "params['W']", "damaged", unchanged=[other])


def test_members_that_nobody_reads_are_not_read(saved):
    opt, path = saved
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("params/9.npy", bytes(1 << 26))
    other = made()
    tracemalloc.start()
    fastopt.load(path, other)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert contents(other) == contents(opt)


def npy(a, shape=None):
    """An array as a member, which may say that it has another shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.lib.format.dtype_to_descr(a.dtype), "fortran_order": False, "shape": shape or a.shape}
    )
    return file.getvalue() + a.tobytes()


BOMBS = [
    ("a larger array", {"params/0.npy": npy(np.zeros(1 << 23))}),
    ("one that says it is larger", {"params/0.npy": npy(np.zeros(6), (1 << 40,))}),
    ("one that holds more than it says", {"params/0.npy": npy(np.zeros(1 << 23), (2, 3))}),
    ("one that holds less", {"params/0.npy": npy(np.zeros(2), (2, 3))}),
    ("a large header", {"header.npy": npy(np.zeros(1 << 26, np.uint8))}),
    ("no array", {"params/0.npy": b"no array at all"}),
    ("nothing", {"params/0.npy": b""}),
    ("a header that is none", {"header.npy": b"{}"}),
]


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["compressed", "as it is"])
@pytest.mark.parametrize("members", [pytest.param(row[1], id=row[0]) for row in BOMBS])
def test_members_of_other_sizes(members, packed, saved):
    """They take no more memory than the file and the optimiser do."""
    _, path = saved
    repacked(path, packed, **members)
    other, size = made(), path.stat().st_size
    tracemalloc.start()
    refuse(lambda: fastopt.load(path, other), ValueError, "run", unchanged=[other])
    assert tracemalloc.get_traced_memory()[1] < 3 * size + (1 << 23)
    tracemalloc.stop()


# ---------------------------------------------------------------- all of it, or nothing


@pytest.mark.parametrize("which", ["a parameter", "the state"])
def test_arrays_that_were_made_read_only(which, saved):
    opt, path = saved
    other = made()
    frozen = other.params["b"] if which == "a parameter" else other._layout.all[1].state[0]
    frozen.flags.writeable = False
    refuse(lambda: fastopt.load(path, other), ValueError, "params['b']", "read-only", unchanged=[other])
    if which == "the state":
        refuse(lambda: other.load_state_dict(opt.state_dict()), ValueError, "read-only", unchanged=[other])
    frozen.flags.writeable = True
    fastopt.load(path, other)
    assert contents(other) == contents(opt)
