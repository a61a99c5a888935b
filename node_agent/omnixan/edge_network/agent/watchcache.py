"""What a list and a watch say about a set of objects, made into changes. Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Object = dict[str, Any]


class Change(NamedTuple):
    """One change of the set.

    SYNC (with an empty object) follows the changes of a list: the set is now known. The object of a DELETED may have
    nothing but its metadata's name, namespace and uid, as after a list nobody can say more.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "SYNC"]
    object: Object


class ExpiredError(Exception):
    """The resourceVersion is too old: a new list is needed."""


class WatchError(Exception):
    """The watch ended with another error than expiry; `str()` is the server's message."""


class _Known(NamedTuple):
    uid: str
    version: str


class WatchCache:
    """Remembers of every object its uid and version only, and says what each list or event changes.

    An object deleted and made again under the same name is a DELETED of the old and an ADDED of the new one, however
    little of it was seen.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}
        self._listed: set[tuple[str, str]] = set()
        self.resource_version = ""
        """Where a watch can go on; empty when only a list helps."""

    def begin_list(self) -> None:
        """A list begins: what it does not name is gone."""
        self._listed = set()

    def page(self, items: Iterable[Object]) -> list[Change]:
        """Take a part of the list; return what in it differs from what was known."""
        changes: list[Change] = []
        for item in items:
            self._listed.add(_key(item))
            changes.extend(self._put(item))
        return changes

    def end_list(self, resource_version: str) -> list[Change]:
        """The list is whole; return what is gone, and SYNC."""
        changes = [self._gone(key) for key in self._known.keys() - self._listed]
        self._listed = set()
        self.resource_version = resource_version
        return [*changes, Change("SYNC", {})]

    def event(self, event: Object) -> list[Change]:
        """Take one watch event; return what it changes (nothing for a bookmark or what is known already)."""
        kind, item = event.get("type"), event.get("object")
        if not isinstance(item, dict):
            raise WatchError(f"a watch event without an object: {str(event)[:200]}")
        if kind == "ERROR":
            message = str(item.get("message", item))[:500]
            if item.get("code") == 410:
                self.resource_version = ""
                raise ExpiredError(message)
            raise WatchError(message)
        version = str(item["metadata"]["resourceVersion"])
        changes: list[Change] = []
        if kind in ("ADDED", "MODIFIED"):
            changes = self._put(item)
        elif kind == "DELETED" and self._known.get(_key(item), _Known("", "")).uid == item["metadata"].get("uid"):
            del self._known[_key(item)]
            changes = [Change("DELETED", item)]
        self.resource_version = version
        return changes

    def _put(self, item: Object) -> list[Change]:
        key = _key(item)
        metadata = item["metadata"]
        new = _Known(str(metadata.get("uid", "")), str(metadata.get("resourceVersion", "")))
        old = self._known.get(key)
        if old == new:
            return []
        changes = [self._gone(key)] if old is not None and old.uid != new.uid else []
        self._known[key] = new
        changes.append(Change("MODIFIED" if old is not None and old.uid == new.uid else "ADDED", item))
        return changes

    def _gone(self, key: tuple[str, str]) -> Change:
        namespace, name = key
        uid = self._known.pop(key).uid
        return Change("DELETED", {"metadata": {"namespace": namespace, "name": name, "uid": uid}})


def _key(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
