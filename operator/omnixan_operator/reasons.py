"""Every reason that appears in a condition or an event, with the sentence that explains it.

Reasons are part of the API: programs and alerts match them. `docs` and tests read `MEANINGS`.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One CamelCase word."""

    # any kind
    INVALID_SPEC = "InvalidSpec"
    PAUSED = "Paused"
    # EdgeCluster
    READY = "Ready"
    CHILD_REJECTED = "ChildRejected"
    NAME_TAKEN = "NameTaken"
    POLICIES_MISSING = "PoliciesMissing"
    CLAIMING = "Claiming"
    CLAIMED_BY_OTHER = "ClaimedByOther"
    NO_CANDIDATE_NODES = "NoCandidateNodes"
    ENOUGH_NODES = "EnoughNodes"
    NODES_NOT_READY = "NodesNotReady"
    DRAINING = "Draining"
    ROLLING_OUT = "RollingOut"
    NODE_CLAIMED = "NodeClaimed"
    NODE_RELEASED = "NodeReleased"
    CHILD_RESTORED = "ChildRestored"
    MODULES_READY = "ModulesReady"
    MODULES_STARTING = "ModulesStarting"
    MODULES_NOT_READY = "ModulesNotReady"
    NAMESPACE_NOT_PRIVILEGED = "NamespaceNotPrivileged"
    POOL_EXCEEDS_MEMORY = "PoolExceedsMemory"
    POOL_NOT_IN_BLOCKS = "PoolNotInBlocks"
    # EdgeNode
    AGENT_READY = "AgentReady"
    AGENT_STARTING = "AgentStarting"
    AGENT_NOT_READY = "AgentNotReady"
    HEARTBEAT_LOST = "HeartbeatLost"
    NO_HEARTBEAT = "NoHeartbeat"
    SCALED_DOWN = "ScaledDown"
    # QuantumJob
    ANALYZING = "Analyzing"
    ANALYZED = "Analyzed"
    ANALYZER_UNAVAILABLE = "AnalyzerUnavailable"
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    TENANT_NOT_ALLOWED = "TenantNotAllowed"
    NO_NODES = "NoNodes"
    NO_NODE_FITS = "NoNodeFits"
    PLACED = "Placed"
    WAITING = "Waiting"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    BACKOFF = "Backoff"
    DETACHED = "Detached"
    SUSPENDED = "Suspended"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    PROGRAM_NOT_FOUND = "ProgramNotFound"
    PROGRAM_CHANGED = "ProgramChanged"
    ATTEMPTS_EXHAUSTED = "AttemptsExhausted"
    CLUSTER_DELETED = "ClusterDeleted"
    DIGEST_MISMATCH = "DigestMismatch"
    FORMAT_MISMATCH = "FormatMismatch"
    NOTHING_MEASURED = "NothingMeasured"
    OBSERVABLE_WIDTH = "ObservableWidth"
    PROGRAM_TOO_LARGE = "ProgramTooLarge"
    TOO_MANY_QUBITS = "TooManyQubits"
    RESULT_NAME_TAKEN = "ResultNameTaken"
    RESULT_LOST = "ResultLost"


MEANINGS: dict[Reason, str] = {
    Reason.INVALID_SPEC: "The object breaks a rule of its kind (it was stored before the rule was); it is left alone.",
    Reason.PAUSED: "The annotation edge.omnixan.io/paused is true: nothing is changed until it is removed.",
    Reason.READY: "All wanted nodes are claimed and their agents are ready.",
    Reason.CHILD_REJECTED: "The API server refused an object that the EdgeCluster needs; the message says why.",
    Reason.NAME_TAKEN: "An object of a name that the EdgeCluster needs belongs to another owner.",
    Reason.POLICIES_MISSING: "Admission policies that confine the agents are not in force: no agent is started or changed.",
    Reason.CLAIMING: "Nodes are being claimed.",
    Reason.CLAIMED_BY_OTHER: "Nodes that match are claimed by another EdgeCluster; the older one comes first.",
    Reason.NO_CANDIDATE_NODES: "Too few schedulable, Ready nodes match the pools' nodeSelector and tolerations.",
    Reason.ENOUGH_NODES: "As many nodes are claimed as are wanted.",
    Reason.NODES_NOT_READY: "Agents on some claimed nodes are not ready.",
    Reason.DRAINING: "The node is given back once its runs are over; it gets no further run.",
    Reason.ROLLING_OUT: "Agents are being replaced by the current template, some at a time.",
    Reason.NODE_CLAIMED: "A node was claimed.",
    Reason.NODE_RELEASED: "A node was given back.",
    Reason.CHILD_RESTORED: "An object that was changed or deleted by somebody else was put right.",
    Reason.MODULES_READY: "The modules that are asked for are in use on all nodes.",
    Reason.MODULES_STARTING: "Agents on some nodes have not reported their modules yet.",
    Reason.MODULES_NOT_READY: "A module is not in use as it was asked for on some nodes, which run jobs without it.",
    Reason.NAMESPACE_NOT_PRIVILEGED: "The namespace's Pod Security level forbids to mount the folder of persistent memory.",
    Reason.POOL_EXCEEDS_MEMORY: "The agents' memory limit does not allow the pool of memory that is asked for.",
    Reason.POOL_NOT_IN_BLOCKS: "poolSize and blockSize do not go together; a pool of nodes overrides only one of both.",
    Reason.AGENT_READY: "The agent is ready and its heartbeat is fresh.",
    Reason.AGENT_STARTING: "The agent has not reported yet.",
    Reason.AGENT_NOT_READY: "The agent says that it is not ready.",
    Reason.HEARTBEAT_LOST: "The agent has not renewed its Lease in time.",
    Reason.NO_HEARTBEAT: "The agent has no Lease yet.",
    Reason.SCALED_DOWN: "The EdgeCluster wants fewer nodes, or the node no longer matches its pool.",
    Reason.ANALYZING: "The program's width and gates are being found out.",
    Reason.ANALYZED: "What the job takes is known.",
    Reason.ANALYZER_UNAVAILABLE: "The program analyzer does not answer; the job waits for it.",
    Reason.CLUSTER_NOT_FOUND: "The EdgeCluster of spec.clusterRef does not exist (yet); the job waits for it.",
    Reason.TENANT_NOT_ALLOWED: "The EdgeCluster takes no jobs of this namespace; the job waits for that to change.",
    Reason.NO_NODES: "The EdgeCluster has no nodes; the job waits for some.",
    Reason.NO_NODE_FITS: "No node offers what the job needs; status.placement.rejected says why, the job waits.",
    Reason.PLACED: "A node was chosen.",
    Reason.WAITING: "The job waits for a node.",
    Reason.QUEUED: "The job is in its node's queue.",
    Reason.RUNNING: "The job runs.",
    Reason.SUCCEEDED: "The job is complete; the result is in status.result.",
    Reason.FAILED: "The job failed; status.failure has the category and what to do.",
    Reason.BACKOFF: "An attempt ended without a result, for a reason that may not come again; the next one is made soon.",
    Reason.DETACHED: "The node of the run does not answer; the run is given up after its pool's autonomyDuration.",
    Reason.SUSPENDED: "spec.suspend is true: nothing runs until it is taken back.",
    Reason.CANCELLED: "spec.cancel was set: the job is over, and its run was taken back.",
    Reason.EXPIRED: "The job was deleted, spec.ttlSecondsAfterFinished after its end.",
    Reason.PROGRAM_NOT_FOUND: "The ConfigMap of the program, or its key, does not exist (yet); the job waits for it.",
    Reason.PROGRAM_CHANGED: "The ConfigMap has another program than the one that was analysed; the job waits for that one.",
    Reason.ATTEMPTS_EXHAUSTED: "As many attempts failed as spec.backoffLimit allows; status.attempts says why.",
    Reason.CLUSTER_DELETED: "The EdgeCluster was deleted while the job was on it.",
    Reason.DIGEST_MISMATCH: "The program's SHA-256 is not the one in spec.program.sha256.",
    Reason.FORMAT_MISMATCH: "The program's first line says another language than its format.",
    Reason.NOTHING_MEASURED: "A sampler was asked for, but the program measures nothing.",
    Reason.OBSERVABLE_WIDTH: "An observable has another number of letters than the program has qubits.",
    Reason.PROGRAM_TOO_LARGE: "The program has more bytes than are allowed.",
    Reason.TOO_MANY_QUBITS: "The job needs more qubits than any backend can offer.",
    Reason.RESULT_NAME_TAKEN: "The name of the result's ConfigMap is taken; the summary is in status.",
    Reason.RESULT_LOST: "The result's ConfigMap was deleted and its run is gone; the summary is in status.",
}
