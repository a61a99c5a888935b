"""What goes into the fake API server and what comes out: requests, refusals, writes, events and open watches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.apiserver.resources import Object, Place, Resource, copied

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class Refusal(Exception):
    """An answer with a status of 400 or above."""

    def __init__(self, code: int, reason: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": code,
        } | more


@dataclass(frozen=True)
class Request:
    """An HTTP request, parsed."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    client: str = ""
    """Who sends it; only invariants look at it."""
    sent: float = 0.0
    """When it left its client, in seconds of virtual time; only invariants look at it."""

    @property
    def watches(self) -> bool:
        return self.query.get("watch") in ("true", "1")


@dataclass(frozen=True)
class Event:
    """One entry of the history: an object became another."""

    version: int
    resource: Resource
    old: Object | None
    new: Object | None


@dataclass(frozen=True)
class Write:
    """A mutating request that was carried out."""

    request: Request
    resource: Resource
    old: Object | None
    new: Object | None
    changed: bool
    """Whether anything but metadata.managedFields differs."""


class Watch:
    """One open watch; `pending` fills up as things happen."""

    def __init__(self, place: Place, matches: Callable[[Object], bool], bookmarks: bool) -> None:
        self.place = place
        self.bookmarks = bookmarks
        self._matches = matches
        self.pending: deque[Object] = deque()
        self.wake: Callable[[], None] = lambda: None

    def offer(self, event: Event) -> None:
        """Take an event in, if it concerns this watch."""
        if event.resource is not self.place.resource or not self._within(event):
            return
        before = event.old is not None and self._matches(event.old)
        after = event.new is not None and self._matches(event.new)
        if after:
            self.pending.append({"type": "MODIFIED" if before else "ADDED", "object": event.new})
        elif before:
            gone = copied(event.old)
            assert gone is not None
            gone["metadata"]["resourceVersion"] = str(event.version)
            self.pending.append({"type": "DELETED", "object": gone})
        if before or after:
            self.wake()

    def _within(self, event: Event) -> bool:
        obj = event.new if event.new is not None else event.old
        assert obj is not None
        namespace, name = self.place.namespace, self.place.name
        metadata = obj["metadata"]
        return (not namespace or metadata.get("namespace") == namespace) and (not name or metadata["name"] == name)
