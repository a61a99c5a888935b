"""EdgeNode: the twin of one claimed Kubernetes node."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from omnixan.edge_network.api.edgecluster import MAX_QUBITS, PoolName
from omnixan.edge_network.api.meta import (
    ATOMIC,
    Backend,
    Conditions,
    DecimalString,
    DnsName,
    MemoryTier,
    Model,
    ObjectMeta,
    Tier,
    Time,
    list_map,
)


class EdgeNodeSpec(Model):
    """What the operator wants of the node; written by the operator alone."""

    pool: PoolName
    """The pool that claimed the node."""
    tier: Tier
    """The pool's tier."""
    node_name: DnsName
    """The Kubernetes node."""
    drain: bool = False
    """True before the node is given back: it gets no further run."""


class Region(Model):
    """The best connected group of that many qubits: what a program of that width may hope for."""

    qubits: int
    """How many."""
    two_qubit_error: DecimalString
    """Mean error of a two-qubit gate between neighbours of the group (0 for one qubit)."""
    readout_error: DecimalString
    """Mean of the readout error."""
    t1: DecimalString
    """Harmonic mean of the relaxation times, in seconds."""
    t2: DecimalString
    """Harmonic mean of the dephasing times, in seconds."""
    distance: DecimalString
    """Mean number of couplings between two qubits of the group; 1 where all are neighbours (0 for one qubit)."""


class Calibration(Model):
    """How good a device is, as last measured: what placement predicts a job's success from."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    """Changes with every figure: device and digest."""
    device: Annotated[str, Field(min_length=1, max_length=64)]
    """The device."""
    method: Annotated[str, Field(min_length=1, max_length=128)]
    """Where the figures come from."""
    time: Time
    """When they were measured."""
    qubits: int
    """Qubits of the device."""
    two_qubit_fidelity: DecimalString
    """Median over its couplings: 1 - twoQubitError."""
    readout_fidelity: DecimalString
    """Median over its qubits: 1 - readoutError."""
    single_qubit_error: DecimalString
    """Median error of a single-qubit gate."""
    two_qubit_error: DecimalString
    """Median error of a two-qubit gate."""
    readout_error: DecimalString
    """Median over its qubits of the mean of p(1|0) and p(0|1)."""
    t1: DecimalString
    """Median relaxation time, in seconds."""
    t2: DecimalString
    """Median dephasing time, in seconds."""
    single_qubit_seconds: DecimalString
    """Median duration of a single-qubit gate."""
    two_qubit_seconds: DecimalString
    """Median duration of a two-qubit gate."""
    readout_seconds: DecimalString
    """Median duration of a readout."""
    shot_delay_seconds: DecimalString
    """Pause between two shots, in which the qubits come to rest."""
    regions: Annotated[list[Region], Field(max_length=MAX_QUBITS), list_map("qubits")] | None = None
    """By width."""


class NodeMemory(Model):
    """The agent's pool of memory (docs/modules.md has the definitions)."""

    pool: int
    """Bytes that it may take."""
    used: int
    """Bytes that are given out."""
    external: DecimalString
    """Share of the free memory that the largest request could not have."""
    internal: DecimalString
    """Share of what is given out that nobody asked for: requests are rounded up."""
    overhead: DecimalString
    """Resident over live bytes, minus 1."""


class MemoryNamespace(Model):
    """A persistent-memory namespace of the machine, as ndctl names it."""

    dev: Annotated[str, Field(max_length=128)]
    """Its name, such as namespace0.0."""
    mode: Annotated[str, Field(max_length=128)]
    """fsdax, devdax, raw or sector."""
    size: int
    """Bytes."""


class NodePersistentMemory(Model):
    """The agent's persistent memory."""

    tier: MemoryTier | None = None
    """How what it keeps is durable; absent while it keeps nothing."""
    proof: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=32, json_schema_extra=ATOMIC)] | None = (
        None
    )
    """What was tried at the path, and what came of it, in order."""
    namespaces: Annotated[list[MemoryNamespace], Field(max_length=64, json_schema_extra=ATOMIC)] | None = None
    """Namespaces of the machine; absent if ndctl is not there."""
    size: int | None = None
    """Bytes of the store."""
    used: int | None = None
    """Bytes of it that are in use."""
    last_checkpoint: Time | None = None
    """When something was last made durable."""


class EdgeNodeStatus(Model):
    """What the node is. The agent writes what it reports, the operator what it concludes."""

    observed_generation: int = -1
    """The metadata.generation the operator last looked at."""
    version: Annotated[str, Field(max_length=64)] | None = None
    """The agent's release."""
    backend: Backend | None = None
    """What the agent computes with."""
    qubits: int | None = None
    """The widest program it takes."""
    calibration: Calibration | None = None
    """How good its device is; absent for a simulator, which is exact."""
    memory: NodeMemory | None = None
    """The pool of memory, where memory_pooling is on."""
    persistent_memory: NodePersistentMemory | None = None
    """The persistent memory, where persistent_memory is on."""
    conditions: Conditions | None = None
    """AgentReady and, where they are on, PersistentMemoryReady and MemoryPoolReady (by the agent); Ready and, while true,
    Draining (by the operator)."""


class EdgeNode(Model):
    """The twin of one claimed Kubernetes node."""

    metadata: ObjectMeta
    spec: EdgeNodeSpec
    """What the operator wants of the node."""
    status: EdgeNodeStatus = Field(default_factory=EdgeNodeStatus)
    """What the node reports, and what follows from it."""
