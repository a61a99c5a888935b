"""A Kustomization with `wait` is Ready when the EdgeCluster is Ready and the QuantumJob Complete, and never before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from e2e.gitops import kstatus
from e2e.gitops.flux import NAMESPACE, Flux
from e2e.gitops.git_server import GitServer
from omnixan.edge_network.api.meta import API_VERSION
from tests.api.client import Kube, Object, RefusedError
from tests.api.omnixan_operator.harness import BELL, Agents, Operator, Site, wait
from tests.flux.conftest import KUSTOMIZE, SOURCE

WATCHED_SECONDS = 12.0
"""How long Flux is watched while it has to wait; it polls every few seconds."""
BEAT_SECONDS = 5.0
PATIENCE = 120.0


class LivelyAgents(Agents):
    """Agents that renew their Leases, as real ones do: this test takes longer than a heartbeat may be old."""

    def __init__(self, kube: Kube) -> None:
        super().__init__(kube)
        self._beaten = 0.0

    def step(self) -> None:
        if time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            for node in self.kube.list("EdgeNode"):
                self.beat(node["metadata"]["name"], node["metadata"]["uid"])
        super().step()


class Stage:
    """One Kustomization over one repository, and what it makes of it."""

    def __init__(self, site: Site, git: GitServer, flux: Flux) -> None:
        self.site = site
        self.git = git
        self.flux = flux
        self.kube: Kube = site.kube.within(NAMESPACE)
        self.name = site.mark

    def create(self, revision: str) -> None:
        metadata = {"name": self.name, "namespace": NAMESPACE}
        repository = {"interval": "2s", "url": self.git.url, "ref": {"branch": "main"}}
        self.kube.create({"apiVersion": SOURCE, "kind": "GitRepository", "metadata": metadata, "spec": repository})
        spec = {
            "interval": "1h",
            "retryInterval": "2s",
            "timeout": "10m",
            "prune": True,
            "wait": True,
            "path": "./edge",
            "sourceRef": {"kind": "GitRepository", "name": self.name},
        }
        self.kube.create({"apiVersion": KUSTOMIZE, "kind": "Kustomization", "metadata": metadata, "spec": spec})
        self.revision = revision

    def change(self, *manifests: Object) -> str:
        """Commit the manifests as the whole content of the folder."""
        files = {f"edge/{m['kind'].lower()}-{m['metadata']['name']}.yaml": yaml.safe_dump(m) for m in manifests}
        self.revision = self.git.commit(files | {"edge/kustomization.yaml": _kustomization(files)})
        return self.revision

    def ready(self) -> Object:
        """The Kustomization's condition Ready, empty unless it is about the last commit."""
        obj = self.kube.get("Kustomization", self.name, api_version=KUSTOMIZE)
        status = obj.get("status", {})
        if self.revision not in status.get("lastAttemptedRevision", ""):
            return {}
        found: Object = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
        return found

    def applied(self) -> str:
        """The commit that was applied and found healthy last."""
        obj = self.kube.get("Kustomization", self.name, api_version=KUSTOMIZE)
        return str(obj.get("status", {}).get("lastAppliedRevision", "")).rpartition(":")[2]

    def until(self, status: str, what: str) -> Object:
        try:
            found: Object = wait(what, lambda: c if (c := self.ready()).get("status") == status else None, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.ready()}\n{self.flux.log('kustomize-controller')}") from None
        return found

    def stays_waiting(self) -> None:
        """Watch that Flux goes on waiting."""
        end = time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < end:
            assert self.ready().get("status") == "Unknown", self.ready()
            time.sleep(0.1)

    def clear(self) -> None:
        for kind, api in (("Kustomization", KUSTOMIZE), ("GitRepository", SOURCE)):
            try:
                self.kube.delete(kind, self.name, api)
            except RefusedError as error:
                assert error.code == 404, error
            wait(f"{kind} is gone", lambda kind=kind, api=api: _gone(self.kube, kind, self.name, api))


def _kustomization(files: dict[str, str]) -> str:
    return yaml.safe_dump({"resources": [name.removeprefix("edge/") for name in files]})


def _gone(kube: Kube, kind: str, name: str, api: str = API_VERSION) -> bool:
    try:
        kube.get(kind, name, api_version=api)
    except RefusedError as error:
        return error.code == 404
    return False


@pytest.fixture
def stage(site: Site, git: GitServer, flux: Flux) -> Iterator[Stage]:
    found = Stage(site, git, flux)
    try:
        yield found
    finally:
        found.clear()


def edge_cluster(site: Site) -> Object:
    spec = {"nodes": 2, "pools": [site.pool()]}
    return {
        "apiVersion": API_VERSION,
        "kind": "EdgeCluster",
        "metadata": {"name": "ec", "namespace": site.mark},
        "spec": spec,
    }


def quantum_job(site: Site, name: str, program: str = BELL) -> Object:
    spec = {"clusterRef": {"name": "ec"}, "program": {"inline": {"data": program}}}
    return {
        "apiVersion": API_VERSION,
        "kind": "QuantumJob",
        "metadata": {"name": name, "namespace": site.mark},
        "spec": spec,
    }


def result(site: Site, kind: str, name: str) -> kstatus.Result:
    return kstatus.compute(site.kube.get(kind, name))


def timed(figures: dict[str, Any], name: str, action: Callable[[], object]) -> None:
    begin = time.monotonic()
    action()
    figures[name] = round(time.monotonic() - begin, 2)


@pytest.mark.timeout(900)
def test_a_kustomization_waits_for_cluster_and_job_fails_with_the_job_and_prunes(
    operator: Operator, site: Site, stage: Stage, figures: dict[str, Any]
) -> None:
    for suffix in ("g0", "g1"):
        site.node(suffix)
    cluster, job = edge_cluster(site), quantum_job(site, "bell")
    stage.create(stage.change(cluster, job))

    # no agent is there: the EdgeCluster cannot become Ready
    stage.until("Unknown", "Flux runs its health checks")
    wait("nodes are claimed", lambda: len(site.claims()) == 2)
    assert result(site, "EdgeCluster", "ec") is kstatus.Result.IN_PROGRESS
    stage.stays_waiting()

    # agents come, and leave the run alone: Ready, and the job not Complete
    with LivelyAgents(site.kube) as agents:
        agents.work = False
        site.is_so("EdgeCluster", "ec", "Ready")
        site.is_so("QuantumJob", "bell", "Placed")
        assert result(site, "EdgeCluster", "ec") is kstatus.Result.CURRENT
        stage.stays_waiting()
        assert stage.applied() == ""

        # the run is done: Complete, and now Flux is content
        agents.work = True
        site.is_so("QuantumJob", "bell", "Complete")
        timed(figures, "completeToReadySeconds", lambda: stage.until("True", "the Kustomization is Ready"))
        assert stage.applied() == stage.revision
        first = stage.revision

        # a job that fails makes the Kustomization fail, long before its timeout
        timed(figures, "brokenCommitToFailedSeconds", lambda: _break(stage, cluster, job))
        assert stage.applied() == first

        # taken out of Git, it is pruned, and all is well again
        stage.change(cluster, job)
        stage.until("True", "the Kustomization is Ready again")
        assert _gone(site.kube, "QuantumJob", "bad")

        # an EdgeCluster that wants what there is not makes Flux wait again: a new generation is not taken for the old one
        scaled = edge_cluster(site)
        scaled["spec"]["nodes"] = 3
        stage.change(scaled, job)
        wait("the change is applied", lambda: site.kube.get("EdgeCluster", "ec")["spec"]["nodes"] == 3)
        stage.stays_waiting()
        site.node("g2")
        stage.until("True", "the third node is there, and the Kustomization Ready")

        stage.change()
        stage.until("True", "the Kustomization is Ready with nothing in it")
        assert _gone(site.kube, "QuantumJob", "bell") and _gone(site.kube, "EdgeCluster", "ec")
    figures["stages"] = [
        "waits for EdgeCluster",
        "waits for QuantumJob",
        "Ready",
        "fails with the job",
        "prunes",
        "new generation",
    ]


def _break(stage: Stage, cluster: Object, job: Object) -> None:
    stage.change(cluster, job, quantum_job(stage.site, "bad", "OPENQASM 3.0;\nthis is no program;\n"))
    failed = stage.until("False", "the Kustomization fails")
    assert failed["reason"] == "HealthCheckFailed" and "bad" in failed["message"], failed
