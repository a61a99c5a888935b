"""EdgeCluster: the platform team's wish for a set of nodes with agents on them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from omnixan.edge_network.api.meta import (
    ATOMIC,
    MAX_NAME,
    Backend,
    Conditions,
    Device,
    DnsName,
    Duration,
    LabelKey,
    LabelValue,
    Model,
    ObjectMeta,
    Quantity,
    Rule,
    Tier,
    list_map,
    seconds_of,
)
from omnixan.edge_network.api.modules import EffectiveModules, Modules, ModulesOverride

MAX_POOLS = 32
MAX_NODES = 5000
MAX_QUBITS = 24
"""Widest local simulator: a statevector of 24 qubits takes 256 MiB."""

PoolName = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ResourceName = Annotated[str, Field(min_length=1, max_length=128)]
ResourceList = Annotated[dict[ResourceName, Quantity], Field(max_length=16)]
Image = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$")]


class Toleration(Model):
    """A toleration of the pool's agents, as in a Pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint key; absent with operator Exists tolerates every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How key and value are compared."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Taint value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect; absent: all of them."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a NoExecute taint is tolerated."""


class Resources(Model):
    """Requests and limits of the agent's container, as in a Pod."""

    requests: ResourceList | None = None
    """What the scheduler reserves."""
    limits: ResourceList | None = None
    """What the kernel enforces."""


class PullSecret(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the EdgeCluster's namespace."""

    name: DnsName
    """Name of the Secret."""


PullSecrets = Annotated[list[PullSecret], Field(max_length=16), list_map("name")]


class Agent(Model):
    """How the node agent runs."""

    image: Image | None = None
    """Container image; absent: the one of the operator's own release."""
    image_pull_secrets: PullSecrets | None = None
    """What the kubelet shows the image registry, as in a Pod."""
    resources: Resources | None = None
    """Requests and limits; absent: requests of 100m CPU and 256Mi, a memory limit of 2Gi and what memory_pooling takes."""
    priority_class_name: DnsName | None = None
    """PriorityClass of the agents' pods; absent: the cluster's default, and they may be evicted before others."""


class AgentOverride(Model):
    """A pool's changes to the agent; a field that is absent keeps the EdgeCluster's value."""

    image: Image | None = None
    """Container image on this pool's nodes."""
    image_pull_secrets: PullSecrets | None = None
    """What the kubelets of this pool show the image registry; replaces the EdgeCluster's as a whole."""
    resources: Resources | None = None
    """Requests and limits on this pool's nodes; replaces the EdgeCluster's as a whole."""
    priority_class_name: DnsName | None = None
    """PriorityClass of this pool's agents."""


class Qpu(Model):
    """The quantum processor of every node of a pool."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.backend != 'simulator' || (has(self.qubits) && !has(self.device))",
            "a simulator needs qubits, and takes no device",
            lambda q: q.backend != "simulator" or (q.qubits is not None and q.device is None),
        ),
        Rule(
            "self.backend != 'emulator' || (has(self.device) && !has(self.qubits))",
            "an emulator needs device, and takes no qubits: the device has its own number",
            lambda q: q.backend != "emulator" or (q.device is not None and q.qubits is None),
        ),
    )
    backend: Backend = "simulator"
    """simulator: an exact statevector simulator on the node's own CPU; emulator: a simulator that has the recorded
    noise, coupling map and gates of a real device, and takes as long."""
    qubits: Annotated[int, Field(ge=1, le=MAX_QUBITS)] | None = None
    """Of a simulator: how many qubits a program may use there."""
    device: Device | None = None
    """Of an emulator: which device's recorded calibration it follows."""


class Pool(Model):
    """Nodes of one kind: which Kubernetes nodes may be claimed, how many, and what their agents offer."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.minNodes <= self.maxNodes",
            "minNodes must not be greater than maxNodes",
            lambda p: p.min_nodes <= p.max_nodes,
            ".minNodes",
        ),
        Rule(
            "duration(self.autonomyDuration) >= duration('5s') && duration(self.autonomyDuration) <= duration('24h')",
            "autonomyDuration must be from 5s to 24h",
            lambda p: 5 <= seconds_of(p.autonomy_duration) <= 86400,
            ".autonomyDuration",
        ),
    )
    name: PoolName
    """Unique within the EdgeCluster."""
    tier: Tier
    """gateway: near the data, with a simulator; compute: a stronger node."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(min_length=1, max_length=16)]
    """Labels of the Kubernetes nodes that may be claimed; all must match."""
    tolerations: Annotated[list[Toleration], Field(max_length=16, json_schema_extra=ATOMIC)] | None = None
    """Taints that the pool's agents tolerate."""
    min_nodes: Annotated[int, Field(ge=0, le=MAX_NODES)] = 0
    """Claimed before any pool gets more than its minimum."""
    max_nodes: Annotated[int, Field(ge=1, le=MAX_NODES)] = MAX_NODES
    """Never more than this many."""
    agent: AgentOverride | None = None
    """Differences from spec.agent."""
    qpu: Qpu
    """What the pool's nodes compute with."""
    autonomy_duration: Duration = "40s"
    """How long a node may go without a heartbeat before its runs are made again elsewhere: it may be cut off and still
    at work."""
    modules: ModulesOverride | None = None
    """Differences from spec.modules."""


class LabelExpression(Model):
    """One requirement of a label selector."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : "
            "has(self.values) && size(self.values) > 0",
            "values must be given for In and NotIn, and only for them",
            lambda e: bool(e.values) == (e.operator in ("In", "NotIn")),
            ".values",
        ),
    )
    key: LabelKey
    """Label key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared."""
    values: Annotated[list[LabelValue], Field(max_length=32, json_schema_extra=ATOMIC)] | None = None
    """Values for In and NotIn."""


class LabelSelector(Model):
    """A label selector; an empty one selects everything."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] | None = None
    """Labels that must have exactly these values."""
    match_expressions: Annotated[list[LabelExpression], Field(max_length=16, json_schema_extra=ATOMIC)] | None = None
    """Requirements that must all hold."""


class Tenants(Model):
    """Whose QuantumJobs this EdgeCluster takes."""

    namespace_selector: LabelSelector
    """Namespaces, by their labels; the EdgeCluster's own namespace is always a tenant."""


class EdgeClusterSpec(Model):
    """The wish."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.pools.map(p, p.minNodes).sum() <= self.nodes",
            "nodes must be at least the sum of all pools' minNodes",
            lambda s: sum(p.min_nodes for p in s.pools) <= s.nodes,
            ".nodes",
        ),
    )
    region: LabelValue = ""
    """Where the cluster is: a label on its EdgeNodes and metrics."""
    nodes: Annotated[int, Field(ge=0, le=MAX_NODES)]
    """Nodes wanted in total (kubectl scale): every pool's minNodes first, then pools in order up to maxNodes."""
    pools: Annotated[list[Pool], Field(min_length=1, max_length=MAX_POOLS), list_map("name")]
    """Pools, in the order in which they are filled."""
    agent: Agent = Agent()
    """The node agent."""
    modules: Modules | None = None
    """What the agents do beside running jobs; absent: nothing."""
    tenants: Tenants | None = None
    """Whose jobs are taken; absent: those of the EdgeCluster's own namespace only."""


class PoolStatus(Model):
    """One pool as it is."""

    name: PoolName
    """The pool."""
    desired: int = 0
    """Nodes it should have now."""
    claimed: int = 0
    """Nodes it has."""
    ready: int = 0
    """Nodes whose EdgeNode is Ready."""
    updated: int = 0
    """Nodes whose agent runs the current template."""
    modules: EffectiveModules | None = None
    """The modules with the values that hold in this pool; absent if it has none."""
    persistent_memory_ready: int | None = None
    """Nodes whose persistent memory is in use as it was asked for; absent where none was."""
    memory_pooling_ready: int | None = None
    """Nodes whose pool of memory is in use; absent where none was asked for."""


class EdgeClusterStatus(Model):
    """What is true; written by the operator alone."""

    observed_generation: int = -1
    """The metadata.generation this status belongs to."""
    phase: Annotated[str, Field(max_length=32)] | None = None
    """One word for printing, derived from the conditions."""
    nodes: int | None = None
    """Claimed nodes."""
    ready_nodes: int | None = None
    """Nodes whose EdgeNode is Ready."""
    desired_nodes: int | None = None
    """Nodes that spec and bounds ask for."""
    selector: Annotated[str, Field(max_length=256)] | None = None
    """Label selector of the agents' pods, for the scale subresource."""
    pools: Annotated[list[PoolStatus], Field(max_length=MAX_POOLS), list_map("name")] | None = None
    """Per pool."""
    conditions: Conditions | None = None
    """Ready, NodesAvailable; ModulesReady where modules are asked for; Reconciling and Stalled only while true."""


class EdgeCluster(Model):
    """A set of edge nodes, in pools, each with a node agent."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME}",
            f"metadata.name must have at most {MAX_NAME} characters",
            lambda o: len(o.metadata.name) <= MAX_NAME,
        ),
    )
    metadata: ObjectMeta
    spec: EdgeClusterSpec
    """The wish."""
    status: EdgeClusterStatus = Field(default_factory=EdgeClusterStatus)
    """What is true."""


def effective_agent(agent: Agent, override: AgentOverride | None) -> Agent:
    """The agent of a pool: the EdgeCluster's, with the fields that the pool's override names."""
    if override is None:
        return agent
    named = {field: getattr(override, field) for field in override.model_fields_set}
    return agent.model_copy(update={field: value for field, value in named.items() if value is not None})
