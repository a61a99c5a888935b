"""Which tier to take of those that were proven: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from omnixan.edge_network.persistent_memory.medium import Tier


class Mode(StrEnum):
    """What a user asks for: DAX or nothing, the best there is, or file I/O even where DAX works."""

    DAX = "dax"
    AUTO = "auto"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Choice:
    """The tier to use, or None; `reason` is a CamelCase word for conditions, `message` a sentence for people."""

    tier: Tier | None
    reason: str
    message: str


def choose(mode: Mode, proven: Sequence[Tier]) -> Choice:
    """Of the tiers `proven` at a path (in any order) the best that `mode` allows.

    Reasons: `Proven`; `Emulation` when the best is only that; `NoDAX` when `dax` was asked for; `NoFileAccess` when `file`
    was asked for at a device-dax.
    """
    best = sorted(proven, key=lambda tier: tier.rank)
    if mode is Mode.DAX:
        fitting, refusal = [t for t in best if t.is_dax], "NoDAX"
    elif mode is Mode.FILE:
        fitting, refusal = [t for t in best if not t.is_dax], "NoFileAccess"
    else:
        fitting, refusal = best, "NothingProven"
    if not fitting:
        found = best[0].label if best else "nothing"
        return Choice(None, refusal, f"mode={mode.value} was asked for and the proof found {found}")
    tier = fitting[0]
    if tier is Tier.EMULATION:
        return Choice(tier, "Emulation", "nothing here survives a power cut")
    return Choice(tier, "Proven", f"durable at {tier.label}")
