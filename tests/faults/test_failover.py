"""A leader that is killed, frozen or cut off while a hundred jobs run: another leads within 20 s, and no job notices."""

from __future__ import annotations

import pytest

from tests.faults.failover import FAILOVER, WAYS
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
