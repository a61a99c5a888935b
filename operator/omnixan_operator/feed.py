"""Where objects come in: from the watches and from the answers to our own writes, in one way."""

from __future__ import annotations

import logging
from collections.abc import Callable

from omnixan_operator import kinds
from omnixan_operator.arrivals import Arrivals
from omnixan_operator.decide.heartbeat import Beat, beat
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.queue import WorkQueue
from omnixan_operator.store import Change, Store, name_of, namespace_of, run_is_open, uid_of, version_of
from omnixan_operator.triggers import everything, wakes

logger = logging.getLogger(__name__)


class Feed:
    """Fills the store, and wakes the keys that a change concerns.

    Keys are woken once the initial listing is complete (`start`) and this process leads (`lead`): a standby keeps its
    store warm and its queue empty.
    """

    def __init__(self, store: Store, queue: WorkQueue[Key], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._queue = queue
        self._monotonic = monotonic
        self._beats: dict[tuple[str, str], Beat] = {}
        self.arrivals = Arrivals()
        self.started = False
        self._leading = False

    def start(self) -> None:
        """The initial listing is complete."""
        if not self.started:
            self.started = True
            self._begin()

    def lead(self) -> None:
        """This process leads from now on."""
        if not self._leading:
            self._leading = True
            self._begin()

    def _begin(self) -> None:
        """Reconcile everything once, and from now on what changes."""
        if self._working:
            for wake in everything(self._store):
                self._queue.add(*wake)

    @property
    def _working(self) -> bool:
        return self.started and self._leading

    def again(self, kind: Kind) -> None:
        """Reconcile all objects of a kind: something changed that all of them depend on."""
        if self._working:
            for place in self._store.places(kind):
                self._queue.add(Key(kind.name, *place))

    def put(self, kind: Kind, obj: Object) -> bool:
        """Take in an object as the API server gave it; whether something changed. Never raises."""
        try:
            if kind is kinds.LEASE:
                self._listen(obj)
            change = self._store.put(kind, obj)
            if kind is kinds.QUANTUM_RUN and self._working and _ended(change):
                self.arrivals.keep(obj)
            return self._wake(change)
        except Exception:  # an object that breaks its schema must not stop the watch of all others
            logger.exception("cannot take in %s %s", kind.name, obj.get("metadata", {}).get("name"))
            return False

    def gone(self, kind: Kind, obj: Object, version: int | None = None) -> bool:
        """Take in that an object is no more (at resourceVersion `version`); whether that is news. Never raises."""
        try:
            at = version_of(obj) if version is None else version
            if kind is kinds.LEASE:
                self._beats.pop((namespace_of(obj), name_of(obj)), None)
            return self._wake(self._store.remove(kind, namespace_of(obj), name_of(obj), uid_of(obj), at))
        except Exception:  # as above
            logger.exception("cannot take out %s %s", kind.name, obj.get("metadata", {}).get("name"))
            return False

    def last_beat(self, namespace: str, name: str) -> Beat | None:
        """When the Lease of an EdgeNode was last seen to change."""
        return self._beats.get((namespace, name))

    def _listen(self, lease: Object) -> None:
        place = (namespace_of(lease), name_of(lease))
        renewed = str(lease.get("spec", {}).get("renewTime", ""))
        self._beats[place] = beat(self._beats.get(place), renewed, self._monotonic(), self.started)

    def _wake(self, change: Change | None) -> bool:
        if change is None:
            return False
        if self._working:
            for wake in wakes(change, self._store):
                self._queue.add(*wake)
        return True


def _ended(change: Change | None) -> bool:
    """Whether a run that was under way is over."""
    if change is None or change.old is None or change.new is None:
        return False
    return run_is_open(change.old) and not run_is_open(change.new)
