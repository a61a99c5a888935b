"""What the cluster says when a round has failed: which pods are not well and why, what they logged, what went by.

The reading is pure (objects in, lines out); `why` asks the cluster and never raises, as it is asked when much is broken.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

from e2e.faults.field import NAMESPACE, SYSTEM
from e2e.kubectl import Kubectl, KubectlError

LOG_LINES = 8
EVENTS = 12
ASKING_SECONDS = 30.0


def unwell_nodes(nodes: list[Any]) -> Iterator[str]:
    """A line for every node that is not Ready."""
    for node in nodes:
        ready: Any = next((c for c in node.get("status", {}).get("conditions", ()) if c["type"] == "Ready"), {})
        if ready.get("status") != "True":
            yield f"node {node['metadata']['name']}: Ready is {ready.get('status')}: {ready.get('message', '')}"


def unwell_containers(pod: Any) -> Iterator[tuple[str, str]]:
    """Container and why it is not ready, with how it ended last, of a pod; a pod without containers yet has one entry."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    if not statuses:
        yield "", f"{pod.get('status', {}).get('phase', '?')}, no container yet"
    for status in statuses:
        if status.get("ready"):
            continue
        state, detail = next(iter((status.get("state") or {"unknown": {}}).items()))
        words = [state, detail.get("reason", ""), detail.get("message", "")]
        last = (status.get("lastState") or {}).get("terminated")
        if last:
            words.append(f"(before: {last.get('reason', '')}, status {last.get('exitCode')}, at {last.get('finishedAt')})")
        yield status["name"], " ".join(filter(None, [*words, f"after {status.get('restartCount', 0)} restarts"]))


def last_warnings(events: list[Any], count: int = EVENTS) -> list[str]:
    """The last warnings, oldest first."""

    def moment(event: Any) -> str:
        series = event.get("series") or {}
        times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
        return next((str(time) for time in times if time), "")

    warnings = sorted((event for event in events if event.get("type") == "Warning"), key=moment)
    return [
        f"{moment(event)} {event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}: "
        f"{event.get('reason')}: {str(event.get('message', ''))[:300]}"
        for event in warnings[-count:]
    ]


def why(kubectl: Kubectl) -> list[str]:
    """Lines that say what is not well: nodes, our pods with the end of their logs, the last warnings."""
    lines: list[str] = []
    try:
        lines += unwell_nodes(kubectl.list("nodes"))
        for namespace in (SYSTEM, NAMESPACE):
            for pod in kubectl.list("pods", namespace):
                name = pod["metadata"]["name"]
                for container, reason in unwell_containers(pod):
                    where = f"pod {name} on {pod['spec'].get('nodeName')}"
                    lines.append(f"{where}: {container} {reason}")
                    lines += [f"  {line}" for line in _log(kubectl, namespace, name, container)] if container else []
            lines += last_warnings(kubectl.list("events", namespace))
    except (KubectlError, subprocess.TimeoutExpired, ValueError) as error:
        lines.append(f"the cluster does not answer: {error}")
    return lines or ["every node and every pod of ours is ready"]


def _log(kubectl: Kubectl, namespace: str, pod: str, container: str) -> list[str]:
    options = ("-n", namespace, "-c", container, f"--tail={LOG_LINES}")
    for previous in ((), ("--previous",)):
        try:
            text = kubectl.run("logs", pod, *options, *previous, timeout=ASKING_SECONDS)
        except (KubectlError, subprocess.TimeoutExpired) as error:
            text = f"no log: {error}"
        if text.strip():
            return [line[:400] for line in text.splitlines()]
    return []
