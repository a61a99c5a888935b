"""What the API server's audit log says about who wrote what and when. Pure: entries in, judgement out.

All replicas of the operator have one account, and so have all agents of an EdgeCluster: who of them it was is told by
the pod and the node that their tokens are bound to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

VERBS = ("create", "update", "patch", "delete", "deletecollection")
LEASE = "omnixan-operator"
"""The Lease whose holder leads."""
_BOUND = "authentication.kubernetes.io/"


@dataclass(frozen=True)
class Write:
    """A request that would change something, as it was answered."""

    answered: str
    """When, in UTC with microseconds: equally long, so that they are compared as texts."""
    account: str
    pod: str
    """Empty: the token is bound to none."""
    node: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int

    @property
    def accepted(self) -> bool:
        """Whether it was carried out."""
        return 200 <= self.code < 300

    def __str__(self) -> str:
        what = "/".join(filter(None, (self.resource, self.namespace, self.name, self.subresource)))
        return f"{self.answered} {self.pod or self.account}: {self.verb} {what}: {self.code}"


@dataclass(frozen=True)
class Term:
    """A pod leads, from its first accepted write of the Lease on until another's."""

    pod: str
    began: str
    """When that write was answered; empty: before the entries begin."""


def writes(entries: Iterable[Any]) -> list[Write]:
    """All requests that would change something, in the order of their answers."""
    found = (_write(entry) for entry in entries if entry["verb"] in VERBS and entry["stage"] == "ResponseComplete")
    return sorted(found, key=lambda write: write.answered)


def _write(entry: Any) -> Write:
    user, reference = entry["user"], entry.get("objectRef") or {}
    extra = user.get("extra") or {}
    return Write(
        answered=entry["stageTimestamp"],
        account=user.get("username", ""),
        pod=next(iter(extra.get(f"{_BOUND}pod-name") or ()), ""),
        node=next(iter(extra.get(f"{_BOUND}node-name") or ()), ""),
        verb=entry["verb"],
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=int((entry.get("responseStatus") or {}).get("code", 0)),
    )


def made(found: Iterable[Write], resource: str, namespace: str) -> Counter[str]:
    """How often each object of a kind was made in a namespace, by name."""
    return Counter(
        write.name
        for write in found
        if write.code == 201 and (write.resource, write.subresource, write.namespace) == (resource, "", namespace)
    )


def terms(found: Iterable[Write], account: str, leader: str) -> list[Term]:
    """Who led one after another, by the Lease; `leader` is the pod that led when the entries began."""
    led = [Term(leader, "")]
    for write in found:
        if _takes_lease(write, account) and write.pod != led[-1].pod:
            led.append(Term(write.pod, write.answered))
    return led


def out_of_term(found: Iterable[Write], account: str, leader: str) -> tuple[list[Write], list[Write]]:
    """The account's writes by pods that did not lead when they were answered: those accepted, and those refused.

    Writes of the Lease are left out of the refused: whoever wants to lead tries.
    """
    accepted: list[Write] = []
    refused: list[Write] = []
    for write, holder in _with_holder(found, account, leader):
        if write.pod != holder and not _is_lease(write):
            (accepted if write.accepted else refused).append(write)
    return accepted, refused


def _with_holder(found: Iterable[Write], account: str, leader: str) -> Iterator[tuple[Write, str]]:
    for write in found:
        if write.account != account:
            continue
        if _takes_lease(write, account):
            leader = write.pod
        yield write, leader


def _is_lease(write: Write) -> bool:
    return (write.resource, write.name) == ("leases", LEASE)


def _takes_lease(write: Write, account: str) -> bool:
    return write.account == account and write.accepted and write.verb != "delete" and _is_lease(write)


def late_reports(found: Iterable[Write], given_up: Collection[str]) -> list[Write]:
    """What nodes wrote into runs that were given up, named `<job uid>-<attempt>`, once the next attempt was made."""
    followed: set[str] = set()
    late: list[Write] = []
    for write in found:
        if write.resource != "quantumruns":
            continue
        if write.verb == "create" and write.accepted:
            uid, _, attempt = write.name.rpartition("-")
            followed.add(f"{uid}-{int(attempt) - 1}")
        elif write.subresource == "status" and write.name in given_up and write.name in followed:
            late.append(write)
    return late
