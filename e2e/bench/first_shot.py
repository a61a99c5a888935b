"""From the API server's creation response to the first shot, on a warm idle agent; and what the parts weigh then.

One job at a time: the next one is created when the last is Complete. Every other program has never been seen before, so
the analyzer and the agent parse it; the others have been parsed and compiled. Host and nodes have one clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from kubernetes import client, config, watch

from e2e import install, manifests
from e2e.bench import figures
from e2e.bench.memory import agent_pss_mib, operator_rss_mib
from e2e.cluster import Cluster, open_cluster
from e2e.cluster.golang import program
from e2e.cluster.images import ensure_images
from e2e.cluster.pypi import helm
from e2e.kubectl import Kubectl, eventually, is_true

JOBS = 220
WARM_UP = 20
NAME = "bench"
TENANT = "bench"
GROUP = ("edge.omnixan.io", "v1alpha1")


def run() -> None:
    """Measure and write docs/figures/first-shot.*; raises what the cluster raises."""
    cluster = open_cluster()
    cluster.up()
    images = ensure_images(cluster)
    kubectl = Kubectl(program("kubectl"), cluster.kubeconfig)
    install.label_workers(kubectl)
    install.Release(kubectl, helm(), images.operator, images.agent).install()
    install.make_tenant(kubectl, TENANT)
    kubectl.run("delete", "quantumjobs", "--all", "-n", TENANT)
    kubectl.run("delete", "edgeclusters", "--all", "--all-namespaces")
    pools = [manifests.pool(role, role, role, 12, 0, 4) for role in ("gateway", "compute")]
    kubectl.apply(manifests.edge_cluster(NAME, 3, *pools, tenant="true"))
    kubectl.until("edgecluster", NAME, manifests.CLUSTER_NAMESPACE, is_true("Ready"), 180)
    try:
        idle = agent_pss_mib(cluster, kubectl)
        latencies = _measure(cluster)
        rss = operator_rss_mib(cluster, kubectl)
    finally:
        kubectl.delete("edgecluster", NAME, namespace=manifests.CLUSTER_NAMESPACE)
        kubectl.delete("namespace", TENANT, wait=False)
    eventually(lambda: not kubectl.list("edgenodes"), "the nodes are given back")
    milliseconds = figures.spread([1000 * s for s in latencies])
    split = {"knownProgram": figures.spread([1000 * s for s in latencies[::2]])}
    split["newProgram"] = figures.spread([1000 * s for s in latencies[1::2]])
    rows = [
        figures.verdict("creation response → first shot, p95", milliseconds["p95"], 500, "ms"),
        figures.verdict("the same, programs never seen before, p95", split["newProgram"]["p95"], 500, "ms"),
        figures.verdict(f"operator container after {JOBS} jobs, RSS", rss, 128, "MiB"),
        figures.verdict("agent pod idle, all its processes, PSS", max(idle.values()), 220, "MiB"),
    ]
    figures.write("first-shot", {"milliseconds": milliseconds} | split | {"agentPssMiB": idle}, rows)


def _measure(cluster: Cluster) -> list[float]:
    """Seconds from the creation response to firstShotTime, for each job after the warm-up."""
    api = client.CustomObjectsApi(config.new_client_from_config(str(cluster.kubeconfig)))
    seconds = []
    for number in range(JOBS):
        program = manifests.ghz(8)
        if number % 2:
            program = program.replace("h q[0];", f"h q[0];\nrz({number / 1000}) q[0];")
        job = manifests.program_job(f"job-{number:03}", TENANT, NAME, program, execution={"seed": number})
        created = api.create_namespaced_custom_object(*GROUP, TENANT, "quantumjobs", job)
        answered = time.time()
        run = _run_of(api, created)
        first = datetime.fromisoformat(run["status"]["firstShotTime"]).astimezone(UTC).timestamp()
        if number >= WARM_UP:
            seconds.append(first - answered)
        if number % 20 == 19:
            print(f"  {number + 1}/{JOBS} jobs", flush=True)
    return seconds


def _run_of(api: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The job's run, once the job itself is Complete."""
    name, version = job["metadata"]["name"], job["metadata"]["resourceVersion"]
    stream = watch.Watch().stream(
        api.list_namespaced_custom_object,
        *GROUP,
        TENANT,
        "quantumjobs",
        field_selector=f"metadata.name={name}",
        resource_version=version,
        timeout_seconds=60,
    )
    for event in stream:
        phase = event["object"]["status"].get("phase")
        if phase == "Complete":
            uid = job["metadata"]["uid"]
            found: dict[str, Any] = api.get_namespaced_custom_object(
                *GROUP, manifests.CLUSTER_NAMESPACE, "quantumruns", f"{uid}-1"
            )
            return found
        if phase == "Failed":
            raise RuntimeError(f"{name} failed: {event['object']['status']['failure']}")
    raise RuntimeError(f"{name} was not Complete within 60 s")
