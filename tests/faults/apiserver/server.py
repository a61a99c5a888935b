"""A fake API server: storage, verbs, watches with history, server-side apply, validation, garbage collection.

It answers requests at once and knows neither sockets nor faults nor time: the clock and the source of uids are arguments.
What it claims to do as the real one does is in tests/faults/conformance, which runs against both.
"""

from __future__ import annotations

import base64
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tests.faults.apiserver import apply, schema
from tests.faults.apiserver.objects import (
    at,
    content,
    dotted,
    expired,
    manager,
    masked,
    not_found,
    preconditions,
    same_kind,
    timeless,
    wish,
    without,
)
from tests.faults.apiserver.requests import APPLY, MERGE, Event, Refusal, Request, Watch, Write
from tests.faults.apiserver.resources import BY_KIND, Object, Place, Resource, copied, discovery, locate
from tests.faults.apiserver.selectors import field_selector, label_selector

MAX_EVENTS = 100_000
_IMMUTABLE = {"DaemonSet": ("spec", "selector"), "RoleBinding": ("roleRef",)}


class ApiServer:
    """See the module."""

    def __init__(self, now: Callable[[], datetime], uid: Callable[[], str]) -> None:
        self._now = now
        self._uid = uid
        self.version = 1
        self.objects: dict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self.history: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.compacted = 0
        self.watches: list[Watch] = []
        self.listeners: list[Callable[[Write], None]] = []
        self.admission: list[Callable[[Request, Resource], None]] = []
        """Called before every mutating request; raises Refusal."""
        self._pages: dict[str, tuple[list[Object], int]] = {}

    # Requests.

    def handle(self, request: Request) -> tuple[int, Object]:
        """The answer to a request that is not a watch."""
        try:
            return self._dispatch(request)
        except Refusal as refusal:
            return refusal.code, refusal.body

    def _dispatch(self, request: Request) -> tuple[int, Object]:
        place = locate(request.path)
        if place is None:
            if request.method == "GET" and (found := discovery(request.path)) is not None:
                return 200, found
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        if place.subresource and not (place.subresource == "status" and place.resource.status):
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        for admit in self.admission if request.method != "GET" else ():
            admit(request, place.resource)
        if request.method == "GET":
            return 200, self._get(place) if place.name else self._list(place, request)
        if request.method == "POST" and not place.name:
            return 201, self._create(place, request)
        if request.method == "PATCH" and place.name:
            return self._patch(place, request)
        if request.method == "PUT" and place.name:
            return 200, self._put(place, request)
        if request.method == "DELETE":
            return 200, self._delete(place, request)
        raise Refusal(405, "MethodNotAllowed", f"{request.method} is not supported")

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object as it is stored. Never change it."""
        return self.objects[kind].get((namespace, name))

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind. Never change them."""
        return list(self.objects[kind].values())

    def by_uid(self) -> dict[str, Object]:
        """All objects by uid."""
        return {obj["metadata"]["uid"]: obj for objects in self.objects.values() for obj in objects.values()}

    def _get(self, place: Place) -> Object:
        found = self.find(place.resource.kind, place.namespace, place.name)
        if found is None:
            raise not_found(place)
        return found

    def _selected(self, place: Place, request: Request) -> Callable[[Object], bool]:
        labels = label_selector(request.query.get("labelSelector", ""))
        fields = field_selector(place.resource, request.query.get("fieldSelector", ""))
        return lambda obj: labels(obj) and fields(obj)

    def _list(self, place: Place, request: Request) -> Object:
        token, limit = request.query.get("continue", ""), int(request.query.get("limit") or 0)
        if token:
            if token not in self._pages:
                raise expired("The provided continue parameter is too old")
            items, version = self._pages.pop(token)
        else:
            matches, version = self._selected(place, request), self.version
            items = [
                obj
                for (namespace, _), obj in sorted(self.objects[place.resource.kind].items())
                if (not place.namespace or namespace == place.namespace) and matches(obj)
            ]
        metadata: Object = {"resourceVersion": str(version)}
        if limit and len(items) > limit:
            token = base64.b64encode(f"{version}/{len(self._pages)}/{len(items)}".encode()).decode()
            self._pages[token] = (items[limit:], version)
            metadata |= {"continue": token, "remainingItemCount": len(items) - limit}
            items = items[:limit]
        if "PartialObjectMetadataList" in request.accept:
            kind, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            items = [{"metadata": obj["metadata"]} for obj in items]
        else:
            kind, api_version = f"{place.resource.kind}List", place.resource.api_version
        return {"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items}

    def watch(self, request: Request) -> Watch:
        """Open a watch; raises Refusal. Close it with `unwatch`."""
        place = locate(request.path)
        if place is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        watch = Watch(place, self._selected(place, request), request.query.get("allowWatchBookmarks") == "true")
        since = request.query.get("resourceVersion") or "0"
        if since == "0":
            for obj in self._list(place, Request("GET", request.path, without(request.query, "resourceVersion")))["items"]:
                watch.pending.append({"type": "ADDED", "object": obj})
        else:
            if int(since) < self.compacted:
                refusal = expired(f"too old resource version: {since} ({self.compacted})")
                watch.pending.append({"type": "ERROR", "object": refusal.body})
                return watch
            for event in self.history:
                if event.version > int(since):
                    watch.offer(event)
        self.watches.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Close a watch."""
        if watch in self.watches:
            self.watches.remove(watch)

    def compact(self) -> None:
        """Forget the history: who is behind gets 410 Gone. Pages of lists expire, too."""
        self.compacted = self.version
        self.history.clear()
        self._pages.clear()

    # Writes.

    def _create(self, place: Place, request: Request) -> Object:
        sent = copied(request.body)
        metadata = sent.get("metadata") or {}
        same_kind(sent, place.resource)
        if place.resource.namespaced and metadata.setdefault("namespace", place.namespace) != place.namespace:
            raise Refusal(400, "BadRequest", "the namespace of the object does not match the namespace on the request")
        if "name" not in metadata:
            raise Refusal(422, "Invalid", "metadata.name: Required value")
        if metadata.get("resourceVersion"):
            raise Refusal(500, "", "resourceVersion should not be set on objects to be created")
        sent["metadata"] = metadata
        new = self._fresh(place, sent)
        owners = apply.Owners()
        paths = set(apply.owned(new, place.resource, status_only=False))
        owners.updated((manager(request), "Update", ""), paths, set(), self._time())
        return self._commit(request, place.resource, None, new, owners)

    def _fresh(self, place: Place, sent: Object) -> Object:
        """A new object: server-set metadata, defaults, no status where that is a subresource."""
        kind, name = place.resource.kind, sent["metadata"]["name"]
        if place.resource.namespaced and ("", place.namespace) not in self.objects["Namespace"]:
            raise Refusal(404, "NotFound", f'namespaces "{place.namespace}" not found')
        if (place.namespace, name) in self.objects[kind]:
            message = f'{place.resource.plural}.{place.resource.group} "{name}" already exists'
            raise Refusal(409, "AlreadyExists", message)
        new = {k: v for k, v in sent.items() if not (k == "status" and place.resource.status)}
        new |= {"apiVersion": place.resource.api_version, "kind": kind}
        kept = {k: v for k, v in sent["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
        new["metadata"] = kept | {"uid": self._uid(), "creationTimestamp": self._time()}
        if kind in ("DaemonSet",) or place.resource.schema is not None:
            new["metadata"]["generation"] = 1
        return new

    def _patch(self, place: Place, request: Request) -> tuple[int, Object]:
        live = self.find(place.resource.kind, place.namespace, place.name)
        if request.content_type.startswith(APPLY):
            return self._apply(place, request, live)
        if live is None:
            raise not_found(place)
        if not request.content_type.startswith(MERGE):
            raise Refusal(415, "UnsupportedMediaType", f"{request.content_type} is not served here")
        preconditions(place, request.body.get("metadata") or {}, live)
        return 200, self._update(place, request, live, apply.merge_patch(live, request.body))

    def _put(self, place: Place, request: Request) -> Object:
        live = self._get(place)
        preconditions(place, request.body.get("metadata") or {}, live)
        return self._update(place, request, live, copied(request.body))

    def _update(self, place: Place, request: Request, live: Object, wanted: Object) -> Object:
        resource, status_only = place.resource, place.subresource == "status"
        new = masked(resource, live, wanted, status_only)
        before = apply.owned(live, resource, status_only=status_only)
        after = apply.owned(new, resource, status_only=status_only)
        changed = {path for path, value in after.items() if path not in before or before[path] != value}
        owners = apply.Owners(live["metadata"].get("managedFields"))
        owners.updated((manager(request), "Update", place.subresource), changed, set(before) - set(after), self._time())
        return self._commit(request, resource, live, new, owners)

    def _apply(self, place: Place, request: Request, live: Object | None) -> tuple[int, Object]:
        resource, status_only, sent = place.resource, place.subresource == "status", copied(request.body)
        same_kind(sent, resource)
        metadata = sent.setdefault("metadata", {})
        if metadata.setdefault("name", place.name) != place.name:
            raise Refusal(400, "BadRequest", "the name of the object does not match the name on the URL")
        if "fieldManager" not in request.query:
            raise Refusal(422, "Invalid", "fieldManager: Required value: is required for apply patch")
        if resource.schema is not None:
            sent = schema.prune(sent, resource.schema) | {"metadata": metadata}
        code = 200
        if live is None:
            if status_only:
                raise not_found(place)
            if metadata.get("uid") or metadata.get("resourceVersion"):
                raise Refusal(409, "Conflict", f"Operation cannot be fulfilled on {place.name}: it does not exist")
            metadata.setdefault("namespace", place.namespace) if resource.namespaced else None
            live, code = self._fresh(place, {"metadata": metadata}), 201
        else:
            preconditions(place, metadata, live)
        force, key = request.query.get("force") == "true", (manager(request), "Apply", place.subresource)
        owners = apply.Owners(live["metadata"].get("managedFields"))
        paths = apply.owned(sent, resource, status_only=status_only)
        self._settle_conflicts(place, live, owners, key, paths, force)
        new = copied(live)
        for path in sorted(owners.sets.get(key, set()) - set(paths), key=lambda p: (p[-1] != ".", p)):
            if not any(path in others for other, others in owners.sets.items() if other != key):
                apply.remove_at(new, path)
        for path, value in paths.items():
            if value != {} or not isinstance(apply.get_at(new, path)[1], dict):  # an empty map leaves others' keys alone
                apply.set_at(new, path, value)
        if owners.sets.get(key) != set(paths):
            owners.times[key] = self._time()
        owners.sets[key] = set(paths)
        stored = self._commit(request, resource, live if code == 200 else None, new, owners)
        return code, stored

    def _settle_conflicts(
        self,
        place: Place,
        live: Object,
        owners: apply.Owners,
        key: tuple[str, str, str],
        paths: dict[apply.Path, Any],
        force: bool,
    ) -> None:
        for other, theirs in owners.sets.items():
            if other == key:
                continue
            lost = {
                path for path in theirs & set(paths) if path[-1] != "." and apply.get_at(live, path) != (True, paths[path])
            }
            if lost and not force:
                cause = {"reason": "FieldManagerConflict", "message": f'conflict with "{other[0]}"'}
                causes = [cause | {"field": dotted(path)} for path in sorted(lost)]
                raise Refusal(
                    409,
                    "Conflict",
                    f"Apply failed with {len(lost)} conflicts",
                    details={"name": place.name, "causes": causes},
                )
            theirs -= lost

    def _commit(
        self, request: Request, resource: Resource, live: Object | None, new: Object, owners: apply.Owners
    ) -> Object:
        """Validate, count generations, store, tell watches and listeners. An unchanged object is not stored."""
        new["metadata"].pop("managedFields", None)
        if resource.schema is not None:
            self._validate(resource, live, new)
        if live is not None and (path := _IMMUTABLE.get(resource.kind)) and at(live, path) != at(new, path):
            raise Refusal(422, "Invalid", f"{'.'.join(path)}: Invalid value: field is immutable")
        if live is not None and live.get("immutable") and (live.get("data") != new.get("data") or not new.get("immutable")):
            raise Refusal(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        if live is not None and "generation" in live["metadata"] and wish(live) != wish(new):
            new["metadata"]["generation"] = live["metadata"]["generation"] + 1
        entries = owners.entries(resource.api_version)
        if entries:
            new["metadata"]["managedFields"] = entries
        changed = live is None or content(live) != content(new)
        if live is not None and not changed and timeless(live) == timeless(new):
            self._tell(Write(request, resource, live, live, False))
            return live
        return self._store(request, resource, live, new, changed)

    def _store(self, request: Request, resource: Resource, old: Object | None, new: Object | None, changed: bool) -> Object:
        self.version += 1
        subject = new if new is not None else old
        assert subject is not None
        metadata = subject["metadata"]
        place = (metadata.get("namespace", ""), metadata["name"])
        if new is None:
            del self.objects[resource.kind][place]
        else:
            new["metadata"]["resourceVersion"] = str(self.version)
            self.objects[resource.kind][place] = new
        event = Event(self.version, resource, old, new)
        self.history.append(event)
        for watch in list(self.watches):
            watch.offer(event)
        self._tell(Write(request, resource, old, new, changed))
        return subject

    def _validate(self, resource: Resource, live: Object | None, new: Object) -> None:
        assert resource.schema is not None
        metadata = new["metadata"]
        pruned = schema.prune({k: v for k, v in new.items() if k != "metadata"}, resource.schema)
        schema.default(pruned, resource.schema)
        new.clear()
        new |= pruned | {"metadata": metadata}
        found = list(schema.errors(new, resource.schema, live))
        if found:
            message = f'{resource.kind}.{resource.group} "{metadata["name"]}" is invalid: {"; ".join(found[:5])}'
            causes = [
                {"reason": "FieldValueInvalid", "message": one, "field": one.partition(":")[0].lstrip(".")} for one in found
            ]
            raise Refusal(422, "Invalid", message, details={"name": metadata["name"], "causes": causes})

    def _delete(self, place: Place, request: Request) -> Object:
        if not place.name:
            for obj in list(self._list(place, request)["items"]):
                self._store(request, place.resource, obj, None, True)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}
        live = self._get(place)
        preconditions(place, (request.body or {}).get("preconditions") or {}, live, uid_code=409)
        self._store(request, place.resource, live, None, True)
        details = {"name": place.name, "kind": place.resource.plural, "uid": live["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def orphans(self) -> Iterator[tuple[Resource, Object]]:
        """What the garbage collector would delete: objects whose owners are all gone."""
        alive = self.by_uid()
        for kind, objects in self.objects.items():
            for obj in list(objects.values()):
                references = obj["metadata"].get("ownerReferences") or ()
                if references and not any(reference["uid"] in alive for reference in references):
                    yield BY_KIND[kind], obj

    def _tell(self, write: Write) -> None:
        for listener in self.listeners:
            listener(write)

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
