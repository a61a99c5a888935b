"""What the work queue holds: the name of something to reconcile, never its state."""

from __future__ import annotations

from typing import NamedTuple

from omnixan_operator.kinds import EDGE_CLUSTER, EDGE_NODE, QUANTUM_JOB, QUANTUM_RUN, Kind, Object
from omnixan_operator.store import name_of, namespace_of


class Key(NamedTuple):
    """Something to reconcile."""

    what: str
    namespace: str = ""
    name: str = ""


CLAIMS = Key("Claims")
"""Claiming is one pass for all EdgeClusters, so it is one key."""
DISPATCH = "Dispatch"
RECONCILED = (EDGE_CLUSTER, EDGE_NODE, QUANTUM_JOB, QUANTUM_RUN)


def dispatch_key(namespace: str, name: str) -> Key:
    """The key of dispatching to the nodes of an EdgeCluster."""
    return Key(DISPATCH, namespace, name)


def key_of(kind: Kind, obj: Object) -> Key:
    """The key of an object."""
    return Key(kind.name, namespace_of(obj), name_of(obj))


def job_key_of(run: Object) -> Key:
    """The key of the job that a run is an attempt of."""
    reference = run["spec"]["jobRef"]
    return Key(QUANTUM_JOB.name, reference["namespace"], reference["name"])
