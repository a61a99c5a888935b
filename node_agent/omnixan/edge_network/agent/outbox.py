"""Ended runs on their way to the API server: kept and sent again until it has them, or says that it is over.

What is kept outlives the agent where it has a memory: a result is durable before it is sent, and stays so until it arrived.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.agent.apiserver import RUNS, ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.backoff import Backoff
from omnixan.edge_network.agent.memory import Letter, Memory
from omnixan.edge_network.agent.outcome import Status
from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumrun import TERMINAL_STATES

MAX_BYTES = 32 * 1024 * 1024
"""Results kept at most while the API server is away; after that no further run is begun."""

log = logging.getLogger(__name__)


@dataclass
class _Letter:
    name: str
    uid: str
    status: Status
    size: int
    replaced: bool = False


class Outbox:
    """Sends final statuses in order, one at a time; `run()` for ever."""

    def __init__(self, api: ApiServer, namespace: str, memory: Memory) -> None:
        self._api = api
        self._namespace = namespace
        self._memory = memory
        self._letters: deque[_Letter] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._letters)

    async def put(self, name: str, uid: str, status: Status) -> None:
        """Keep a final status and send it as soon as possible."""
        await self._memory.put_letter(Letter(uid, name, status))  # where that fails, the agent's own life has to do
        await self.restore(Letter(uid, name, status))

    async def restore(self, kept: Letter) -> None:
        """Send a final status that is in the memory already, unless it is under way."""
        letter = _Letter(kept.name, kept.uid, kept.status, len(json.dumps(kept.status)))
        async with self._changed:
            if any(known.uid == kept.uid for known in self._letters):
                return
            self._letters.append(letter)
            self._bytes += letter.size
            self._changed.notify_all()

    async def drop(self, uid: str) -> None:
        """Forget the run with this uid: it was deleted."""
        async with self._changed:
            for letter in [letter for letter in self._letters if letter.uid == uid]:
                self._remove(letter)

    async def room(self) -> None:
        """Wait until another result may be made."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < MAX_BYTES)

    async def empty(self) -> None:
        """Wait until all is sent."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._letters)

    async def run(self) -> None:
        """Send for ever."""
        backoff = Backoff(0.1, 5.0)
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._letters))
                letter = self._letters[0]
            try:
                settled = await self._send(letter)
            except UnreachableError as error:
                settled = False
                problem: Exception = error
            except RefusedError as error:
                settled = False
                problem = error
                async with self._changed:
                    # Refused for itself, perhaps (a right is missing, the server is overloaded): let others pass.
                    if letter in self._letters:
                        self._letters.remove(letter)
                        self._letters.append(letter)
            if settled:
                backoff.reset()
                async with self._changed:
                    self._remove(letter)
                continue
            delay = backoff.next()
            log.warning("result of run %s is not taken yet: %s; again in %.1f s", letter.name, problem, delay)
            await asyncio.sleep(delay)

    def _remove(self, letter: _Letter) -> None:
        if letter in self._letters:
            self._letters.remove(letter)
            self._memory.drop_letter(letter.uid)
            self._bytes -= letter.size
            self._changed.notify_all()

    async def _send(self, letter: _Letter) -> bool:
        try:
            await self._api.replace_status(RUNS, self._namespace, letter.name, letter.uid, letter.status)
            return True
        except RefusedError as error:
            if error.status == 404:
                log.info("run %s was deleted before its result arrived", letter.name)
                return True
            if error.status not in (400, 409, 413, 422):
                raise
            refusal = error
        try:
            live = await self._api.get(RUNS, self._namespace, letter.name)
        except RefusedError as error:
            if error.status == 404:
                return True
            raise
        if is_over(live, letter.uid):
            log.info("run %s is over already", letter.name)
            return True
        if refusal.status == 409:
            raise refusal  # somebody else wrote at the same time
        if letter.replaced:
            log.error("run %s: its status is refused for good: %s", letter.name, refusal)
            return True
        letter.replaced = True
        letter.status = refused_status(letter.status, refusal)
        raise refusal


def is_over(live: dict[str, Any], uid: str) -> bool:
    """Whether a result for the run with this uid has no place in the object of its name any more."""
    return live["metadata"].get("uid") != uid or (live.get("status") or {}).get("state") in TERMINAL_STATES


def refused_status(status: Status, refusal: RefusedError) -> Status:
    """Return the failure that is written instead of a status which the API server will never take."""
    kept: Status = {
        name: status[name] for name in ("startTime", "firstShotTime", "completionTime", "restarts") if name in status
    }
    too_large = refusal.status == 413
    error = {
        "category": (Category.RESULT_TOO_LARGE if too_large else Category.BACKEND_ERROR).value,
        "reason": "ResultTooLarge" if too_large else "StatusRefused",
        "message": f"the API server refused the result: {refusal}"[:4000],
    }
    return {"state": "Failed", **kept, "error": error}
