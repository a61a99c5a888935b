"""Messages on a segment socket, one a packet (SOCK_SEQPACKET).

→ op, number, name        ACQUIRE: number is the segment that the client has mapped under this name, or 0
                          RELEASE: number is the lease, no name
← answer, lease, segment, bytes, text      with the segment's descriptor (SCM_RIGHTS) if the answer is NEW

"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

MAX_NAME: Final = 255
MAX_PACKET: Final = 1024

_REQUEST: Final = struct.Struct("<BQ")
_ANSWER: Final = struct.Struct("<BQQQ")


class Op(enum.IntEnum):
    """What a client asks."""

    ACQUIRE = 1
    RELEASE = 2


class Answer(enum.IntEnum):
    """What a server answers."""

    NEW = 0
    KNOWN = 1
    DONE = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ValueError for what cannot be read."""

    op: Op
    number: int
    name: str = ""

    def pack(self) -> bytes:
        """Its bytes."""
        return _REQUEST.pack(self.op, self.number) + self.name.encode()

    @classmethod
    def unpack(cls, packet: bytes) -> Request:
        """From bytes that a stranger sent."""
        if not _REQUEST.size <= len(packet) <= _REQUEST.size + MAX_NAME:
            raise ValueError(f"a request has {_REQUEST.size} to {_REQUEST.size + MAX_NAME} bytes, not {len(packet)}")
        op, number = _REQUEST.unpack_from(packet)
        return cls(Op(op), number, packet[_REQUEST.size :].decode())


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `text` says why if it is REFUSED."""

    answer: Answer
    lease: int = 0
    segment: int = 0
    nbytes: int = 0
    text: str = ""

    def pack(self) -> bytes:
        """Its bytes."""
        return _ANSWER.pack(self.answer, self.lease, self.segment, self.nbytes) + self.text.encode()[:512]

    @classmethod
    def unpack(cls, packet: bytes) -> Reply:
        """From bytes; ValueError for what cannot be read."""
        if len(packet) < _ANSWER.size:
            raise ValueError(f"an answer has at least {_ANSWER.size} bytes, not {len(packet)}")
        answer, lease, segment, nbytes = _ANSWER.unpack_from(packet)
        return cls(Answer(answer), lease, segment, nbytes, packet[_ANSWER.size :].decode("utf-8", "replace"))
