"""Which images a power cut at one moment may leave.

A unit is an aligned word of 8 bytes in which the cache and the medium differ. Up to `WORDS` units: every subset of
them. Up to `LINES` open lines: every subset of lines, and every line torn in every way with all others there and with
none of them. Above: all, none, each line alone, each missing, every prefix in the order of writing, and `DRAWN` seeded
subsets, every second one of words instead of lines.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from omnixan.edge_network.persistent_memory.medium import LINE, WORD
from tests.crash.recording import Line, Moment

WORDS = 10
LINES = 12
DRAWN = 1000

T = TypeVar("T")
Unit = tuple[Line, int]
"""A line and where in it a word begins."""

Choice = dict[Line, bytes]
"""What the lines hold that differ from what was durable."""


def choices(moment: Moment, seed: int, *, drawn: int = DRAWN) -> Iterator[Callable[[], Choice]]:
    """All images of the moment, some of them perhaps twice, made when they are called for."""
    old = {line: durable_line(moment, line) for line in moment.open}
    lines = [line for line, new in moment.open.items() if new != old[line]]
    units = [(line, word) for line in lines for word in _words(old[line], moment.open[line])]

    def whole(chosen: Iterable[Line]) -> Choice:
        return {line: moment.open[line] for line in chosen}

    def torn(chosen: Iterable[Unit], beside: Iterable[Line] = ()) -> Choice:
        return {**whole(beside), **_torn(moment, old, chosen)}

    if len(units) <= WORDS:
        for bits in range(1 << len(units)):
            yield partial(torn, _subset(units, bits))
        return
    if len(lines) <= LINES:
        for bits in range(1 << len(lines)):
            yield partial(whole, _subset(lines, bits))
        for line in lines:
            words = [(line, word) for word in _words(old[line], moment.open[line])]
            for bits in range(1, (1 << len(words)) - 1):
                yield partial(torn, _subset(words, bits))
                yield partial(torn, _subset(words, bits), lines)
        return
    yield partial(whole, ())
    for number, line in enumerate(lines):
        yield partial(whole, (line,))
        yield partial(whole, (*lines[:number], *lines[number + 1 :]))
        yield partial(whole, lines[: number + 1])
    draw = random.Random(seed)
    for number in range(drawn):
        share = draw.random()
        if number % 2:
            yield partial(whole, [line for line in lines if draw.random() < share])
        else:
            yield partial(torn, [unit for unit in units if draw.random() < share])


def _subset(of: list[T], bits: int) -> list[T]:
    return [entry for place, entry in enumerate(of) if bits >> place & 1]


def durable_line(moment: Moment, line: Line) -> bytes:
    """What a line durably holds."""
    name, number = line
    return moment.durable[name][number * LINE : (number + 1) * LINE]


def left(moment: Moment, choice: Choice) -> dict[str, bytearray]:
    """All media as the power cut left them."""
    media = {name: bytearray(content) for name, content in moment.durable.items()}
    for (name, number), content in choice.items():
        media[name][number * LINE : number * LINE + len(content)] = content
    return media


def _words(old: bytes, new: bytes) -> list[int]:
    return [start for start in range(0, len(new), WORD) if old[start : start + WORD] != new[start : start + WORD]]


def _torn(moment: Moment, old: dict[Line, bytes], units: Iterable[Unit]) -> Choice:
    result: dict[Line, bytearray] = {}
    for line, word in units:
        content = result.setdefault(line, bytearray(old[line]))
        content[word : word + WORD] = moment.open[line][word : word + WORD]
    return {line: bytes(content) for line, content in result.items()}
