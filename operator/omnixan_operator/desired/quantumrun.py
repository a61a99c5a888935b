"""The QuantumRun of one attempt of a job on one node."""

from __future__ import annotations

import hashlib

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import CLUSTER_LABEL, JOB_UID_LABEL, MANAGED_BY, MANAGED_BY_LABEL
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.api.quantumrun import run_name, seed_of, workload_of
from omnixan_operator.desired.common import owner
from omnixan_operator.kinds import Object


def seed(job: QuantumJob) -> int:
    """The seed of every attempt of the job: its own, or one drawn from its uid."""
    own = job.spec.execution.seed
    return seed_of(job.metadata.uid) if own is None else own


def quantum_run(job: QuantumJob, cluster: EdgeCluster, node: str, attempt: int, text: str) -> Object:
    """In the EdgeCluster's namespace and owned by it, so that an agent needs rights in one namespace only.

    `text` is the program's, wherever the job has it from: an agent reads no ConfigMap.
    """
    parent, meta = cluster.metadata, job.metadata
    workload = workload_of(job.spec)
    if job.spec.program is not None and job.spec.program.config_map_ref is not None:
        pin = hashlib.sha256(text.encode()).hexdigest()
        language = job.spec.program.config_map_ref.format
        workload["program"] = {"inline": {"format": language, "data": text}, "sha256": pin}
    return {
        "metadata": {
            "name": run_name(meta.uid, attempt),
            "namespace": parent.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY, CLUSTER_LABEL: parent.name, JOB_UID_LABEL: meta.uid},
            "ownerReferences": [owner("EdgeCluster", parent.name, parent.uid)],
        },
        "spec": workload
        | {
            "nodeName": node,
            "attempt": attempt,
            "jobRef": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
            "execution": {"seed": seed(job), "timeoutSeconds": job.spec.execution.timeout_seconds}
            | {"optimizationLevel": job.spec.execution.optimization_level},
        },
    }
