"""Why a job fails: a closed list of categories. What is retried follows the category, never a message."""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """The category of a failure, as written in status."""

    INVALID_PROGRAM = "INVALID_PROGRAM"
    """The program or problem is wrong; only its author can mend it."""
    PAYLOAD_REJECTED = "PAYLOAD_REJECTED"
    """The program was refused for safety: too large, too costly to parse, asks for a file, or a wrong digest."""
    CAPABILITY_MISMATCH = "CAPABILITY_MISMATCH"
    """The program needs what no backend here can do, such as mid-circuit measurement."""
    CANCELLED = "CANCELLED"
    """spec.cancel was set."""
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    """The result does not fit in an API object (512 KiB)."""
    TIMEOUT = "TIMEOUT"
    """spec.execution.timeoutSeconds ran out."""
    CLUSTER_DELETED = "CLUSTER_DELETED"
    """The EdgeCluster was deleted while the job was on it."""
    NODE_UNREACHABLE = "NODE_UNREACHABLE"
    """The node that had the run is gone, or did not answer for longer than its pool's autonomyDuration."""
    AGENT_RESTARTED = "AGENT_RESTARTED"
    """The run was lost with its agent."""
    RUN_LOST = "RUN_LOST"
    """The QuantumRun was deleted before it was over."""
    SUSPENDED = "SUSPENDED"
    """The attempt was ended by spec.suspend; it is made again, and not counted, when that is taken back."""
    BACKEND_ERROR = "BACKEND_ERROR"
    """The backend failed while it ran the program."""

    @property
    def retriable(self) -> bool:
        """Whether another attempt can end differently."""
        return self in _RETRIABLE

    @property
    def charged(self) -> bool:
        """Whether an attempt that ended so counts against spec.backoffLimit."""
        return self is not Category.SUSPENDED


_RETRIABLE = frozenset(
    {
        Category.NODE_UNREACHABLE,
        Category.AGENT_RESTARTED,
        Category.RUN_LOST,
        Category.SUSPENDED,
        Category.BACKEND_ERROR,
    }
)
