"""One run's circuit in the agent's memory: the last state that it had on its way, read when the run is begun again.

It is one value, `logs/<uid of the run>/state`, which is replaced as a whole. The agent knows nothing of what is in it but
how many steps it has behind it.
"""

from __future__ import annotations

from collections.abc import Callable

from omnixan.edge_network.agent.journal import prefix_of
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.persistent_memory.errors import Corrupt
from omnixan.edge_network.quantum.circuit_state import steps_of
from omnixan.edge_network.quantum.training_log import Kept, Pace, Resumed


class StateKeeper:
    """Keeps the state of one run's circuit (a `worker.Keeper`); make it with `await StateKeeper.open(…)`."""

    wasted = 0
    """Shots that are known to have run before and are run again: a circuit takes its shots when it is over."""

    def __init__(self, storage: Storage, uid: str, pace: Pace, on_resumed: Callable[[Resumed], None]) -> None:
        self._storage = storage
        self._key = f"{prefix_of(uid)}state"
        self._on_resumed = on_resumed
        self._problem = ""
        self.kept = Kept()
        self.pace = pace

    @classmethod
    async def open(cls, storage: Storage, uid: str, pace: Pace, on_resumed: Callable[[Resumed], None]) -> StateKeeper:
        """Read what is there of a run; `on_resumed` is told what became of it."""
        state = cls(storage, uid, pace, on_resumed)
        try:
            found = await storage.get(state._key)
            if found is not None:
                state.kept = Kept(found[1]["print"], found[0])
        except Corrupt as error:
            state._problem = f"it is damaged: {error}"
        except KeyError as error:
            state._problem = f"it is not understood: {error!r}"
        return state

    def resumed(self, resumed: Resumed) -> None:
        """Remember whose states come from now on."""
        self.kept = Kept(resumed.fingerprint)
        problem = resumed.problem or self._problem
        self._on_resumed(Resumed(resumed.fingerprint, resumed.evaluations, resumed.length, 0, problem))

    async def keep(self, records: bytes, shots: int, wait: bool) -> None:
        """Replace the state; returns when it is durable, or cannot be now."""
        # `used` grows from state to state: by it `Memory.logged` knows a run that comes further each time.
        meta = {"print": self.kept.fingerprint, "used": str(steps_of(records)), "shots": str(shots)}
        await self._storage.put(self._key, records, meta)

    async def close(self) -> None:
        """Nothing is left to write: every state is waited for."""
