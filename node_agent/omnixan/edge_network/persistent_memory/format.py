"""Where things stand on a store's medium: two slots of the superblock, then two halves of which one is in use.

    0      superblock, slot 0 (128 bytes)
    4096   superblock, slot 1
    8192   half 0: records, one after another
    ...    half 1: empty, or what the last compaction left, or a compaction that did not come to its end

A slot, little endian:

    0   8s  magic "OMNIXANS"         16  u64 epoch           56  u64 floor
    8   u32 version                  24  16s id              64  u64 sequence at the floor
    12  u32 CRC32C of all the rest   40  u64 bytes in use    72  u32 half in use
                                     48  u64 epoch of half   76  u32 flags (1: closed cleanly)

Magic, version and CRC keep their places in every later version, so that a reader can refuse it by name.

Every change of the superblock raises the epoch and is written to both slots, one after the other with a fence between
them: one of them is whole at any moment, and after that both say the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.crc32c import crc32c
from omnixan.edge_network.persistent_memory.errors import Corrupt, NewerFormat, NotAStore, TooLarge
from omnixan.edge_network.persistent_memory.medium import LINE, PAGE

if TYPE_CHECKING:
    from omnixan.edge_network.persistent_memory.medium import Medium

MAGIC = b"OMNIXANS"
VERSION = 1
SLOT_SIZE = 128
SLOTS = (0, PAGE)
DATA = 2 * PAGE
MINIMUM = DATA + 2 * PAGE
"""Bytes of the smallest medium: superblock and two halves of a page each."""

CLEAN = 1

_HEAD = struct.Struct("<8sII")
_BODY = struct.Struct("<Q16sQQQQII")
_ZEROS = bytes(SLOT_SIZE)


@dataclass(frozen=True, slots=True)
class Superblock:
    """What is known about a store before a record is read.

    `epoch` is raised by every opening for writing and every compaction. Records in the half in use carry an epoch of at
    least
    `half_epoch`; those below `floor` (a position on the medium) were durable when this was written, those above it carry
    `epoch`.
    """

    epoch: int
    id: bytes
    size: int
    half_epoch: int
    floor: int
    sequence: int
    half: int
    clean: bool

    @property
    def half_size(self) -> int:
        """Bytes of a half, a multiple of 64."""
        return (self.size - DATA) // 2 & -LINE

    def start(self, half: int) -> int:
        """Where a half begins on the medium."""
        return DATA + half * self.half_size

    def pack(self) -> bytes:
        """The 128 bytes of a slot."""
        body = _BODY.pack(
            self.epoch, self.id, self.size, self.half_epoch, self.floor, self.sequence, self.half, CLEAN if self.clean else 0
        )
        body += bytes(SLOT_SIZE - _HEAD.size - len(body))
        return _HEAD.pack(MAGIC, VERSION, _slot_crc(VERSION, body)) + body


def _slot_crc(version: int, body: bytes) -> int:
    return crc32c(body, crc32c(MAGIC + version.to_bytes(4, "little")))


def _unpack(path: str, raw: bytes) -> Superblock | None:
    magic, version, crc = _HEAD.unpack_from(raw)
    body = raw[_HEAD.size :]
    if magic != MAGIC or crc != _slot_crc(version, body):
        return None
    if version > VERSION:
        raise _newer(path, version)
    epoch, owner, size, half_epoch, floor, sequence, half, flags = _BODY.unpack_from(body)
    return Superblock(epoch, owner, size, half_epoch, floor, sequence, half, bool(flags & CLEAN))


def _newer(path: str, version: int) -> NewerFormat:
    return NewerFormat(
        path,
        f"it is in version {version} of the format, this program knows {VERSION}",
        "open it with a release that knows it",
    )


def read_slots(medium: Medium, path: str) -> tuple[Superblock | None, Superblock | None]:
    """Both slots, None where one is not whole; raises `NewerFormat` if a whole one is of a later version."""
    first, second = (_unpack(path, bytes(medium.read(offset, SLOT_SIZE))) for offset in SLOTS)
    return first, second


def newest(medium: Medium, path: str) -> Superblock | None:
    """The superblock in force, or None where no store was ever finished (all zeros, or making it was interrupted).

    Raises `NotAStore` for anything else than a store, `Corrupt` where both slots are damaged or the medium was cut off,
    `NewerFormat`.
    """
    if medium.size < MINIMUM:
        raise TooSmall(path, medium.size)
    whole = [slot for slot in read_slots(medium, path) if slot is not None]
    if whole:
        found = max(whole, key=lambda slot: slot.epoch)
        if found.size > medium.size or found.size < MINIMUM or found.half not in (0, 1):
            raise Corrupt(
                path, f"the store has {found.size} bytes, the medium {medium.size}", "restore the file: its end is cut off",
                position=medium.size,
            )  # fmt: skip
        return found
    raw = [bytes(medium.read(offset, SLOT_SIZE)) for offset in SLOTS]
    if raw[1] == _ZEROS and (raw[0] == _ZEROS or raw[0].startswith(MAGIC)):
        return None
    for slot in raw:
        magic, version, _ = _HEAD.unpack_from(slot)
        if magic == MAGIC and version > VERSION:
            raise _newer(path, version)
    if any(slot.startswith(MAGIC) for slot in raw):
        raise Corrupt(path, "both slots of the superblock are damaged", "restore the file from a copy", position=0)
    raise NotAStore(path, "it holds something else than a store", "choose another path, or empty it first")


class TooSmall(TooLarge):
    """A medium that is too small for a store."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(path, f"{size} bytes are too few for a store", f"give it at least {MINIMUM} bytes")


def first(medium: Medium, owner: bytes) -> Superblock:
    """The superblock of a new store over the whole of `medium`."""
    size = medium.size & -LINE
    return Superblock(1, owner, size, 1, DATA, 0, 0, clean=True)


def create(medium: Medium, superblock: Superblock) -> None:
    """Make a store on an empty medium. The magic is durable first: an interruption leaves zeros or something that is
    ours.
    """
    raw = superblock.pack()
    medium.write(SLOTS[0], raw[: len(MAGIC)])
    medium.persist((SLOTS[0], len(MAGIC)))
    for offset in SLOTS:
        write_slot(medium, offset, raw)


def replace(medium: Medium, path: str, superblock: Superblock) -> None:
    """Put `superblock` (of a higher epoch) into both slots, first over the one that is older or damaged.

    The one in force is made durable before: a process that was killed may have written it and not persisted it.
    """
    epochs = [-1 if slot is None else slot.epoch for slot in read_slots(medium, path)]
    older, force = SLOTS if epochs[0] <= epochs[1] else SLOTS[::-1]
    if max(epochs) >= 0:
        write_slot(medium, force, bytes(medium.read(force, SLOT_SIZE)))
    for offset in (older, force):
        write_slot(medium, offset, superblock.pack())


def write_slot(medium: Medium, offset: int, raw: bytes) -> None:
    """One slot, durable when this returns."""
    medium.write(offset, raw)
    medium.persist((offset, SLOT_SIZE))
