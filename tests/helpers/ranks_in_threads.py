"""A communicator whose ranks are threads of this process: what fastopt uses of mpi4py's, without MPI."""

import threading

import numpy as np

SECONDS = 10.0  # after which ranks that wait for each other are said to hang


class Hub:
    """What the ranks share; ``sent`` counts the bytes that each rank sent to others."""

    def __init__(self, size):
        self.size, self.slots, self.sent = size, [None] * size, [0] * size
        self.barrier = threading.Barrier(size)

    def exchanged(self, rank, given):
        """What each rank gave, once all have."""
        self.slots[rank] = given
        self.barrier.wait(SECONDS)
        found = list(self.slots)
        self.barrier.wait(SECONDS)
        return found


class Comm:
    def __init__(self, hub, rank):
        self.hub, self.rank = hub, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.hub.size

    def Allgather(self, send, received):
        self.Allgatherv(send, [received, [received.size // self.hub.size] * self.hub.size])

    def Allgatherv(self, send, received):
        into, counts = received
        self.hub.sent[self.rank] += send.nbytes * (self.hub.size - 1)
        parts = self.hub.exchanged(self.rank, send.copy())
        assert [part.size for part in parts] == list(counts)
        assert {part.dtype for part in parts} == {into.dtype}
        into[:] = np.concatenate(parts)

    def Alltoallv(self, send, received):
        data, counts = send
        assert data.size == sum(counts)
        parts = np.split(data.copy(), np.cumsum(counts)[:-1])
        self.hub.sent[self.rank] += data.nbytes - parts[self.rank].nbytes
        everyone = self.hub.exchanged(self.rank, parts)
        into, wanted = received
        assert [parts[self.rank].size for parts in everyone] == list(wanted)
        into[:] = np.concatenate([parts[self.rank] for parts in everyone])


def run(size, script, *args):
    """What ``script(comm, *args)`` returns, or raises, on each rank; and the hub."""
    hub, found = Hub(size), [None] * size

    def work(rank):
        try:
            found[rank] = script(Comm(hub, rank), *args)
        except BaseException as error:
            found[rank] = error
            if isinstance(error, threading.BrokenBarrierError) or not str(error):
                raise

    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, hub
