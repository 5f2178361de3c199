"""The ranks of an MPI communicator: where each of them is, and whether it raised, so that all go on or none does."""

from contextlib import contextmanager
from hashlib import blake2b
from itertools import count
from weakref import WeakValueDictionary

import numpy as np

from ..errors import describe, listing, shorten

METHODS = ("Get_rank", "Get_size", "Allgather", "Allgatherv", "Alltoallv")
LENGTH = 400  # bytes of a text that is sent

# What ranks tell each other when they meet: what they are about to do, with which optimiser of the communicator's, a
# number that must be the same on all, whether they raised, and a mark.
MEETING = np.dtype(
    [("place", "S24"), ("whose", np.uint64), ("seen", np.uint64), ("raised", np.uint8), ("mark", np.uint8)]
)
SAME = "must be the same on all ranks"


def ranks_of(comm):
    """Those of a communicator; None where there is but one."""
    if comm is None:
        return None
    lacking = [name for name in METHODS if not callable(getattr(comm, name, None))]
    if lacking:
        wanted = "comm must be an MPI communicator, as mpi4py's MPI.COMM_WORLD"
        raise TypeError(f"{wanted}, got {describe(comm)} without {listing(lacking)}")
    ranks = Ranks(comm)
    return ranks if ranks.size > 1 else None


def agreed(ranks, place, work, *args):
    """What ``work`` returns; where there are ranks, as :meth:`Ranks.agreed`."""
    return work(*args) if ranks is None else ranks.agreed(place, work, *args)


class Standing:
    """What the optimisers of a communicator have in common: whether its ranks were apart when they last met."""

    def __init__(self, comm):
        self.comm, self.apart = comm, False


_standings: WeakValueDictionary[int, Standing] = WeakValueDictionary()  # by the id of a communicator, which they keep
_numbers = count(1)  # of optimisers


class Ranks:
    """This rank among the others. What it offers must be called on all of them, in the same order."""

    def __init__(self, comm):
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()
        self.standing = _standings.setdefault(id(comm), Standing(comm))
        self._whose = 0  # as yet nobody's

    def take_number(self):
        """Meet from now on for one optimiser alone: by rank 0's number of it, which differs from all others there."""
        self._whose = int(self.gathered(np.array([next(_numbers)], np.uint64))[0, 0])

    def gathered(self, a):
        """An array of each rank, one under the other."""
        found = np.empty((self.size, *a.shape), a.dtype)
        self.comm.Allgather(np.ascontiguousarray(a).reshape(-1).view(np.uint8), found.reshape(-1).view(np.uint8))
        return found

    def added(self, a):
        """The sum of an array over the ranks, in their order: the same bits on all."""
        total, *others = self.gathered(a)
        for other in others:
            total = total + other
        return total

    def texts(self, text) -> list[str]:
        """A text of each rank, cut where it is long."""
        sent = np.zeros(LENGTH, np.uint8)
        raw = np.frombuffer(text.encode(errors="replace")[:LENGTH], np.uint8)  # a file's name may be no UTF-8
        sent[: raw.size] = raw
        return [row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in self.gathered(sent)]

    # --- all or none -----------------------------------------------------------------------------------------------

    def meet(self, place, seen=0, mark=0, error=None):
        """What all ranks tell; raises on all of them where one raised, or is at another place."""
        told = self.gathered(np.array([(place.encode(), self._whose, seen, error is not None, mark)], MEETING))[:, 0]
        apart = np.flatnonzero((told["place"] != told["place"][0]) | (told["whose"] != told["whose"][0]))
        self.standing.apart = apart.size > 0
        if told["raised"].any():
            raise self._failure(error, int(np.flatnonzero(told["raised"])[0]))
        if apart.size:
            here, there = (told["place"][r].decode() for r in (0, apart[0]))
            if here == there:
                here, there = f"{here} of one optimiser", "that of another"
            raise RuntimeError(
                f"all ranks must make the same calls in the same order, got {here} on rank 0 "
                f"and {there} on rank {apart[0]}"
            )
        return told

    def _failure(self, error, first):
        """What this rank raised, or what it raises because another did."""
        text = self.texts("" if error is None else _said(error))[first]
        if error is not None:
            return error
        kind = next((kind for kind in (TypeError, ValueError) if text.startswith(kind.__name__)), RuntimeError)
        return kind(f"rank {first} of {self.size} raised {shorten(text, 250)}")

    def agreed(self, place, work, *args):
        """What ``work`` returns, which asks no other rank; raises on all where it raised on one."""
        with self.telling(place):
            found = work(*args)
        self.meet(place)
        return found

    @contextmanager
    def telling(self, place):
        """Others, who meet at this place or will, are told of what is raised in the block."""
        try:
            yield
        except BaseException as error:
            self.meet(place, error=error)

    def same(self, place, found: dict):
        """Raise on all ranks unless each of these texts, by name, is the same on all of them."""
        names = self.meet(place, number_of("\n".join(found)))["seen"]
        if (names != names[0]).any():
            self._refuse("the names", ", ".join(found))
        told = self.gathered(np.array([number_of(text) for text in found.values()], np.uint64))
        differs = np.flatnonzero((told != told[0]).any(axis=0))
        if differs.size:
            self._refuse(*list(found.items())[differs[0]])

    def _refuse(self, name, text):
        texts = self.texts(text)
        other = next((r for r, one in enumerate(texts) if one != texts[0]), None)
        if other is None:
            raise ValueError(f"{name} {SAME}, got others on some")
        got = f"{shorten(texts[0], 80)} on rank 0 and {shorten(texts[other], 80)} on rank {other}"
        raise ValueError(f"{shorten(name, 60)} {SAME}, got {got}")


def _said(error) -> str:
    """An exception as others are told of it."""
    name = type(error).__name__
    try:
        return f"{name}: {error}".removesuffix(": ")
    except Exception:  # whatever its text raises: others wait for it
        return name


def number_of(text) -> int:
    """64 bits of a text, or of the bytes of an array, that tell it from others."""
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
