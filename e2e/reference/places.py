"""Where each reason appears: on which conditions of which kind, and in which events.

`python -m e2e.reference` makes the reference out of it. Tests hold it against `Reason` (nothing missing, nothing stale), and
against every condition and event that the operator's API tests and the scenarios bring about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CLUSTER, NODE, JOB = "EdgeCluster", "EdgeNode", "QuantumJob"
EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class Place:
    """Conditions of one kind that a reason appears on, and its event about that kind, if there is one."""

    kind: str
    conditions: tuple[str, ...] = ()
    event: EventType | None = None


_SHORTAGE = ("Ready", "NodesAvailable", "Reconciling")
_STUCK = ("Ready", "Stalled")
_ENDED_BADLY = ("Validated", "Placed", "Complete", "Failed", "Stalled")
_WAITS = ("Placed", "Reconciling")

PLACES: dict[str, tuple[Place, ...]] = {
    "InvalidSpec": (Place(CLUSTER, _STUCK, "Warning"), Place(JOB, ("Stalled",), "Warning")),
    "Paused": (Place(CLUSTER, ("Paused",)), Place(JOB, ("Paused",))),
    "Ready": (Place(CLUSTER, ("Ready",)),),
    "ChildRejected": (Place(CLUSTER, _STUCK, "Warning"),),
    "NameTaken": (Place(CLUSTER, _STUCK, "Warning"),),
    "PoliciesMissing": (Place(CLUSTER, _STUCK, "Warning"),),
    "Claiming": (Place(CLUSTER, ("Ready", "Reconciling")),),
    "ClaimedByOther": (Place(CLUSTER, _SHORTAGE, "Warning"),),
    "NoCandidateNodes": (Place(CLUSTER, _SHORTAGE, "Warning"),),
    "EnoughNodes": (Place(CLUSTER, ("NodesAvailable",)),),
    "NodesNotReady": (Place(CLUSTER, ("Ready", "Reconciling")),),
    "Draining": (Place(CLUSTER, ("Ready", "Reconciling")),),
    "RollingOut": (Place(CLUSTER, ("Reconciling",)),),
    "NodeClaimed": (Place("Node", event="Normal"),),
    "NodeReleased": (Place("Node", event="Normal"),),
    "ChildRestored": (Place(CLUSTER, event="Normal"), Place(JOB, event="Normal")),
    "ModulesReady": (Place(CLUSTER, ("ModulesReady",)),),
    "ModulesStarting": (Place(CLUSTER, ("ModulesReady",)),),
    "ModulesNotReady": (Place(CLUSTER, ("ModulesReady",)),),
    "NamespaceNotPrivileged": (Place(CLUSTER, ("ModulesReady",), "Warning"),),
    "PoolExceedsMemory": (Place(CLUSTER, ("ModulesReady",), "Warning"),),
    "PoolNotInBlocks": (Place(CLUSTER, ("ModulesReady",), "Warning"),),
    "AgentReady": (Place(NODE, ("Ready",)),),
    "AgentStarting": (Place(NODE, ("Ready",)),),
    "AgentNotReady": (Place(NODE, ("Ready",)),),
    "HeartbeatLost": (Place(NODE, ("Ready",)),),
    "NoHeartbeat": (Place(NODE, ("Ready",)),),
    "ScaledDown": (Place(NODE, ("Draining",)),),
    "Analyzing": (Place(JOB, ("Validated", *_WAITS)),),
    "Analyzed": (Place(JOB, ("Validated",)),),
    "AnalyzerUnavailable": (Place(JOB, ("Validated", *_WAITS)),),
    "ClusterNotFound": (Place(JOB, _WAITS, "Warning"),),
    "TenantNotAllowed": (Place(JOB, _WAITS, "Warning"),),
    "NoNodes": (Place(JOB, _WAITS, "Warning"),),
    "NoNodeFits": (Place(JOB, _WAITS, "Warning"),),
    "Placed": (Place(JOB, ("Placed",)),),
    "Waiting": (Place(JOB, ("Complete", "Failed")),),
    "Queued": (Place(JOB, _WAITS),),
    "Running": (Place(JOB, ("Reconciling",)),),
    "Succeeded": (Place(JOB, ("Complete",)),),
    "Failed": (Place(JOB, event="Warning"),),
    "Backoff": (Place(JOB, _WAITS, "Warning"),),
    "Detached": (Place(JOB, ("Detached",), "Warning"),),
    "Suspended": (Place(JOB, ("Validated", *_WAITS, "Suspended"), "Normal"),),
    "Cancelled": (Place(JOB, _ENDED_BADLY),),
    "Expired": (Place(JOB, event="Normal"),),
    "ProgramNotFound": (Place(JOB, ("Validated", *_WAITS), "Warning"),),
    "ProgramChanged": (Place(JOB, _WAITS, "Warning"),),
    "AttemptsExhausted": (Place(JOB, _ENDED_BADLY),),
    "ClusterDeleted": (Place(JOB, _ENDED_BADLY),),
    "DigestMismatch": (Place(JOB, _ENDED_BADLY),),
    "FormatMismatch": (Place(JOB, _ENDED_BADLY),),
    "NothingMeasured": (Place(JOB, _ENDED_BADLY),),
    "ObservableWidth": (Place(JOB, _ENDED_BADLY),),
    "ProgramTooLarge": (Place(JOB, _ENDED_BADLY),),
    "TooManyQubits": (Place(JOB, _ENDED_BADLY),),
    "ResultNameTaken": (Place(JOB, event="Warning"),),
    "ResultLost": (Place(JOB, event="Warning"),),
}
"""Reasons that the operator writes, all of `omnixan_operator.reasons.Reason`."""

OF_AGENTS: dict[str, tuple[str, tuple[Place, ...]]] = {
    "WorkerWarm": ("The quantum worker is warm: a run begins at once.", (Place(NODE, ("AgentReady",)),)),
    "WorkerStarting": ("The quantum worker is starting.", (Place(NODE, ("AgentReady",)),)),
    "WorkerFailed": ("The quantum worker does not start; the message says why.", (Place(NODE, ("AgentReady",)),)),
    "ShuttingDown": (
        "The agent is shutting down; it ends the run in hand or leaves it to the next.",
        (Place(NODE, ("AgentReady",)),),
    ),
    "CheckpointDropped": (
        "The log of an algorithm's loop, or the state of a circuit, is damaged or of another computation; it begins anew.",
        (Place(NODE, event="Warning"),),
    ),
    "WorkerReplaced": (
        "The quantum worker ended and was replaced; the run it had has failed.",
        (Place(NODE, event="Warning"),),
    ),
}
"""Reasons that the node agent writes itself, with their meaning."""

_MEMORY = (Place(NODE, ("PersistentMemoryReady",)),)
_POOL = (Place(NODE, ("MemoryPoolReady",)),)
OF_MODULES: dict[str, tuple[str, tuple[Place, ...]]] = {
    "Durable": ("The store is open, and what is in it survives a power cut at the tier that is named.", _MEMORY),
    "Emulation": ("The store is open on a file system in memory: it outlives the agent, but no power cut.", _MEMORY),
    "Opening": ("The store is being opened.", _MEMORY),
    "NoDAX": ("mode is dax, and the proof found a lower tier: nothing is stored.", _MEMORY),
    "StoreLocked": ("Another process holds the store: one store has one writer.", _MEMORY),
    "StoreFull": ("There is no room next to what lives in the store; the last value was not written.", _MEMORY),
    "StoreFailed": ("A write failed, or the store cannot be opened; it is opened again.", _MEMORY),
    "Corrupt": ("A value is damaged: it is refused, never answered wrongly.", _MEMORY),
    "NewerFormat": ("A later release wrote the store: it is neither read nor written.", _MEMORY),
    "NotAStore": ("Something else lies where the store should be.", _MEMORY),
    "TooLarge": ("A value is larger than the store can ever hold; it was not written.", _MEMORY),
    "MediumFull": ("The file system, the quota or the file size limit leaves no room for the store.", _MEMORY),
    "MediumReadOnly": ("The path may not be written: a read-only file system, or no permission.", _MEMORY),
    "MediumMissing": ("The path, or the device behind it, is not there.", _MEMORY),
    "MediumUnsuitable": ("The path is there and cannot hold a store.", _MEMORY),
    "MediumBusy": ("The device is used by something else, such as a mount.", _MEMORY),
    "MediumFailed": ("The medium failed; what was acknowledged before stays as it was.", _MEMORY),
    "PoolOpen": ("The pool of memory is in use.", _POOL),
    "PoolTooLarge": ("The pool is larger than the container's memory limit or the node's memory.", _POOL),
    "KernelLacks": ("The node's kernel refuses what the pool cannot work without.", _POOL),
    "BadRequest": ("The sizes do not go together.", _POOL),
}
"""Reasons of the modules' conditions, most of them the names of errors; with their meaning."""
UNSEEN = frozenset(
    {
        *("BadArgument", "Closed", "MediumClosed", "OutOfRange", "PositionGone", "ReadOnly"),
        *("DoubleRelease", "PoolClosed", "PoolExhausted", "PoolFailed", "SegmentRefused", "TooScattered", "UseAfterRelease"),
    }
)
"""Reasons of errors that no condition carries: they end the one call that made the mistake."""

OF_FAILURES = _ENDED_BADLY
"""Conditions of a QuantumJob that carry the reason of a run's failure (docs/runbooks/failures.md)."""


def documented(kind: str, condition: str, reason: str, failures: frozenset[str]) -> bool:
    """Whether a reason is known to appear on a condition of a kind."""
    places = _places(reason)
    if any(place.kind == kind and condition in place.conditions for place in places):
        return True
    return kind == JOB and condition in OF_FAILURES and reason in failures


def documented_event(kind: str, type_: str, reason: str) -> bool:
    """Whether an event of ours is known."""
    return any(place.kind == kind and place.event == type_ for place in _places(reason))


def _places(reason: str) -> tuple[Place, ...]:
    nowhere: tuple[str, tuple[Place, ...]] = ("", ())
    return (*PLACES.get(reason, ()), *OF_AGENTS.get(reason, nowhere)[1], *OF_MODULES.get(reason, nowhere)[1])
