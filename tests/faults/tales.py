"""What happens between a calm beginning and the end of a story in which the operator dies after each of its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tests.faults.apiserver.resources import Object
from tests.faults.cluster import NAMESPACE, TENANTS

if TYPE_CHECKING:
    from tests.faults.episode import Episode

JOBS, LATE, NODES = 4, 2, 2
"""Jobs; those that come later, where some do; nodes."""
ON_ITS_WAY = 0.15
"""Virtual seconds after which some of the jobs have runs, and no job is over."""
GONE = 20.0
"""Virtual seconds without the EdgeCluster: the garbage collector is done, operators have seen it."""
HELD = 5.0
"""Virtual seconds for which a job is suspended."""
LONG = 60.0
"""Virtual seconds that a first attempt takes that is to be ended on its way: longer than nobody leads after a death."""
ENDED = ("job-1", "job-2", "job-3")
"""The jobs whose first attempts are."""


@dataclass(frozen=True)
class Tale:
    """A story, and what its end must be whenever somebody dies in it."""

    what: str
    script: Callable[[Episode], Awaitable[None]]
    """Acts; it ends before the story does."""
    wrong: Callable[[Episode], list[str]]
    """What of the end is not as the tale demands; empty: nothing."""
    replicas: int = 1
    """Operators. Of two the leader dies, or the other one in a step in which only that one acts."""
    frozen: float = 0.0
    """Seconds after which who was stopped goes on where it was; 0: it is killed, and another starts."""


def _jobs(episode: Episode) -> list[Object]:
    return episode.cluster.api.all("QuantumJob")


def _submit(episode: Episode, first: int = 1, last: int = JOBS) -> None:
    """Jobs of which every one may be tried again as often as it takes."""
    for number in range(first, last + 1):
        code, answer = episode.cluster.job(f"job-{number}", "ec", TENANTS[number % 2], backoffLimit=6)
        assert code == 201, answer


def _incomplete(episode: Episode, jobs: int = JOBS) -> list[str]:
    found = {job["metadata"]["name"]: job["status"] for job in _jobs(episode)}
    lost = [f"there are {len(found)} jobs, not {jobs}"] if len(found) != jobs else []
    return lost + [_end(name, status) for name, status in sorted(found.items()) if status["phase"] != "Complete"]


def _end(name: str, status: Object) -> str:
    return " ".join([name, "is", status["phase"], (status.get("failure") or {}).get("category", "")]).strip()


async def _arrive(episode: Episode) -> None:
    episode.people.jobs = JOBS
    for _ in range(JOBS):
        episode.people.submit()


async def _arrive_while_a_node_goes(episode: Episode) -> None:
    await _arrive(episode)
    episode.cluster.patch("EdgeCluster", NAMESPACE, "ec", {"spec": {"nodes": NODES - 1}})


async def _fail_once(episode: Episode) -> None:
    episode.agents.spoils = lambda run: "BACKEND_ERROR" if run["spec"]["attempt"] == 1 else ""
    _submit(episode)


def _not_tried_twice(episode: Episode) -> list[str]:
    found = _incomplete(episode)
    for job in _jobs(episode):
        name, status = job["metadata"]["name"], job["status"]
        attempts = [(one["attempt"], one.get("category")) for one in status.get("attempts", ())]
        if attempts != [(1, "BACKEND_ERROR")] or status["run"]["attempt"] != 2:
            found.append(f"{name} has the attempts {attempts} and is at {status['run']['attempt']}")
    return found


def _replace(gone: float) -> Callable[[Episode], Awaitable[None]]:
    async def script(episode: Episode) -> None:
        _submit(episode)
        await asyncio.sleep(ON_ITS_WAY)
        before = episode.cluster.api.find("EdgeCluster", NAMESPACE, "ec")
        assert before is not None
        episode.cluster.delete("EdgeCluster", NAMESPACE, "ec")
        _submit(episode, JOBS + 1, JOBS + LATE)
        if gone:
            await asyncio.sleep(gone)
        code, answer = episode.cluster.edge_cluster("ec", NODES, *before["spec"]["pools"])
        assert code == 201, answer

    return script


def _lost(episode: Episode) -> list[str]:
    """A job that was on the deleted EdgeCluster fails and says so; one that was on its way to it waits for the next."""
    excused = {f"job-{number} is Failed CLUSTER_DELETED" for number in range(1, JOBS + 1)}
    return [found for found in _incomplete(episode, JOBS + LATE) if found not in excused]


async def _hold_and_cancel(episode: Episode) -> None:
    episode.agents.lasts = lambda run: (
        LONG if run["spec"]["attempt"] == 1 and run["spec"]["jobRef"]["name"] in ENDED else None
    )
    _submit(episode)
    await asyncio.sleep(ON_ITS_WAY)
    for number in (1, 2):
        _wish(episode, number, suspend=True)
    _wish(episode, 3, cancel=True)
    await asyncio.sleep(HELD)
    for number in (1, 2):
        _wish(episode, number, suspend=False)


def _wish(episode: Episode, number: int, **spec: bool) -> None:
    code, answer = episode.cluster.patch("QuantumJob", TENANTS[number % 2], f"job-{number}", {"spec": spec})
    assert code == 200, answer


def _not_held_or_cancelled(episode: Episode) -> list[str]:
    found = [one for one in _incomplete(episode) if one != "job-3 is Cancelled CANCELLED"]
    for job in _jobs(episode):
        name, status = job["metadata"]["name"], job["status"]
        if name == "job-3" and status["phase"] == "Complete":
            found.append("job-3 is Complete, although its run was to be ended long before")
        held = any(one["category"] == "SUSPENDED" for one in status.get("attempts", ()))
        if name in ("job-1", "job-2") and not held and _seconds_before_start(job) < HELD - 1:  # times have whole seconds
            found.append(f"{name} began while it was suspended, or was not ended: {status.get('attempts')}")
    for run in episode.cluster.api.all("QuantumRun"):
        if run["spec"]["jobRef"]["name"] == "job-3" and run.get("status", {}).get("state") not in ("Succeeded", "Failed"):
            found.append("the run of job-3 was not taken away")
    return found


def _seconds_before_start(job: Object) -> float:
    begin, start = (
        datetime.fromisoformat(moment) for moment in (job["metadata"]["creationTimestamp"], job["status"]["startTime"])
    )
    return (start - begin).total_seconds()


TALES = {
    "jobs": Tale("four jobs on two nodes", _arrive, _incomplete),
    "give-back": Tale("the EdgeCluster shrinks by a node when the jobs arrive", _arrive_while_a_node_goes, _incomplete),
    "retry": Tale("each job's first attempt ends with BACKEND_ERROR, the second well", _fail_once, _not_tried_twice),
    "replaced": Tale("the EdgeCluster is deleted under jobs, two more come, it is made again at once", _replace(0.0), _lost),
    "gone": Tale("the same, and it is made again 20 s later, when all of it has been collected", _replace(GONE), _lost),
    "held": Tale(
        "two jobs are suspended on their way and go on later, one is cancelled", _hold_and_cancel, _not_held_or_cancelled
    ),
    "two-replicas": Tale("four jobs, two replicas: one is killed, the other goes on", _arrive, _incomplete, replicas=2),
    "frozen-leader": Tale(
        "the same, one is frozen for 20 s and comes back to another's cluster", _arrive, _incomplete, replicas=2, frozen=20.0
    ),
    "retry-two-replicas": Tale("as retry, with two replicas", _fail_once, _not_tried_twice, replicas=2),
}
"""By name. `make test` plays the first, the soak all of them."""
