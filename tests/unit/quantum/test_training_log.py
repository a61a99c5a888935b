"""The log of a training between the worker that computes and the keeper of the log."""

from pathlib import Path

import pytest

from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute
from omnixan.edge_network.quantum.qaoa import Evaluation, records
from omnixan.edge_network.quantum.training_log import Kept, Ledger, Pace
from omnixan.edge_network.quantum.worker import Worker

PROBLEM = {"knapsack": {"values": [3, 4, 5, 1], "weights": [2, 3, 4, 1], "capacity": 6}}


def job(optimizer="COBYLA", seed=3, layers=2, every=None, iterations=12):
    return {
        "algorithm": {"qaoa": {"problem": PROBLEM, "layers": layers}},
        "optimizer": {"name": optimizer, "maxIterations": iterations},
        "primitive": {"sampler": {"shots": 128}},
        "execution": {"seed": seed},
    }


class Shelf:
    """A keeper in this process."""

    def __init__(self, kept=None, pace=None):
        self.kept = kept or Kept()
        self.pace = pace or Pace()
        self.told = []
        self.batches = []
        self.shots = 0
        self.waited = []
        self.full, self.on_full = None, None

    def resumed(self, resumed):
        self.told.append(resumed)
        self.kept = Kept(resumed.fingerprint, self.kept.records[: resumed.length])

    async def keep(self, data, shots, wait):
        self.batches.append(data)
        self.shots = shots
        self.waited.append(wait)
        self.kept = Kept(self.kept.fingerprint, self.kept.records + data)
        if self.full is not None and len(self.kept.records) >= self.full:
            await self.on_full()


@pytest.mark.parametrize("gradient", [None, (0.5, -0.0, float("inf"), 2.0**-1074)])
def test_records_keep_every_bit(gradient):
    log = [Evaluation(3, (0.1, -0.0, 1e300, 5e-324), -1.5, gradient), Evaluation(0, (1.0, 2.0, 3.0, 4.0), 0.25, gradient)]
    data = records.pack(log)
    assert len(data) == 2 * records.record_size(2, gradient is not None)
    assert repr(records.unpack(data, 2)) == repr(log)
    assert records.unpack(data + data[:-1], 2) == [*log, log[0]]  # the last was kept in part


def test_a_fingerprint_is_of_everything_that_evaluations_follow_from():
    same = records.fingerprint(job(), True)
    assert same == records.fingerprint(job() | {"checkpoint": {"everyIterations": 2}}, True)
    others = [job("auto"), job(seed=4), job(layers=3), job(iterations=13), job() | {"primitive": {"sampler": {"shots": 64}}}]
    prints = {records.fingerprint(spec, True) for spec in others} | {records.fingerprint(job(), False)}
    assert len(prints) == len(others) + 1 and same not in prints


@pytest.mark.parametrize(
    ("pace", "ticks", "sizes", "waits"),
    [
        (Pace(every=3, seconds=100), [0] * 8, [3, 3, 1], [True, True, False]),
        (Pace(every=3, seconds=2), [0, 0, 2, 2, 2, 2, 2, 2, 2, 2], [2, 3, 2], [True, True, False]),
        (Pace(seconds=5), [0, 1, 2, 5, 5, 6, 7, 10, 10], [3, 3, 1], [False] * 3),
    ],
)
def test_evaluations_are_handed_out_when_they_are_due(pace, ticks, sizes, waits):
    handed = []
    times = iter(ticks)
    now = [0]

    def clock():
        now[0] = next(times, now[0])
        return now[0]

    ledger = Ledger(Kept(), pace, lambda resumed: None, lambda *batch: handed.append(batch), clock)
    ledger.begin(job(), 128, True)
    for number in range(7):
        ledger.computed(Evaluation(0, (0.0, 0.0, 0.0, 0.0), float(number)))
    ledger.finish()
    assert [len(data) // records.record_size(2, False) for data, _, _ in handed] == sizes
    assert [wait for _, _, wait in handed] == waits
    assert handed[-1][1] == 7 * 128


@pytest.fixture
async def worker(sandbox, until):
    running = Worker(sandbox, 8)
    await running.start()
    await until(lambda: running.pid is not None)  # the worker itself may report before the server that forked it
    yield running
    await running.close()


@pytest.mark.parametrize("optimizer", ["COBYLA", "L-BFGS-B"])
async def test_a_worker_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(worker, until, optimizer):
    async def kill():
        await until(lambda: worker.pid is not None)  # this may be one that took another's place
        pid = worker.pid
        worker.kill()
        await until(lambda: not Path(f"/proc/{pid}").exists())

    spec = job(optimizer, iterations=40)
    expected = execute(spec, None, backend=SimulatorBackend(8))
    whole = Shelf(pace=Pace(every=1, seconds=100))
    assert (await worker.run(spec, keeper=whole))["summary"] == expected["summary"]
    total = len(whole.batches)
    kept = Kept()
    for stop in (total // 4, total // 2, total - 1):
        shelf = Shelf(kept, Pace(every=1, seconds=100))
        shelf.full, shelf.on_full = stop * len(whole.batches[0]), kill
        with pytest.raises(ProgramError, match="ended while it ran"):
            await worker.run(spec, keeper=shelf)
        kept = shelf.kept
    shelf = Shelf(kept, Pace(every=1, seconds=100))
    result = await worker.run(spec, keeper=shelf)
    assert (result["summary"], result["counts"]) == (expected["summary"], expected["counts"])
    assert shelf.kept == whole.kept
    (told,) = shelf.told
    assert told.evaluations == len(kept.records) // len(whole.batches[0]) == total - 1
    assert told.evaluations + len(shelf.batches) == total
    assert told.shots == told.evaluations * (128 if optimizer == "COBYLA" else 0)
    assert all(whole.waited[:-1])


@pytest.mark.parametrize("spoil", ["another seed", "another fingerprint", "another log"])
async def test_a_log_that_does_not_fit_is_dropped_and_the_run_begins_anew(worker, spoil):
    spec = job()
    other = Shelf()
    await worker.run(job(seed=4) if spoil != "another fingerprint" else spec, keeper=other)
    mine = records.fingerprint(spec, True)
    kept = {
        "another seed": other.kept,
        "another fingerprint": Kept("0" * 64, other.kept.records),
        "another log": Kept(mine, other.kept.records),
    }[spoil]
    shelf = Shelf(kept)
    result = await worker.run(spec, keeper=shelf)
    assert result["summary"] == execute(spec, None, backend=SimulatorBackend(8))["summary"]
    (told,) = shelf.told
    assert (told.evaluations, told.length, told.shots, told.fingerprint) == (0, 0, 0, mine)
    assert "seed" in told.problem
    assert shelf.shots == result["summary"]["training"]["shots"]


async def test_a_whole_log_is_replayed_and_only_the_sample_is_taken_again(worker):
    shelf = Shelf()
    first = await worker.run(job(), keeper=shelf)
    again = Shelf(shelf.kept)
    assert (await worker.run(job(), keeper=again))["summary"] == first["summary"]
    assert again.batches == [] and again.told[0].evaluations == first["summary"]["training"]["evaluations"]


async def test_a_log_of_many_frames_is_read_whole(worker, monkeypatch):
    monkeypatch.setattr("omnixan.edge_network.quantum.worker.PIECE", 100)
    shelf = Shelf()
    first = await worker.run(job(), keeper=shelf)
    again = Shelf(shelf.kept)
    await worker.run(job(), keeper=again)
    assert again.told[0].evaluations == first["summary"]["training"]["evaluations"]
