"""Twenty processes each are killed while they write to a store and to a log on the ordinary file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import LogKills, StoreKills

ROUNDS = 20


@pytest.mark.parametrize(("kills", "seed"), [(StoreKills, 1), (LogKills, 2)], ids=["store", "log"])
def test_everything_acknowledged_is_there_after_every_kill(
    kills: type[StoreKills | LogKills], seed: int, tmp_path: Path
) -> None:
    story = kills(tmp_path / "it", seed)
    for _ in range(ROUNDS):
        story.round()
    assert story.acknowledged >= ROUNDS
