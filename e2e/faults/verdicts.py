"""What objects say about how something ended: a result, a job, a process. Pure: objects in, verdict out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from e2e.kubectl import condition, is_true

RESULT_KEY = "result.json"


def wrong_results(jobs: Iterable[Any], config_maps: Iterable[Any]) -> list[str]:
    """A sentence for every job whose ConfigMap is not the result that its status speaks of."""
    maps = {found["metadata"]["name"]: found for found in config_maps}
    return [sentence for job in jobs for sentence in _wrong_result(job, maps)]


def _wrong_result(job: Any, maps: Mapping[str, Any]) -> Iterator[str]:
    name, reference = job["metadata"]["name"], job["status"]["result"]["ref"]
    found = maps.get(reference["name"])
    if found is None:
        yield f"{name}: there is no ConfigMap {reference['name']}"
        return
    owners = [owner["uid"] for owner in found["metadata"].get("ownerReferences") or ()]
    if owners != [job["metadata"]["uid"]]:
        yield f"{name}: ConfigMap {reference['name']} belongs to {owners}, not to {job['metadata']['uid']}"
    content = (found.get("data") or {}).get(RESULT_KEY, "").encode()
    digest = hashlib.sha256(content).hexdigest()
    if (digest, len(content)) != (reference["sha256"], reference["bytes"]):
        yield f"{name}: {RESULT_KEY} has {len(content)} bytes of SHA-256 {digest}, status says {reference}"


def outcome(job: Any) -> dict[str, Any]:
    """What of a job that is over may not change any more."""
    return {part: job["status"].get(part) for part in ("run", "attempts", "result", "failure", "completionTime")}


def fate(job: Any) -> str:
    """What became of a job whose EdgeCluster was deleted; empty: that is not settled yet.

    Complete: it was over before. ClusterDeleted: it had a run there and failed. ClusterNotFound: it waits for another.
    """
    if is_true("Complete")(job):
        return "Complete"
    if is_true("Failed")(job):
        reason = str(condition(job, "Failed")["reason"])
        assert (reason, job["status"]["failure"]["category"]) == ("ClusterDeleted", "CLUSTER_DELETED"), job["status"]
        return reason
    placed = condition(job, "Placed")
    waits = (placed.get("status"), placed.get("reason")) == ("False", "ClusterNotFound")
    return "ClusterNotFound" if waits and is_true("Reconciling")(job) else ""


def ending(pod: Any, container: str) -> dict[str, Any] | None:
    """How the container with this id ended, as its pod's status says; None: it runs, or was followed by more than one."""
    for status in ((pod or {}).get("status") or {}).get("containerStatuses") or ():
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            ended: dict[str, Any] | None = state.get("terminated")
            if ended is not None and ended.get("containerID") == container:
                return ended
    return None


def container_id(pod: Any, name: str) -> str:
    """The id of a pod's container that runs now."""
    (status,) = (one for one in pod["status"]["containerStatuses"] if one["name"] == name)
    return str(status["containerID"])
