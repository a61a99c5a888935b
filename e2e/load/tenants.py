"""A tenant with a few jobs comes when another has thousands waiting: how long its jobs take, and what turns would cost."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

from e2e.bench.figures import noted, verdict
from e2e.cluster.steps import Steps
from e2e.load.figures import total
from e2e.load.generator import Generator
from e2e.load.plane import Plane, loaded_plane
from e2e.load.processes import LoadError, Operator, surroundings
from e2e.load.progress import Bar
from e2e.load.scale import CLUSTER, Scale, job, tenant

MANY, FEW = 0, 1
"""The numbers of the two tenants."""
RUN_SECONDS = 0.5
"""Of a run: so long that jobs come faster than they go."""
NODES_SHARE = 10
"""A tenth of the load's nodes takes part."""
POLL_SECONDS = 0.25
PATIENCE = 600.0
SHARE = 0.05
"""Of the time in which the nodes could do all that was there before; with fair turns it takes less than a hundredth."""


def run(scale: Scale, steps: Steps) -> dict[str, Any]:
    """Rows and data."""
    scale = dataclasses.replace(scale, tenants=2, nodes=max(1, scale.nodes // NODES_SHARE), run_seconds=RUN_SECONDS)
    with loaded_plane(scale, steps) as plane, surroundings(plane, scale) as (_, _, socket):
        operator = Operator(plane, socket)
        try:
            operator.started()
            return asyncio.run(_tenants(scale, steps, plane, operator))
        finally:
            operator.stop()


async def _tenants(scale: Scale, steps: Steps, plane: Plane, operator: Operator) -> dict[str, Any]:
    many = [(tenant(MANY), job(number, scale)[1]) for number in range(scale.jobs)]
    others = dataclasses.replace(scale, seed=scale.seed + 1)  # programs that nobody has analysed yet
    few = [(tenant(FEW), job(number, others)[1]) for number in range(scale.few)]
    async with Generator(plane.generator, scale) as generator:
        with steps.step(f"{scale.nodes} nodes"):
            await generator.machines([f"node-{number:04d}" for number in range(scale.nodes)])
            await generator.cluster(CLUSTER, scale.nodes, {"load.omnixan.io/pool": "load"})
            if not await generator.clusters_ready(1, PATIENCE):
                raise LoadError(f"the EdgeCluster did not get Ready in {PATIENCE:g} s")
        begin = time.monotonic()
        await generator.submit(many, 0, Bar("jobs of the one tenant", scale.jobs, quiet=steps.quiet))
        came = time.monotonic()
        before = await _complete(operator)
        with steps.step(f"{scale.few} jobs of the other, {scale.jobs - before} wait before them"):
            await generator.submit(few, 0, None)
            while any(one.get("status", {}).get("phase") != "Complete" for one in await generator.list_jobs(tenant(FEW))):
                if time.monotonic() - came > PATIENCE:
                    raise LoadError(f"the {scale.few} jobs are not Complete after {PATIENCE:g} s")
                await asyncio.sleep(POLL_SECONDS)
        took, meanwhile = time.monotonic() - came, await _complete(operator) - before - scale.few
    rate = (before + meanwhile + scale.few) / (came + took - begin)
    in_order = (scale.jobs - before + scale.few) * scale.run_seconds / scale.nodes
    """At the rate of the nodes: by its own rate a slow operator would look good."""
    what = f"{scale.few} jobs of a tenant behind {scale.jobs - before} of another"
    return {
        "rows": [
            noted(f"{what}: until all are Complete", round(took, 1), "s"),
            verdict("the same over what the order of arrival would take", round(took / in_order, 4), SHARE, ""),
        ],
        "jobs": {"of the one": scale.jobs, "complete when the other came": before, "complete meanwhile": meanwhile},
        "seconds": {"took": round(took, 1), "inOrderOfArrival": round(in_order, 1)},
        "jobsPerSecond": round(rate, 2),
        "nodes": scale.nodes,
    }


async def _complete(operator: Operator) -> int:
    text = await asyncio.to_thread(operator.metrics)
    return int(total(text, "omnixan_jobs", phase="Complete"))
