"""One of several operators leads: a Lease in the operator's namespace, and a gate in front of every write.

Election alone does not fence: a process that is frozen right before it sends does not know that it lost. So a leader
stops writing by its own clock before others may take over (`may_write`), and what was already on its way is refused by
the API server: docs/decisions says which write by what.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from omnixan_operator import kinds
from omnixan_operator.apiserver import AlreadyExistsError, ApiError, ApiServer, ConflictError, NotFoundError
from omnixan_operator.decide.election import (
    DURATION,
    LOOK,
    RENEW,
    RETRY,
    Move,
    Record,
    Sighting,
    may_write_until,
    next_move,
    sight,
)
from omnixan_operator.kinds import Object
from omnixan_operator.metrics import Metrics
from omnixan_operator.trim import FIELD_MANAGER

logger = logging.getLogger(__name__)

NAME = "omnixan-operator"


class LeadershipLostError(RuntimeError):
    """This process led and the Lease is not its own any more: it ends, and is started anew as a standby."""


def steady() -> float:
    """Seconds that pass also while the process is frozen and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def identity(pod: str) -> str:
    """The name of this very process: one that is started again in the same pod is another candidate."""
    return f"{pod}_{uuid.uuid4()}"


class Elector:
    """Takes the Lease when it can, keeps it, and says whether writing is allowed."""

    def __init__(
        self,
        api: ApiServer,
        namespace: str,
        me: str,
        metrics: Metrics,
        clock: Callable[[], float] = steady,
        fit: Callable[[], bool] = lambda: True,
    ) -> None:
        """`api` is the elector's own connection: a renewal must not wait behind other requests.

        `fit` says whether this process could work at once; one whose store is not complete lets others go first.
        """
        self._fit = fit
        self._api = api
        self._namespace = namespace
        self._me = me
        self._clock = clock
        self._sighting: Sighting | None = None
        self._until = float("-inf")
        self._turned = clock()
        self._lost = False
        self._doubtful = False
        """Whether a leader must read the Lease before it renews it: as a rule it knows what it wrote last."""
        self.leading = asyncio.Event()
        metrics.leader.set_function(lambda: float(self.may_write()))

    def may_write(self) -> bool:
        """Whether this process leads for certain at this moment."""
        return self._clock() < self._until

    def stuck_for(self) -> float:
        """Seconds since the loop last turned; more than a few durations mean that it hangs."""
        return self._clock() - self._turned

    async def run(self) -> None:
        """Stand by, take over, renew, for ever; raises LeadershipLostError.

        A renewal that comes late is no reason to end: writing stops meanwhile, and as it is refused if anybody else
        wrote the Lease, its success says that nobody else has led.
        """
        while True:
            self._turned = self._clock()
            delay = await self._turn()
            if self._lost:
                raise LeadershipLostError("another operator took over")
            await asyncio.sleep(delay)

    async def release(self) -> None:
        """Give the Lease back, so that a standby takes over at once. After it nothing is written."""
        self._until = float("-inf")
        if not self.leading.is_set() or self._lost:
            return
        try:
            async with asyncio.timeout(RENEW):
                held = await self._read()  # a renewal may have been under way when this process was told to end
                if held is not None and held.holder == self._me:
                    await self._write(held, holder="")
        except (ApiError, TimeoutError) as error:
            logger.warning("the election's Lease was not released: %s", str(error) or "no answer in time")

    async def _turn(self) -> float:
        """One look and what follows from it; the seconds until the next."""
        try:
            async with asyncio.timeout(RENEW):
                if not self.leading.is_set() or self._doubtful:
                    self._sighting = sight(self._sighting, await self._read(), self._clock())
                    self._doubtful = False
                move = next_move(self._sighting, self._me, self._clock())
                if self.leading.is_set() and move is not Move.RENEW:
                    self._lost, self._until = True, float("-inf")
                    return 0.0
                if move is Move.STAND_BY:
                    return self._stand_by()
                if not self.leading.is_set() and not self._fit():
                    return LOOK
                await self._hold(move)
                return RENEW
        except (AlreadyExistsError, ConflictError):  # another was faster, or an answer of ours was lost
            self._doubtful = True
            return 0.0 if self.leading.is_set() else RETRY
        except (ApiError, TimeoutError) as error:
            self._doubtful = self._doubtful or isinstance(error, NotFoundError)
            logger.warning("the election's Lease: %s", str(error) or "no answer in time")
            return RETRY

    def _stand_by(self) -> float:
        assert self._sighting is not None
        ends_in = self._sighting.seen + self._sighting.record.duration - self._clock()
        return min(LOOK, max(ends_in, 0.01))

    async def _hold(self, move: Move) -> None:
        sent = self._clock()
        if move is Move.CREATE:
            answer = await self._api.create(kinds.LEASE, {"metadata": self._place(), "spec": self._spec(0)})
        else:
            assert self._sighting is not None
            answer = await self._write(self._sighting.record, holder=self._me)
        record = _record(answer)
        self._sighting = Sighting(record, self._clock())
        self._until = max(self._until, may_write_until(sent))
        if not self.leading.is_set() and self.may_write():
            logger.info("leading as %s", self._me)
            self.leading.set()

    async def _read(self) -> Record | None:
        try:
            return _record(await self._api.get(kinds.LEASE, self._namespace, NAME))
        except NotFoundError:
            return None

    async def _write(self, record: Record, *, holder: str) -> Object:
        """Refused with a conflict if anybody wrote since `record` was read."""
        changes = record.transitions + (1 if holder not in ("", record.holder) else 0)
        spec = self._spec(changes, again=holder == record.holder) | {"holderIdentity": holder}
        patch = {"metadata": {"resourceVersion": record.version}, "spec": spec}
        return await self._api.merge(kinds.LEASE, self._namespace, NAME, patch, FIELD_MANAGER)

    def _spec(self, transitions: int, *, again: bool = False) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self._me,
            "leaseDurationSeconds": int(DURATION),
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return spec if again else spec | {"acquireTime": now}

    def _place(self) -> Object:
        return {"namespace": self._namespace, "name": NAME}


def _record(lease: Object) -> Record:
    spec = lease.get("spec", {})
    return Record(
        holder=spec.get("holderIdentity") or "",
        renewed=spec.get("renewTime") or "",
        duration=float(spec.get("leaseDurationSeconds") or DURATION),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=str(lease["metadata"].get("resourceVersion", "")),
    )
