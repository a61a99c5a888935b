"""Which keys a change of an object wakes. Pure: the change and the store in, keys out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL
from omnixan_operator import kinds
from omnixan_operator.decide.modules import ENFORCE_LABEL
from omnixan_operator.keys import CLAIMS, Key, dispatch_key, job_key_of, key_of
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.reasons import Reason
from omnixan_operator.store import (
    CLUSTERS_BY_MARK,
    OPEN_JOBS_BY_CLUSTER,
    OPEN_JOBS_BY_NAMESPACE,
    OPEN_RUNS_BY_NODE,
    RUNS_BY_JOB,
    Change,
    Store,
    controller_of,
    name_of,
    namespace_of,
    run_is_open,
    uid_of,
)

RUNNING_DELAY = 1.0
"""A run that is over within this time never shows as Running in its job: that saves a write for every short job."""
PROGRESS_DELAY = 2.0
"""A job's status follows its run's progress at most this often."""


class Wake(NamedTuple):
    """A key to reconcile, in `after` seconds; in a flow if many more of its kind may come at once."""

    key: Key
    after: float = 0.0
    flow: str | None = None


def wakes(change: Change, store: Store) -> Iterator[Wake]:
    """The keys that `change` concerns."""
    for found in _RULES[change.kind](change, store):
        yield found if isinstance(found, Wake) else Wake(found)


def everything(store: Store) -> Iterator[Wake]:
    """All keys: what is reconciled after the start."""
    yield Wake(CLAIMS)
    for kind in (kinds.EDGE_CLUSTER, kinds.EDGE_NODE, kinds.QUANTUM_JOB, kinds.QUANTUM_RUN):
        for place in store.places(kind):
            job = store.get(kind, *place) if kind is kinds.QUANTUM_JOB else None
            yield Wake(Key(kind.name, *place)) if job is None else _in_turn(job, store)


def analysed(job: Key) -> Wake:
    """A job whose program was analysed: behind those of its namespace of which that is true, not behind all new ones."""
    return Wake(job, flow=f"{job.namespace}, analysed")


def _in_turn(job: Object, store: Store) -> Wake:
    """A job that has or had a run and is not through comes at once; any other behind the jobs of its namespace."""
    key = key_of(kinds.QUANTUM_JOB, job)
    return Wake(key, flow=None if _under_way(job, store) else key.namespace)


def _under_way(job: Object, store: Store) -> bool:
    """Whether a job's life may be in the middle of a step: an attempt is told and not followed, a run not taken away."""
    status = job.get("status", {})
    if "completionTime" in status:
        return any(map(run_is_open, store.find(RUNS_BY_JOB, uid_of(job))))
    return "run" in status or store.count_by(RUNS_BY_JOB, uid_of(job)) > 0


def _edge_cluster(change: Change, store: Store) -> Iterable[Key | Wake]:
    obj = change.object
    yield key_of(kinds.EDGE_CLUSTER, obj)
    if _wish(change.old) == _wish(change.new):
        return
    yield CLAIMS
    yield from _jobs(store.find(OPEN_JOBS_BY_CLUSTER, (namespace_of(obj), name_of(obj))), store)


def _wish(obj: Object | None) -> Any:
    """What people say in an object: not its status.

    Of its spec also the generation: a spec that was changed and changed back unseen is to be looked at anew.
    """
    if obj is None:
        return None
    metadata = obj["metadata"]
    spec = (metadata.get("generation"), obj.get("spec"))
    return uid_of(obj), spec, metadata.get("annotations"), metadata.get("deletionTimestamp")


def _node(change: Change, store: Store) -> Iterable[Key]:
    yield CLAIMS
    if _claim(change.old) != _claim(change.new):
        yield from _claimed_by(change.old, store)
        yield from _claimed_by(change.new, store)
    if (_claim(change.old), _tier(change.old)) != (_claim(change.new), _tier(change.new)):
        for cluster in _claimed_by(change.new, store):  # the label of the tier is written with the EdgeNode
            twin = store.get(kinds.EDGE_NODE, cluster.namespace, name_of(change.object))
            if twin is not None:
                yield key_of(kinds.EDGE_NODE, twin)


def _tier(node: Object | None) -> str | None:
    return None if node is None else node["metadata"].get("labels", {}).get(MEMORY_TIER_LABEL)


def _claimed_by(node: Object | None, store: Store) -> Iterator[Key]:
    """The EdgeCluster whose claim is on a Node."""
    mark = (_claim(node) or "").rpartition(".")[2]
    for cluster in store.find(CLUSTERS_BY_MARK, mark) if mark else ():
        yield key_of(kinds.EDGE_CLUSTER, cluster)


def _claim(node: Object | None) -> str | None:
    return None if node is None else node["metadata"].get("labels", {}).get(CLAIM_LABEL)


def _namespace(change: Change, store: Store) -> Iterable[Key | Wake]:
    jobs = store.find(OPEN_JOBS_BY_NAMESPACE, name_of(change.object))
    yield from _jobs((job for job in jobs if not _placed(job)), store)
    if _level(change.old) != _level(change.new):
        for cluster in store.all(kinds.EDGE_CLUSTER):
            if namespace_of(cluster) == name_of(change.object):
                yield key_of(kinds.EDGE_CLUSTER, cluster)


def _level(namespace: Object | None) -> str | None:
    """The Pod Security level of a namespace: which modules agents can be given there."""
    return None if namespace is None else (namespace["metadata"].get("labels") or {}).get(ENFORCE_LABEL)


def _edge_node(change: Change, store: Store) -> Iterable[Key | Wake]:
    obj = change.object
    yield key_of(kinds.EDGE_NODE, obj)
    owner = controller_of(obj)
    if owner is None:
        return
    yield Key(kinds.EDGE_CLUSTER.name, namespace_of(obj), owner["name"])
    if _drain(change.old) != _drain(change.new):
        yield CLAIMS
    if _offer(change.old) != _offer(change.new):
        yield dispatch_key(namespace_of(obj), owner["name"])
        jobs = store.find(OPEN_JOBS_BY_CLUSTER, (namespace_of(obj), owner["name"]))
        yield from _jobs((job for job in jobs if not _placed(job) and not _queued(job)), store)
    if _readiness(change.old) != _readiness(change.new):
        for run in store.find(OPEN_RUNS_BY_NODE, (namespace_of(obj), name_of(obj))):
            yield job_key_of(run)
    if change.new is None:
        yield from _claimed_by(store.get(kinds.NODE, "", name_of(obj)), store)  # it may wait for the name


def _drain(node: Object | None) -> Any:
    return None if node is None else node.get("spec", {}).get("drain", False)


def _readiness(node: Object | None) -> Any:
    """What of an EdgeNode the jobs on it look at: gone, silent, or there."""
    conditions = node.get("status", {}).get("conditions", []) if node is not None else []
    return node is None, next((c.get("reason") for c in conditions if c.get("type") == "Ready"), None)


def _offer(node: Object | None) -> Any:
    """What of an EdgeNode placement looks at."""
    if node is None:
        return None
    spec, status = node.get("spec", {}), node.get("status", {})
    ready = next((c.get("status") for c in status.get("conditions", []) if c.get("type") == "Ready"), None)
    calibration = (status.get("calibration") or {}).get("id")
    return spec.get("tier"), spec.get("drain"), status.get("backend"), status.get("qubits"), calibration, ready


def _job(change: Change, store: Store) -> Iterable[Key | Wake]:
    told = change.old is not None and _wish(change.old) != _wish(change.new)  # by its owner: cancel, suspend, deletion
    yield key_of(kinds.QUANTUM_JOB, change.object) if told else _in_turn(change.object, store)
    if change.new is None or (change.old is not None and uid_of(change.old) != uid_of(change.new)):
        gone = change.old if change.old is not None else change.object
        for run in store.find(RUNS_BY_JOB, uid_of(gone)):
            yield key_of(kinds.QUANTUM_RUN, run)


def _run(change: Change, store: Store) -> Iterable[Key | Wake]:
    run = change.object
    key = job_key_of(run)
    before, after = (_run_status(change.old), _run_status(change.new))
    state = after.get("state")
    ended = change.new is None or state in ("Succeeded", "Failed")
    if change.old is None or ended:
        yield key
    elif before.get("state") != state:
        yield Wake(key, RUNNING_DELAY)
    else:
        yield Wake(key, PROGRESS_DELAY)
    job = store.get(kinds.QUANTUM_JOB, key.namespace, key.name)
    if change.new is not None and (job is None or uid_of(job) != run["spec"]["jobRef"]["uid"]):
        yield key_of(kinds.QUANTUM_RUN, run)
    node = store.get(kinds.EDGE_NODE, namespace_of(run), run["spec"]["nodeName"])
    if ended and _drain(node):
        yield CLAIMS
    owner = controller_of(run)
    if ended and owner is not None:
        yield dispatch_key(namespace_of(run), owner["name"])


def _run_status(run: Object | None) -> Object:
    return {} if run is None else run.get("status", {})


def _lease(change: Change, store: Store) -> Iterable[Key]:
    """A renewal of a Ready node's Lease changes nothing: its check at the Lease's end sees it."""
    lease = change.object
    node = store.get(kinds.EDGE_NODE, namespace_of(lease), name_of(lease))
    if node is None:
        return
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in node.get("status", {}).get("conditions", []))
    if change.old is None or change.new is None or not ready or _duration(change.old) != _duration(change.new):
        yield key_of(kinds.EDGE_NODE, node)


def _duration(lease: Object) -> Any:
    return lease["spec"].get("leaseDurationSeconds")


def _child(change: Change, store: Store) -> Iterable[Key]:
    owner = controller_of(change.object)
    if owner is not None and owner.get("kind") in (kinds.EDGE_CLUSTER.name, kinds.QUANTUM_JOB.name):
        yield Key(owner["kind"], namespace_of(change.object), owner["name"])


def _jobs(jobs: Iterable[Object], store: Store) -> Iterator[Wake]:
    for job in jobs:
        yield _in_turn(job, store)


def _queued(job: Object) -> bool:
    """Whether a job waits for its turn: one job at a time is woken for that."""
    conditions = job.get("status", {}).get("conditions", ())
    return any(c.get("type") == "Placed" and c.get("reason") == Reason.QUEUED for c in conditions)


def _placed(job: Object) -> bool:
    """Whether a run of the job is on a node, as far as its status says."""
    status = job.get("status", {})
    number = status.get("run", {}).get("attempt")
    return number is not None and all(one.get("attempt") != number for one in status.get("attempts", ()))


_RULES: dict[Kind, Callable[[Change, Store], Iterable[Key | Wake]]] = {
    kinds.EDGE_CLUSTER: _edge_cluster,
    kinds.EDGE_NODE: _edge_node,
    kinds.QUANTUM_JOB: _job,
    kinds.QUANTUM_RUN: _run,
    kinds.NODE: _node,
    kinds.NAMESPACE: _namespace,
    kinds.LEASE: _lease,
    kinds.SERVICE_ACCOUNT: _child,
    kinds.ROLE_BINDING: _child,
    kinds.DAEMON_SET: _child,
    kinds.CONFIG_MAP: _child,
}
assert set(_RULES) == set(kinds.WATCHED)
