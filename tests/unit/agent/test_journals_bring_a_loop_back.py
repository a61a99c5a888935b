"""The log of a run in the agent's memory, and what else an agent knows in its next life."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from omnixan.edge_network.agent.journal import CHUNK, Journal, pace_of
from omnixan.edge_network.agent.memory import KnownRun, Letter, Memory
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.api.workload import Checkpoint
from omnixan.edge_network.persistent_memory.errors import StoreFull
from omnixan.edge_network.persistent_memory.memory import FILE
from omnixan.edge_network.quantum.training_log import GROUP_SECONDS, Pace, Resumed

PRINT = "f" * 64
RECORD = 48


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Storage]:
    storage = Storage(str(path), "auto", 4 << 20)
    assert await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def journal(storage: Storage, told: list[Resumed], shots: int = 0, uid: str = "u") -> Journal:
    return await Journal.open(storage, uid, Pace(every=1), shots, told.append)


def fits(found: Journal, each: int = 10) -> Resumed:
    """What a worker answers that takes all whole records."""
    count = len(found.kept.records) // RECORD
    return Resumed(PRINT, count, count * RECORD, count * each, "")


def record(number: int) -> bytes:
    return random.Random(number).randbytes(RECORD)


@pytest.mark.parametrize(
    ("checkpoint", "most", "pace"),
    [
        (None, 300.0, Pace(None, GROUP_SECONDS)),
        (Checkpoint(), 300.0, Pace(None, GROUP_SECONDS)),
        (Checkpoint(every_iterations=5), 300.0, Pace(5, 300.0)),
        (Checkpoint(interval="30s"), 300.0, Pace(None, 30.0)),
        (Checkpoint(interval="30s"), 10.0, Pace(None, 10.0)),
        (Checkpoint(every_iterations=5, interval="1m"), 300.0, Pace(5, 60.0)),
    ],
)
def test_a_job_may_ask_for_rarer_checkpoints_but_not_rarer_than_its_node_makes_them(
    checkpoint: Checkpoint | None, most: float, pace: Pace
):
    assert pace_of(checkpoint, most) == pace


async def test_a_log_comes_back_byte_by_byte_however_often_its_agent_ends(tmp_path: Path):
    written = b""
    for life in range(6):
        async with opened(tmp_path) as storage:
            told: list[Resumed] = []
            found = await journal(storage, told)
            assert found.kept.records == written and found.kept.fingerprint == (PRINT if written else "")
            found.resumed(fits(found))
            for number in range(300):
                await found.keep(record(1000 * life + number), 10 * (len(written) // RECORD + 1), wait=number % 3 == 0)
                written += record(1000 * life + number)
            await found.close()
    assert len(written) > 2 * CHUNK


async def test_a_log_whose_end_is_half_a_record_goes_on_behind_the_whole_ones(tmp_path: Path):
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        await found.keep(record(1) + record(2) + record(3)[:20], 30, wait=True)
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        await found.keep(record(4), 30, wait=True)
    async with opened(tmp_path) as storage:
        assert (await journal(storage, [])).kept.records == record(1) + record(2) + record(4)


async def test_a_log_that_is_dropped_is_taken_away_before_the_next_begins(tmp_path: Path):
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        await found.keep(bytes(3 * CHUNK), 30, wait=True)
        assert len(await storage.keys("logs/u/")) == 3
        told: list[Resumed] = []
        found = await journal(storage, told)
        found.resumed(Resumed("e" * 64, 0, 0, 0, "another seed"))
        assert [r.problem for r in told] == ["another seed"]
        await found.keep(record(1), 10, wait=True)
        assert await storage.keys("logs/u/") == ["logs/u/000000"]
        found = await journal(storage, [])
        assert (found.kept.fingerprint, found.kept.records) == ("e" * 64, record(1))


@pytest.mark.parametrize("what", ["missing", "damaged", "unread"])
async def test_a_log_of_which_a_piece_is_wrong_is_dropped_and_said_to_be(tmp_path: Path, what: str):
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        await found.keep(b"x" * CHUNK + b"y" * CHUNK, 30, wait=True)
        if what == "missing":
            await storage.delete("logs/u/000000")
        elif what == "unread":
            await storage.put("logs/u/000001", b"", {"of": "another version"})
    if what == "damaged":
        file = tmp_path / FILE
        spoilt = bytearray(file.read_bytes())
        place = spoilt.index(b"x" * 1000)
        spoilt[place + 77] ^= 1
        file.write_bytes(spoilt)
    async with opened(tmp_path) as storage:
        told: list[Resumed] = []
        found = await journal(storage, told)
        assert found.kept.records == b""
        found.resumed(fits(found))
        assert told[0].evaluations == 0 and told[0].problem
        await found.keep(record(1), 10, wait=True)
        assert (await journal(storage, [])).kept.records == record(1)


async def test_shots_that_were_lost_or_run_twice_are_counted_over_all_lives(tmp_path: Path):
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        assert found.wasted == 0
        await found.keep(record(1) + record(2), 20, wait=True)
        found = await journal(storage, [], shots=50)  # of five evaluations the API server knew, two were in the log
        found.resumed(fits(found))
        assert found.wasted == 30
        await found.keep(record(3), 30, wait=True)
        found = await journal(storage, [])  # the API server is away: the log knows of all
        found.resumed(Resumed("e" * 64, 0, 0, 0, "another seed"))
        assert found.wasted == 60


async def test_while_the_memory_is_away_the_log_waits_in_the_process(tmp_path: Path):
    async with opened(tmp_path) as storage:
        found = await journal(storage, [])
        found.resumed(fits(found))
        await found.keep(record(1), 10, wait=True)
        full = StoreFull("x", "no room", "delete keys")
        with mock.patch("omnixan.edge_network.persistent_memory.store.Store.snapshot", side_effect=full):
            await found.keep(record(2), 20, wait=True)
            await found.keep(record(3), 30, wait=False)
            await found.close()
        report = storage.report()
        assert report is not None and report.reason == "StoreFull"
        await found.keep(record(4), 40, wait=True)
        assert (await journal(storage, [])).kept.records == b"".join(map(record, (1, 2, 3, 4)))
        report = storage.report()
        assert report is not None and report.ready


def run(uid: str) -> dict[str, Any]:
    return {"metadata": {"name": f"{uid}-1", "uid": uid}, "spec": {"nodeName": "n"}}


async def test_an_agent_knows_its_runs_letters_and_twin_in_its_next_life(tmp_path: Path):
    node = {"apiVersion": "v", "kind": "EdgeNode", "metadata": {"uid": "x", "resourceVersion": "1"}, "spec": {"pool": "é"}}
    async with opened(tmp_path) as storage:
        memory = Memory(storage, 300)
        assert await memory.put_run(run("a"), begun=False, restarts=0)
        assert await memory.put_run(run("a"), begun=True, restarts=2)
        assert await memory.put_run(run("b"), begun=False, restarts=0)
        assert await memory.put_letter(Letter("c", "c-1", {"state": "Failed"}))
        memory.put_twin(node)
    async with opened(tmp_path) as storage:
        memory = Memory(storage, 300)
        assert await memory.runs() == [KnownRun(run("a"), True, 2), KnownRun(run("b"), False, 0)]
        assert await memory.letters() == [Letter("c", "c-1", {"state": "Failed"})]
        assert await memory.twin() == node
        memory.forget_run("a")
        memory.drop_letter("c")
        memory.put_twin(None)
        assert await storage.keys() == ["runs/b"]


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b'{"object":{},"name":1,"metadata":{}}', b"\xff"])
async def test_what_another_version_wrote_in_another_shape_is_passed_over(tmp_path: Path, value: bytes):
    async with opened(tmp_path) as storage:
        for key in ("runs/a", "letters/b", "twin"):
            await storage.put(key, value)
        memory = Memory(storage, 300)
        assert (await memory.runs(), await memory.letters(), await memory.twin()) == ([], [], None)
        assert await memory.logged("a") == (0, 0)
        await memory.sweep(lambda: set())
        assert await storage.keys() == ["twin"]


async def test_a_loop_that_came_further_since_it_was_begun_is_told_from_one_that_did_not(tmp_path: Path):
    async with opened(tmp_path) as storage:
        memory = Memory(storage, 300)
        assert await memory.logged("u") == (0, 0)
        log = await memory.journal("u", None, 0, lambda resumed: None)
        assert log is not None
        log.resumed(fits(log))
        await log.keep(record(1), 1, wait=True)
        await memory.put_run(run("u"), begun=True, restarts=1, logged=RECORD)
        assert await memory.logged("u") == (RECORD, RECORD)
        await log.keep(record(2), 1, wait=True)
        assert await memory.logged("u") == (2 * RECORD, RECORD)


async def test_what_belongs_to_runs_that_are_gone_is_swept_away(tmp_path: Path):
    async with opened(tmp_path) as storage:
        memory = Memory(storage, 300)
        for uid in ("a", "b"):
            await memory.put_run(run(uid), begun=True, restarts=0)
            await memory.put_letter(Letter(uid, f"{uid}-1", {}))
            log = await memory.journal(uid, None, 0, lambda resumed: None)
            assert log is not None
            log.resumed(fits(log))
            await log.keep(record(1), 1, wait=True)
        memory.put_twin(run("n"))
        await memory.sweep(lambda: {"b"})
        assert await storage.keys() == ["letters/b", "logs/b/000000", "runs/b", "twin"]


async def test_a_job_that_shall_not_go_on_leaves_no_log(tmp_path: Path):
    async with opened(tmp_path) as storage:
        memory = Memory(storage, 300)
        assert await memory.journal("u", Checkpoint(resume=False), 0, lambda resumed: None) is None
    assert await Memory(Storage(None, "auto", 1 << 20), 300).journal("u", None, 0, lambda resumed: None) is None
