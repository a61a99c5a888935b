"""Ten thousand images of power cuts at every fence of a script: 0 acknowledged records lost, 0 torn ones read."""

from __future__ import annotations

import pytest

from tests.crash.campaign import Campaign
from tests.crash.images import LINES, WORDS, choices
from tests.crash.recording import Image, Machine, Moment, RecordingMedium

WANTED = {"store": (6000, 7), "log": (4000, 3)}
"""Distinct images, and kills that the script has to survive."""


@pytest.mark.parametrize("script", WANTED)
def test_every_image_has_what_was_acknowledged_and_goes_on(script: str) -> None:
    campaign = Campaign(seed=1, drawn=200, share=0.06, again=0.003)
    campaign.play(script)
    images, kills = WANTED[script]
    assert campaign.tally.images >= images
    assert campaign.tally.kills == kills
    assert campaign.tally.second_cuts > 10


def moment_of(lines: int, words: int) -> Moment:
    """So many open lines of which each differs in so many words."""
    new = b"".join(number.to_bytes(8, "little") for number in range(1, words + 1)) + bytes(64 - 8 * words)
    return Moment({"pm": bytes(64 * lines)}, {("pm", line): new for line in range(lines)})


def distinct(moment: Moment) -> list[frozenset[tuple[tuple[str, int], bytes]]]:
    return [frozenset(made().items()) for made in choices(moment, 0)]


def test_few_words_are_tried_in_every_subset() -> None:
    assert len(set(distinct(moment_of(2, 5)))) == 1 << WORDS


def test_some_lines_are_tried_in_every_subset_and_torn_in_every_way() -> None:
    tried = set(distinct(moment_of(LINES, 8)))
    assert len(tried) == (1 << LINES) + LINES * 2 * ((1 << 8) - 2)


def test_many_lines_are_tried_alone_missing_as_prefixes_and_drawn() -> None:
    moment = moment_of(40, 8)
    tried = distinct(moment)
    whole = {line: moment.open[line] for line in moment.open}
    assert frozenset() in tried and frozenset(whole.items()) in tried
    for place, line in enumerate(whole):
        assert frozenset({(line, whole[line])}) in tried
        assert frozenset(whole.items() - {(line, whole[line])}) in tried
        assert frozenset(list(whole.items())[: place + 1]) in tried
    assert len(set(tried)) > 1000


def test_only_what_was_persisted_is_durable_and_every_fence_is_a_moment() -> None:
    moments: list[Moment] = []
    machine = Machine({"pm": Image.of(bytes(256))}, moments.append)
    medium = RecordingMedium(machine, "pm")
    medium.write(60, b"12345678")
    medium.write(200, b"x")
    medium.persist((60, 2))
    assert bytes(machine.media["pm"].durable[:68]) == bytes(60) + b"1234" + bytes(4)
    assert list(machine.media["pm"].open) == [1, 3]
    medium.write(70, b"y")
    assert [len(moment.open) for moment in moments] == [3, 2]
    assert moments[1].open["pm", 1].startswith(b"5678\0")
    assert bytes(medium.read(60, 8)) == b"12345678"
