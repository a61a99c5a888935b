"""The edge network: `EdgeQuantumProcessor`, `MemoryPooling` and `PersistentMemory` here, everything else in the subpackages.

Nothing is imported before it is asked for: the operator imports `omnixan.edge_network.api` and has no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnixan.edge_network.memory_pooling.pool import MemoryPooling
    from omnixan.edge_network.persistent_memory.memory import PersistentMemory
    from omnixan.edge_network.quantum.processor import EdgeQuantumProcessor

__all__ = ["EdgeQuantumProcessor", "MemoryPooling", "PersistentMemory"]


def __getattr__(name: str) -> Any:
    if name == "EdgeQuantumProcessor":
        from omnixan.edge_network.quantum.processor import EdgeQuantumProcessor

        return EdgeQuantumProcessor
    if name == "MemoryPooling":
        from omnixan.edge_network.memory_pooling.pool import MemoryPooling

        return MemoryPooling
    if name == "PersistentMemory":
        from omnixan.edge_network.persistent_memory.memory import PersistentMemory

        return PersistentMemory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
