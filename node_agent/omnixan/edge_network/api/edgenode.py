"""EdgeNode: the twin of one claimed Kubernetes node."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from omnixan.edge_network.api.edgecluster import PoolName
from omnixan.edge_network.api.meta import Backend, Conditions, DnsName, Model, ObjectMeta, Tier


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
    conditions: Conditions | None = None
    """AgentReady (by the agent); Ready and, while true, Draining (by the operator)."""


class EdgeNode(Model):
    """The twin of one claimed Kubernetes node."""

    metadata: ObjectMeta
    spec: EdgeNodeSpec
    """What the operator wants of the node."""
    status: EdgeNodeStatus = Field(default_factory=EdgeNodeStatus)
    """What the node reports, and what follows from it."""
