"""Reading a .npz file that may be damaged, foreign or hostile: what was asked for, and no more of it than expected."""

import zipfile
import zlib

import numpy as np

from ..arrays.host import flat
from ..arrays.placed import Placed, check_like

CHUNK = 1 << 20  # bytes


def checksum(a) -> int:
    """Of an array's elements, in the order of its memory."""
    return zlib.crc32(flat(a).view(np.uint8))


class Archive:
    """An open file, and what messages call it."""

    def __init__(self, file, where):
        self._where = where
        try:
            self._zip = zipfile.ZipFile(file)
        except Exception as error:  # zip has many ways to say that a file is damaged
            raise self.foreign() from error

    def foreign(self) -> ValueError:
        return ValueError(f"{self._where} must be a file that fastopt.save wrote, got one that cannot be read")

    def text(self, member) -> bytes:
        """The bytes of an array of bytes."""
        try:
            with self._open(member) as file:
                found = _described(file)
                if found.dtype != np.uint8 or len(found.shape) != 1:
                    raise ValueError("no bytes")
                return file.read()
        except Exception as error:
            raise self.foreign() from error

    def array(self, name, member, like, checked=None):
        """A new array of the shape and dtype of another, and with this checksum; raises if the member is none."""
        name = f"{name} in {self._where}"
        try:
            file = self._open(member)
        except KeyError:
            raise ValueError(f"{name} must be there, got a file without it") from None
        except Exception as error:
            raise _damaged(name) from error
        with file:
            found = _whole(name, file, like)
            out = np.empty(found.size, found.dtype)
            try:
                _fill(file, out.view(np.uint8))
            except Exception as error:
                raise _damaged(name) from error
        if checked is not None and checksum(out) != checked:
            raise _damaged(name)
        return out.reshape(found.shape, order="F" if found.order == "F" else "C")

    def _open(self, member):
        info = self._zip.getinfo(f"{member}.npy")
        if info.compress_type != zipfile.ZIP_STORED:  # so none is larger than the file is
            raise ValueError("compressed")
        return self._zip.open(info)


def _damaged(name) -> ValueError:
    return ValueError(f"{name} must be as fastopt.save wrote it, got damaged data")


def _whole(name, file, like) -> Placed:
    """What a member says of its array; raises unless that is like another."""
    try:
        found = _described(file)
        if found.dtype.hasobject or found.shape != like.shape or found.dtype != like.dtype:
            while file.read(CHUNK):  # which finds out whether it says so because it is damaged
                pass
            if found.dtype.hasobject:
                raise ValueError("objects")
    except Exception as error:
        raise _damaged(name) from error
    check_like(name, found, like)
    return found


def _described(file) -> Placed:
    """What the header of a .npy file says of its array."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read(file)
    return Placed(0, shape, dtype, "F" if fortran else "C", False)


def _fill(file, raw):
    done = 0
    while done < raw.size:
        got = file.readinto(raw[done : done + CHUNK])
        if not got:
            raise EOFError("cut")
        done += got
    if file.read(1):
        raise EOFError("longer")
