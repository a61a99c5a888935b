"""The quantum worker: a process that runs jobs one at a time and is replaced when it dies."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
import pytest_asyncio

from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute
from omnixan.edge_network.quantum.worker import Worker

SPEC = {"primitive": {"sampler": {"shots": 500}}, "execution": {"seed": 3}, "program": {"inline": {"data": "unused"}}}


@pytest_asyncio.fixture
async def worker(sandbox, until):
    """A ready worker of 18 qubits."""
    running = Worker(sandbox, 18)
    await running.start()
    await until(lambda: running.pid is not None)  # the worker itself may report before the server that forked it
    yield running
    await running.close()


def stat(pid):
    """Fields of a process's stat file after its name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()


def cpu_ticks(pid):
    """CPU time a process has used, in clock ticks."""
    return sum(map(int, stat(pid)[11:13]))


async def at_work(worker, until):
    """Wait until the worker computes."""
    pid, before = worker.pid, cpu_ticks(worker.pid)
    await until(lambda: cpu_ticks(pid) > before + 5)


async def test_a_job_gives_what_it_gives_in_this_process(worker, layered):
    assert worker.ready
    circuit = layered(6, 5)
    moments = []
    before = time.monotonic_ns() // 1000
    result = await worker.run(SPEC, circuit, on_first_shot=moments.append)
    expected = execute(SPEC, circuit, backend=SimulatorBackend(18))
    assert (result["summary"], result["counts"]) == (expected["summary"], expected["counts"])
    assert len(moments) == 1
    assert before <= moments[0] <= time.monotonic_ns() // 1000
    assert (await worker.run(SPEC, circuit))["counts"] == expected["counts"]  # compiled already


async def test_jobs_wait_their_turn(worker, layered):
    circuits = [layered(n, 4) for n in range(2, 10)]
    results = await asyncio.gather(*(worker.run(SPEC, circuit) for circuit in circuits))
    for circuit, result in zip(circuits, results, strict=True):
        assert result["counts"] == execute(SPEC, circuit, backend=SimulatorBackend(10))["counts"]
    assert worker.restarts == 0


async def test_a_job_that_cannot_run_fails_and_the_worker_lives(worker, ghz):
    pid = worker.pid
    with pytest.raises(ProgramError) as error:
        await worker.run(SPEC, ghz(19))
    assert (error.value.category, error.value.reason) == ("CAPABILITY_MISMATCH", "TooManyQubits")
    with pytest.raises(ProgramError) as error:
        await worker.run({"execution": {}}, ghz(2))
    assert (error.value.category, error.value.reason) == ("BACKEND_ERROR", "WorkerFailed")
    assert sum((await worker.run(SPEC, ghz(2)))["counts"].values()) == 500
    assert worker.pid == pid


async def test_a_killed_job_fails_and_the_next_one_runs(worker, layered, ghz, until):
    job = asyncio.create_task(worker.run(SPEC, layered(16, 4000)))
    await at_work(worker, until)
    pid = worker.pid
    worker.kill()
    with pytest.raises(ProgramError) as error:
        await job
    assert (error.value.category, error.value.reason) == ("BACKEND_ERROR", "WorkerDied")
    assert sum((await worker.run(SPEC, ghz(2)))["counts"].values()) == 500
    assert worker.pid != pid
    assert worker.restarts == 1


async def test_a_job_that_times_out_does_not_go_on(worker, layered, ghz, alive, until):
    pid = worker.pid
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(worker.run(SPEC, layered(16, 4000)), 0.5)
    await until(lambda: not alive(pid))
    assert set((await worker.run(SPEC, ghz(2)))["counts"]) == {"00", "11"}


async def test_an_idle_worker_that_dies_is_replaced(worker, ghz, until):
    pid = worker.pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: worker.ready and worker.pid not in (None, pid))
    assert sum((await worker.run(SPEC, ghz(2)))["counts"].values()) == 500


async def test_the_worker_outlives_its_fork_server(worker, sandbox, ghz, layered, until):
    job = asyncio.create_task(worker.run(SPEC, layered(16, 4000)))
    await at_work(worker, until)
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(ProgramError) as error:
        await job
    assert error.value.reason == "WorkerDied"
    assert sum((await worker.run(SPEC, ghz(2)))["counts"].values()) == 500


def children_of(pid):
    """Processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int(stat(entry.name)[1]) == pid:
                    found.append(int(entry.name))
    return found


async def test_aer_dies_with_its_worker(worker, ghz, alive, until):
    result = await worker.run(SPEC, ghz(17))
    assert set(result["counts"]) == {"0" * 17, "1" * 17}
    (aer,) = children_of(worker.pid)
    worker.kill()
    await until(lambda: not alive(aer))


async def test_closing_ends_the_process(worker, alive, until):
    pid = worker.pid
    await worker.close()
    assert not worker.ready
    await until(lambda: not alive(pid))


async def test_states_are_in_the_pool_that_was_asked_for_and_its_figures_are_told(sandbox, layered, until):
    heard = []
    running = Worker(sandbox, 14, pool=(4 << 20, 1 << 20), on_pool=heard.append)
    await running.start()
    assert (heard[-1]["pool_bytes"], heard[-1]["idle_bytes"]) == (4 << 20, 0)
    await running.run(SPEC, layered(14, 3))
    await running.tend()
    assert heard[-1]["idle_bytes"] == heard[-1]["resident_bytes"] == 2 * 16 << 14, "both buffers of a state are kept"
    assert heard[-1]["used_bytes"] == 0 and len(heard) == 3
    running.kill()
    await running.tend()  # of a worker that ends meanwhile
    await until(lambda: None in heard)  # that worker's memory is gone
    await running.run(SPEC, layered(14, 3))
    assert heard[-1]["idle_bytes"] == 2 * 16 << 14
    await running.close()


async def test_a_pool_that_cannot_be_is_told_and_jobs_run_without(sandbox, layered):
    heard = []
    running = Worker(sandbox, 14, pool=(3 << 20, 2 << 20), on_pool=heard.append)
    await running.start()
    assert heard[-1]["refused"]["reason"] == "BadRequest" and "whole number of blocks" in heard[-1]["refused"]["message"]
    assert sum((await running.run(SPEC, layered(14, 3)))["counts"].values()) == 500
    await running.close()


async def test_without_a_pool_there_is_nothing_to_tend(worker):
    await worker.tend()
    assert worker.ready
