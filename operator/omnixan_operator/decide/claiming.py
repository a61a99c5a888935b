"""Which Kubernetes node belongs to which pool of which EdgeCluster.

One pass decides for all EdgeClusters, so two that want the same node cannot race: the older creationTimestamp comes
first, then the lower uid. Rules:

- A claim is kept until its EdgeCluster scales down, its Node or its EdgeCluster is gone, or the Node no longer matches
  the pool (selector, taints) or the pool is removed. No EdgeCluster takes a node from another.
- Only schedulable, Ready nodes are newly claimed; claimed ones keep their claim when they are cordoned or NotReady.
- Every pool is filled to its minNodes first, then pools in order up to maxNodes. What a pool cannot fill for want of
  nodes goes to the next; claims above a pool's minimum are not moved back when it could, to spare running jobs.
- Scaling down takes from the last pool first, nodes that drain already, then unready, then idle ones. A node is
  drained first and given back when no unfinished run is on it; one that is NotReady is given back at once.
  Scaling up again cancels drains.
- A paused (or unreadable) EdgeCluster keeps everything as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from omnixan.edge_network.api.edgecluster import EdgeCluster, Pool, Toleration
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.reasons import Reason

_DAEMON_SET_TOLERATES = frozenset(
    f"node.kubernetes.io/{condition}"
    for condition in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
"""Taints that pods of every DaemonSet tolerate."""


@dataclass(frozen=True)
class Taint:
    """A taint of a Node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Machine:
    """A Kubernetes Node, as far as claiming looks at it."""

    name: str
    labels: Mapping[str, str]
    claim: str | None
    """Value of the claim label, or None."""
    ready: bool = True
    schedulable: bool = True
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True)
class Twin:
    """The EdgeNode of a claimed node."""

    draining: bool
    busy: bool
    """Whether an unfinished run is on it."""


@dataclass(frozen=True)
class Claimant:
    """An EdgeCluster that is alive. `spec` is None if it cannot be read."""

    uid: str
    created: str
    cluster: EdgeCluster | None
    frozen: bool = False
    twins: Mapping[str, Twin] = field(default_factory=dict)


@dataclass(frozen=True)
class Shortage:
    """Why an EdgeCluster has fewer nodes than it wants."""

    missing: int
    reason: Reason
    message: str


@dataclass(frozen=True)
class Assignment:
    """A node's place in an EdgeCluster."""

    pool: str
    drain: bool = False


@dataclass(frozen=True)
class ClusterPlan:
    """What one EdgeCluster gets."""

    desired: int
    """Nodes that spec and bounds ask for."""
    pools: Mapping[str, int]
    """Nodes that each pool should have."""
    nodes: Mapping[str, Assignment]
    """Its nodes by name, those that drain included."""
    shortage: Shortage | None = None
    frozen: bool = False
    generation: int = 0
    """The EdgeCluster's metadata.generation that was decided on."""


@dataclass(frozen=True)
class Plan:
    """What all EdgeClusters get."""

    clusters: Mapping[str, ClusterPlan]
    """By uid of the EdgeCluster."""
    labels: Mapping[str, str | None]
    """Claims that must change, by node: the new value, or None to remove it."""


def plan(claimants: Iterable[Claimant], machines: Iterable[Machine]) -> Plan:
    """Decide for all. The order of the arguments does not matter."""
    nodes = {machine.name: machine for machine in sorted(machines, key=lambda m: m.name)}
    order = sorted(claimants, key=lambda c: (c.created, c.uid))
    holders = {claim_mark(claimant.uid): claimant.uid for claimant in order}
    held: dict[str, dict[str, str]] = {claimant.uid: {} for claimant in order}
    free: dict[str, Machine] = {}
    for machine in nodes.values():
        pool, _, mark = (machine.claim or "").rpartition(".")
        if mark in holders:
            held[holders[mark]][machine.name] = pool
        else:
            free[machine.name] = machine
    clusters: dict[str, ClusterPlan] = {}
    for claimant in order:
        clusters[claimant.uid] = _Pass(claimant, nodes, held[claimant.uid], free).decide()
        for name in clusters[claimant.uid].nodes:
            free.pop(name, None)
    return Plan(clusters, _labels(nodes, clusters))


def _labels(nodes: Mapping[str, Machine], clusters: Mapping[str, ClusterPlan]) -> dict[str, str | None]:
    wanted: dict[str, str] = {}
    for uid, cluster in clusters.items():
        for name, assignment in cluster.nodes.items():
            wanted[name] = f"{assignment.pool}.{claim_mark(uid)}"
    return {name: wanted.get(name) for name, machine in nodes.items() if machine.claim != wanted.get(name)}


def matches(pool: Pool, machine: Machine) -> bool:
    """Whether the pool's agents belong on the node and could run there."""
    return all(machine.labels.get(key) == value for key, value in pool.node_selector.items()) and all(
        taint.effect == "PreferNoSchedule"
        or taint.key in _DAEMON_SET_TOLERATES
        or any(_tolerates(toleration, taint) for toleration in pool.tolerations or ())
        for taint in machine.taints
    )


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.key is None:
        return toleration.operator == "Exists"
    return toleration.key == taint.key and (toleration.operator == "Exists" or (toleration.value or "") == taint.value)


class _Pass:
    """The decision for one EdgeCluster, given which nodes it holds and which are free."""

    def __init__(
        self,
        claimant: Claimant,
        nodes: Mapping[str, Machine],
        held: Mapping[str, str],
        free: Mapping[str, Machine],
    ) -> None:
        self.claimant = claimant
        self.nodes = nodes
        self.held = held
        self.free = dict(free)
        self.kept: dict[str, list[str]] = {}
        self.surplus: list[str] = []

    def decide(self) -> ClusterPlan:
        cluster = self.claimant.cluster
        if cluster is None or self.claimant.frozen:
            return self._as_it_is(cluster)
        pools = cluster.spec.pools
        desired = _desired(cluster)
        self._sort_held(pools)
        for pool in pools:
            self._claim(pool, pool.min_nodes - len(self.kept[pool.name]))
        for pool in reversed(pools):
            over = sum(map(len, self.kept.values())) - desired
            self._give_back(pool, min(over, len(self.kept[pool.name]) - pool.min_nodes))
        for pool in pools:
            room = min(desired - sum(map(len, self.kept.values())), pool.max_nodes - len(self.kept[pool.name]))
            self._claim(pool, room)
        return self._result(pools, desired)

    @property
    def _generation(self) -> int:
        cluster = self.claimant.cluster
        return cluster.metadata.generation if cluster is not None else 0

    def _as_it_is(self, cluster: EdgeCluster | None) -> ClusterPlan:
        nodes = {name: Assignment(pool, self._draining(name)) for name, pool in self.held.items()}
        desired = _desired(cluster) if cluster else len(nodes)
        counts = {p.name: 0 for p in cluster.spec.pools} if cluster else {}
        for assignment in nodes.values():
            counts[assignment.pool] = counts.get(assignment.pool, 0) + 1
        return ClusterPlan(desired, counts, nodes, frozen=True, generation=self._generation)

    def _sort_held(self, pools: Sequence[Pool]) -> None:
        """Held nodes that belong where they are; what does not is surplus, so is what exceeds a pool's maximum."""
        by_name = {pool.name: pool for pool in pools}
        self.kept = {pool.name: [] for pool in pools}
        for name, of in self.held.items():
            if of in by_name and matches(by_name[of], self.nodes[name]):
                self.kept[of].append(name)
            else:
                self.surplus.append(name)
        for pool in pools:
            self._give_back(pool, len(self.kept[pool.name]) - pool.max_nodes)

    def _claim(self, pool: Pool, count: int) -> None:
        if count <= 0:
            return
        fitting = (n for n, m in self.free.items() if m.ready and m.schedulable and matches(pool, m))
        for name in list(islice(fitting, count)):
            self.kept[pool.name].append(name)
            del self.free[name]

    def _give_back(self, pool: Pool, count: int) -> None:
        if count <= 0:
            return
        victims = sorted(self.kept[pool.name], key=self._worth)[:count]
        self.kept[pool.name] = [name for name in self.kept[pool.name] if name not in victims]
        self.surplus += victims

    def _worth(self, name: str) -> tuple[bool, bool, bool, tuple[int, ...]]:
        """Least first: draining already, then NotReady, then idle, then the last by name."""
        twin = self.claimant.twins.get(name)
        backwards = tuple(-ord(character) for character in name)
        return (not self._draining(name), self.nodes[name].ready, twin is not None and twin.busy, backwards)

    def _draining(self, name: str) -> bool:
        twin = self.claimant.twins.get(name)
        return twin is not None and twin.draining

    def _drained(self, name: str) -> bool:
        """Whether a surplus node can be given back now."""
        twin = self.claimant.twins.get(name)
        return twin is None or (twin.draining and (not twin.busy or not self.nodes[name].ready))

    def _result(self, pools: Sequence[Pool], desired: int) -> ClusterPlan:
        nodes = {name: Assignment(pool) for pool, names in self.kept.items() for name in names}
        for name in self.surplus:
            if not self._drained(name):
                nodes[name] = Assignment(self.held[name], drain=True)
        counts = {pool: len(names) for pool, names in self.kept.items()}
        missing = desired - sum(counts.values())
        shortage = self._shortage(pools, missing) if missing > 0 else None
        for pool in pools:  # pools short of their minimum want that, the rest goes to the first with room
            lack = min(missing, max(pool.min_nodes - counts[pool.name], 0))
            counts[pool.name] += lack
            missing -= lack
        for pool in pools:
            lack = min(missing, pool.max_nodes - counts[pool.name])
            counts[pool.name] += lack
            missing -= lack
        return ClusterPlan(desired, counts, dict(sorted(nodes.items())), shortage, generation=self._generation)

    def _shortage(self, pools: Sequence[Pool], missing: int) -> Shortage:
        short = [pool for pool in pools if len(self.kept[pool.name]) < pool.max_nodes]
        matching = [m for m in self.nodes.values() if m.name not in self.held and any(matches(pool, m) for pool in short)]
        taken = [m for m in matching if m.name not in self.free and not self._mine(m)]
        unfit = [m for m in matching if m.name in self.free and not (m.ready and m.schedulable)]
        names = ", ".join(pool.name for pool in short)
        notes = [f"{len(taken)} matching nodes belong to other EdgeClusters"] if taken else []
        notes += [f"{len(unfit)} matching nodes are cordoned or not Ready"] if unfit else []
        message = f"{missing} more nodes are wanted in pools {names}; " + (
            "; ".join(notes) if notes else "no further node matches their nodeSelector and tolerations"
        )
        return Shortage(missing, Reason.CLAIMED_BY_OTHER if taken else Reason.NO_CANDIDATE_NODES, message)

    def _mine(self, machine: Machine) -> bool:
        return any(machine.name in names for names in self.kept.values())


def _desired(cluster: EdgeCluster) -> int:
    """Nodes wanted: spec.nodes within the sum of the pools' bounds."""
    pools = cluster.spec.pools
    return max(sum(p.min_nodes for p in pools), min(cluster.spec.nodes, sum(p.max_nodes for p in pools)))
