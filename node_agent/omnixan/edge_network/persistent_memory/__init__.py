"""What must survive a power cut: media found by proof, one store on all of them.

A `Medium` is a fixed run of bytes that can be made durable in ranges; `Tier` says by which means, best first: device-dax,
fsdax, O_DIRECT, an ordinary file. Only the standard library is needed.
"""

from __future__ import annotations

from omnixan.edge_network.persistent_memory.errors import (
    BadArgument,
    Closed,
    Corrupt,
    Failed,
    NewerFormat,
    NotAStore,
    PositionGone,
    ReadOnly,
    StoreError,
    StoreFull,
    TooLarge,
)
from omnixan.edge_network.persistent_memory.medium import (
    Ack,
    Medium,
    MediumBusy,
    MediumClosed,
    MediumError,
    MediumFull,
    MediumMissing,
    MediumReadOnly,
    MediumUnsuitable,
    OutOfRange,
    StoreLocked,
    Tier,
    TierTooLow,
)
from omnixan.edge_network.persistent_memory.mode import Mode
from omnixan.edge_network.persistent_memory.opening import open_medium
from omnixan.edge_network.persistent_memory.proof import Proof, prove
from omnixan.edge_network.persistent_memory.store import Damage, Entry, Record, Report, Store

__all__ = [
    "Ack",
    "BadArgument",
    "Closed",
    "Corrupt",
    "Damage",
    "Entry",
    "Failed",
    "Medium",
    "MediumBusy",
    "MediumClosed",
    "MediumError",
    "MediumFull",
    "MediumMissing",
    "MediumReadOnly",
    "MediumUnsuitable",
    "Mode",
    "NewerFormat",
    "NotAStore",
    "OutOfRange",
    "PositionGone",
    "Proof",
    "ReadOnly",
    "Record",
    "Report",
    "Store",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Tier",
    "TierTooLow",
    "TooLarge",
    "open_medium",
    "prove",
]
