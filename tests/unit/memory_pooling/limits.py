"""Limits for pools whose idle memory a test looks at: a machine that is short of memory would take it back meanwhile."""

from __future__ import annotations

from pathlib import Path

from omnixan.edge_network.memory_pooling.cgroup import MemoryLimits

NOWHERE = Path("/nonexistent")
NO_LIMITS = MemoryLimits(NOWHERE, NOWHERE, NOWHERE)
"""Nothing can be read, so nothing is a limit, whatever this machine has left."""
