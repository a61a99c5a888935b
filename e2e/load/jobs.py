"""Many jobs on many nodes; then, with all of them settled, a restart of the operator and changes."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

from e2e.bench.figures import noted, percentile, verdict
from e2e.cluster.steps import Steps
from e2e.load.figures import AuditLog, counted, quantile, total
from e2e.load.generator import Generator
from e2e.load.plane import Plane, loaded_plane
from e2e.load.processes import LoadError, Operator, Process, cpu_seconds, surroundings, wait
from e2e.load.progress import Bar
from e2e.load.scale import CLUSTER, Scale, tenant

DECISION = "omnixan_operator_placement_decision_seconds"
DECISION_CPU = "omnixan_operator_placement_decision_cpu_seconds"
SETTLED_SECONDS = 600.0


def run(scale: Scale, steps: Steps) -> dict[str, Any]:
    """Both parts on one control plane; rows and data."""
    with loaded_plane(scale, steps) as plane, surroundings(plane, scale) as (analyzer, simulator, socket):
        operator = Operator(plane, socket)
        try:
            operator.started()
            processes = [operator, analyzer, simulator]
            jobs = asyncio.run(_jobs(scale, steps, plane, operator, processes))
            operator.stop()
            log = AuditLog(plane.bare.audit_log)
            log.new_writes()
            begin = time.monotonic()
            operator = Operator(plane, socket)
            settled = asyncio.run(_settled(scale, steps, plane, operator, log, begin))
        finally:
            operator.stop()
    return {"rows": jobs.pop("rows") + settled.pop("rows"), "jobs": jobs, "settled": settled}


async def _jobs(scale: Scale, steps: Steps, plane: Plane, operator: Operator, processes: list[Process]) -> dict[str, Any]:
    async with Generator(plane.generator, scale) as generator:
        with steps.step(f"{scale.nodes} nodes"):
            await generator.machines([f"node-{number:04d}" for number in range(scale.nodes)])
            await generator.cluster(CLUSTER, scale.nodes, {"load.omnixan.io/pool": "load"})
            if not await generator.clusters_ready(1, 600):
                raise LoadError("the EdgeCluster did not get Ready in 600 s")
            await _quiet(operator)
        log = AuditLog(plane.bare.audit_log)
        log.new_writes()
        cpu = cpu_seconds()
        bar = Bar("jobs done", scale.jobs, quiet=steps.quiet)
        creating = asyncio.create_task(generator.jobs())
        limit = time.monotonic() + 600 + 10 * scale.jobs / scale.rate
        while (done := _done(text := await asyncio.to_thread(operator.metrics))) < scale.jobs:
            if time.monotonic() > limit:
                raise LoadError(f"{done} of {scale.jobs} jobs are over; the rest takes too long")
            bar.set(done)
            await asyncio.sleep(1.0)
        bar.set(done)
        cpu = {name: round(seconds - cpu.get(name, 0.0), 1) for name, seconds in cpu_seconds().items()}
        created_in = await creating
        jobs = [job for number in range(scale.tenants) for job in await generator.list_jobs(tenant(number))]
    return _judge(scale, jobs, created_in, text, cpu, log, operator, processes)


def _judge(
    scale: Scale,
    jobs: list[dict[str, Any]],
    created_in: float,
    metrics: str,
    cpu: dict[str, float],
    log: AuditLog,
    operator: Operator,
    processes: list[Process],
) -> dict[str, Any]:
    complete = [job for job in jobs if job.get("status", {}).get("phase") == "Complete"]
    if len(complete) != scale.jobs:
        raise LoadError(f"{len(complete)} of {scale.jobs} jobs are Complete")
    begins = [_seconds(job["metadata"]["creationTimestamp"]) for job in jobs]
    ends = [_seconds(job["status"]["completionTime"]) for job in jobs]
    took = [end - begin for begin, end in zip(begins, ends, strict=True)]
    writes = log.new_writes()
    per_job = {name: counted(counts) / scale.jobs for name, counts in writes.items()}
    rate = scale.jobs / (max(ends) - min(begins) + 1)
    p99, cpu_p99 = (quantile(metrics, name, 0.99) * 1000 for name in (DECISION, DECISION_CPU))
    peak = operator.memory_mib("VmHWM")
    return {
        "rows": [
            at_least(f"{scale.jobs} jobs ({scale.programs} programs) on {scale.nodes} nodes", rate, 30, "jobs/s"),
            verdict("writes by the operator's account a job", round(per_job["operator"], 2), 4, ""),
            verdict("writes by the agents a job", round(per_job["agents"], 2), 2, ""),
            verdict("placement decision, p99 (upper bound of its bucket)", p99, 5, "ms"),
            noted("the same, the operator's processor time alone", cpu_p99, "ms"),
            verdict("operator's resident memory, highest", peak, 256, "MiB"),
        ],
        "createdPerSecond": round(scale.jobs / created_in, 2),
        "placementDecisionMs": {
            clock: {f"p{share:g}": quantile(metrics, name, share / 100) * 1000 for share in (50, 90, 95, 99)}
            for clock, name in (("elapsed", DECISION), ("processor", DECISION_CPU))
        },
        "secondsFromCreationToResult": {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)},
        "writes": {name: dict(counts.most_common()) for name, counts in writes.items()},
        "eventsDropped": total(metrics, "omnixan_operator_events_dropped_total"),
        "reconciles": total(metrics, "omnixan_operator_reconcile_total"),
        "cpuSeconds": cpu,
        "cpuMillisecondsPerJob": round(1000 * sum(cpu.values()) / scale.jobs, 1),
        "memoryMiB": {one.name: {"now": one.memory_mib(), "highest": one.memory_mib("VmHWM")} for one in processes},
    }


async def _settled(
    scale: Scale, steps: Steps, plane: Plane, operator: Operator, log: AuditLog, begin: float
) -> dict[str, Any]:
    with steps.step(f"restart over {scale.jobs} settled jobs"):
        operator.started()
        await _quiet(operator, at_least=scale.jobs)
        restarted = time.monotonic() - begin
        writes = log.new_writes()["operator"]
    rest = operator.memory_mib()
    async with Generator(plane.generator, scale) as generator:
        names = [f"changed-{number:02d}" for number in range(scale.watched)]
        for name in names:
            await generator.cluster(name, 0, {"load.omnixan.io/pool": "none"})
        await generator.clusters_ready(1 + scale.watched, 600)
        with steps.step(f"{scale.changes} changes at {scale.change_rate:g}/s"):
            observed = await generator.changes(names)
    p99 = round(percentile(observed, 0.99) * 1000, 1)
    if len(observed) != scale.changes:
        raise LoadError(f"{len(observed)} of {scale.changes} changes were sent")
    peak = operator.memory_mib("VmHWM")
    return {
        "rows": [
            verdict(f"restart over {scale.jobs} settled jobs, until settled", round(restarted, 1), 30, "s"),
            verdict("writes of the restarted operator but for its Lease", counted(writes), 0, ""),
            verdict(f"change to observed at {scale.change_rate:g}/s, p99", p99, 500, "ms"),
            verdict("memory of the restarted operator, highest", peak, 256, "MiB"),
        ],
        "changeToObservedMs": {"p50": round(percentile(observed, 0.5) * 1000, 1), "p99": p99},
        "memoryAfterRestartMiB": rest,
        "writesOfRestart": dict(writes),
    }


async def _quiet(operator: Operator, at_least: int = 0) -> None:
    """Wait until no key is due and as many as said have been reconciled since the start."""

    def quiet() -> bool:
        text = operator.metrics()
        reconciled = total(text, "omnixan_operator_reconcile_total", kind="QuantumJob")
        return total(text, "omnixan_operator_queue_depth") == 0 and reconciled >= at_least

    await asyncio.to_thread(wait, "the operator is settled", quiet, SETTLED_SECONDS)


def _done(metrics: str) -> int:
    return int(sum(total(metrics, "omnixan_jobs", phase=phase) for phase in ("Complete", "Failed")))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def at_least(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    """One row of a table: a figure that has to reach a limit."""
    return {"figure": name, "measured": round(value, 2), "least": limit, "unit": unit, "met": value >= limit}
