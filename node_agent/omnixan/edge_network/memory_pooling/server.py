"""Leases on sealed segments for other processes of the node, over a Unix socket.

A client sees the segments of its own tenant by name, and gets descriptors of sealed files: it can read and nothing else.
What it holds is its connection's: when that ends, however it ends, its leases do.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import stat
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from omnixan.edge_network.memory_pooling.errors import BadRequest
from omnixan.edge_network.memory_pooling.pool import TENANT
from omnixan.edge_network.memory_pooling.segment import Segment
from omnixan.edge_network.memory_pooling.wire import MAX_NAME, MAX_PACKET, Answer, Op, Reply, Request

MAX_LEASES: Final = 1024
"""Of one client at a time."""
MAX_CLIENTS: Final = 256
_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected, by the kernel's word."""

    pid: int
    uid: int
    gid: int


def same_user(peer: Peer) -> str | None:
    """The default tenant for processes of this process's own user; nobody else gets in."""
    return TENANT if peer.uid == os.geteuid() else None


@dataclass(slots=True)
class _Published:
    segment: Segment
    leases: int = 0
    withdrawn: bool = False


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    peer: Peer
    tenant: str
    leases: dict[int, _Published] = field(default_factory=dict)


class SegmentServer:
    """Serves at the Unix socket `path` in a thread of its own until `close`. `tenant_of` says whose a peer is, or None.

    Raises `BadRequest` if something else than an abandoned socket is at `path`, OSError if it cannot be made.
    """

    def __init__(self, path: str | Path, tenant_of: Callable[[Peer], str | None] = same_user) -> None:
        self.path = Path(path)
        self.refused = self.reclaimed = 0
        """Peers that were let go, and leases that ended with their connection, so far."""
        self._tenant_of = tenant_of
        self._lock = threading.Lock()
        self._names: dict[tuple[str, str], _Published] = {}
        self._clients: dict[int, _Client] = {}
        self._lease_numbers = itertools.count(1)
        self._listener = _listen(self.path)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="segment-server", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def publish(self, name: str, segment: Segment) -> None:
        """Let clients of the segment's tenant have it as `name`, in place of what had that name; it is sealed if it was not.

        The server closes it when it was withdrawn and nobody has a lease on it. Raises `BadRequest` for a bad name.
        """
        if not 0 < len(name.encode()) <= MAX_NAME:
            raise BadRequest(f"name={name[:64]!r}: {len(name.encode())} bytes", f"use 1 to {MAX_NAME}")
        segment.seal()
        with self._lock:
            before = self._names.get((segment.tenant, name))
            self._names[segment.tenant, name] = _Published(segment)
            if before is not None:
                self._withdraw(before)

    def withdraw(self, name: str, *, tenant: str = TENANT) -> None:
        """Let nobody have it any more; leases that are there go on. A name that is not there is no error."""
        with self._lock:
            published = self._names.pop((tenant, name), None)
            if published is not None:
                self._withdraw(published)

    @property
    def leases(self) -> int:
        """Leases that clients hold."""
        with self._lock:
            return sum(len(client.leases) for client in self._clients.values())

    def close(self) -> None:
        """End all connections and leases, withdraw everything, remove the socket; a second call does nothing."""
        if not self._thread.is_alive():
            return
        self._wake.send(b"x")
        self._thread.join()
        with self._lock:
            for client in list(self._clients.values()):
                self._drop(client)
            for published in self._names.values():
                self._withdraw(published)
            self._names.clear()
        self._selector.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()
        self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(key.data)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it has gone again, or there are no descriptors left
            connection, _ = self._listener.accept()
            raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            peer = Peer(*_CREDENTIALS.unpack(raw))
            tenant = self._tenant_of(peer)
            if tenant is None or len(self._clients) >= MAX_CLIENTS:
                self.refused += 1
                connection.close()
                return
            connection.setblocking(False)
            client = _Client(connection, peer, tenant)
            with self._lock:
                self._clients[connection.fileno()] = client
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _serve(self, client: _Client) -> None:
        try:
            packet = client.connection.recv(MAX_PACKET)
            if packet:
                with self._lock:
                    reply, fd = self._answer(client, packet)
                    # Inside: a segment that is withdrawn meanwhile would be closed, and its number somebody else's.
                    if fd is None:
                        client.connection.send(reply.pack())
                    else:
                        socket.send_fds(client.connection, [reply.pack()], [fd])
                return
        except BlockingIOError:  # it sends and does not read
            pass
        except (OSError, ValueError):  # ValueError: not our language
            pass
        with self._lock:
            self._drop(client)

    def _answer(self, client: _Client, packet: bytes) -> tuple[Reply, int | None]:
        request = Request.unpack(packet)
        if request.op is Op.RELEASE:
            published = client.leases.pop(request.number, None)
            if published is None:
                return Reply(Answer.REFUSED, text=f"lease {request.number} was released before, or is not yours"), None
            self._end(published)
            return Reply(Answer.DONE), None
        published = self._names.get((client.tenant, request.name))
        if published is None:
            return Reply(Answer.REFUSED, text=f"there is no segment {request.name!r} of tenant {client.tenant!r}"), None
        if len(client.leases) >= MAX_LEASES:
            return Reply(Answer.REFUSED, text=f"{MAX_LEASES} leases are held: release some"), None
        lease, segment = next(self._lease_numbers), published.segment
        client.leases[lease] = published
        published.leases += 1
        if request.number == segment.number:
            return Reply(Answer.KNOWN, lease, segment.number, segment.nbytes), None
        return Reply(Answer.NEW, lease, segment.number, segment.nbytes), segment.fd

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is None:
            return
        self._selector.unregister(client.connection)
        client.connection.close()
        self.reclaimed += len(client.leases)
        for published in client.leases.values():
            self._end(published)
        client.leases.clear()

    def _end(self, published: _Published) -> None:
        published.leases -= 1
        if published.withdrawn and not published.leases:
            published.segment.close()

    def _withdraw(self, published: _Published) -> None:
        published.withdrawn = True
        if not published.leases:
            published.segment.close()


def _listen(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise BadRequest(f"path={str(path)!r} is there and no socket", "name another path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise BadRequest(f"path={str(path)!r}: somebody serves there", "end that first, or name another path")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(path))
        path.chmod(0o660)  # who may connect is said by the folder and the group; who gets what, by `tenant_of`
        listener.listen(64)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
