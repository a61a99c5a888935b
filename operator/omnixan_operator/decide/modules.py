"""Which modules the agents of a pool can be given now, and why not the others.

What cannot be given is left out of the pool's DaemonSet instead of breaking it: its agents go on running jobs, and the
EdgeCluster says what is missing. Nothing here makes an EdgeCluster not Ready.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnixan.edge_network.api.edgecluster import EdgeCluster, Pool, Resources, effective_agent
from omnixan.edge_network.api.modules import EffectiveModules, bytes_of, effective_modules, in_blocks, is_dax_device
from omnixan_operator.desired.drift import quantity
from omnixan_operator.reasons import Reason

POOL_OVERHEAD = 512 << 20
"""Bytes that an agent takes beside its pool: the interpreter, the libraries, the quantum worker."""
PRIVILEGED = "privileged"
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Withheld:
    """A module that a pool's agents are not given."""

    pool: str
    reason: Reason
    message: str


@dataclass(frozen=True)
class Given:
    """The modules of one pool: as asked for, and as its agents get them."""

    asked: EffectiveModules
    given: EffectiveModules
    withheld: tuple[Withheld, ...] = ()


def needs_host_path(modules: EffectiveModules) -> bool:
    """Whether the agents mount a folder of their node. A device-dax comes from a device plugin."""
    memory = modules.persistent_memory
    return memory is not None and not is_dax_device(memory.pmem_path)


def judge(cluster: EdgeCluster, pool: Pool, pod_security: str | None) -> Given:
    """The modules of a pool. `pod_security` is the level that is enforced in the namespace; None: no label says one.

    Without a label the API server's own default holds, which is `privileged` unless its administrator changed it.
    """
    asked = effective_modules(cluster.spec.modules, pool.modules)
    given, withheld = asked, []
    if needs_host_path(asked) and pod_security not in (None, PRIVILEGED):
        given = given.model_copy(update={"persistent_memory": None})
        message = (
            f"pool {pool.name}: persistent memory needs a folder of the node, which the Pod Security level {pod_security} "
            f"of namespace {cluster.metadata.namespace} forbids: label it {ENFORCE_LABEL}={PRIVILEGED}"
        )
        withheld.append(Withheld(pool.name, Reason.NAMESPACE_NOT_PRIVILEGED, message))
    if (problem := _pooling_problem(cluster, pool, asked)) is not None:
        given = given.model_copy(update={"memory_pooling": None})
        withheld.append(problem)
    return Given(asked, given, tuple(withheld))


def _pooling_problem(cluster: EdgeCluster, pool: Pool, asked: EffectiveModules) -> Withheld | None:
    memory = asked.memory_pooling
    if memory is None:
        return None
    if not in_blocks(memory.pool_size, memory.block_size):
        message = f"pool {pool.name}: poolSize {memory.pool_size} is no whole number of blocks of {memory.block_size}"
        return Withheld(pool.name, Reason.POOL_NOT_IN_BLOCKS, message)
    limit = memory_limit(effective_agent(cluster.spec.agent, pool.agent).resources)
    needed = bytes_of(memory.pool_size) + POOL_OVERHEAD
    if limit is None or needed <= limit:
        return None
    message = (
        f"pool {pool.name}: poolSize {memory.pool_size} and {POOL_OVERHEAD >> 20}Mi for the agent itself do not fit into "
        f"its memory limit of {limit >> 20}Mi: raise agent.resources.limits.memory to {needed >> 20}Mi, or lower poolSize"
    )
    return Withheld(pool.name, Reason.POOL_EXCEEDS_MEMORY, message)


def memory_limit(resources: Resources | None) -> int | None:
    """Bytes of the memory limit; None where there is none, or none was named (it is made to fit then)."""
    found = (resources.limits or {}).get("memory") if resources is not None else None
    value = None if found is None else quantity(found)
    return None if value is None or value.is_nan() else int(value)
