import socket

import pytest

from omnixan.edge_network.quantum import frames


def test_messages_arrive_as_sent():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in ({}, {"a": [1, 2.5, None, "é"]}, {"long": "x" * 100_000}):
            ours.sendall(frames.encode(message))
            assert frames.receive(theirs) == message
        ours.close()
        assert frames.receive(theirs) is None


@pytest.mark.parametrize(
    "data", [b"\0\0", b"\0\0\0\5ab", b"\0\0\0\2[]", b"\0\0\0\3{,}", b"\xff\xff\xff\xff{}", b"\0\0\0\1\xff"]
)
def test_what_is_no_frame_is_refused(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.close()
        with pytest.raises(frames.FrameError):
            frames.receive(theirs)


def test_too_long_a_message_is_not_sent():
    with pytest.raises(frames.FrameError, match="over the limit"):
        frames.encode({"a": "x" * 100}, limit=50)
