"""The placement benchmark: on which seed a mean hangs is told, floors can be missed, no wait hides behind a percentile."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.bench.esp import account, fleets, telling
from e2e.bench.esp.account import Parts
from e2e.bench.esp.placement import parts, truly_reached
from e2e.bench.esp.queueing import LONGEST_HOLD, Ran, Unplaced, by_success, simulate, static_best, success_alone
from e2e.bench.esp.world import HOUR, Job, World
from omnixan_operator.decide.esp import VISIBLE


def ran(number: int = 0, *, held: float = 0.0, queue: float = 0.0, floor: float | None = None, **truth: float) -> Ran:
    job = Job(number, 100.0, 0, 1000, floor)
    placed = job.arrival + held
    return Ran(job, "lima", placed, placed + queue, truth.get("predicted", 0.9), truth.get("success", 0.8))


def test_one_seed_that_carries_the_mean_is_seen_in_the_median_and_the_range() -> None:
    assert account.seeds([-0.3, -0.5, -0.4, 48.8, 0.7]) == {"mean": 9.66, "median": -0.3, "least": -0.5, "most": 48.8}


def test_waits_for_a_floor_are_told_apart_from_those_in_a_queue() -> None:
    found = account.waits([ran(queue=10), ran(queue=30), ran(held=7200, queue=5)])
    assert found["mean"] == pytest.approx(2415, abs=0.1) and found["max"] == 7205
    assert (found["heldForFloor"]["count"], found["heldForFloor"]["mean"]) == (1, 7205)
    assert (found["others"]["count"], found["others"]["mean"], found["others"]["max"]) == (2, 20, 30)


def test_a_floor_that_was_foreseen_to_hold_is_missed_where_the_device_is_worse() -> None:
    runs = [
        ran(floor=0.7, predicted=0.75, success=0.6),  # missed in both ways: 0.6 ** 0.87 is 0.641
        ran(floor=0.63, predicted=0.75, success=0.6),  # missed by the agent's ESP only
        ran(floor=0.5, predicted=0.75, success=0.6),
        ran(predicted=0.1, success=0.1),  # names none
    ]
    found = account.floors(runs, [(runs[0], 0.66), (runs[2], 0.66)])
    assert found["placedAgainstPrediction"]["jobs"] == 0
    assert found["missedByTruth"] == {"of": 3, "jobs": 2, "percent": 66.7, "meanShort": 0.065, "mostShort": 0.1}
    assert found["missedByTruthSeen"]["jobs"] == 1
    assert found["missedByTruthSeen"]["mostShort"] == pytest.approx(0.7 - 0.6**VISIBLE, abs=1e-4)
    assert (found["missedByTruthSeenOfMeasured"]["of"], found["missedByTruthSeenOfMeasured"]["jobs"]) == (2, 1)
    assert found["missedByMeasured"] == {"of": 2, "jobs": 1, "percent": 50.0, "meanShort": 0.04, "mostShort": 0.04}


def test_a_policy_that_knows_no_floors_is_found_to_place_against_the_prediction() -> None:
    found = account.floors([ran(floor=0.7, predicted=0.6, success=0.75)], [])
    assert (found["placedAgainstPrediction"]["jobs"], found["missedByTruth"]["jobs"]) == (1, 0)
    assert found["missedByMeasured"] == {"of": 0, "jobs": 0, "percent": 0.0, "meanShort": 0.0, "mostShort": 0.0}


def test_misses_of_several_seeds_count_by_jobs_and_not_by_seeds() -> None:
    some = account.missed([(0.5, 0.4), *[(0.5, 0.6)] * 9])
    many = account.missed([(0.5, 0.2)] * 3)
    assert account.together([some, many]) == {"of": 13, "jobs": 4, "percent": 30.8, "meanShort": 0.25, "mostShort": 0.3}
    assert account.mean_wait([{"count": 3, "mean": 10.0}, {"count": 1, "mean": 50.0}, {"count": 0}]) == 20


def test_the_parts_of_a_gain_are_shares_of_the_other_policys_success() -> None:
    found = account.percents([Parts(0.1, 0, -0.02, 0, 0), Parts(0, -0.04, 0, 0, 0.01)], 0.5)
    assert found == {"choice": 10, "closedForm": -4, "queue": -2, "drift": 0, "moment": 1}


def test_jobs_that_only_one_policy_ran_are_not_compared() -> None:
    mine, theirs = [ran(2), ran(0)], [ran(0), ran(1), ran(2)]
    assert [(a.job.number, b.job.number) for a, b in account.both(mine, theirs)] == [(0, 0), (2, 2)]


def test_a_job_without_a_place_is_told_with_its_floor_and_what_was_to_be_had() -> None:
    job = Job(7, 0.0, 0, 1000, 0.9)
    found = account.unplaced([Unplaced(job, 0.85)], [0.8])
    assert found == [{"job": 7, "floor": 0.9, "mostPredicted": 0.85, "mostTruly": 0.8}]


def result(seed: int, gain: float, missed: int = 0) -> dict[str, Any]:
    """What a seed gives, as `_compare` writes it, with static-best at 0.5 and 1 % to be had on top of `gain`."""
    kept = account.floors([ran(floor=0.85, success=0.8 if number < missed else 0.9) for number in range(4)], [])
    policy = {"success": 0.5, "neverPlaced": [], "floors": kept, "waitSeconds": account.waits([ran(queue=1), ran(held=9)])}
    return {
        "seed": seed,
        "devices": ["lima"] * 5,
        "esp": policy | {"success": 0.5 + gain / 200},
        "static-best": policy,
        "success-alone": policy,
        "best": 0.505 + max(0.0, gain) / 200,
        "gainPercent": gain,
        "possiblePercent": max(0.0, gain) + 1,
        "gainOfSuccessAlonePercent": gain,
        "p95WaitRatio": 1.0,
        "p95WaitRatioOfSuccessAlone": 1.0,
        "gainInPartsPercent": account.percents([Parts(0, 0, 0, 0, 0)], 0.5),
    }


def test_the_table_says_what_is_left_without_the_seed_that_gains_most() -> None:
    over = telling.over_seeds([result(1, -1.0), result(2, 0.0), result(3, 49.0)])
    assert over["gainPercent"] == {"mean": 16, "median": 0, "least": -1, "most": 49}
    assert over["reachedPercent"] == pytest.approx(100 * 48 / 52, abs=0.1)
    assert over["reachedPercentWithoutTheBestSeed"] == -50
    assert telling.over_seeds([result(1, 3.0)])["reachedPercentWithoutTheBestSeed"] is None


def test_a_missed_floor_fails_its_row_and_those_against_the_prediction_have_their_own() -> None:
    rows = {row["figure"]: row for row in telling.rows("five", [result(1, 1.0, missed=1), result(2, 2.0)], 4)}
    assert rows["five: floors placed against the prediction, by construction"]["met"]
    truth = rows["five: floors missed by the truth: the agent's ESP"]
    assert (truth["measured"], truth["met"]) == (12.5, False)
    table = telling.by_policy({"five of nine": [result(1, 1.0, missed=1)]})
    assert "| floors missed: the agent's ESP | 1 of 4, 25.0 %: by 0.050, 0.050 at most |" in table


def test_every_world_has_a_line() -> None:
    lines = telling.by_seed({"nine": [result(1, 1.0)], "five": [result(1, 1.0), result(2, 2.0)]}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 5, 1", "| 5, 1", "| 5, 2"]
    assert {line.count("|") for line in lines} == {12}


def test_fleets_on_either_side_of_the_aim_are_counted_and_drift_is_told_from_the_closed_form() -> None:
    missed, none = account.missed([(0.5, 0.4)] * 3 + [(0.5, 0.6)]), account.missed([])
    as_calibrated = account.missed([(0.5, 0.45), (0.5, 0.45), (0.5, 0.55)])
    found = [
        {"gainPercent": gain, "floorsMissed": floors, "floorsMissedAsCalibrated": calibrated}
        for gain, floors, calibrated in ((-0.5, missed, as_calibrated), (3.0, none, none), (15.0, none, none))
    ]
    rows = {row["figure"].partition(": ")[2]: row["measured"] for row in fleets.rows(found)}
    assert rows["those that gain 15 % or more"] == 1 and rows["those that lose"] == 1
    assert (rows["the same, median"], rows["the same, least"], rows["the same, most"]) == (3, -0.5, 15)
    assert rows["floors missed by the errors that a readout sees"] == 75
    assert rows["of those, missed as calibrated, without drift"] == 66.7


@pytest.fixture(scope="module")
def world() -> World:
    """Five small devices that drift."""
    return World(5, 5)


def test_the_parts_of_a_gain_add_up_to_it(world: World) -> None:
    jobs = world.jobs(60, 20.0)
    pairs = account.both(*(simulate(world, jobs, policy)[0] for policy in (by_success, static_best)))
    found = [(parts(world, *pair), pair) for pair in pairs]
    for part, (ours, theirs) in found:
        together = part.choice + part.closed_form + part.queue + part.drift + part.moment
        assert together == pytest.approx(ours.success - theirs.success, abs=1e-12)
        assert part.choice >= 0 >= part.closed_form
    assert any(part.queue for part, _ in found), "no job was placed for its queue: the arrivals are too rare"


def test_without_a_cost_of_waits_no_job_goes_to_a_device_for_its_queue(world: World) -> None:
    jobs = world.jobs(60, 20.0)
    pairs = account.both(*(simulate(world, jobs, policy)[0] for policy in (success_alone, static_best)))
    assert all(parts(world, *pair).queue == 0 for pair in pairs)


def test_a_floor_that_no_device_reaches_ends_in_a_job_that_is_told_as_never_placed(world: World) -> None:
    job = Job(0, 5 * HOUR, 0, 1000, 0.9999)
    placed, never = simulate(world, [job], by_success)
    assert not placed and [one.job for one in never] == [job]
    assert 0 < never[0].reach < 0.9999 and 0 < truly_reached(world, job) < 0.9999
    placed, never = simulate(world, [job], static_best)
    assert not never and not placed[0].held and placed[0].predicted < 0.9999


def test_a_job_that_is_held_begins_at_a_calibration_that_reaches_its_floor(world: World) -> None:
    circuit, periods = 0, range(int(LONGEST_HOLD / HOUR / 8))
    reach = [max(world.predicted(circuit, name, period) for name in world.fitting(circuit)) for period in periods]
    better = next(period for period in periods if reach[period] > max(reach[:1]))
    floor = (max(reach[:better]) + reach[better]) / 2
    placed, _ = simulate(world, [Job(0, 100.0, circuit, 1000, floor)], by_success)
    assert placed[0].held and placed[0].placed == better * 8 * HOUR and placed[0].predicted >= floor
