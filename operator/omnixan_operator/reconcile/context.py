"""What every reconciliation works with: the store to observe, and the writes, whose answers go into the store."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.meta import PAUSED_ANNOTATION
from omnixan.edge_network.api.quantumjob import QuantumJobStatus
from omnixan_operator.analysis import Analyzer
from omnixan_operator.apiserver import ApiServer, NotFoundError
from omnixan_operator.confinement import Confinement
from omnixan_operator.decide.claiming import Plan
from omnixan_operator.events import Recorder
from omnixan_operator.feed import Feed
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Kind, Object
from omnixan_operator.lines import Lines
from omnixan_operator.metrics import Metrics
from omnixan_operator.offers import Offers
from omnixan_operator.queue import WorkQueue
from omnixan_operator.settings import Settings
from omnixan_operator.store import Store, name_of, namespace_of, uid_of
from omnixan_operator.trim import FIELD_MANAGER

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Unwritten:
    """A status that is meant, and not written yet."""

    uid: str
    """Of its object."""
    status: QuantumJobStatus
    due: float
    """When it is to be written at the latest (monotonic)."""


@dataclass
class Context:
    """The operator's parts. `plan`, `claims_rest`, `placing`, `lines` and `unwritten` are its own state; all can be lost."""

    settings: Settings
    store: Store
    feed: Feed
    queue: WorkQueue[Key]
    api: ApiServer
    analyzer: Analyzer
    recorder: Recorder
    metrics: Metrics
    now: Callable[[], datetime]
    """Wall clock, for what is shown."""
    monotonic: Callable[[], float]
    """For what is measured."""
    processor: Callable[[], float] = time.thread_time
    """Processor time of the event loop's thread, for what is measured on machines that are short of it."""
    may_write: Callable[[], bool] = lambda: True
    """Whether this process leads for certain at this moment."""
    confinement: Confinement = field(default_factory=Confinement)
    """Whether agents may be started."""
    plan: Plan | None = None
    """The last decision on claims; None until the first pass."""
    claims_rest: float = 0.0
    """The next pass over all claims is made no sooner (monotonic): it walks over all nodes and EdgeClusters."""
    placing: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Runs on their way to the API server, by name: namespace and node. They count as being on the node."""

    offers: Offers = field(init=False)
    """What the nodes offer."""
    lines: Lines = field(default_factory=Lines)
    """The jobs that wait for a place on a node."""
    unwritten: dict[Key, Unwritten] = field(default_factory=dict)
    """Statuses of jobs that are written a little later, as they may be outdated until then."""

    def __post_init__(self) -> None:
        self.offers = Offers(self.store, self.placing)

    async def create(self, kind: Kind, obj: Object) -> Object:
        """Create an object."""
        return self._take(kind, await self.api.create(kind, obj))

    async def apply(self, kind: Kind, obj: Object, manager: str = FIELD_MANAGER) -> Object:
        """Apply an object."""
        return self._take(kind, await self.api.apply(kind, obj, manager))

    async def merge(self, kind: Kind, obj: Object, patch: Object, manager: str) -> Object:
        """Merge a patch into an object."""
        return self._take(kind, await self.api.merge(kind, namespace_of(obj), name_of(obj), patch, manager))

    async def apply_over(self, kind: Kind, obj: Object, live: Object | None) -> Object:
        """Apply an object, only if it is still the version that was observed (any, if there was none)."""
        return await self.apply(kind, obj if live is None else obj | {"metadata": obj["metadata"] | _version(live)})

    async def write_status(self, kind: Kind, live: Object, status: Any) -> Object:
        """Apply a status, only if the object is still the version that was observed."""
        metadata = {"name": name_of(live), "namespace": namespace_of(live)} | _version(live)
        return self._take(kind, await self.api.apply_status(kind, {"metadata": metadata, "status": status}))

    async def delete(self, kind: Kind, obj: Object, *, unchanged: bool = False) -> None:
        """Delete this very object, with `unchanged` only as it was observed; it may be gone already."""
        try:
            answer = await self.api.delete(kind, obj, unchanged=unchanged)
        except NotFoundError:
            answer = {"kind": "Status"}
        if answer.get("kind") == "Status":
            self.feed.gone(kind, obj)
        else:
            self._take(kind, answer)

    async def refresh(self, kind: Kind, namespace: str, name: str) -> bool:
        """Look an object up in the API server; whether the store was behind."""
        known = self.store.get(kind, namespace, name)
        try:
            return self.feed.put(kind, await self.api.get(kind, namespace, name))
        except NotFoundError:
            return known is not None and self.feed.gone(kind, known)

    def _take(self, kind: Kind, answer: Object) -> Object:
        self.feed.put(kind, answer)
        return answer


def _version(live: Object) -> Object:
    """As part of what is sent: refused (ConflictError) unless the object is this very one, unchanged."""
    return {"uid": uid_of(live), "resourceVersion": live["metadata"]["resourceVersion"]}


def parse(model: type[M], obj: Object) -> M | str:
    """The object as a model, or what is wrong with it: the operator leaves it alone then."""
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:8])


MAX_REMEMBERED = 10_000

_clusters: OrderedDict[tuple[str, str], tuple[Object, EdgeCluster | str]] = OrderedDict()
"""Parsed EdgeClusters by place. An entry holds the very object it was parsed from, so that none can pass for another."""


def parse_cluster(obj: Object) -> EdgeCluster | str:
    """As `parse`, once for every version of an EdgeCluster: each of its jobs and each claiming pass looks at it."""
    place = (namespace_of(obj), name_of(obj))
    known = _clusters.get(place)
    if known is None or known[0] is not obj:
        known = _clusters[place] = obj, parse(EdgeCluster, obj)
        while len(_clusters) > MAX_REMEMBERED:
            _clusters.popitem(last=False)
    return known[1]


def paused(obj: Object) -> bool:
    """Whether the object's owner asked the operator to leave it alone."""
    return (obj["metadata"].get("annotations") or {}).get(PAUSED_ANNOTATION) == "true"
