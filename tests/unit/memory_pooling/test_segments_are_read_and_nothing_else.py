"""Sealed segments over a socket: what a client gets, what it cannot do, what it leaves behind."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network import MemoryPooling
from omnixan.edge_network.memory_pooling.client import SegmentClient
from omnixan.edge_network.memory_pooling.errors import (
    BadRequest,
    DoubleRelease,
    PoolExhausted,
    SegmentRefused,
    UseAfterRelease,
)
from omnixan.edge_network.memory_pooling.kernel import SEALS, seals_of
from omnixan.edge_network.memory_pooling.server import Peer, SegmentServer
from omnixan.edge_network.memory_pooling.wire import Answer, Op, Reply, Request

SIZE = 1 << 20


@pytest.fixture
def pool() -> MemoryPooling:
    return MemoryPooling("8MB", "1MB")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SegmentServer]:
    with SegmentServer(tmp_path / "segments") as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def publish(pool: MemoryPooling, server: SegmentServer, name: str, value: int, tenant: str = "default") -> None:
    segment = pool.segment(SIZE, tenant=tenant)
    segment.array()[:] = value
    server.publish(name, segment)


def test_a_client_reads_what_was_published(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 7)
    with SegmentClient(server.path) as client, client.acquire("state") as lease:
        array = lease.array(np.uint32)
        assert array.shape == (SIZE // 4,)
        assert (array == 0x07070707).all()
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        assert server.leases == 1
        lease.release()
        assert server.leases == 0
        assert (array == 0x07070707).all()  # nobody writes it ever again
        with pytest.raises(UseAfterRelease):
            lease.array()
        with pytest.raises(DoubleRelease):
            lease.release()


def test_a_segment_that_is_known_is_not_sent_again(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 7)
    with SegmentClient(server.path) as client:
        first = client.acquire("state").array()
        assert np.shares_memory(first, client.acquire("state").array())
        publish(pool, server, "state", 8)
        assert (client.acquire("state").array() == 8).all()
        assert (first == 7).all()


def hold(pool: MemoryPooling, server: SegmentServer) -> int:
    """A descriptor as a client gets it."""
    publish(pool, server, "state", 7)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw:
        raw.connect(str(server.path))
        raw.send(Request(Op.ACQUIRE, 0, "state").pack())
        packet, fds, _, _ = socket.recv_fds(raw, 1024, 1)
        assert Reply.unpack(packet).answer is Answer.NEW
    return fds[0]


def reopened(fd: int) -> int:
    return os.open(f"/proc/self/fd/{fd}", os.O_RDWR)


def punched(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4096)):
        raise OSError(ctypes.get_errno(), "fallocate")


def made_writable(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ, mmap.MAP_SHARED, fd, ctypes.c_long(0))
    try:
        if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_WRITE):
            raise OSError(ctypes.get_errno(), "mprotect")
    finally:
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(4096))


ATTEMPTS: dict[str, Callable[[int], object]] = {
    "write": lambda fd: os.pwrite(fd, b"x", 0),
    "truncate": lambda fd: os.ftruncate(fd, 0),
    "extend": lambda fd: os.ftruncate(fd, 2 * SIZE),
    "map for writing": lambda fd: mmap.mmap(fd, 4096),
    "make a mapping writable": made_writable,
    "punch a hole": punched,
    "open with truncation": lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_TRUNC),
}


@pytest.mark.parametrize("name", ATTEMPTS)
@pytest.mark.parametrize("again", [False, True], ids=["as it came", "reopened for writing"])
def test_a_client_cannot(pool: MemoryPooling, server: SegmentServer, name: str, again: bool) -> None:
    fd = hold(pool, server)
    used = reopened(fd) if again else fd
    try:
        with pytest.raises(PermissionError):
            ATTEMPTS[name](used)
        assert os.pread(fd, SIZE + 1, 0) == b"\7" * SIZE
    finally:
        for each in {fd, used}:
            os.close(each)


def test_a_client_sees_its_own_tenant_only(pool: MemoryPooling, tmp_path: Path) -> None:
    tenants = iter(["a", "b"])
    with SegmentServer(tmp_path / "s", lambda peer: next(tenants)) as server:
        publish(pool, server, "state", 1, "a")
        publish(pool, server, "secret", 2, "a")
        publish(pool, server, "state", 3, "b")
        with SegmentClient(server.path) as a, SegmentClient(server.path) as b:
            assert (a.acquire("state").array() == 1).all()
            assert (b.acquire("state").array() == 3).all()
            with pytest.raises(SegmentRefused, match="no segment 'secret' of tenant 'b'"):
                b.acquire("secret")


def test_who_is_nobodys_is_let_go(pool: MemoryPooling, tmp_path: Path) -> None:
    peers: list[Peer] = []

    def nobody(peer: Peer) -> None:
        peers.append(peer)

    with SegmentServer(tmp_path / "s", nobody) as server:
        publish(pool, server, "state", 1)
        with SegmentClient(server.path) as client, pytest.raises(SegmentRefused):
            client.acquire("state")
        assert peers == [Peer(os.getpid(), os.geteuid(), os.getegid())]
        assert server.refused == 1


CLIENT = """
import sys, time
from omnixan.edge_network.memory_pooling.client import SegmentClient
client = SegmentClient(sys.argv[1])
leases = [client.acquire("state") for _ in range(5)]
print(int(leases[0].array().sum()), flush=True)
sys.stdin.read()
"""


def test_a_client_that_is_killed_leaves_no_lease(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 1)
    command = [sys.executable, "-c", CLIENT, str(server.path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == SIZE
        assert server.leases == 5
        server.withdraw("state")
        assert pool.stats().used_bytes == SIZE, "memory that is leased was given back"
        child.kill()
        until(lambda: server.leases == 0)
    assert server.reclaimed == 5
    assert pool.stats().used_bytes == 0


def test_a_withdrawn_segment_goes_with_its_last_lease(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 1)
    with SegmentClient(server.path) as client:
        lease = client.acquire("state")
        server.withdraw("state")
        with pytest.raises(SegmentRefused):
            client.acquire("state")
        assert pool.stats().used_bytes == SIZE
        lease.release()
        assert pool.stats().used_bytes == 0
    publish(pool, server, "other", 1)
    server.withdraw("other")
    assert pool.stats().used_bytes == 0


@pytest.mark.parametrize("packet", [b"x", b"\1" * 600, b"\7" + bytes(8), b"\1" + bytes(8) + b"\xff"])
def test_who_speaks_another_language_is_let_go_alone(pool: MemoryPooling, server: SegmentServer, packet: bytes) -> None:
    publish(pool, server, "state", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw, SegmentClient(server.path) as client:
        raw.settimeout(20)
        raw.connect(str(server.path))
        raw.send(packet)
        assert raw.recv(100) == b""
        assert (client.acquire("state").array() == 1).all()


def test_who_does_not_read_is_let_go_alone(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw, SegmentClient(server.path) as client:
        raw.connect(str(server.path))
        with contextlib.suppress(OSError):
            while True:
                raw.send(Request(Op.ACQUIRE, 0, "none").pack())
        assert (client.acquire("state").array() == 1).all()
        until(lambda: server.leases == 1)


def test_somebody_elses_lease_cannot_be_released(pool: MemoryPooling, server: SegmentServer) -> None:
    publish(pool, server, "state", 1)
    with SegmentClient(server.path) as one, SegmentClient(server.path) as other:
        one.acquire("state")
        with pytest.raises(SegmentRefused, match="not yours"):
            other.release(1)
        assert server.leases == 1


def test_a_descriptor_without_seals_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client = SegmentClient(tmp_path / "s")
        connection, _ = listener.accept()
        fd = os.memfd_create("loose")
        os.ftruncate(fd, SIZE)
        socket.send_fds(connection, [Reply(Answer.NEW, 1, 1, SIZE).pack()], [fd])
        with pytest.raises(SegmentRefused, match="seals"):
            client.acquire("state")
        os.close(fd)
        connection.close()
        client.close()


def test_segments_count_in_the_pool(pool: MemoryPooling) -> None:
    for buffer in [pool.acquire("1MB") for _ in range(8)]:
        buffer.array()[:] = 1
        buffer.release()
    segment = pool.segment("3MB", tenant="a")
    segment.array()[:] = 1
    stats = pool.stats()
    assert stats.used_bytes == stats.requested_bytes == 3 << 20
    assert stats.resident_bytes <= 8 << 20, "more memory than the pool may have"
    with pytest.raises(PoolExhausted):
        pool.acquire((5 << 20) + 1)
    whole = pool.acquire("5MB")
    whole.array()[:] = 1
    assert pool.stats().resident_bytes <= 8 << 20
    with pytest.raises(PoolExhausted):
        pool.segment(1)
    segment.close()
    segment.close()
    pool.acquire("3MB")


def test_what_is_not_sealed_is_not_passed_on(pool: MemoryPooling) -> None:
    segment = pool.segment(5000)
    segment.array()[:] = 3
    with pytest.raises(BadRequest, match="not sealed"):
        _ = segment.fd
    segment.seal()
    assert seals_of(segment.fd) == SEALS
    assert not segment.array().flags.writeable
    view = segment.array()
    segment.close()
    assert (view == 3).all()
    with pytest.raises(UseAfterRelease):
        segment.array()


def test_an_abandoned_socket_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(path))
    with SegmentServer(path), pytest.raises(BadRequest, match="somebody serves there"):
        SegmentServer(path)
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(BadRequest, match="no socket"):
        SegmentServer(path)
    assert path.read_text() == "mine"


def test_a_closed_server_holds_nothing(pool: MemoryPooling, tmp_path: Path) -> None:
    server = SegmentServer(tmp_path / "s")
    publish(pool, server, "state", 1)
    client = SegmentClient(server.path)
    lease = client.acquire("state")
    server.close()
    server.close()
    assert pool.stats().used_bytes == 0
    assert (lease.array() == 1).all()
    with pytest.raises(SegmentRefused):
        client.acquire("state")
    client.close()
