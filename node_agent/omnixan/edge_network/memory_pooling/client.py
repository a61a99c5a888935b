"""The other side of a segment socket: leases on another process's memory, to read."""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import struct
import time
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from omnixan.edge_network.memory_pooling.errors import DoubleRelease, SegmentRefused, UseAfterRelease
from omnixan.edge_network.memory_pooling.kernel import SEALS, seals_of
from omnixan.edge_network.memory_pooling.wire import MAX_PACKET, Answer, Op, Reply, Request

if TYPE_CHECKING:
    import numpy.typing as npt

KEPT: Final = 8
"""Segments that stay mapped after their last lease, so that the next lease finds its pages there."""
LOOKS: Final = 50e-6
"""Seconds for which a client looks for the answer before it sleeps."""

_FD: Final = struct.Struct("i")
_ROOM: Final = socket.CMSG_SPACE(_FD.size)


class SegmentClient:
    """One connection to a `SegmentServer`; not for several threads at once. Close it, or use `with`: leases end with it.

    Raises OSError if nobody serves at `path`.
    """

    def __init__(self, path: str | Path, *, timeout: float = 10.0) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The kernel's own timeouts: with Python's, every call would be a poll and a call.
        limit = struct.pack("ll", int(timeout), int(timeout % 1 * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._mapped: OrderedDict[str, tuple[int, mmap.mmap]] = OrderedDict()
        try:
            self._socket.connect(self._path)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def acquire(self, name: str) -> SegmentLease:
        """A lease on the segment of this name; raises `SegmentRefused`."""
        number, known = self._mapped.get(name, (0, None))
        reply, fd = self._ask(Request(Op.ACQUIRE, number, name))
        if reply.answer is Answer.KNOWN and known is not None:
            self._mapped.move_to_end(name)
            return SegmentLease(self, reply.lease, reply.nbytes, known)
        if fd is None:
            raise SegmentRefused(f"{self._path} answered without a descriptor", "is it a segment server?")
        try:
            mapped = _map(fd, reply.nbytes)
        finally:
            os.close(fd)
        self._mapped[name] = reply.segment, mapped
        self._mapped.move_to_end(name)
        while len(self._mapped) > KEPT:
            self._mapped.popitem(last=False)  # unmapped with its last view
        return SegmentLease(self, reply.lease, reply.nbytes, mapped)

    def forget(self) -> None:
        """Keep no segment mapped that no lease or view needs."""
        self._mapped.clear()

    def close(self) -> None:
        """End the connection, and with it all leases."""
        self._socket.close()
        self._mapped.clear()

    def release(self, lease: int) -> None:
        """End a lease by its number; raises `SegmentRefused`."""
        self._ask(Request(Op.RELEASE, lease))

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """The next packet, looked for a while before this sleeps: a processor that went idle takes longer to wake than the
        answer takes to come. Who else needs this processor, the server perhaps, gets it in between."""
        until = time.perf_counter() + LOOKS
        while time.perf_counter() < until:
            with contextlib.suppress(BlockingIOError):
                return self._socket.recvmsg(MAX_PACKET, _ROOM, socket.MSG_DONTWAIT)
            os.sched_yield()
        return self._socket.recvmsg(MAX_PACKET, _ROOM)

    def _ask(self, request: Request) -> tuple[Reply, int | None]:
        try:
            self._socket.send(request.pack())
            packet, passed, _, _ = self._receive()
            reply = Reply.unpack(packet) if packet else None
        except (OSError, ValueError) as error:
            raise SegmentRefused(f"{self._path}: {error}", "connect again") from error
        fd = _FD.unpack(passed[0][2][: _FD.size])[0] if passed else None
        if reply is None:
            raise SegmentRefused(f"{self._path} closed the connection: this process may be nobody's there", "connect again")
        if reply.answer is Answer.REFUSED:
            raise SegmentRefused(f"{self._path}: {reply.text}", "ask for what is there")
        return reply, fd


class SegmentLease:
    """`nbytes` bytes of another process, to read, until `release`."""

    __slots__ = ("_client", "_mapped", "_number", "nbytes")

    def __init__(self, client: SegmentClient, number: int, nbytes: int, mapped: mmap.mmap) -> None:
        self._client, self._number, self.nbytes, self._mapped = client, number, nbytes, mapped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._number:
            self.release()

    def array(self, dtype: npt.DTypeLike = "u1") -> npt.NDArray[Any]:
        """The bytes as a read-only numpy array without a copy, as many items as fit. Raises `UseAfterRelease`."""
        import numpy as np

        if not self._number:
            raise UseAfterRelease(f"this lease on {self.nbytes} bytes was released", "acquire it again")
        kind = np.dtype(dtype)
        return np.frombuffer(self._mapped, kind, self.nbytes // kind.itemsize)

    def release(self) -> None:
        """End the lease; raises `DoubleRelease`, and `SegmentRefused` if the connection is gone."""
        if not self._number:
            raise DoubleRelease(f"this lease on {self.nbytes} bytes was released before", "release it once")
        number, self._number = self._number, 0
        self._client.release(number)


def _map(fd: int, nbytes: int) -> mmap.mmap:
    """For reading. What can shrink would kill the reader, and what can be written would change under him."""
    seals = seals_of(fd)
    if seals & SEALS != SEALS or os.fstat(fd).st_size < nbytes:
        raise SegmentRefused(f"a descriptor with seals {seals:#x} and {os.fstat(fd).st_size} bytes", "ask another server")
    return mmap.mmap(fd, max(1, nbytes), prot=mmap.PROT_READ)
