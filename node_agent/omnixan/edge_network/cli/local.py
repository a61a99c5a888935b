"""Runs a QuantumJob on this machine: the same parser child, worker and function as on a node."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.edgecluster import MAX_QUBITS
from omnixan.edge_network.api.quantumjob import Failure, QuantumJobSpec
from omnixan.edge_network.api.quantumrun import seed_of, workload_of
from omnixan.edge_network.cli.outcome import Outcome
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.sandbox import Sandbox
from omnixan.edge_network.quantum.worker import Worker

BACKEND = "simulator"
Progress = Callable[[dict[str, Any]], None]


def execute(spec: QuantumJobSpec, on_progress: Progress = lambda progress: None) -> Outcome:
    """Run the job and return what came of it, a failure included; only a broken installation raises."""
    return asyncio.run(_execute(spec, on_progress))


async def _execute(spec: QuantumJobSpec, on_progress: Progress) -> Outcome:
    outcome = Outcome(start_time=_now(), backend=f"{BACKEND} of up to {MAX_QUBITS} qubits")
    limit = spec.execution.timeout_seconds
    try:
        async with Sandbox() as sandbox, asyncio.timeout(limit):
            await _run(spec, sandbox, outcome, on_progress)
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


async def _run(spec: QuantumJobSpec, sandbox: Sandbox, outcome: Outcome, on_progress: Progress) -> None:
    circuit = None
    if spec.program is not None and spec.program.inline is not None:
        parsed = await sandbox.parse(spec.program.inline.data, spec.program.sha256, spec.program.inline.format)
        circuit, outcome.analysis = parsed.circuit, parsed.analysis
    elif spec.algorithm is not None:
        outcome.analysis = {"qubits": spec.algorithm.qaoa.problem.variables}
    _require_width(spec, outcome)
    seed = spec.execution.seed if spec.execution.seed is not None else seed_of(str(uuid.uuid4()))
    worker = Worker(sandbox, MAX_QUBITS)
    await worker.start()
    try:
        whole = workload_of(spec) | {"execution": {"seed": seed}}
        result = await worker.run(whole, circuit, on_progress=lambda progress, _: on_progress(progress))
    finally:
        await worker.close()
    outcome.summary, outcome.counts, outcome.usage = result["summary"], result["counts"], result["usage"]


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
