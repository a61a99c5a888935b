"""Runs a QuantumJob on this machine: the same parser child, worker and function as on a node."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omnixan.edge_network.agent.journal import Journal, pace_of, prefix_of
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.edgecluster import MAX_QUBITS
from omnixan.edge_network.api.quantumjob import Failure, QuantumJobSpec
from omnixan.edge_network.api.quantumrun import seed_of, workload_of
from omnixan.edge_network.cli.outcome import Outcome
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.sandbox import Sandbox
from omnixan.edge_network.quantum.training_log import Resumed
from omnixan.edge_network.quantum.worker import Worker

BACKEND = "simulator"
MEMORY = "64Mi"
"""What the store of a local loop's log takes."""
Progress = Callable[[dict[str, Any]], None]


class CheckpointError(Exception):
    """The folder for the log cannot be used; the message names it and what to do."""


def execute(spec: QuantumJobSpec, on_progress: Progress = lambda progress: None, checkpoint: Path | None = None) -> Outcome:
    """Run the job and return what came of it, a failure included.

    With a folder `checkpoint` the log of an algorithm's loop is kept there, and an interrupted run of the same job goes
    on. CheckpointError if the folder cannot be used; nothing else is raised but by a broken installation.
    """
    if checkpoint is not None:
        checkpoint = checkpoint.absolute()
        try:
            checkpoint.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{checkpoint}: {error.strerror}; name a folder that may be written") from error
    return asyncio.run(_execute(spec, on_progress, checkpoint))


async def _execute(spec: QuantumJobSpec, on_progress: Progress, checkpoint: Path | None) -> Outcome:
    outcome = Outcome(start_time=_now(), backend=f"{BACKEND} of up to {MAX_QUBITS} qubits")
    limit = spec.execution.timeout_seconds
    try:
        async with Sandbox() as sandbox, asyncio.timeout(limit):
            if checkpoint is None or spec.algorithm is None or (spec.checkpoint is not None and not spec.checkpoint.resume):
                await _run(spec, sandbox, outcome, on_progress)
            else:
                await _run_on(spec, sandbox, outcome, on_progress, checkpoint)
    except ProgramError as error:
        outcome.failure = Failure.model_validate(error.to_dict())
    except TimeoutError:
        outcome.failure = Failure(
            category=Category.TIMEOUT,
            reason="Timeout",
            message=f"not done after spec.execution.timeoutSeconds = {limit}; give it more time or a smaller problem",
        )
    outcome.completion_time = _now()
    return outcome


async def _run_on(spec: QuantumJobSpec, sandbox: Sandbox, outcome: Outcome, on_progress: Progress, folder: Path) -> None:
    """Run a loop with its log in a folder; it is taken away when the loop has come to its end."""
    job = spec.execution.model_dump(mode="json") | {"workload": workload_of(spec) | {"checkpoint": None}}
    digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
    logging.getLogger(Storage.__module__).setLevel(logging.ERROR)  # what is wrong is told by the exception
    storage = Storage(str(folder), "auto", MEMORY)
    try:
        if not await storage.open():
            report = storage.report()
            raise CheckpointError("" if report is None else report.message)

        def resumed(found: Resumed) -> None:
            outcome.resumed_from = found.evaluations or None

        journal = await Journal.open(storage, digest, pace_of(spec.checkpoint, math.inf), 0, resumed)
        try:
            await _run(spec, sandbox, outcome, on_progress, journal, seed_of(digest))
        finally:
            await journal.close()
        await storage.delete(prefix=prefix_of(digest))
    finally:
        await storage.close()


async def _run(
    spec: QuantumJobSpec,
    sandbox: Sandbox,
    outcome: Outcome,
    on_progress: Progress,
    journal: Journal | None = None,
    drawn: int | None = None,
) -> None:
    """Run the job; `drawn` is its seed where it names none."""
    circuit = None
    if spec.program is not None and spec.program.inline is not None:
        parsed = await sandbox.parse(spec.program.inline.data, spec.program.sha256, spec.program.inline.format)
        circuit, outcome.analysis = parsed.circuit, parsed.analysis
    elif spec.algorithm is not None:
        outcome.analysis = {"qubits": spec.algorithm.qaoa.problem.variables}
    _require_width(spec, outcome)
    seed = spec.execution.seed
    if seed is None:
        seed = seed_of(str(uuid.uuid4())) if drawn is None else drawn
    worker = Worker(sandbox, MAX_QUBITS)
    await worker.start()
    try:
        whole = workload_of(spec) | {"execution": {"seed": seed}}
        result = await worker.run(whole, circuit, on_progress=lambda progress, _: on_progress(progress), keeper=journal)
    finally:
        await worker.close()
    outcome.summary, outcome.counts, outcome.usage = result["summary"], result["counts"], result["usage"]
    if journal is not None:
        outcome.usage["shots"] += journal.wasted


def _require_width(spec: QuantumJobSpec, outcome: Outcome) -> None:
    """On a cluster a job that is too wide waits for a wider node; here none will come."""
    assert outcome.analysis is not None
    wanted = max(outcome.analysis["qubits"], spec.requirements.min_qubits or 0)
    if wanted > MAX_QUBITS:
        raise ProgramError(
            Category.CAPABILITY_MISMATCH,
            "TooManyQubits",
            f"the job needs {wanted} qubits and the local simulator has {MAX_QUBITS}: run it on a cluster that has a "
            "wider node",
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
