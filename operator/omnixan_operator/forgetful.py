"""What kopf would remember of every object for kinds of handlers that we do not have: nothing.

kopf compares each object with the last one it handled, by a deep copy of both, and keeps a record of handlers' states
for each; with event handlers only, nobody asks for either. They took a seventh of the operator's CPU time under load,
and a kilobyte an object.
"""

from __future__ import annotations

from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory  # kopf.spawn_tasks takes one; it has no other name

_NOTHING: Any = {}


class NoDiffBase(kopf.DiffBaseStorage):
    """No object has an essence: none of them ever differs from what was handled last."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """The essence of every object."""
        nothing: kopf.BodyEssence = _NOTHING
        return nothing

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was handled before."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is written to any object."""


class NoMemories(ResourceMemories):
    """A new memory for every event."""

    async def recall(self, raw_body: Any, *, ephemeral: bool = False, **options: Any) -> ResourceMemory:
        """A memory that is gone when the event has been handled."""
        return await super().recall(raw_body, ephemeral=True, **options)
