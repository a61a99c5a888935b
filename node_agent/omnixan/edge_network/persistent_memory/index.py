"""What a store knows of its records while it is open: which key has which value, where, and how much of the half that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from omnixan.edge_network.persistent_memory.record import Header, Kind, extent_of


class Located(NamedTuple):
    """A record that was found: where, its header, its metadata as on the medium."""

    position: int
    header: Header
    key: str
    meta: bytes


class Chain(NamedTuple):
    """The records a key's value is made of: a whole one, then the deltas over it in order."""

    parts: tuple[Located, ...]
    extent: int
    """Bytes of all records of the chain."""
    delta_bytes: int
    """Bytes of the deltas' values: what a reader has to apply."""

    @property
    def last(self) -> Located:
        """The newest of them: its metadata are the key's."""
        return self.parts[-1]

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.parts[-1].header.whole

    @property
    def folded(self) -> int:
        """Bytes of one record that has the whole value."""
        header = self.parts[-1].header
        return extent_of(header.key_length, header.meta_length, header.whole)


@dataclass(slots=True)
class Index:
    """All keys of a store. `live` counts the bytes of the records that their values need."""

    chains: dict[str, Chain] = field(default_factory=dict)
    live: int = 0

    def apply(self, record: Located) -> bool:
        """Take a record in; False if it is a delta over anything else than its key's newest record."""
        _, header, key, _ = record
        kind, extent = header.kind, header.extent
        old = self.chains.get(key)
        if kind is Kind.DELTA:
            if old is None or old.last.position != header.link or old.size != header.whole:
                return False
            self.chains[key] = Chain((*old.parts, record), old.extent + extent, old.delta_bytes + header.length)
            self.live += extent
            return True
        if old is not None:
            self.live -= old.extent
        if kind is Kind.PUT:
            self.chains[key] = Chain((record,), extent, 0)
            self.live += extent
        elif old is not None:
            del self.chains[key]
        return True
