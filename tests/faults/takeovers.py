"""How long nobody leads after a leader is lost, as the API server sees it, and what it still accepts of the former one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from tests.faults.apiserver.requests import Write
from tests.faults.apiserver.resources import Object
from tests.faults.cluster import SYSTEM, Cluster
from tests.faults.invariants import Invariants, is_operator

LEASE = "omnixan-operator"
LIMIT = 20.0
"""Virtual seconds from the loss of a leader until another holds the Lease and has written something of its work, at most."""
ANOTHER_LEADS = f"another leads within {LIMIT:g} s"
FORMER = "a former leader writes nothing"
AT_ONCE = 0.01
"""Virtual seconds within which a process that runs on has sent what had passed its own gate before it was frozen."""
ONE_RESULT = "every job has exactly one result"


@dataclass
class Takeover:
    """One loss and what came after it. Times in virtual seconds from the loss."""

    way: str
    lost: str
    """The process that led."""
    at: float
    """When it was lost, in seconds of the story."""
    renewed: float
    """How long before that the API server had accepted its last renewal."""
    runs: int
    """Runs that are not over at that moment."""
    jobs: int
    """Jobs that are not over at that moment."""
    lease: float | None = None
    """Until another holds the Lease."""
    work: float | None = None
    """Until that one has written something other than the Lease and Events."""
    back: float | None = None
    """Until the lost process ran on, or was connected again."""
    late: int = 0
    """Writes that it was sending when it was frozen, and that were accepted when it ran on: without the admission policy."""


class Takeovers:
    """Watches what is written from the first loss on; `all` fills up."""

    def __init__(self, cluster: Cluster, invariants: Invariants) -> None:
        self._cluster = cluster
        self._invariants = invariants
        self._renewed = 0.0
        self._ended: Counter[str] = Counter()
        self._runs: Counter[str] = Counter()
        self._former: set[str] = set()
        """Lost leaders whose successor holds the Lease or held it."""
        self.all: list[Takeover] = []
        cluster.api.listeners.append(self._on_write)

    def holder(self) -> str:
        """The process that holds the Lease; empty: none."""
        lease = self._cluster.api.find("Lease", SYSTEM, LEASE)
        return _process(lease) if lease is not None else ""

    def lost(self, way: str) -> None:
        """The holder of the Lease is lost at this moment; whether another leads in time is looked at by itself."""
        api, now = self._cluster.api, self._cluster.loop.now
        runs = sum(not run.get("status", {}).get("completionTime") for run in api.all("QuantumRun"))
        jobs = sum(not job.get("status", {}).get("completionTime") for job in api.all("QuantumJob"))
        takeover = Takeover(way, self.holder(), now, now - self._renewed, runs, jobs)
        self.all.append(takeover)
        self._cluster.loop.call_later(LIMIT, self._judge, takeover)

    def _judge(self, takeover: Takeover) -> None:
        lost = f"{takeover.lost}, {takeover.way} at {takeover.at:.3f} s,"
        if takeover.lease is None:
            self._invariants.violated(ANOTHER_LEADS, f"the Lease of {lost} is still held by '{self.holder()}'")
        elif takeover.work is None:
            took = f"{self.holder()} took the Lease after {takeover.lease:.2f} s"
            self._invariants.violated(ANOTHER_LEADS, f"{took} from {lost} and has written nothing of its work")

    def _on_write(self, write: Write) -> None:
        client, kind = write.request.client, write.resource.kind
        if kind == "Lease" and write.new is not None and write.new["metadata"]["name"] == LEASE:
            self._on_lease(write.new)
        elif is_operator(client) and kind not in ("Lease", "Event"):
            self._on_work(client, f"{write.request.method} {write.request.path}")
        if kind == "QuantumRun" and write.old is None and write.new is not None:
            self._runs[write.new["spec"]["jobRef"]["uid"]] += 1
        if kind == "QuantumJob" and write.old is not None and write.new is not None:
            before, after = (job.get("status", {}).get("completionTime") for job in (write.old, write.new))
            self._ended[write.new["metadata"]["uid"]] += bool(after and not before)

    def _on_lease(self, lease: Object) -> None:
        self._renewed = now = self._cluster.loop.now
        last = self.all[-1] if self.all else None
        if last is not None and last.lease is None and _process(lease) not in ("", last.lost):
            last.lease = now - last.at
            self._former.add(last.lost)

    def _on_work(self, client: str, what: str) -> None:
        if client in self._former:
            self._on_late(client, what)
        last = self.all[-1] if self.all else None
        if last is not None and last.lease is not None and last.work is None and client == self.holder():
            last.work = self._cluster.loop.now - last.at

    def _on_late(self, client: str, what: str) -> None:
        """Without the chart's policy what a leader was sending when it was frozen may be accepted (decision 40)."""
        takeover = next(one for one in self.all if one.lost == client)
        since = self._cluster.loop.now - takeover.at - (takeover.back or 0.0)
        if self._cluster.api.admission or takeover.back is None or since > AT_ONCE:
            self._invariants.violated(FORMER, f"{what} of {client} was accepted, and {self.holder()} leads")
        else:
            takeover.late += 1

    def back(self, client: str) -> None:
        """The lost process runs on, or is connected again, at this moment."""
        takeover = next(one for one in self.all if one.lost == client)
        takeover.back = self._cluster.loop.now - takeover.at

    def says(self, client: str, leads: bool) -> None:
        """Whether a lost process, another holding the Lease, believes that it leads."""
        if leads and client in self._former:
            self._invariants.violated(FORMER, f"{client} believes that it may write, and {self.holder()} leads")

    def judge_jobs(self, submitted: int) -> None:
        """In the end: every job ended once, with a result, and needed one run: a lost leader loses no attempt."""
        jobs = self._cluster.api.all("QuantumJob")
        if len(jobs) != submitted:
            self._invariants.violated(ONE_RESULT, f"{submitted} jobs were submitted, and there are {len(jobs)}")
        for job in jobs:
            uid, status = job["metadata"]["uid"], job.get("status", {})
            if not status.get("result") or (self._ended[uid], self._runs[uid]) != (1, 1):
                what = f"{job['metadata']['name']} is {status.get('phase')}, ended {self._ended[uid]} times"
                self._invariants.violated(ONE_RESULT, f"{what} and had {self._runs[uid]} runs")

    def plain(self) -> list[dict[str, Any]]:
        """As JSON has it, times rounded to a millisecond."""
        return [{k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(one).items()} for one in self.all]


def _process(lease: Object) -> str:
    """The process by which a Lease's holder is known: what its identity begins with."""
    return str(lease["spec"].get("holderIdentity") or "").partition("_")[0]
