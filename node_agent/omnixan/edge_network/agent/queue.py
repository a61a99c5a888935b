"""Which run comes next. Pure: no client, no clock.

The agent lists and watches its unfinished runs; this keeps of each what the choice needs. A run that the agent has
finished stays known as done until it leaves the watch, so that no late event starts it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.api.quantumrun import TERMINAL_STATES

Object = dict[str, Any]

KEPT_OBJECTS = 32
"""Of so many runs the whole object is kept; any other (a program is up to 128 KiB) is read when its turn comes."""


@dataclass(frozen=True)
class Waiting:
    """A run that waits: `object` is None when it must be read from the API server first."""

    name: str
    uid: str
    created: str
    object: Object | None

    @property
    def turn(self) -> tuple[str, str]:
        """Sort key: oldest first; of the same second, by name."""
        return self.created, self.name


class RunQueue:
    """The unfinished runs of this node, and what of them is done already."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._done: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, run: Object) -> None:
        """A run was seen: it waits, unless it is over or done."""
        metadata = run["metadata"]
        uid = str(metadata["uid"])
        if (run.get("status") or {}).get("state") in TERMINAL_STATES:
            self._waiting.pop(uid, None)
        elif uid not in self._done:
            keep = uid in self._waiting or len(self._waiting) < KEPT_OBJECTS
            created = str(metadata.get("creationTimestamp", ""))
            self._waiting[uid] = Waiting(str(metadata["name"]), uid, created, run if keep else None)

    def gone(self, uid: str) -> None:
        """A run was deleted, or is over on the API server too."""
        self._waiting.pop(uid, None)
        self._done.discard(uid)

    def take(self) -> Waiting | None:
        """Return the run whose turn it is, which counts as done from now on; None if none waits."""
        if not self._waiting:
            return None
        chosen = min(self._waiting.values(), key=lambda run: run.turn)
        del self._waiting[chosen.uid]
        self._done.add(chosen.uid)
        return chosen

    def give_back(self, run: Waiting) -> None:
        """A taken run was not finished (its object could not be read, say): it waits again if it still exists."""
        if run.uid in self._done:
            self._done.remove(run.uid)
            self._waiting[run.uid] = run
