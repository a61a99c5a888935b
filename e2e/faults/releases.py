"""Upgrades of the chart while jobs run."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from e2e import install, manifests
from e2e.cluster.images import build_images
from e2e.cluster.kind import KindCluster
from e2e.cluster.steps import Steps
from e2e.faults.field import EDGE_CLUSTER, NAMESPACE, Field, Load
from e2e.kubectl import eventually, is_true

NEXT = "next"
"""Tag of the images of a release after this one. Their content is this one's: it does not exist yet."""
EARLIER = "a609904"
"""A commit whose chart and images are upgraded from: as users had it four days and a milestone ago."""


@contextmanager
def next_release(field: Field) -> Iterator[install.Release]:
    """The release after this one: chart and images of other versions, so that every pod is replaced."""
    images = {
        name: f"{name.rpartition(':')[0]}:{NEXT}" for name in (field.release.operator_image, field.release.agent_image)
    }
    for node in field.cluster.nodes():
        for image, tag in images.items() if not node.control_plane else ():
            names = [f"docker.io/{image}", f"docker.io/{tag}"]
            field.cluster.node_shell(node.name, ["ctr", "--namespace=k8s.io", "images", "tag", "--force", *names])
    with tempfile.TemporaryDirectory() as folder:
        version = ["--version", "999.0.0", "--app-version", NEXT]
        subprocess.run(
            [field.release.helm, "package", install.CHART, "--destination", folder, *version],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        (package,) = Path(folder).glob("*.tgz")
        yield replace(
            field.release,
            chart=package,
            operator_image=images[field.release.operator_image],
            agent_image=images[field.release.agent_image],
        )


@contextmanager
def earlier_release(field: Field, revision: str = EARLIER) -> Iterator[install.Release]:
    """What an earlier commit would have been released as: its chart, its images. Needs the history of the checkout."""
    assert isinstance(field.cluster, KindCluster), "images of an earlier commit are built for a kind cluster only"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "earlier"
        _git("worktree", "add", "--detach", str(tree), revision)
        try:
            images = build_images(field.cluster.docker, Steps(), tree)
            field.cluster.load_image(images.operator, images.agent)
            yield replace(
                field.release,
                chart=tree / install.CHART.relative_to(manifests.ROOT),
                operator_image=images.operator,
                agent_image=images.agent,
                values=(),  # it may not know what this one's chart is set to
            )
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(manifests.ROOT), *arguments], check=True, capture_output=True, timeout=60)


def versions(field: Field) -> dict[str, set[str]]:
    """Image tags that run: of operators and of agents. Pods on their way out do not count: they are said to run, too."""
    pods = {
        "operators": field.kubectl.list("pods", install.SYSTEM_NAMESPACE, "app.kubernetes.io/name=omnixan-operator"),
        "agents": field.kubectl.list("pods", NAMESPACE, "app.kubernetes.io/component=node-agent"),
    }
    return {what: {_tag(p["spec"]["containers"][0]["image"]) for p in found if _stays(p)} for what, found in pods.items()}


def change_release(
    field: Field, tenant: str, before: install.Release, to: install.Release, *, jobs: int, layers: int, mark: str
) -> dict[str, Any]:
    """`helm upgrade` from `before`, which is there, to `to` in two steps while jobs run: operators first, agents then.

    In between the new operator runs jobs on the old agents. Returns the evidence.
    """
    agents_before = before.agent_image
    load = Load(field, tenant, f"{mark}-a", jobs, layers)
    load.begin()
    replace(to, agent_image=agents_before).install()
    field.operators_are_whole()
    load.finish(240)
    first = load.judge()
    between = versions(field)
    assert between["operators"] == {_tag(to.operator_image)} and between["agents"] == {_tag(agents_before)}, between
    load.remove()

    load = Load(field, tenant, f"{mark}-b", jobs, layers)
    load.begin()
    to.install()
    load.finish(240)
    second = load.judge()
    field.kubectl.until("edgecluster", EDGE_CLUSTER, NAMESPACE, is_true("Ready"), 240)
    eventually(lambda: versions(field)["agents"] == {_tag(to.agent_image)}, "all agents are of the new version", 120)
    load.remove()
    return {"operatorsFirst": first, "agentsThen": second}


def _stays(pod: Any) -> bool:
    return pod["status"]["phase"] == "Running" and not pod["metadata"].get("deletionTimestamp")


def _tag(image: str) -> str:
    return image.rpartition(":")[2]
