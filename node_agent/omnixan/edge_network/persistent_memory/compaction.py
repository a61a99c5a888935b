"""Change epochs: at opening, at closing, and by copying what lives into the other half.

A compaction writes only to the half that is not in use, makes it durable, and then changes the superblock: until then
the store is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory import format
from omnixan.edge_network.persistent_memory.append import Appender
from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.persistent_memory.index import Index, Located
from omnixan.edge_network.persistent_memory.medium import LINE
from omnixan.edge_network.persistent_memory.reading import check_value, raw_value, read_value
from omnixan.edge_network.persistent_memory.record import FENCED, Kind

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.format import Superblock
    from omnixan.edge_network.persistent_memory.index import Chain
    from omnixan.edge_network.persistent_memory.medium import Medium
    from omnixan.edge_network.persistent_memory.recovery import Recovered


class Unreadable(Exception):
    """A value that lives is damaged: nothing was changed, and it is not copied under a new checksum."""

    def __init__(self, damage: Corrupt) -> None:
        super().__init__(str(damage))
        self.damage = damage


def begin_epoch(medium: Medium, path: str, superblock: Superblock, found: Recovered) -> Superblock:
    """Adopt what recovery found and raise the epoch, so that nothing of an interrupted write is ever taken for a record.

    The last record may be there without being durable (its writer was killed, not the machine): it is made so first.
    """
    if found.last is not None:
        secure(medium, found.last)
    raised = replace(superblock, epoch=superblock.epoch + 1, floor=found.tail, sequence=found.sequence, clean=False)
    format.replace(medium, path, raised)
    return raised


def secure(medium: Medium, record: Located) -> None:
    """Write a record's bytes again (of a fenced one the header) and persist them: a medium may know only its own writes."""
    length = LINE if record.header.flags & FENCED else record.header.extent
    medium.write(record.position, bytes(medium.read(record.position, length)))
    medium.persist((record.position, record.header.extent))


def next_epoch(medium: Medium, path: str, superblock: Superblock, appender: Appender, *, clean: bool) -> Superblock:
    """Raise the epoch between two appends; `clean`: the store is being closed, nothing will stand behind its tail."""
    epoch = superblock.epoch + 1
    raised = replace(superblock, epoch=epoch, floor=appender.tail, sequence=appender.sequence, clean=clean)
    format.replace(medium, path, raised)
    return raised


def compact(
    medium: Medium,
    path: str,
    superblock: Superblock,
    index: Index,
    appender: Appender,
    *,
    without: str | None = None,
    put: Callable[[Appender], Located] | None = None,
) -> tuple[Superblock, Index, Appender]:
    """Copy every chain but that of the key `without` as one whole record each, oldest first; deletions and deltas are
    gone then. `put` adds the record that replaces `without`: both happen, or neither.

    Raises `Unreadable` before anything is changed if a value is damaged.
    """
    epoch = superblock.epoch + 1
    target = replace(superblock, epoch=epoch, half_epoch=epoch, half=1 - superblock.half)
    start = target.start(target.half)
    copier = Appender(medium, target, start, 0, one_fence=appender.one_fence)
    copied = Index()
    chains = [chain for key, chain in index.chains.items() if key != without]
    for chain in sorted(chains, key=lambda chain: chain.last.header.sequence):
        record = _copy(medium, path, copier, chain)
        copied.apply(record)
        copier.tail += record.header.extent
    copier.sequence = appender.sequence
    if put is not None:
        copied.apply(put(copier))
    elif without is not None:
        copier.sequence += 1
    medium.persist((start, min(copier.tail + LINE, copier.end) - start))
    target = replace(target, floor=copier.tail, sequence=copier.sequence, clean=False)
    format.replace(medium, path, target)
    return target, copied, copier


def _copy(medium: Medium, path: str, copier: Appender, chain: Chain) -> Located:
    last = chain.last
    try:
        if len(chain.parts) == 1:
            value = raw_value(medium, last)
            check_value(path, last, value)
        else:
            value = read_value(medium, path, chain)
    except Corrupt as damage:
        raise Unreadable(damage) from damage
    name = last.key.encode() + last.meta
    header = copier.header(
        Kind.PUT, name, last.header.key_length, len(value), crc32c(value), 0, len(value), last.header.sequence, FENCED
    )
    record = Located(copier.tail, header, last.key, last.meta)
    copier.write(record, name, value)
    return record
