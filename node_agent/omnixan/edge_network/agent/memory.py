"""What of the agent is in its memory: its runs, the results that the API server does not have yet, its twin.

    runs/<uid>       {"object": the QuantumRun, "begun": bool, "restarts": n, "logged": bytes of its log when it was begun}
    letters/<uid>    {"name": …, "status": the final status}
    logs/<uid>/…     the log of an algorithm's loop (`journal`), or the state of a circuit (`statekeeper`)
    twin             the EdgeNode

Values are JSON; one that another version wrote in another shape is passed over. What the API server says wins: all this
serves the time in which it says nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.agent.journal import Journal, pace_of, prefix_of
from omnixan.edge_network.agent.outcome import Status
from omnixan.edge_network.agent.statekeeper import StateKeeper
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.api.workload import Checkpoint
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.quantum.training_log import Resumed

RUNS, LETTERS, LOGS, TWIN = "runs/", "letters/", "logs/", "twin"
_OF_RUNS = (RUNS, LETTERS, LOGS)

Object = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KnownRun:
    """A run as it was known to an agent that ended."""

    object: Object
    begun: bool
    """Whether it was begun."""
    restarts: int
    """How often it had been begun again before."""


@dataclass(frozen=True)
class Letter:
    """A final status that the API server may not have."""

    uid: str
    name: str
    status: Status


class Memory:
    """The agent's knowledge in a `Storage`; without one it forgets everything and nothing fails."""

    def __init__(self, storage: Storage, checkpoint_seconds: float) -> None:
        self._storage = storage
        self._checkpoint_seconds = checkpoint_seconds
        self._kept: set[str] = set()

    def put_run(self, run: Object, *, begun: bool, restarts: int, logged: int = 0) -> Awaitable[bool]:
        """Remember a run; the answer is whether it is durable. `logged` as `logged()` says when it is begun."""
        uid = str(run["metadata"]["uid"])
        self._kept.add(uid)
        return self._put(RUNS + uid, {"object": run, "begun": begun, "restarts": restarts, "logged": logged})

    async def logged(self, uid: str) -> tuple[int, int]:
        """Return how many bytes the log of a run has, and had when it was begun last."""
        known = await self._get(RUNS + uid) or {}
        try:
            pieces = [await self._storage.get(key) for key in await self._storage.keys(prefix_of(uid))]
            return sum(int(piece[1].get("used", 0)) for piece in pieces if piece is not None), int(known.get("logged", 0))
        except (Corrupt, ValueError):
            return 0, 0

    def put_letter(self, letter: Letter) -> Awaitable[bool]:
        """Remember a final status."""
        return self._put(LETTERS + letter.uid, {"name": letter.name, "status": letter.status})

    def drop_letter(self, uid: str) -> None:
        """The API server has it, or does not want it any more."""
        self._storage.delete(LETTERS + uid)

    def put_twin(self, node: Object | None) -> None:
        """Remember the EdgeNode as it was seen last; None: there is none."""
        if node is None:
            self._storage.delete(TWIN)
        else:
            self._put(TWIN, node)

    def forget_run(self, uid: str) -> None:
        """A run is over, or deleted: take it and its log away."""
        if uid in self._kept:
            self._kept.discard(uid)
            self._storage.delete(RUNS + uid, prefix=prefix_of(uid))

    async def journal(
        self, uid: str, checkpoint: Checkpoint | None, shots: int, on_resumed: Callable[[Resumed], None]
    ) -> Journal | None:
        """Return the log of a run, with what is there of it; None if its loop shall begin anew, or there is no memory."""
        if not self._storage.wanted or (checkpoint is not None and not checkpoint.resume):
            return None
        self._kept.add(uid)
        pace = pace_of(checkpoint, self._checkpoint_seconds)
        return await Journal.open(self._storage, uid, pace, shots, on_resumed)

    async def circuit_state(
        self, uid: str, checkpoint: Checkpoint, on_resumed: Callable[[Resumed], None]
    ) -> StateKeeper | None:
        """Return what keeps the state of a run's circuit; None if it shall begin anew, or there is no memory."""
        if not self._storage.wanted or not checkpoint.resume:
            return None
        self._kept.add(uid)
        return await StateKeeper.open(self._storage, uid, pace_of(checkpoint, self._checkpoint_seconds), on_resumed)

    async def letters(self) -> list[Letter]:
        """Return the final statuses that were not dropped."""
        found = [(key.removeprefix(LETTERS), await self._get(key)) for key in await self._storage.keys(LETTERS)]
        letters = []
        for uid, value in found:
            match value:
                case {"name": str(name), "status": dict(status)}:
                    letters.append(Letter(uid, name, status))
        return letters

    async def runs(self) -> list[KnownRun]:
        """Return the runs that were not forgotten."""
        keys = await self._storage.keys(RUNS)
        self._kept.update(key.removeprefix(RUNS) for key in keys)
        runs = []
        for key in keys:
            match await self._get(key):
                case {
                    "object": {"metadata": {"uid": str(), "name": str()}} as run,
                    "begun": bool(begun),
                    "restarts": int(restarts),
                }:
                    runs.append(KnownRun(run, begun, restarts))
        return runs

    async def twin(self) -> Object | None:
        """Return the EdgeNode as it was seen last, None if it is not known."""
        match await self._get(TWIN):
            case {"apiVersion": str(), "kind": str(), "metadata": {"uid": str(), "resourceVersion": str()}} as node:
                return node
        return None

    async def sweep(self, known: Callable[[], Collection[str]]) -> None:
        """Take away all that belongs to runs with other uids than those that are known when it is looked for."""
        keys = [key for key in await self._storage.keys() if key.startswith(_OF_RUNS)]
        uids = known()
        stale = [key for key in keys if key.split("/")[1] not in uids]
        if stale:
            log.info("forgetting %d things of runs that are gone", len(stale))
            await self._storage.delete(*stale)

    def _put(self, key: str, value: Object) -> Awaitable[bool]:
        return self._storage.put(key, json.dumps(value, separators=(",", ":")).encode("utf-8", "surrogatepass"))

    async def _get(self, key: str) -> Object | None:
        try:
            found = await self._storage.get(key)
            value = None if found is None else json.loads(found[0])
        except (Corrupt, ValueError) as error:
            log.warning("%s in the memory cannot be read and is passed over: %s", key, error)
            return None
        return value if isinstance(value, dict) else None
