"""The cluster as the operator knows it: watched objects in memory, with the look-ups that reconciling needs.

A newer resourceVersion wins (Kubernetes orders them as integers), so the answer to an own write can be stored at once
and a late watch event does not roll it back. What was deleted leaves a tombstone, so that a late answer does not bring
it back either.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass

from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan_operator import kinds
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.packing import Packed, is_settled, pack, unpack
from omnixan_operator.trim import share, trim

MAX_TOMBSTONES = 20_000


@dataclass(frozen=True)
class Change:
    """An object became another: `old` is None when it is new, `new` is None when it is gone."""

    kind: Kind
    old: Object | None
    new: Object | None

    @property
    def object(self) -> Object:
        """The newer of the two."""
        found = self.new if self.new is not None else self.old
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class Index:
    """A look-up: objects of `kind` by what `keys` says of each (nothing: not found by it). Equals itself only."""

    name: str
    kind: Kind
    keys: Callable[[Object], Iterable[Hashable]]


def name_of(obj: Object) -> str:
    """metadata.name."""
    return str(obj["metadata"]["name"])


def namespace_of(obj: Object) -> str:
    """metadata.namespace; empty for cluster-wide objects."""
    return str(obj["metadata"].get("namespace", ""))


def uid_of(obj: Object) -> str:
    """metadata.uid."""
    return str(obj["metadata"].get("uid", ""))


def version_of(obj: Object) -> int:
    """metadata.resourceVersion as the number that it is; 0 where there is none."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the controller, if any."""
    references: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def alive(obj: Object | None) -> bool:
    """Whether the object exists and is not being deleted."""
    return obj is not None and not obj["metadata"].get("deletionTimestamp")


def condition(obj: Object | None, kind: str) -> Object:
    """A condition of an object as it stands; empty if there is none. (For look-ups over many objects: no parsing.)"""
    conditions = (obj or {}).get("status", {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def _by_owner(obj: Object) -> Iterable[Hashable]:
    owner = controller_of(obj)
    return [owner["uid"]] if owner else []


def run_is_open(run: Object) -> bool:
    """Whether a QuantumRun is not over."""
    return run.get("status", {}).get("state") not in ("Succeeded", "Failed")


def phase_of(job: Object) -> str:
    """A QuantumJob's phase; Pending before it has any."""
    return str(job.get("status", {}).get("phase") or "Pending")


def _job_is_open(job: Object) -> bool:
    return not job.get("status", {}).get("completionTime")


def _cluster_of_job(job: Object) -> Iterable[Hashable]:
    reference = job.get("spec", {}).get("clusterRef", {})
    return [(reference.get("namespace") or namespace_of(job), reference.get("name"))] if _job_is_open(job) else []


def _mark(node: Object) -> Iterable[Hashable]:
    claim = (node["metadata"].get("labels") or {}).get(CLAIM_LABEL, "")
    return [claim.rpartition(".")[2]] if claim else []


RUNS_BY_JOB = Index("runs by job uid", kinds.QUANTUM_RUN, lambda run: [run["spec"]["jobRef"]["uid"]])
OPEN_RUNS_BY_NODE = Index(
    "unfinished runs by namespace and node",
    kinds.QUANTUM_RUN,
    lambda run: [(namespace_of(run), run["spec"]["nodeName"])] if run_is_open(run) else [],
)
OPEN_RUNS_BY_TENANT = Index(
    "unfinished runs by uid of the cluster and namespace of the job",
    kinds.QUANTUM_RUN,
    lambda run: [(owner, run["spec"]["jobRef"]["namespace"]) for owner in _by_owner(run)] if run_is_open(run) else [],
)
OPEN_JOBS_BY_CLUSTER = Index("unfinished jobs by namespace and name of the cluster", kinds.QUANTUM_JOB, _cluster_of_job)
OPEN_JOBS_BY_NAMESPACE = Index(
    "unfinished jobs by their namespace",
    kinds.QUANTUM_JOB,
    lambda job: [namespace_of(job)] if _job_is_open(job) else [],
)
JOBS_BY_PHASE = Index("jobs by phase", kinds.QUANTUM_JOB, lambda job: [phase_of(job)])
EDGE_NODES_BY_CLUSTER = Index("EdgeNodes by uid of their EdgeCluster", kinds.EDGE_NODE, _by_owner)
DAEMON_SETS_BY_CLUSTER = Index("DaemonSets by uid of their EdgeCluster", kinds.DAEMON_SET, _by_owner)
NODES_BY_CLAIM = Index("Nodes by the EdgeCluster's mark in their claim", kinds.NODE, _mark)
CLUSTERS_BY_MARK = Index("EdgeClusters by their mark", kinds.EDGE_CLUSTER, lambda obj: [claim_mark(uid_of(obj))])
INDEXES = (
    NODES_BY_CLAIM,
    CLUSTERS_BY_MARK,
    RUNS_BY_JOB,
    OPEN_RUNS_BY_NODE,
    OPEN_RUNS_BY_TENANT,
    OPEN_JOBS_BY_CLUSTER,
    OPEN_JOBS_BY_NAMESPACE,
    JOBS_BY_PHASE,
    EDGE_NODES_BY_CLUSTER,
    DAEMON_SETS_BY_CLUSTER,
)


class Store:
    """All watched objects, trimmed, and packed once they are settled. Not thread-safe; all happens on one event loop."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[tuple[str, str], Object | Packed]] = defaultdict(dict)
        self._indexes: dict[Index, dict[Hashable, dict[tuple[str, str], None]]] = {
            index: defaultdict(dict) for index in INDEXES
        }
        self._followed: dict[Index, list[set[Hashable]]] = {index: [] for index in INDEXES}
        self._gone: OrderedDict[str, int] = OrderedDict()

    def follow(self, index: Index) -> set[Hashable]:
        """The keys of `index` under which something changes from now on; who follows takes out of it what it has seen."""
        changed: set[Hashable] = set()
        self._followed[index].append(changed)
        return changed

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None. It is shared: never change it."""
        return _open(self._objects[kind].get((namespace, name)))

    def has(self, kind: Kind, namespace: str, name: str, uid: str) -> bool:
        """Whether the object of this uid is there."""
        found = self._objects[kind].get((namespace, name))
        return found is not None and _identity(found)[0] == uid

    def knows(self, kind: Kind, namespace: str, name: str, uid: str) -> bool:
        """Whether the object of this uid has come in, even if it is gone again or replaced by a namesake."""
        return self.has(kind, namespace, name, uid) or uid in self._gone

    def all(self, kind: Kind) -> Iterator[Object]:
        """All objects of a kind, at this moment."""
        return (unpack(entry) if isinstance(entry, Packed) else entry for entry in list(self._objects[kind].values()))

    def places(self, kind: Kind) -> list[tuple[str, str]]:
        """Namespace and name of all objects of a kind, at this moment."""
        return list(self._objects[kind])

    def versions(self, kind: Kind) -> list[tuple[str, str, str, int]]:
        """Namespace, name, uid and resourceVersion of all objects of a kind, at this moment."""
        return [(*place, *_identity(entry)) for place, entry in self._objects[kind].items()]

    def count(self, kind: Kind) -> int:
        """How many objects of a kind there are."""
        return len(self._objects[kind])

    def find(self, index: Index, key: Hashable) -> list[Object]:
        """The objects that `index` has under `key`, in the order in which they came."""
        objects = self._objects[index.kind]
        entries = (objects[place] for place in self._indexes[index].get(key, ()))
        return [unpack(entry) if isinstance(entry, Packed) else entry for entry in entries]

    def count_by(self, index: Index, key: Hashable) -> int:
        """How many objects `index` has under `key`."""
        return len(self._indexes[index].get(key, ()))

    def put(self, kind: Kind, obj: Object) -> Change | None:
        """Take in an object; None if it is not newer, or if nothing that is kept of it changed."""
        place = (sys.intern(namespace_of(obj)), name_of(obj))
        version = version_of(obj)
        entry = self._objects[kind].get(place)
        if (entry is not None and version <= _identity(entry)[1]) or version <= self._gone.get(uid_of(obj), -1):
            return None
        old, new = _open(entry), trim(kind, obj)
        if not is_settled(kind, new):
            new = share(new)
        self._replace(kind, place, old, new)
        return Change(kind, old, new) if old is None or _essence(old) != _essence(new) else None

    def remove(self, kind: Kind, namespace: str, name: str, uid: str, version: int) -> Change | None:
        """Take in that the object of this uid was gone at `version`; None if it was not here."""
        self._gone[uid] = max(version, self._gone.pop(uid, 0))
        while len(self._gone) > MAX_TOMBSTONES:
            self._gone.popitem(last=False)
        place = (namespace, name)
        old = _open(self._objects[kind].get(place))
        if old is None or uid_of(old) != uid or version_of(old) > version:
            return None
        self._replace(kind, place, old, None)
        return Change(kind, old, None)

    def _replace(self, kind: Kind, place: tuple[str, str], old: Object | None, new: Object | None) -> None:
        for index, entries in self._indexes.items():
            if index.kind is not kind:
                continue
            before = list(index.keys(old)) if old is not None else []
            after = list(index.keys(new)) if new is not None else []
            for key in before:
                entries[key].pop(place, None)
                if not entries[key]:
                    del entries[key]
            for key in after:
                entries[key][place] = None
            for changed in self._followed[index]:
                changed.update(before, after)
        if new is None:
            self._objects[kind].pop(place, None)
        else:
            self._objects[kind][place] = pack(new) if is_settled(kind, new) else new


def _open(entry: Object | Packed | None) -> Object | None:
    return unpack(entry) if isinstance(entry, Packed) else entry


def _identity(entry: Object | Packed) -> tuple[str, int]:
    """Its uid and its resourceVersion."""
    return (entry.uid, entry.version) if isinstance(entry, Packed) else (uid_of(entry), version_of(entry))


def _essence(obj: Object) -> Object:
    return obj | {"metadata": {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}}
