"""A leader that is killed, frozen or cut off while a hundred jobs run: another leads within 20 s, and no job notices."""

from __future__ import annotations

import pytest

from tests.faults.failover import FAILOVER, WAYS, WHOLE, Failover
from tests.faults.play import play, told
from tests.faults.takeovers import LIMIT

pytestmark = pytest.mark.timeout(1500)  # as in test_storms
SEEDS = 3


def test_another_leads_within_20_s_and_every_job_has_exactly_one_result() -> None:
    outcomes = play(range(3000, 3000 + SEEDS), "--failover")
    assert len(outcomes) == SEEDS
    assert not told(outcomes), told(outcomes)
    assert all(outcome["jobs"] == {"Complete": FAILOVER.jobs} for outcome in outcomes)
    takeovers = [takeover for outcome in outcomes for takeover in outcome["takeovers"]]
    ways = [takeover["way"] for takeover in takeovers]
    assert all(ways.count(way) == SEEDS * FAILOVER.losses // len(WAYS) for way in WAYS)
    assert all(takeover["runs"] > 0 for takeover in takeovers), "runs are under way whenever a leader is lost"
    assert all(0 < takeover["lease"] <= takeover["work"] <= LIMIT for takeover in takeovers)


class _Asked(Failover):
    """Two replicas that are asked whether they are ready, and nothing else."""

    async def _trouble(self) -> None:
        self.weather.calm = True
        await self._until(self._is_whole, WHOLE)
        one, other = sorted(self.operators.running)
        self.answers = {"whole": await self._asked(one, other)}
        self.network.cut(one)
        self.operators.freeze(other)
        self.answers["cut off, frozen"] = await self._asked(one, other)
        self.network.heal(one)
        self.operators.thaw(other)
        self.operators.kill(one)
        self.answers["killed, back"] = await self._asked(one, other)
        self.answers["just started"] = await self._asked(self.operators.start())

    async def _asked(self, *names: str) -> list[bool]:
        return [await self.operators.ready(name) for name in names]

    async def _peace(self) -> None:
        return


def test_a_replica_is_ready_only_while_it_can_be_reached_and_has_listed_everything() -> None:
    episode = _Asked(3000)
    assert not episode.play().violations
    assert episode.answers == {
        "whole": [True, True],
        "cut off, frozen": [False, False],
        "killed, back": [False, True],
        "just started": [False],
    }
