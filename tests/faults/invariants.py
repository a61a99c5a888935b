"""What must hold at every step, whatever the weather: checked at every write and every request, on the server's side.

What an operator could know is tracked, too: an operator that acts on an old view is excused, one that has seen better is
not.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan_operator.kinds import WATCHED
from tests.faults.actors.agents import Agents
from tests.faults.apiserver.requests import Request, Write
from tests.faults.apiserver.resources import Object
from tests.faults.cluster import Cluster
from tests.faults.wire import MemoryNetwork

TAKEN_IN = 2.0
"""Seconds after which an event that reached an operator must have reached what it sends (on a calm event loop)."""
KNOWN = 5.0
"""The same for decisions that lie a few requests before what is sent. What was never otherwise needs no time to be known."""
BURST_SECONDS, BURST, SAME = 10.0, 3000, 200
"""No operator sends more requests than that within that time, nor that many to do the same to one object: it would be a
loop without a pause."""
_ALL_OF = tuple(kind.name for kind in WATCHED if not kind.selector)
"""Kinds of which operators watch all objects."""


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    time: float
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.time:.3f} s: {self.what}"


@dataclass
class _Sight:
    """What an operator was last told of an object, and since when it has known that."""

    version: int
    since: float
    obj: Object
    facts: dict[str, tuple[Any, float]]
    """What decisions must heed, each with since when it has been so; -inf: ever since the operator knows the object."""


def is_operator(client: str) -> bool:
    """Whether requests of this name are an operator's."""
    return client.startswith("operator-")


class Invariants:
    """Watches the API server and the network; `violations` fills up."""

    def __init__(self, cluster: Cluster, network: MemoryNetwork, agents: Agents) -> None:
        self._cluster = cluster
        self._agents = agents
        self._network = network
        self._loop = cluster.loop
        self.violations: list[Violation] = []
        self.steps = 0
        self.digest = hashlib.sha256()
        """Writes, answers and events so far."""
        self.writes: list[tuple[float, str, str, str]] = []
        """Operators' writes, Leases and Events apart: time, client, verb, path."""
        self._sights: dict[str, dict[str, _Sight]] = {}
        self._attempts: dict[tuple[str, int], str] = {}
        self._recent: dict[str, deque[tuple[float, str]]] = {}
        self._same: Counter[tuple[str, str]] = Counter()
        self._unheard: dict[str, set[str]] = {}
        """By operator that has written nothing yet: the uids of what there was when it was started."""
        self.on_violation: Callable[[], None] = lambda: None
        cluster.api.listeners.append(self._on_write)
        network.on_answer = self._on_answer
        network.on_event = self._on_event

    def violated(self, invariant: str, what: str) -> None:
        """Write a violation down."""
        self.violations.append(Violation(invariant, self._loop.now, what))
        self.on_violation()

    def started(self, client: str) -> None:
        """An operator begins: what there is now it must have heard of before it writes anything."""
        self._unheard[client] = {obj["metadata"]["uid"] for kind in _ALL_OF for obj in self._cluster.api.all(kind)}

    # What operators know.

    def _on_event(self, client: str, event: Object) -> None:
        self.steps += 1
        self._saw(client, event["object"])

    def _on_answer(self, client: str, request: Request, code: int, body: Object) -> None:
        self.steps += 1
        self._count(client, f"{request.method} {request.path}")
        if code < 300:
            # A metadata-only list says only what is there; it does not fill the operator's store.
            for obj in body.get("items", [body]) if "PartialObject" not in str(body.get("kind")) else ():
                self._saw(client, obj)

    def _saw(self, client: str, obj: Object) -> None:
        metadata = obj.get("metadata", {})
        if "uid" not in metadata:
            return
        version, now, seen = int(metadata["resourceVersion"]), self._loop.now, self._sights.setdefault(client, {})
        last = seen.get(metadata["uid"])
        if last is not None and last.version >= version:
            return
        facts, first = (last.facts, now) if last is not None else ({}, -math.inf)
        new = {k: facts[k] if k in facts and facts[k][0] == v else (v, first) for k, v in _facts(obj).items()}
        seen[metadata["uid"]] = _Sight(version, now, obj, new)

    def _knows(self, request: Request, uid: str, fact: str, value: Any) -> bool:
        """Whether an operator had known for long, when it sent this, that a fact about an object has this value."""
        sight = self._sights.get(request.client, {}).get(uid)
        if sight is None or fact not in sight.facts:
            return False
        found, since = sight.facts[fact]
        return bool(found == value) and request.sent - since > KNOWN

    def _count(self, client: str, what: str) -> None:
        if not is_operator(client):
            return
        recent = self._recent.setdefault(client, deque())
        recent.append((self._loop.now, what))
        self._same[client, what] += 1
        while recent[0][0] < self._loop.now - BURST_SECONDS:
            self._same[client, recent.popleft()[1]] -= 1
        if any(v.invariant == "no hot loop" for v in self.violations):
            return
        if len(recent) > BURST:
            self.violated("no hot loop", f"{client} sent {BURST} requests within {BURST_SECONDS:g} s")
        elif self._same[client, what] > SAME:
            self.violated("no hot loop", f"{client} sent {SAME} times {what} within {BURST_SECONDS:g} s")

    # What is written.

    def _on_write(self, write: Write) -> None:
        self.steps += 1
        mark = f"{self._loop.now:.9f} {write.request.client} {write.request.method} {write.request.path} {write.changed}"
        self.digest.update(mark.encode())
        client, kind = write.request.client, write.resource.kind
        if is_operator(client) and kind not in ("Lease", "Event"):
            self.writes.append((self._loop.now, client, write.request.method, write.request.path))
            self._has_heard(client, f"{write.request.method} {write.request.path}")
            if not write.changed:
                self._no_change(write)
        check = getattr(self, f"_{kind}", None)
        if check is not None:
            check(write)

    def _has_heard(self, client: str, what: str) -> None:
        """The first write of an operator comes after all that there was at its start."""
        unheard = self._unheard.pop(client, set()) - set(self._sights.get(client, ()))
        left = [obj for kind in _ALL_OF for obj in self._cluster.api.all(kind) if obj["metadata"]["uid"] in unheard]
        if left:
            names = ", ".join(f"{obj['kind']} {obj['metadata']['name']}" for obj in left[:3])
            self.violated("what is not known is left alone", f"{client} sent {what} and has not heard of {names} yet")

    def _no_change(self, write: Write) -> None:
        """A write that changes nothing, by an operator that had seen the object as it is: it says so, or knew for long."""
        assert write.new is not None
        metadata, client = write.new["metadata"], write.request.client
        what = f"{client}: {write.request.method} {write.request.path}"
        if (write.request.body.get("metadata") or {}).get("resourceVersion") == metadata["resourceVersion"]:
            self.violated("no write without change", f"{what}, sent over resourceVersion {metadata['resourceVersion']}")
            return
        sight = self._sights.get(client, {}).get(metadata["uid"])
        knew = sight is not None and sight.version >= int(metadata["resourceVersion"])
        if knew and sight is not None and write.request.sent - sight.since > TAKEN_IN:
            known = f"sent at {write.request.sent:.3f} s, and the object as it is was known since {sight.since:.3f} s"
            self.violated("no write without change", f"{what}, {known}")

    def _Node(self, write: Write) -> None:
        if write.old is None and is_operator(write.request.client):
            self.violated("the operator makes no node", f"{write.request.client} made {write.request.path}")
        if write.old is not None and write.new is not None and is_operator(write.request.client):
            self._taken_away(write.request.client, write.new["metadata"]["name"], _claim(write.old), _claim(write.new))

    def _taken_away(self, client: str, name: str, old: str, new: str) -> None:
        """An operator changes a claim: never from one EdgeCluster to another, nor of one that it knows nothing of."""
        owner = self._owner_of_mark(old) if old != new else None
        if owner is None:
            return
        if new and owner != self._owner_of_mark(new):
            self.violated("a node in one pool at most", f"{name} was taken from {old} and given to {new}")
        if owner not in self._sights.get(client, {}):
            what = f"{client} took the claim {old} from {name} and has not heard of its EdgeCluster yet"
            self.violated("what is not known is left alone", what)

    def _owner_of_mark(self, claim: str) -> str | None:
        mark = claim.rpartition(".")[2]
        uids = (obj["metadata"]["uid"] for obj in self._cluster.api.all("EdgeCluster"))
        return next((uid for uid in uids if mark and mark in (uid, uid.replace("-", "")[: len(mark)], _mark(uid))), None)

    def _EdgeNode(self, write: Write) -> None:
        if write.new is None or write.old is not None:
            return
        node, alive = write.new["spec"]["nodeName"], self._cluster.api.by_uid()
        twins = [
            f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
            for obj in self._cluster.api.all("EdgeNode")
            if obj["spec"]["nodeName"] == node and any(r["uid"] in alive for r in obj["metadata"].get("ownerReferences", ()))
        ]
        if len(twins) > 1:
            self.violated("a node in one pool at most", f"{node} has the EdgeNodes {', '.join(twins)}")

    def _QuantumRun(self, write: Write) -> None:
        if write.old is not None or write.new is None:
            return
        run, client = write.new, write.request.client
        reference, attempt, name = run["spec"]["jobRef"], run["spec"]["attempt"], run["metadata"]["name"]
        uid = reference["uid"]
        job = self._cluster.api.find("QuantumJob", reference["namespace"], reference["name"])
        before = self._attempts.get((uid, attempt))
        if before is not None and before != name:
            self.violated("one run per job and attempt", f"attempt {attempt} of {reference['name']} is {before} and {name}")
        self._attempts[uid, attempt] = name
        if job is None or job["metadata"]["uid"] != uid:
            return
        status = job.get("status", {})
        recorded = status.get("run") or {}
        ended = {one["attempt"] for one in status.get("attempts") or ()}
        if attempt in ended or attempt < recorded.get("attempt", 0):
            self.violated(
                "one run per job and attempt", f"attempt {attempt} of {reference['name']} was over and is made again"
            )
        if is_operator(client):
            self._placed_well(write.request, run, job)

    def _placed_well(self, request: Request, run: Object, job: Object) -> None:
        """Where and whether a run is made, by what the operator had known for long."""
        namespace, node = run["metadata"]["namespace"], run["spec"]["nodeName"]
        twin = self._cluster.api.find("EdgeNode", namespace, node)
        if twin is not None:
            uid = twin["metadata"]["uid"]
            if self._knows(request, uid, "drain", True):
                self.violated("runs only where they belong", f"{run['metadata']['name']} is made on {node}, which drains")
            if self._knows(request, uid, "ready", "False"):
                self.violated("runs only where they belong", f"{run['metadata']['name']} is made on {node}, not Ready")
        for fact, word in (
            ("over", "is over"),
            ("cancel", "is cancelled"),
            ("suspend", "is suspended"),
            ("paused", "is paused"),
        ):
            if self._knows(request, job["metadata"]["uid"], fact, True):
                self.violated("runs only where they belong", f"{run['metadata']['name']} is made though its job {word}")

    def _QuantumJob(self, write: Write) -> None:
        if write.new is None or write.old is None:
            return
        old, new = write.old.get("status", {}), write.new.get("status", {})
        name = write.new["metadata"]["name"]
        if old.get("completionTime"):
            for field in ("completionTime", "phase", "result", "failure", "run"):
                if old.get(field) != new.get(field):
                    self.violated(
                        "terminal states do not change", f"{name}: {field} was {old.get(field)}, is {new.get(field)}"
                    )
        before, after = (s.get("run", {}).get("attempt", 0) for s in (old, new))
        if after < before:
            self.violated("attempts do not go back", f"{name}: status.run.attempt was {before}, is {after}")
        lost = {a["attempt"] for a in old.get("attempts") or ()} - {a["attempt"] for a in new.get("attempts") or ()}
        if lost and len(new.get("attempts") or ()) < 16:
            self.violated("attempts do not go back", f"{name}: status.attempts forgets {sorted(lost)}")
        if new.get("completionTime") and not old.get("completionTime"):
            self._ended(name, write.new)

    def _ended(self, name: str, job: Object) -> None:
        """A job's result is the result of one of its own runs, and of the one that its status names."""
        status = job["status"]
        if (status.get("result") is None) == (status.get("failure") is None):
            self.violated("one accepted result", f"{name} ended with a result and a failure, or with neither")
        result, run = status.get("result"), status.get("run") or {}
        if result is None:
            self._failed_rightly(name, job)
            return
        live = self._cluster.api.find("QuantumRun", run.get("namespace", ""), run.get("name", ""))
        found = self._agents.results.get(live["metadata"]["uid"]) if live is not None else None
        if live is not None and (found is None or found["summary"] != result["summary"]):
            self.violated("one accepted result", f"{name} has a result that is not the one of its run {run.get('name')}")

    def _failed_rightly(self, name: str, job: Object) -> None:
        """A failure that may not come again is tried again as often as the job says."""
        failure, spec, status = job["status"]["failure"], job["spec"], job["status"]
        tries = len([a for a in status.get("attempts") or () if a.get("category") != "SUSPENDED"])
        if failure["category"] == "BACKEND_ERROR" and tries < spec.get("backoffLimit", 3):
            self.violated(
                "what may succeed is tried again", f"{name} failed with {failure['category']} after {tries + 1} tries"
            )
        if failure["category"] == "INVALID_PROGRAM":
            return
        if status.get("attempts") and any(a.get("category") == "INVALID_PROGRAM" for a in status["attempts"]):
            self.violated("what cannot succeed is not tried again", f"{name} was tried again after INVALID_PROGRAM")


def _claim(node: Object | None) -> str:
    return "" if node is None else (node["metadata"].get("labels") or {}).get(CLAIM_LABEL, "")


def _mark(uid: str) -> str:
    from omnixan_operator.desired.common import claim_mark

    return claim_mark(uid)


def _facts(obj: Object) -> dict[str, Any]:
    """What of an object decisions must heed."""
    kind, spec, status = obj.get("kind"), obj.get("spec", {}), obj.get("status", {})
    if kind == "EdgeNode":
        conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
        return {"drain": bool(spec.get("drain")), "ready": conditions.get("Ready")}
    if kind == "QuantumJob":
        paused = (obj["metadata"].get("annotations") or {}).get("edge.omnixan.io/paused") == "true"
        over = bool(status.get("completionTime"))
        return {"over": over, "cancel": bool(spec.get("cancel")), "suspend": bool(spec.get("suspend")), "paused": paused}
    return {}
