"""kstatus, as Flux and `kubectl` tools compute it, and the rules that a status has to keep for that to be the truth.

The computation follows sigs.k8s.io/cli-utils, pkg/kstatus/status (generic rules; it has none of its own for our kinds).
The rules are those of that package's README and of Kubernetes' API conventions, checked over all versions of an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Object = Mapping[str, Any]

TERMINAL = {"QuantumJob": ("Complete", "Failed")}
"""Kinds that end, and the conditions that say how: once one is True it stays, and the other is never True."""
SUMMARY = {"EdgeCluster": "Ready", "EdgeNode": "Ready", "QuantumJob": "Complete"}
"""The condition without which a kind is not Current."""
ABNORMAL = ("Reconciling", "Stalled")
"""Conditions that are there only while they are True."""
OF_THE_AGENT = frozenset({"AgentReady", "PersistentMemoryReady", "MemoryPoolReady"})
"""Conditions with a writer of their own, who sees a generation at another time than the operator."""
MANAGERS = frozenset({"omnixan-operator", "omnixan-agent"})
"""Who may write a status. What somebody else wrote by hand is not the operator's word and is not judged."""


class Result(StrEnum):
    """What kstatus makes of an object."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"


@dataclass(frozen=True)
class Violation:
    """A version of an object that breaks a rule."""

    where: str
    """kind namespace/name at its resourceVersion."""
    rule: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}"


def compute(obj: Object) -> Result:
    """What kstatus says about an object, in its order of evaluation."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Result.TERMINATING
    if "observedGeneration" in status and status["observedGeneration"] != metadata.get("generation", 0):
        return Result.IN_PROGRESS
    if _is_true(obj, "Reconciling"):
        return Result.IN_PROGRESS
    if _is_true(obj, "Stalled"):
        return Result.FAILED
    ready = condition(obj, "Ready")
    return Result.CURRENT if not ready or ready["status"] == "True" else Result.IN_PROGRESS


def violations(history: Sequence[Object]) -> list[Violation]:
    """Every rule that the versions of one object break, in their order."""
    found: list[Violation] = []
    last: Object | None = None
    for obj in history:
        if not ours(obj):
            last = None
            continue
        if untouched(obj):
            last = None  # new, or its status was wiped by hand: either way it begins anew
        rules = [*_of_one(obj), *(_of_two(last, obj) if last is not None else ())]
        found += [Violation(where(obj), rule) for rule in rules]
        last = obj
    return found


def where(obj: Object) -> str:
    """The object and the version, for people."""
    metadata = obj["metadata"]
    name = f"{metadata.get('namespace', '')}/{metadata['name']}"
    return f"{obj['kind']} {name} at resourceVersion {metadata.get('resourceVersion', '?')}"


def ours(obj: Object) -> bool:
    """Whether nobody but the operator and the agents has written the status."""
    entries = obj["metadata"].get("managedFields") or ()
    return all(entry.get("manager") in MANAGERS for entry in entries if entry.get("subresource") == "status")


def untouched(obj: Object) -> bool:
    """Whether the status is as the schema's default makes it."""
    return obj.get("status") == {"observedGeneration": -1}


def condition(obj: Object, kind: str) -> Mapping[str, Any]:
    """A condition; empty if there is none of that type."""
    return next((c for c in conditions(obj) if c.get("type") == kind), {})


def conditions(obj: Object) -> Sequence[Mapping[str, Any]]:
    """All conditions."""
    return (obj.get("status") or {}).get("conditions") or ()


def _is_true(obj: Object, kind: str) -> bool:
    return condition(obj, kind).get("status") == "True"


def _of_one(obj: Object) -> Iterator[str]:
    """Rules that every version keeps."""
    kind, generation = obj["kind"], obj["metadata"].get("generation", 0)
    status = obj.get("status") or {}
    observed = status.get("observedGeneration")
    if not isinstance(observed, int):
        yield "status.observedGeneration is missing: kstatus would take the object as done"
        return
    if observed > generation:
        yield f"status.observedGeneration {observed} is ahead of the generation {generation}"
    yield from _of_conditions(conditions(obj), observed, generation)
    if all(_is_true(obj, abnormal) for abnormal in ABNORMAL):
        yield "Reconciling and Stalled are both True: it is under way or it is stuck, not both"
    if _is_true(obj, "Ready") and _is_true(obj, "Stalled"):
        yield "Ready and Stalled are both True"
    result, summary = compute(obj), SUMMARY.get(kind)
    if summary and result is Result.CURRENT and not _is_true(obj, summary):
        yield f"kstatus says Current, but {summary} is {condition(obj, summary).get('status', 'missing')}"
    if summary and result is Result.CURRENT and condition(obj, summary).get("observedGeneration") != generation:
        yield f"kstatus says Current, but {summary} is about an older generation"
    if kind == "EdgeCluster" and result is Result.CURRENT and (few := _too_few(obj)):
        yield few
    yield from _of_terminal_kinds(obj, result)


def _of_conditions(listed: Sequence[Mapping[str, Any]], observed: int, generation: int) -> Iterator[str]:
    types = [c.get("type") for c in listed]
    for double in sorted({str(t) for t in types if types.count(t) > 1}):
        yield f"condition {double} stands there twice"
    for c in listed:
        name = c.get("type", "(without type)")
        if not c.get("reason"):
            yield f"condition {name} has no reason"
        if c.get("status") not in ("True", "False", "Unknown"):
            yield f"condition {name} has the status {c.get('status')!r}"
        if name in ABNORMAL and c.get("status") != "True":
            yield f"condition {name} is {c.get('status')}: it must be there only while it is True"
        if not _is_time(c.get("lastTransitionTime")):
            yield f"condition {name} has the lastTransitionTime {c.get('lastTransitionTime')!r}"
        if name in OF_THE_AGENT:
            if c.get("observedGeneration", 0) > generation:
                yield f"condition {name} is ahead of the generation"
        elif c.get("observedGeneration") != observed:
            yield f"condition {name} was decided for generation {c.get('observedGeneration')}, the status for {observed}"


def _too_few(obj: Object) -> str:
    """What is missing from an EdgeCluster that says it has all its nodes; empty if nothing is."""
    spec, status = obj["spec"], obj["status"]
    if "nodes" not in spec:
        return ""
    most = sum(pool.get("maxNodes", spec["nodes"]) for pool in spec.get("pools") or ())
    wanted, ready = min(spec["nodes"], most), status.get("readyNodes", 0)
    return f"kstatus says Current, but {ready} of {wanted} wanted nodes are ready" if ready < wanted else ""


def _of_terminal_kinds(obj: Object, result: Result) -> Iterator[str]:
    ends = [name for name in TERMINAL.get(obj["kind"], ()) if _is_true(obj, name)]
    if len(ends) > 1:
        yield f"{' and '.join(ends)} are both True"
    if obj["kind"] in TERMINAL and result not in (Result.TERMINATING,) and ends:
        wanted = Result.CURRENT if ends[0] == "Complete" else Result.FAILED
        if result is not wanted and obj["status"].get("observedGeneration") == obj["metadata"].get("generation"):
            yield f"{ends[0]} is True, but kstatus says {result}"


def _of_two(last: Object, obj: Object) -> Iterator[str]:
    """Rules of a version and the one before it."""
    old, new = last.get("status") or {}, obj.get("status") or {}
    if new.get("observedGeneration", -1) < old.get("observedGeneration", -1):
        yield f"status.observedGeneration went back from {old['observedGeneration']} to {new.get('observedGeneration')}"
    for before in conditions(last):
        now = condition(obj, before["type"])
        if not now:
            continue
        if now["status"] == before["status"] and now["lastTransitionTime"] != before["lastTransitionTime"]:
            yield f"condition {before['type']} stayed {now['status']}, but its lastTransitionTime moved"
        if now["status"] != before["status"] and _time(now["lastTransitionTime"]) < _time(before["lastTransitionTime"]):
            yield f"condition {before['type']} became {now['status']} before it was {before['status']}"
    for end in TERMINAL.get(obj["kind"], ()):
        if _is_true(last, end) and not _is_true(obj, end):
            yield f"{end} was True and is no longer: an end is for ever"
        times = old.get("completionTime"), new.get("completionTime")
        if _is_true(last, end) and times[0] != times[1]:
            yield f"{end} was True, but completionTime changed from {times[0]} to {times[1]}"
    if _operators(old) != _operators(new) and new.get("observedGeneration") != obj["metadata"].get("generation", 0):
        yield "conditions were written for an older generation than the object had"


def _operators(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [c for c in status.get("conditions") or () if c["type"] not in OF_THE_AGENT]


def _is_time(text: object) -> bool:
    try:
        datetime.fromisoformat(str(text))
    except ValueError:
        return False
    return isinstance(text, str)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
