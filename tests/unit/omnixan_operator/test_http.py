"""The operator's HTTP endpoint."""

from __future__ import annotations

import aiohttp

from omnixan_operator import kinds
from omnixan_operator.http import Endpoint
from omnixan_operator.metrics import Metrics
from omnixan_operator.store import Store
from tests.unit.omnixan_operator.operator_makers import cluster_object, job_object, meta


async def test_probes_and_metrics_are_served() -> None:
    store, metrics, why, hangs = Store(), Metrics(), ["listing"], [""]
    store.put(kinds.QUANTUM_JOB, job_object("a", status={"phase": "Running"}))
    store.put(kinds.QUANTUM_JOB, job_object("b"))
    status = {"desiredNodes": 3, "nodes": 2, "readyNodes": 1}
    store.put(kinds.EDGE_CLUSTER, cluster_object(region="lab") | {"status": status})
    endpoint = Endpoint(metrics, store, lambda: 7, lambda: why[0], lambda: hangs[0])
    await endpoint.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{endpoint.port}") as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert await get("/livez") == (200, "ok\n")
        hangs[0] = "the election does not turn"
        assert await get("/livez") == (503, "the election does not turn\n")
        assert await get("/readyz") == (503, "listing\n")
        why[0] = ""
        assert await get("/readyz") == (200, "ok\n")
        text = (await get("/metrics"))[1]
        assert 'omnixan_jobs{phase="Running"} 1.0' in text and 'omnixan_jobs{phase="Pending"} 1.0' in text
        series = 'omnixan_cluster_nodes{cluster="ec",namespace="omnixan",region="lab",state="%s"} %s'
        for state, number in (("desired", "3.0"), ("claimed", "2.0"), ("ready", "1.0")):
            assert series % (state, number) in text
        assert "omnixan_operator_queue_depth 7.0" in text
        store.remove(kinds.EDGE_CLUSTER, "omnixan", "ec", meta("ec")["uid"], 9)
        assert "omnixan_cluster_nodes{" not in (await get("/metrics"))[1], "nothing stays of what is gone"
    await endpoint.stop()
