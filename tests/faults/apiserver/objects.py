"""Questions about objects and requests: pure functions of the fake API server."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.apiserver import apply
from tests.faults.apiserver.requests import Refusal, Request
from tests.faults.apiserver.resources import Object, Place, Resource, copied


def without(query: dict[str, str], key: str) -> dict[str, str]:
    """A query without what belongs to the request itself."""
    return {k: v for k, v in query.items() if k not in (key, "watch", "limit")}


def manager(request: Request) -> str:
    """The field manager of a request."""
    return request.query.get("fieldManager") or request.client or "unknown"


def not_found(place: Place) -> Refusal:
    """404."""
    return Refusal(404, "NotFound", f'{place.resource.plural}.{place.resource.group} "{place.name}" not found')


def expired(message: str) -> Refusal:
    """410."""
    return Refusal(410, "Expired", message)


def same_kind(sent: Object, resource: Resource) -> None:
    """400 if the body is of another kind than the path."""
    if (
        sent.get("kind", resource.kind) != resource.kind
        or sent.get("apiVersion", resource.api_version) != resource.api_version
    ):
        raise Refusal(400, "BadRequest", "the API version or kind of the data does not match the expected one")


def preconditions(place: Place, wanted: Object, live: Object, *, uid_code: int = 422) -> None:
    """resourceVersion and uid of what is sent, if it has them, are those of the live object."""
    for key, code in (("resourceVersion", 409), ("uid", uid_code)):
        if wanted.get(key) and str(wanted[key]) != live["metadata"][key]:
            what = f"{key} {wanted[key]} is sent, {live['metadata'][key]} is here"
            if code == 422:
                raise Refusal(422, "Invalid", f"metadata.{key}: Invalid value: field is immutable: {what}")
            message = f'Operation cannot be fulfilled on {place.resource.plural} "{place.name}": {what}'
            raise Refusal(409, "Conflict", message)


def masked(resource: Resource, live: Object, wanted: Object, status_only: bool) -> Object:
    """`wanted` as far as this endpoint may write it, the rest from `live`."""
    new = copied(live)
    if status_only:
        new.pop("status", None)
        if "status" in wanted:
            new["status"] = wanted["status"]
        return new
    kept = {k: new["metadata"][k] for k in ("uid", "creationTimestamp", "generation", "resourceVersion", "name", "namespace")
            if k in new["metadata"]}  # fmt: skip
    result = {k: v for k, v in wanted.items() if k not in ("metadata",) and not (k == "status" and resource.status)}
    if resource.status and "status" in new:
        result["status"] = new["status"]
    metadata = {k: v for k, v in (wanted.get("metadata") or {}).items() if k != "managedFields" and v is not None}
    return result | {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata | kept}


def wish(obj: Object) -> Object:
    """All but metadata and status: what generations count."""
    return {k: v for k, v in obj.items() if k not in ("metadata", "status")}


def content(obj: Object) -> Object:
    """All but what a write that changes nothing changes, too."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
    return obj | {"metadata": metadata}


def timeless(obj: Object) -> str:
    """managedFields without their times."""
    entries = [{k: v for k, v in e.items() if k != "time"} for e in obj["metadata"].get("managedFields", ())]
    return json.dumps(
        sorted(entries, key=lambda e: (e["manager"], e["operation"], e.get("subresource", ""))), sort_keys=True
    )


def at(obj: Object, path: tuple[str, ...]) -> Any:
    """What is below a path of keys."""
    for step in path:
        obj = obj.get(step) or {}
    return obj


def dotted(path: apply.Path) -> str:
    """A field's path as causes name it."""
    return "".join(f".{token[2:]}" if token.startswith("f:") else f"[{token[2:]}]" for token in path)
