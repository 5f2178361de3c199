"""A file that appears whole or not at all, in the place of an older one."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import describe, shorten_within

try:
    import fcntl
except ImportError:  # not on Windows, which neither removes nor renames a file that is open
    fcntl = None  # type: ignore[assignment]

OLD = 3600  # seconds after which a file is a leftover where no lock says so: it is closed before it is renamed there


def checked_path(path) -> Path:
    """The path of a file; raises for what ``open`` takes besides, such as a descriptor's number."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a path, got {describe(path)}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"path must be the name of a file, got {describe(text)}")
    return Path(str.__str__(text))


def shown(path) -> str:
    return shorten_within(str(path), 60)


@contextlib.contextmanager
def replacing(path) -> Iterator[IO[bytes]]:
    """A file for what shall stand at this path; it does when the block has ended well, otherwise nothing has changed.

    A link is followed, and an older file's mode kept. It is written beside that file, under a name of its own, so that
    any number of writers may replace one file; the last to end wins. What a killed writer left, the next one removes.
    """
    target = Path(os.path.realpath(path))
    mode = _mode_of(target, path)
    _remove_leftovers(target)
    with _new_beside(target, 0o666 if mode is None else 0o600) as file:
        try:
            yield file
            if mode is not None:
                with contextlib.suppress(OSError):  # of a file system without modes
                    os.chmod(file.name, mode)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(file.name, target)
        except BaseException:
            if fcntl is None:
                file.close()
            Path(file.name).unlink(missing_ok=True)
            raise
    _sync_folder(target.parent)


def _mode_of(target, path) -> int | None:
    """The mode of the file that is there; raises if it is something else."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found):
        kind = "a folder" if stat.S_ISDIR(found) else "something else"
        raise ValueError(f"{shown(path)} must be a file, or nothing yet, got {kind}")
    return stat.S_IMODE(found)


# --- leftovers: a lock tells them, which the system lets go of when its process ends, however it ends ----------------


def _beginning(target) -> str:
    """How the names begin of what is written to replace this file; of one length, as names may not be long."""
    return f".saving-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


def _new_beside(target, mode) -> IO[bytes]:
    """A new file in the folder of another, locked where files can be."""
    while True:
        name = target.with_name(_beginning(target) + secrets.token_hex(8))
        try:
            file = open(name, "xb", opener=lambda path, flags: os.open(path, flags, mode))  # noqa: SIM115
        except OSError as error:  # which names a file that nobody asked for
            what = "the folder must exist" if error.errno == errno.ENOENT else error.strerror
            raise OSError(error.errno, what, str(target.parent)) from None
        if fcntl is None or _locked(file, name):
            return file
        file.close()


def _locked(file, name) -> bool:
    """Whether no one took a new file for a leftover before it was locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # this file system has no locks, so that no one removes anything
        return True
    return name.exists()


def _remove_leftovers(target):
    for left in target.parent.glob(_beginning(target) + "*"):
        with contextlib.suppress(OSError):  # mostly: its writer lives
            if fcntl is None:
                if time.time() - left.stat().st_mtime > OLD:
                    left.unlink()
                continue
            with open(left, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


def _sync_folder(folder):
    """Have the new name on the disk too, where a folder can be told so."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
