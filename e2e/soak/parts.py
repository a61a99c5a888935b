"""The parts of the soak and the ground that they share: one cluster with the product on it, raised when first needed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from e2e import install
from e2e.cluster import open_cluster
from e2e.cluster.golang import program
from e2e.cluster.images import ensure_images
from e2e.cluster.interface import Cluster
from e2e.cluster.pypi import helm
from e2e.cluster.steps import Steps
from e2e.faults import diagnosis, hours, leaders, loops, nodes, releases, uninstalls
from e2e.faults.field import Field
from e2e.guest import power_cut
from e2e.install import Release
from e2e.kubectl import Kubectl

TENANT = "soak"
STEADY_SECONDS = "600"
HOURS_SECONDS = 3800.0
"""Longer than a token lives, whose hour begins before."""


class Ground:
    """The cluster, and the product on it; the cluster goes in the end, unless OMNIXAN_KEEP_CLUSTER is set."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._broken = False
        self.evidence: dict[str, Any] = {}
        """What the round in hand has seen; it is written down even if the round fails afterwards."""

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if (self._cluster is not None or self._broken) and not os.environ.get("OMNIXAN_KEEP_CLUSTER"):
            (self._cluster or open_cluster()).down()

    @property
    def cluster(self) -> Cluster:
        """The cluster, up."""
        if self._cluster is None:
            self._cluster = open_cluster()
            self._cluster.up(fresh=self._broken)
            self._broken = False
        return self._cluster

    def give_up(self) -> None:
        """A round has failed on this ground: the next that needs one gets it made anew."""
        self._broken = self._cluster is not None
        self._cluster = None
        self.__dict__.pop("field", None)

    def why(self) -> list[str]:
        """What is not well on it; nothing before it is there."""
        return diagnosis.why(self.field.kubectl) if "field" in self.__dict__ else []

    @cached_property
    def field(self) -> Field:
        """The product on the cluster, and a tenant."""
        images = ensure_images(self.cluster)
        kubectl = Kubectl(program("kubectl"), self.cluster.kubeconfig)
        # The shortest that there are: they are replaced every eight minutes, in the middle of whatever is soaked.
        short = ("security.tokenSeconds=600",)
        release = install.Release(kubectl, helm(), images.operator, images.agent, values=short)
        install.label_workers(kubectl)
        release.install()
        install.make_tenant(kubectl, TENANT)
        return Field(self.cluster, kubectl, release)


@dataclass(frozen=True)
class Part:
    """One part: what a round is, and how many there are."""

    what: str
    rounds: int
    run: Callable[[Ground, int], dict[str, Any]]
    report: str = ""
    """Name of its JSON file, where it is not the part's."""


def _pytest(*arguments: str, **environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    done = subprocess.run(command, env=os.environ | environment, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)} ended with status {done.returncode}"
    return {"command": " ".join(["pytest", *arguments])}


def _failover(ground: Ground, number: int) -> dict[str, Any]:
    ground.field.renew_operators()
    ground.field.make_edge_cluster()
    how = leaders.WAYS[number % len(leaders.WAYS)]
    away = leaders.AWAY[how]
    return leaders.fail_over(ground.field, TENANT, how, jobs=100, layers=300, away=away, mark=f"f{number}")


def _nodes(ground: Ground, number: int) -> dict[str, Any]:
    ground.field.make_edge_cluster()
    how = nodes.WAYS[number % len(nodes.WAYS)]
    return nodes.lose_node(ground.field, TENANT, how, jobs=24, layers=900, mark=f"n{number}")


def _uninstall(ground: Ground, number: int) -> dict[str, Any]:
    order = uninstalls.ORDERS[number % len(uninstalls.ORDERS)]
    ground.field.operators_are_whole()
    return {"order": order.__name__, "means": order.__doc__} | order(ground.field, TENANT)


def _upgrades(ground: Ground, number: int) -> dict[str, Any]:
    """From this release to the next and back; every second time from an earlier one to this and back."""
    field = ground.field
    now = field.release
    if number % 2:
        with releases.earlier_release(field) as earlier:
            earlier.install()
            field.operators_are_whole()
            found = _there_and_back(field, earlier, now, f"e{number}")
            found |= {"from": releases.EARLIER}
            field.remove_edge_cluster()
            now.install()
        return found
    with releases.next_release(field) as following:
        return _there_and_back(field, now, following, f"u{number}")


def _there_and_back(field: Field, one: Release, other: Release, mark: str) -> dict[str, Any]:
    field.make_edge_cluster()
    there = releases.change_release(field, TENANT, one, other, jobs=24, layers=900, mark=f"{mark}t")
    back = releases.change_release(field, TENANT, other, one, jobs=24, layers=900, mark=f"{mark}b")
    return {"there": there, "back": back}


def _hours(ground: Ground, _number: int) -> dict[str, Any]:
    usual = replace(ground.field.release, values=())  # tokens of an hour
    field = replace(ground.field, release=usual)
    field.release.install()
    field.operators_are_whole()
    field.make_edge_cluster()
    hours.stay_ready(field, TENANT, HOURS_SECONDS, ground.evidence)
    field.remove_edge_cluster()
    ground.field.release.install()
    return {}


def _steady(ground: Ground, _number: int) -> dict[str, Any]:
    test = "tests/api/omnixan_operator/test_two_replicas.py"
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder) / "seen.json"
        wished = {"OMNIXAN_STEADY_SECONDS": STEADY_SECONDS, "OMNIXAN_STEADY_EVIDENCE": str(seen)}
        try:
            return _pytest(test, "-k", "settled", "--timeout=1500", **wished)
        finally:
            if seen.exists():
                ground.evidence.update(json.loads(seen.read_text()))


def _load(_ground: Ground, _number: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "e2e.load", "--save"], check=False)
    assert done.returncode == 0, f"an aim was missed (status {done.returncode}): docs/figures/soak/load.md"
    return {"figures": "docs/figures/soak/load.json"}


def _faults(_ground: Ground, _number: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.faults.soak"], check=False)
    assert done.returncode == 0, f"the fault simulation ended with status {done.returncode}"
    return {}


def _deaths(_ground: Ground, _number: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.faults.deaths"], check=False)
    assert done.returncode == 0, f"a death at some await was not made good (status {done.returncode})"
    return {"figures": "docs/figures/soak/deaths.json"}


def _crashes(_ground: Ground, _number: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.crash.soak"], check=False)
    assert done.returncode == 0, f"power cuts of images and kills ended with status {done.returncode}"
    return {"figures": "docs/figures/soak/crash-images.json"}


def _flux(_ground: Ground, _number: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "e2e.gitops.flux"], check=False)
    assert done.returncode == 0, f"Flux's controllers did not conclude what they should (status {done.returncode})"
    return {"figures": "docs/figures/flux.json"}


def _power_cuts(_ground: Ground, number: int) -> dict[str, Any]:
    found = power_cut.power_cut(secrets.randbelow(1 << 32), Steps(), cuts=1 + number % 3)
    wrong = power_cut.shortcomings(found)
    assert not wrong, f"seed {found['seed']}: {wrong}"
    return power_cut.summary(found)


def _loops(ground: Ground, number: int) -> dict[str, Any]:
    ground.field.remove_edge_cluster()  # of another part, if there is one
    with loops.remembering(ground.field) as node:
        calm = loops.undisturbed(ground.field, TENANT, f"l{number}")
        return loops.kill_twice(ground.field, TENANT, node, calm, f"l{number}")


def _scenarios(ground: Ground, _number: int) -> dict[str, Any]:
    assert ground.cluster
    return _pytest("e2e/scenarios", OMNIXAN_KEEP_CLUSTER="1")


PARTS = {
    "failover": Part("a leader is killed, frozen for 60 s, cut off for 60 s (in turn) while 100 jobs run", 20, _failover),
    "nodes": Part(
        "a node is frozen, cut off, rebooted with jobs on it, for long and for a moment (in turn): see e2e/faults/nodes.py",
        len(nodes.WAYS),
        _nodes,
    ),
    "uninstall": Part("every order of uninstalling, in turn", len(uninstalls.ORDERS), _uninstall),
    "upgrades": Part(
        "chart upgrade there and back with jobs running, operators before agents: to a next release of the same code, and "
        "from an earlier commit, in turn",
        4,
        _upgrades,
    ),
    "hours": Part("agents, operators and jobs while all tokens, of an hour, run out and are replaced", 1, _hours),
    "steady": Part("settled objects: an operator restart and 10 minutes without a write", 1, _steady),
    "load": Part("10,000 jobs, 1,000 EdgeClusters: see e2e/load", 1, _load, report="load-rounds"),
    "faults": Part("thousands of seeds of the fault simulation: see tests/faults", 1, _faults, report="faults-rounds"),
    "deaths": Part("an operator dies at every await of nine stories: see tests/faults", 1, _deaths, report="deaths-rounds"),
    "flux": Part("Flux's real controllers wait for our kinds: see e2e/gitops/flux.py", 1, _flux, report="flux-rounds"),
    "crashes": Part(
        "every image of a power cut, 200 kills of each, store and log: see tests/crash", 1, _crashes, report="crash-rounds"
    ),
    "power-cuts": Part(
        "power cuts of a virtual machine with NVDIMMs, one to three in a row: see e2e/guest", 20, _power_cuts
    ),
    "loops": Part("an agent is killed -9 twice in a QAOA of 60 iterations: see e2e/faults/loops.py", 5, _loops),
    "scenarios": Part("all scenarios of `make test` on one cluster", 3, _scenarios),
}
