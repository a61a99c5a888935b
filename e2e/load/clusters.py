"""Many EdgeClusters of one node each, created at a fixed rate, until all are Ready."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from e2e.bench.figures import verdict
from e2e.cluster.steps import Steps
from e2e.load.figures import AuditLog
from e2e.load.generator import Generator
from e2e.load.plane import Plane, loaded_plane
from e2e.load.processes import LoadError, Operator, Process, cpu_seconds, surroundings
from e2e.load.progress import Bar
from e2e.load.scale import NODE_LABEL, Scale

PATIENCE = 1200.0


def run(scale: Scale, steps: Steps) -> dict[str, Any]:
    """Rows and data."""
    with loaded_plane(scale, steps) as plane, surroundings(plane, scale) as (_, simulator, socket):
        operator = Operator(plane, socket)
        try:
            operator.started()
            return asyncio.run(_clusters(scale, steps, plane, operator, simulator))
        finally:
            operator.stop()


async def _clusters(scale: Scale, steps: Steps, plane: Plane, operator: Operator, simulator: Process) -> dict[str, Any]:
    names = [f"node-{number:04d}" for number in range(scale.clusters)]
    async with Generator(plane.generator, scale) as generator, Generator(plane.generator, scale) as watcher:
        with steps.step(f"{scale.clusters} nodes"):
            await generator.machines(names)
        log = AuditLog(plane.bare.audit_log)
        log.new_writes()
        begin = time.monotonic()
        bar = Bar("EdgeClusters Ready", scale.clusters, quiet=steps.quiet)
        watching = asyncio.create_task(watcher.clusters_ready(scale.clusters, PATIENCE, bar))
        tasks = [lambda n=name: generator.cluster(f"of-{n}", 1, {NODE_LABEL: n}) for name in names]
        created_in = await generator.at_rate(scale.cluster_rate, tasks, None)
        ready = [moment - begin for moment in await watching]
    if len(ready) != scale.clusters:
        raise LoadError(f"{len(ready)} of {scale.clusters} EdgeClusters are Ready after {PATIENCE:g} s")
    writes = log.new_writes()
    row = verdict(f"{scale.clusters} EdgeClusters of one node, until all are Ready", round(ready[-1], 1), 180, "s")
    return {
        "rows": [row],
        "createdPerSecond": round(scale.clusters / created_in, 1),
        "secondsUntilReady": {"half": round(ready[len(ready) // 2], 1), "all": round(ready[-1], 1)},
        "writes": {name: dict(counts.most_common()) for name, counts in writes.items()},
        "cpuSeconds": cpu_seconds(),
        "memoryMiB": {
            one.name: {"now": one.memory_mib(), "highest": one.memory_mib("VmHWM")} for one in (operator, simulator)
        },
    }
