"""Compiled code on disk: a checked file for each kernel, in the folders of Numba's cache, which stay of bounded size.

Numba trusts what it finds: a flipped bit in its files runs as machine code. And it never deletes. Here a file is its
checksum and its content; one that is not what was written is as if it were not there.
"""

import contextlib
import hashlib
import os
import pickle
import re
import uuid
from pathlib import Path
from types import FunctionType

import llvmlite
import numba
from numba.core.caching import FunctionCache

PACKAGE = Path(__file__).parent.parent
SUFFIX = ".fastopt"
OLDER = re.compile(r"_[0-9a-f]{16}-\d+\.py\d+\w*\.(nbi|\d+\.nbc)$")  # Numba's own files, of versions before these
LIMIT = 256 * 2**20  # bytes of a folder: some thousand kernels


def kept(make):
    """What ``make(cache)`` makes of a decorator of Numba's, with its compiled code kept in files where that can be."""
    try:
        dispatcher = make(cache=True)
    except RuntimeError:  # no folder to write in
        return make(cache=False)
    dispatcher._cache._cache_file = _Files(dispatcher._cache)
    return dispatcher


class _Files:
    """What a cache of Numba's asks of its index and its data files (the class IndexDataCacheFile of its caching.py)."""

    def __init__(self, cache):
        numbas = cache._cache_file
        self._folder, self._name = Path(cache.cache_path), cache._impl.filename_base
        self._stamp, self._dump = numbas._source_stamp, numbas._dump

    def load(self, key):
        """None for a miss."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            if content[:32] != self._checksum(content[32:]):
                return None
            stamp, found, data = pickle.loads(content[32:])
        except Exception:  # no such file, or it names what is gone
            return None
        if (stamp, found) != (self._stamp, key):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used last
        return data

    def save(self, key, data):
        content = self._dump((self._stamp, key, data))
        path = self._path(key)
        written = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}")  # others may write the same at this moment
        try:
            written.write_bytes(self._checksum(content) + content)
            os.replace(written, path)
        except OSError:  # a full disk costs the next process a compilation
            with contextlib.suppress(OSError):
                written.unlink()
        shrink(self._folder)

    def flush(self):
        for path in self._folder.glob(f"{self._name}.*{SUFFIX}"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, key):
        return self._folder / f"{self._name}.{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}{SUFFIX}"

    def _checksum(self, content):
        """Of the file's name, too, and of the versions that can read it."""
        versions = f"{self._name} {numba.__version__} {llvmlite.__version__}".encode()
        return hashlib.blake2b(content, digest_size=32, key=hashlib.sha256(versions).digest()).digest()


def folders() -> list[str]:
    """Where the kernels of this package are kept; none where no folder can be written."""
    rooms = (PACKAGE / "kernels", PACKAGE / "problems")
    files = {file.parent: file for room in rooms for file in sorted(room.rglob("*.py"))}
    found = set()
    for file in files.values():
        code = folders.__code__.replace(co_filename=str(file))  # Numba chooses by the file of a function
        with contextlib.suppress(RuntimeError):
            found.add(FunctionCache(FunctionType(code, {})).cache_path)
    return sorted(found)


def files_in(folder) -> list[tuple[float, int, str]]:
    """When each of our files was used last, its size and its path; the oldest first."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if SUFFIX in entry.name or OLDER.search(entry.name):
                with contextlib.suppress(OSError):  # another process deleted it
                    found.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    return sorted(found)


def shrink(folder):
    """Delete the files that were used longest ago until the others are within the limit."""
    files = files_in(folder)
    excess = sum(size for _, size, _ in files) - LIMIT
    for _, size, path in files:
        if excess <= 0:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            excess -= size
