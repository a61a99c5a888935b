"""Records every version of every object of our kinds, and all events, from watches over a whole test session."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omnixan.edge_network.agent.credentials import Credentials, from_kubeconfig
from omnixan.edge_network.api.meta import GROUP, VERSION

KINDS = {"EdgeCluster": "edgeclusters", "EdgeNode": "edgenodes", "QuantumJob": "quantumjobs"}
"""Kinds whose status people and GitOps tools wait for. (A QuantumRun is between operator and agent.)"""
EVENT = "Event"
WATCHED = {kind: (f"{GROUP}/{VERSION}", plural) for kind, plural in KINDS.items()} | {EVENT: ("events.k8s.io/v1", "events")}
"""What is recorded: apiVersion and plural by kind."""
REQUEST_SECONDS = 30.0
PAUSE_SECONDS = 0.2
MAX_VERSIONS = 200_000
"""A recording that grew beyond this is a bug of its own."""

Object = dict[str, Any]


class Recorder:
    """Watches from `__enter__` to `__exit__`; then `histories` has the versions of each object.

    A watch that ends goes on from the last resourceVersion it saw, so nothing is missed. Only if the API server no longer
    has that version (410) there is a gap, and histories begin anew.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._credentials = from_kubeconfig(kubeconfig)
        self._opener = _opener(self._credentials)
        self._lock = threading.Lock()
        self._versions: dict[tuple[str, str, int], list[Object]] = {}
        self._count = 0
        self._gap = 0
        self._stop = threading.Event()
        self._seen: dict[str, int] = dict.fromkeys(WATCHED, 0)
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in WATCHED]
        self.problem: Exception | None = None
        """What ended the recording before its time."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()

    @property
    def histories(self) -> list[Sequence[Object]]:
        """For every object of ours its versions, oldest first."""
        with self._lock:
            return [list(versions) for (kind, _, _), versions in self._versions.items() if kind != EVENT]

    @property
    def events(self) -> list[Object]:
        """Every event, whoever posted it, as it was last."""
        with self._lock:
            return [versions[-1] for (kind, _, _), versions in self._versions.items() if kind == EVENT]

    def catch_up(self, seconds: float = REQUEST_SECONDS) -> None:
        """Wait until all that the API server has now is recorded; raises what ended the recording, or TimeoutError."""
        newest = {kind: self._newest_of(kind) for kind in WATCHED}
        deadline = time.monotonic() + seconds
        while True:
            if self.problem is not None:
                raise self.problem
            with self._lock:
                behind = [kind for kind in WATCHED if self._seen[kind] < newest[kind]]
            if not behind:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the recording of {', '.join(behind)} is behind the API server")
            time.sleep(PAUSE_SECONDS)

    def _newest_of(self, kind: str) -> int:
        try:
            items = self._request(self._path(kind)).get("items") or ()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return 0  # the kind itself was deleted: there is nothing to wait for
        return max((int(item["metadata"]["resourceVersion"]) for item in items), default=0)

    def _follow(self, kind: str) -> None:
        version = ""
        while not self._stop.is_set() and self.problem is None:
            try:
                version = self._watch(kind, version) if version else self._list(kind)
            except urllib.error.HTTPError as error:
                if error.code == 410:
                    version = self._begin_anew()
                elif error.code in (401, 403):
                    self.problem = error
                self._stop.wait(PAUSE_SECONDS)
            except (OSError, ValueError):  # no answer, a broken connection, half a line
                self._stop.wait(PAUSE_SECONDS)
            except RuntimeError as error:
                self.problem = error

    def _list(self, kind: str) -> str:
        answer = self._request(self._path(kind))
        for item in answer.get("items") or ():
            self._take(kind, {"apiVersion": WATCHED[kind][0], "kind": kind, **item})
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, kind: str, version: str) -> str:
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion={version}"
        with self._open(self._path(kind) + query, None) as lines:
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    if event["object"].get("code") == 410:
                        return self._begin_anew()
                    return version
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(kind, event["object"])
                if self._stop.is_set():
                    break
        return version

    def _begin_anew(self) -> str:
        with self._lock:
            self._gap += 1
        return ""

    def _take(self, kind: str, obj: Object) -> None:
        metadata = obj["metadata"]
        number = int(metadata["resourceVersion"])
        with self._lock:
            self._seen[kind] = max(self._seen[kind], number)
            versions = self._versions.setdefault((kind, metadata["uid"], self._gap), [])
            if versions and int(versions[-1]["metadata"]["resourceVersion"]) >= number:
                return
            versions.append(slim(obj))
            self._count += 1
            if self._count > MAX_VERSIONS:
                raise RuntimeError(f"more than {MAX_VERSIONS} versions were recorded: something writes without end")

    def _path(self, kind: str) -> str:
        return "/apis/{}/{}".format(*WATCHED[kind])

    def _request(self, path: str) -> Object:
        with self._open(path, REQUEST_SECONDS) as answer:
            found: Object = json.load(answer)
            return found

    def _open(self, path: str, seconds: float | None) -> Any:
        headers = {"Accept": "application/json"}
        if self._credentials.token is not None:
            headers["Authorization"] = f"Bearer {self._credentials.token()}"
        request = urllib.request.Request(self._credentials.server + path, headers=headers)
        return self._opener.open(request, timeout=seconds if seconds is not None else 300.0)


def slim(obj: Mapping[str, Any]) -> Object:
    """An object without what no rule looks at and what may be large."""
    spec = {name: value for name, value in (obj.get("spec") or {}).items() if name not in ("program", "algorithm")}
    managers = [
        {name: entry[name] for name in ("manager", "operation", "subresource", "time") if name in entry}
        for entry in obj["metadata"].get("managedFields") or ()
    ]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managers}, "spec": spec}


def _opener(credentials: Credentials) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if credentials.tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=credentials.tls))
    return urllib.request.build_opener(*handlers)
