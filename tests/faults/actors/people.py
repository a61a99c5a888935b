"""What tenants, platform teams and machines do while the weather is bad: one seeded action after the other."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable

from omnixan.edge_network.api.meta import CLAIM_LABEL
from tests.faults.actors.agents import Agents
from tests.faults.cluster import NAMESPACE, TENANTS, Cluster
from tests.faults.settled import BY_HAND

PAUSED = "edge.omnixan.io/paused"
ROLES = {"gw": "gateway", "cp": "compute"}


class People:
    """Acts on a cluster of a few nodes, one or two EdgeClusters and some jobs."""

    def __init__(self, cluster: Cluster, agents: Agents, nodes: int = 4, jobs: int = 10) -> None:
        self.cluster = cluster
        self.agents = agents
        self.rng = cluster.rng
        self.nodes = [f"node-{i}" for i in range(nodes)]
        self.jobs = jobs
        self.made = 0
        self.rivals = self.rng.random() < 0.4
        """Whether a second EdgeCluster wants the same nodes."""
        self._soon: list[TimerHandle] = []
        self.log: list[tuple[float, str]] = []
        """What was done when."""
        self.actions: list[tuple[int, Callable[[], str]]] = [
            (8, self.submit),
            (2, self.delete_job),
            (1, self.submit_again),
            (2, self.suspend),
            (1, self.resume),
            (1, self.cancel),
            (1, self.pause),
            (1, self.unpause),
            (1, self.delete_run),
            (1, self.damage_result),
            (2, self.scale),
            (1, self.edit_child),
            (1, self.delete_child),
            (1, self.edit_edge_node),
            (2, self.maintain_node),
            (1, self.delete_edge_node),
            (1, self.replace_cluster),
            (2, self.flap_node),
            (1, self.cordon),
            (2, self.remove_node),
            (1, self.relabel_node),
            (1, self.steal_claim),
            (2, self.silence_agent),
            (1, self.hobble_agent),
            (2, self.wake_agents),
        ]

    def found(self) -> None:
        """The cluster as it is in the beginning."""
        for number, name in enumerate(self.nodes):
            self.cluster.node(name, "cp" if number % 3 == 2 else "gw")
        self._edge_cluster("ec", len(self.nodes))
        if self.rivals:
            self._edge_cluster("rival", 1)
        for _ in range(min(3, self.jobs)):
            self.submit()

    def _edge_cluster(self, name: str, nodes: int) -> None:
        pools = [self.cluster.pool(tier, role, tier, maxNodes=8) for role, tier in ROLES.items()]
        self.cluster.edge_cluster(name, nodes, *pools)

    def act(self) -> None:
        """One action, drawn by weight."""
        weights = [weight for weight, _ in self.actions]
        (action,) = self.rng.choices([act for _, act in self.actions], weights)
        self.log.append((self.cluster.loop.now, f"{action.__name__} {action()}"))

    def _one(self, kind: str) -> tuple[str, str] | None:
        """Namespace and name of some object of a kind."""
        objects = self.cluster.api.all(kind)
        if not objects:
            return None
        metadata = self.rng.choice(objects)["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    def _patched(self, kind: str, patch: dict[str, object]) -> str:
        place = self._one(kind)
        return "nothing" if place is None else f"{place[1]}: {self.cluster.patch(kind, *place, patch)[0]}"

    def _deleted(self, kind: str) -> str:
        place = self._one(kind)
        return "nothing" if place is None else f"{place[1]}: {self.cluster.delete(kind, *place)[0]}"

    # Tenants.

    def submit(self) -> str:
        if self.made >= self.jobs:
            return "enough"
        self.made += 1
        name, namespace = f"job-{self.made}", self.rng.choice(TENANTS)
        spec = {"priority": self.rng.choice((0, 0, 5)), "backoffLimit": self.rng.choice((0, 1, 3))}
        paused = {PAUSED: "true"} if self.rng.random() < 0.1 else {}
        code, answer = self.cluster.job(name, "ec", namespace, self.rng.choice((1, 2, 8)), paused, **spec)
        assert code == 201, answer
        return name + (" (paused)" if paused else "")

    def delete_job(self) -> str:
        return self._deleted("QuantumJob")

    def submit_again(self) -> str:
        """A job is deleted and another of its name is made at once."""
        place = self._one("QuantumJob")
        if place is None:
            return "nothing"
        self.cluster.delete("QuantumJob", *place)
        return f"{place[1]}: {self.cluster.job(place[1], 'ec', place[0])[0]}"

    def suspend(self) -> str:
        return self._patched("QuantumJob", {"spec": {"suspend": True}})

    def resume(self) -> str:
        return self._patched("QuantumJob", {"spec": {"suspend": False}})

    def cancel(self) -> str:
        return self._patched("QuantumJob", {"spec": {"cancel": True}})

    def pause(self) -> str:
        return self._patched(self.rng.choice(("QuantumJob", "EdgeCluster")), {"metadata": {"annotations": {PAUSED: "true"}}})

    def unpause(self) -> str:
        return self._patched(self.rng.choice(("QuantumJob", "EdgeCluster")), {"metadata": {"annotations": {PAUSED: None}}})

    def delete_run(self) -> str:
        return self._deleted("QuantumRun")

    def damage_result(self) -> str:
        """The operator's own ConfigMap: deleted, or robbed of the labels by which the operator finds it."""
        if self.rng.random() < 0.5:
            return self._deleted("ConfigMap")
        return self._patched("ConfigMap", {"metadata": {"labels": None, "ownerReferences": None}})

    # Platform teams.

    def scale(self) -> str:
        return self._patched("EdgeCluster", {"spec": {"nodes": self.rng.randint(1, len(self.nodes))}})

    def edit_child(self) -> str:
        """By hand, what the operator owns; it comes back."""
        containers = [{"name": "agent", "image": f"{BY_HAND}:1"}]
        patches = (
            ("DaemonSet", {"spec": {"template": {"spec": {"containers": containers}}}}),
            ("RoleBinding", {"subjects": [{"kind": "User", "name": BY_HAND, "apiGroup": "rbac.authorization.k8s.io"}]}),
            ("EdgeNode", {"metadata": {"labels": {"edge.omnixan.io/pool": BY_HAND}}}),
            ("ServiceAccount", {"metadata": {"labels": None}}),
        )
        kind, patch = self.rng.choice(patches)
        return f"{kind} {self._patched(kind, patch)}"

    def delete_child(self) -> str:
        kind = self.rng.choice(("DaemonSet", "ServiceAccount", "RoleBinding", "Lease"))
        return f"{kind} {self._deleted(kind)}"

    def edit_edge_node(self) -> str:
        return self._patched("EdgeNode", {"spec": {"drain": True}})

    def maintain_node(self) -> str:
        """A node is drained by hand, and its EdgeCluster paused before so that it stays so."""
        place = self._one("EdgeNode")
        if place is None:
            return "nothing"
        twin = self.cluster.api.find("EdgeNode", *place)
        assert twin is not None
        owner = twin["metadata"]["ownerReferences"][0]["name"]
        self.cluster.patch("EdgeCluster", place[0], owner, {"metadata": {"annotations": {PAUSED: "true"}}})
        drain = {"spec": {"drain": True}}
        self._soon.append(self.cluster.loop.call_later(0.5, self.cluster.patch, "EdgeNode", *place, drain))
        return place[1]

    def delete_edge_node(self) -> str:
        return self._deleted("EdgeNode")

    def replace_cluster(self) -> str:
        """An EdgeCluster is deleted; the same manifest is applied again later, or at once."""
        self.cluster.delete("EdgeCluster", NAMESPACE, "ec")
        if self.rng.random() < 0.5:
            self._edge_cluster("ec", len(self.nodes))
            return "at once"
        return "later"

    # Machines.

    def flap_node(self) -> str:
        name = self.rng.choice(self.nodes)
        ready = self.rng.random() < 0.5
        self.cluster.node_ready(name, ready)
        return f"{name} {ready}"

    def cordon(self) -> str:
        return self._patched("Node", {"spec": {"unschedulable": self.rng.random() < 0.5}})

    def remove_node(self) -> str:
        """A machine is taken away, and perhaps another comes under its name; some lose their labels a moment before."""
        name, another = self.rng.choice(self.nodes), self.rng.random() < 0.5
        if self.rng.random() < 0.3:
            self._take_away(name, another)
            return name
        self.cluster.patch("Node", "", name, {"metadata": {"labels": {CLAIM_LABEL: None}}})
        soon = self.rng.uniform(0.001, 0.004)  # about when what an operator does about it arrives
        self._soon.append(self.cluster.loop.call_later(soon, self._take_away, name, another))
        return f"{name} in {soon:.4f} s"

    def _take_away(self, name: str, another: bool) -> None:
        self.cluster.delete("Node", "", name)
        if another:
            self.cluster.node(name)

    def relabel_node(self) -> str:
        return self._patched("Node", {"metadata": {"labels": {"role": self.rng.choice(tuple(ROLES))}}})

    def steal_claim(self) -> str:
        """Somebody removes the operator's label from a Node."""
        return self._patched("Node", {"metadata": {"labels": {CLAIM_LABEL: None}}})

    def silence_agent(self) -> str:
        name = self.rng.choice(self.nodes)
        self.agents.silent.add(name)
        return name

    def hobble_agent(self) -> str:
        """An agent says that it is not ready."""
        name = self.rng.choice(self.nodes)
        self.agents.unready.add(name)
        return name

    def wake_agents(self) -> str:
        self.agents.silent.clear()
        self.agents.unready.clear()
        return "all"

    def make_peace(self) -> None:
        """Everything that somebody holds back is let go: from here on all jobs must come to their end."""
        for timer in self._soon:
            timer.cancel()
        self.wake_agents()
        self.agents.failing = 0.0
        live = {node["metadata"]["name"] for node in self.cluster.api.all("Node")}
        for number, name in enumerate(self.nodes):
            role = "cp" if number % 3 == 2 else "gw"
            if name not in live:
                self.cluster.node(name, role)
            self.cluster.patch("Node", "", name, {"metadata": {"labels": {"role": role}}, "spec": {"unschedulable": None}})
            self.cluster.node_ready(name, True)
        if self.cluster.api.find("EdgeCluster", NAMESPACE, "ec") is None:
            self._edge_cluster("ec", len(self.nodes))
        wanted = len(self.nodes) - self.rivals
        for obj in self.cluster.api.all("EdgeCluster"):
            name = obj["metadata"]["name"]
            spec = {"nodes": wanted if name == "ec" else 1}
            self.cluster.patch("EdgeCluster", NAMESPACE, name, {"metadata": {"annotations": None}, "spec": spec})
        for job in self.cluster.api.all("QuantumJob"):
            metadata = job["metadata"]
            patch = {"metadata": {"annotations": {PAUSED: None}}, "spec": {"suspend": False}}
            self.cluster.patch("QuantumJob", metadata["namespace"], metadata["name"], patch)
