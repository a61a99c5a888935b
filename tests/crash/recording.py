"""A medium that knows what a power cut may leave.

A volatile image, a durable one, and the 64-byte lines that are open between them.

It does exactly what the `Medium` protocol promises: `persist` flushes the lines of its ranges, then fences; whatever
was written and not persisted may be durable or not, in aligned words of 8 bytes and in any order. Just before a fence,
and just before an open line changes again, is a moment to cut the power: what could be left later could be left then,
or is left after the next such moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from omnixan.edge_network.persistent_memory.medium import LINE, MediumClosed, MediumMissing, Tier, check_range

Line = tuple[str, int]
"""Name of a medium, number of a line on it."""


class Killed(BaseException):
    """kill -9: nothing of the process goes on, and no medium loses what is in the cache."""


@dataclass(frozen=True)
class Moment:
    """The power may be cut here.

    What is durable, and what the open lines hold in the cache, in the order of their first writing.
    """

    durable: dict[str, bytes]
    open: dict[Line, bytes]


@dataclass
class Machine:
    """All media of a machine. `on_moment` hears of every moment to cut the power."""

    media: dict[str, Image] = field(default_factory=dict)
    on_moment: Callable[[Moment], None] | None = None
    fences_to_live: int | None = None
    """The process is killed when it wants one more fence than these."""
    kills: int = 0
    rewritten: int = 0
    """How often an open line was changed again."""

    def fence(self) -> None:
        """A process asks for a fence; raises `Killed` if it does not get that far."""
        self.moment()
        if self.fences_to_live is not None:
            if self.fences_to_live == 0:
                raise Killed
            self.fences_to_live -= 1

    def moment(self) -> None:
        """Tell the listener, unless nothing is open and nobody needs to know."""
        if self.on_moment is not None:
            lines = {
                (name, line): bytes(image.volatile[line * LINE : (line + 1) * LINE])
                for name, image in self.media.items()
                for line in image.open
            }
            self.on_moment(Moment({name: bytes(image.durable) for name, image in self.media.items()}, lines))


@dataclass
class Image:
    """One medium's two images; `open` keeps the order of writing."""

    durable: bytearray
    volatile: bytearray
    open: dict[int, None] = field(default_factory=dict)

    @classmethod
    def of(cls, content: bytes) -> Image:
        return cls(bytearray(content), bytearray(content))


class RecordingMedium:
    """A `Medium` over a machine's image.

    Opening it again after a kill (not a power cut) finds the open lines as they are.
    """

    tier = Tier.T1
    granularity = LINE

    def __init__(self, machine: Machine, name: str) -> None:
        self.path = name
        self.machine = machine
        self.image = machine.media[name]
        self.size = len(self.image.volatile)
        self.again = (machine, name)
        self.closed = False

    def read(self, offset: int, length: int) -> memoryview:
        self._check(offset, length)
        return memoryview(bytes(self.image.volatile[offset : offset + length]))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = bytes(memoryview(data).cast("B"))
        self._check(offset, len(view))
        if self.image.volatile[offset : offset + len(view)] == view:
            return
        lines = range(offset // LINE, -(-(offset + len(view)) // LINE))
        after = bytearray(self.image.volatile[lines.start * LINE : lines.stop * LINE])
        start = offset - lines.start * LINE
        after[start : start + len(view)] = view
        changed = [
            line
            for place, line in enumerate(lines)
            if after[place * LINE : (place + 1) * LINE] != self.image.volatile[line * LINE : (line + 1) * LINE]
        ]
        if any(line in self.image.open for line in changed):
            self.machine.rewritten += 1
            self.machine.moment()
        self.image.volatile[offset : offset + len(view)] = view
        for line in changed:
            self.image.open.setdefault(line)

    def persist(self, *ranges: tuple[int, int]) -> None:
        for offset, length in ranges:
            self._check(offset, length)
        self.machine.fence()
        for offset, length in ranges:
            for line in range(offset // LINE, -(-(offset + length) // LINE)):
                if line in self.image.open:
                    del self.image.open[line]
                    place = slice(line * LINE, (line + 1) * LINE)
                    self.image.durable[place] = self.image.volatile[place]

    def close(self) -> None:
        self.closed = True

    def _check(self, offset: int, length: int) -> None:
        if self.closed:
            raise MediumClosed(self.path, "this medium is closed", "open it again")
        check_range(self.path, self.size, offset, length)


class RecordedSegments:
    """A log's folder on a machine.

    Creating and removing a segment is durable at once, as the protocol of folders promises.
    """

    concurrent = False

    def __init__(self, machine: Machine) -> None:
        self.path = "log"
        self.machine = machine

    def numbers(self) -> list[int]:
        return sorted(int(name) for name in self.machine.media)

    def create(self, number: int, size: int) -> RecordingMedium:
        self.machine.media[str(number)] = Image.of(bytes(size))
        return RecordingMedium(self.machine, str(number))

    def open(self, number: int, *, readonly: bool) -> RecordingMedium:
        if str(number) not in self.machine.media:
            raise MediumMissing(str(number), "it is not there", "look elsewhere")
        return RecordingMedium(self.machine, str(number))

    def remove(self, number: int) -> None:
        self.machine.moment()
        del self.machine.media[str(number)]

    def close(self) -> None:
        pass


class LeftMedium:
    """What a power cut left, as a medium without a cache; notes every line that is read before it is written in whole."""

    tier = Tier.T1
    granularity = LINE

    def __init__(self, name: str, content: bytearray, touched: set[Line]) -> None:
        self.path, self.content, self.touched = name, content, touched
        self.again = (name, content, touched)
        self.size = len(content)

    def read(self, offset: int, length: int) -> memoryview:
        check_range(self.path, self.size, offset, length)
        self.touched.update((self.path, line) for line in range(offset // LINE, -(-(offset + length) // LINE)))
        return memoryview(bytes(self.content[offset : offset + length]))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        check_range(self.path, self.size, offset, len(view))
        self.content[offset : offset + len(view)] = view

    def persist(self, *ranges: tuple[int, int]) -> None:
        for offset, length in ranges:
            check_range(self.path, self.size, offset, length)

    def close(self) -> None:
        pass


class LeftSegments:
    """A log's folder after a power cut."""

    concurrent = False

    def __init__(self, media: dict[str, bytearray], touched: set[Line]) -> None:
        self.path = "log"
        self.media, self.touched = media, touched

    def numbers(self) -> list[int]:
        return sorted(int(name) for name in self.media)

    def create(self, number: int, size: int) -> LeftMedium:
        self.media[str(number)] = bytearray(size)
        return self.open(number, readonly=False)

    def open(self, number: int, *, readonly: bool) -> LeftMedium:
        return LeftMedium(str(number), self.media[str(number)], self.touched)

    def remove(self, number: int) -> None:
        del self.media[str(number)]

    def close(self) -> None:
        pass
