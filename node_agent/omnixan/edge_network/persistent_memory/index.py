"""What a store knows of its records while it is open: which key has which value, where, and how much of the half that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.record import Kind, extent_of

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.record import Header


@dataclass(frozen=True, slots=True)
class Located:
    """A record that was found: where, its header, its metadata as on the medium."""

    position: int
    header: Header
    key: str
    meta: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """The records a key's value is made of: a whole one, then the deltas over it in order."""

    parts: tuple[Located, ...]

    @property
    def last(self) -> Located:
        """The newest of them: its metadata are the key's."""
        return self.parts[-1]

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.parts[-1].header.whole

    @property
    def extent(self) -> int:
        """Bytes of all records of the chain."""
        return sum(part.header.extent for part in self.parts)

    @property
    def folded(self) -> int:
        """Bytes of one record that has the whole value."""
        header = self.parts[-1].header
        return extent_of(header.key_length, header.meta_length, header.whole)

    @property
    def delta_bytes(self) -> int:
        """Bytes of the deltas' values: what a reader has to apply."""
        return sum(part.header.length for part in self.parts[1:])


@dataclass(slots=True)
class Index:
    """All keys of a store. `live` counts the bytes of the records that their values need."""

    chains: dict[str, Chain] = field(default_factory=dict)
    live: int = 0

    def apply(self, record: Located) -> bool:
        """Take a record in; False if it is a delta over anything else than its key's newest record."""
        old = self.chains.get(record.key)
        if record.header.kind is Kind.DELTA:
            if old is None or old.last.position != record.header.link or old.size != record.header.whole:
                return False
            self.chains[record.key] = Chain((*old.parts, record))
            self.live += record.header.extent
            return True
        if old is not None:
            self.live -= old.extent
            del self.chains[record.key]
        if record.header.kind is Kind.PUT:
            self.chains[record.key] = Chain((record,))
            self.live += record.header.extent
        return True
