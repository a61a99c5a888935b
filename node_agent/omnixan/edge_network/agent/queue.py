"""Which run comes next. Pure: no client, no clock.

The agent lists and watches its unfinished runs; this keeps of each what the choice needs. A run that the agent has
finished stays known as done until it leaves the watch, so that no late event starts it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from omnixan.edge_network.api.quantumrun import TERMINAL_STATES

Object = dict[str, Any]

KEPT_OBJECTS = 32
"""Of so many runs the whole object is kept; any other (a program is up to 128 KiB) is read when its turn comes."""


@dataclass(frozen=True)
class Waiting:
    """A run that waits."""

    name: str
    uid: str
    created: str
    """creationTimestamp."""
    object: Object | None
    """As the API server has it; None when it must be read first."""
    inherited: bool = False
    """Whether it was there before this agent was: an earlier agent may have failed because of it."""
    restarts: int = 0
    """How often it was begun again because its agent ended."""

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

    def put(self, run: Object, *, inherited: bool = False) -> None:
        """A run was seen: it waits, unless it is over or done. `inherited`: it is older than this agent."""
        metadata = run["metadata"]
        status = run.get("status") or {}
        uid = str(metadata["uid"])
        if status.get("state") in TERMINAL_STATES:
            self._waiting.pop(uid, None)
        elif uid in self._waiting:
            known = self._waiting[uid]
            restarts = max(known.restarts, _restarts(status))
            self._waiting[uid] = replace(known, object=run if known.object is not None else None, restarts=restarts)
        elif uid not in self._done:
            self._waiting[uid] = Waiting(
                name=str(metadata["name"]),
                uid=uid,
                created=str(metadata.get("creationTimestamp", "")),
                object=run if len(self._waiting) < KEPT_OBJECTS else None,
                inherited=inherited,
                restarts=_restarts(status),
            )

    def restore(self, run: Object, *, begun: bool, restarts: int) -> None:
        """A run that an earlier agent knew, who had `begun` it, and again `restarts` times."""
        uid = str(run["metadata"]["uid"])
        if uid in self._done:
            return
        self.put(run, inherited=True)
        if uid in self._waiting:
            known = self._waiting[uid]
            again = max(known.restarts, restarts + 1 if begun else 0)
            self._waiting[uid] = replace(known, inherited=True, restarts=again)

    def finished(self, uid: str) -> None:
        """A run has its result already: it is done until it leaves the watch."""
        self._waiting.pop(uid, None)
        self._done.add(uid)

    @property
    def known(self) -> frozenset[str]:
        """The uids of all runs that wait or are done."""
        return frozenset(self._waiting) | self._done

    def gone(self, uid: str) -> None:
        """A run was deleted, or is over on the API server too."""
        self._waiting.pop(uid, None)
        self._done.discard(uid)

    def take(self) -> Waiting | None:
        """Return the run whose turn it is, which counts as done from now on; None if none waits."""
        chosen = self.peek()
        if chosen is not None:
            del self._waiting[chosen.uid]
            self._done.add(chosen.uid)
        return chosen

    def peek(self) -> Waiting | None:
        """Return the run whose turn it is, which goes on waiting."""
        return min(self._waiting.values(), key=lambda run: run.turn, default=None)


def _restarts(status: Object) -> int:
    """How often a run with this status will have been begun again when it is begun now."""
    return int(status.get("restarts", 0)) + 1 if status.get("state") == "Running" else 0
