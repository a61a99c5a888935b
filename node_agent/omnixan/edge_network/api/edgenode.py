"""EdgeNode: the twin of one claimed Kubernetes node."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from omnixan.edge_network.api.edgecluster import MAX_QUBITS, PoolName
from omnixan.edge_network.api.meta import (
    Backend,
    Conditions,
    DecimalString,
    DnsName,
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
    conditions: Conditions | None = None
    """AgentReady (by the agent); Ready and, while true, Draining (by the operator)."""


class EdgeNode(Model):
    """The twin of one claimed Kubernetes node."""

    metadata: ObjectMeta
    spec: EdgeNodeSpec
    """What the operator wants of the node."""
    status: EdgeNodeStatus = Field(default_factory=EdgeNodeStatus)
    """What the node reports, and what follows from it."""
