"""Replays recorded histories over the kstatus rules and the Argo CD scripts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from e2e.gitops import argocd, kstatus
from e2e.gitops.kstatus import Violation
from e2e.gitops.recorder import Recorder
from e2e.reference import scan
from e2e.reference.places import documented, documented_event
from omnixan.edge_network.api.meta import MANAGED_BY

KEEP = "OMNIXAN_RECORDING"
"""Environment variable: a file to which what was recorded is added, one JSON line a version."""
SHOWN = 20
REPORTERS = (MANAGED_BY, "omnixan-agent")
"""Who posts our events."""


class ReplayError(AssertionError):
    """Recorded versions break rules; the message names them."""


def violations(histories: Sequence[Sequence[kstatus.Object]]) -> list[Violation]:
    """All rules that the histories break: kstatus, Argo CD's health agreeing with it, every reason documented."""
    found: list[Violation] = []
    failures = frozenset(scan.failures())
    for history in histories:
        found += kstatus.violations(history)
        for obj in filter(kstatus.ours, history):
            found += _undocumented(obj, failures)
            result, health = kstatus.compute(obj), argocd.health(obj)
            if not argocd.agrees(obj, result, health):
                rule = f"kstatus says {result}, Argo CD would say {health.status} ({health.message})"
                found.append(Violation(kstatus.where(obj), rule))
    return found


def _undocumented(obj: kstatus.Object, failures: frozenset[str]) -> Iterator[Violation]:
    for condition in kstatus.conditions(obj):
        kind, type_, reason = obj["kind"], condition["type"], condition["reason"]
        if not documented(kind, type_, reason, failures):
            rule = f"the reason {reason} on {type_} is not in docs/reference: add it to e2e/reference/places.py"
            yield Violation(kstatus.where(obj), rule)


def judge(histories: Sequence[Sequence[kstatus.Object]]) -> str:
    """A line that says what was replayed; ReplayError if a rule is broken or there was nothing to judge."""
    if not any(histories):
        raise ReplayError("nothing was recorded")
    if found := violations(histories):
        shown = "\n".join(f"  {violation}" for violation in found[:SHOWN])
        raise ReplayError(f"{len(found)} violations in recorded transitions, the first:\n{shown}")
    versions = [obj for history in histories for obj in history]
    results = Counter(f"{obj['kind']} {kstatus.compute(obj)}" for obj in versions)
    told = ", ".join(f"{count} {name}" for name, count in sorted(results.items()))
    return f"replayed {len(versions)} versions of {len(histories)} objects: {told}"


def judge_events(events: Sequence[kstatus.Object]) -> str:
    """A line that says how many of them are ours; ReplayError if docs/reference does not know one of those."""
    ours = [event for event in events if str(event.get("reportingController") or "").startswith(REPORTERS)]
    kinds = {(event["regarding"]["kind"], event["type"], event["reason"]) for event in ours}
    if unknown := sorted(one for one in kinds if not documented_event(*one)):
        told = ", ".join(f"{reason} ({type_}, on {kind})" for kind, type_, reason in unknown)
        raise ReplayError(f"events that are not in docs/reference: {told}; add them to e2e/reference/places.py")
    return f"{len(ours)} events of {len(kinds)} kinds, all of them documented"


@contextmanager
def recorded(kubeconfig: Path) -> Iterator[Recorder]:
    """Record while the block runs, and judge at its end."""
    with Recorder(kubeconfig) as recorder:
        yield recorder
        recorder.catch_up()
    histories = recorder.histories
    if keep := os.environ.get(KEEP):
        with Path(keep).open("a") as file:
            file.writelines(json.dumps(obj) + "\n" for history in histories for obj in history)
    print(f"\ngitops: {judge(histories)}; {judge_events(recorder.events)}")
