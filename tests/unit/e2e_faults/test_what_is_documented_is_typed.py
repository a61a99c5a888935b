"""The commands that are tested are those that the chart prints and the README has, and no label of ours is overlooked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from e2e import install
from e2e.install import AFTERWARDS, CHART, IN_ORDER, Release, commands, product_labels
from e2e.kubectl import Kubectl
from omnixan.edge_network.api import meta
from tests.cases.chart import NAMESPACE, ROOT, run_helm


@pytest.fixture(scope="module")
def notes() -> str:
    printed = run_helm("install", install.RELEASE, str(CHART), "--dry-run=client", "--namespace", NAMESPACE)
    return printed[printed.index("NOTES:") :]


def test_the_notes_have_the_steps_in_order_and_nothing_else(notes: str) -> None:
    first, second, third = commands(notes, IN_ORDER)
    assert first == "kubectl delete edgeclusters --all --all-namespaces"
    assert second.startswith("until ") and meta.CLAIM_LABEL in second and second.endswith("done")
    assert third == f"helm uninstall {install.RELEASE} -n {NAMESPACE}"


def test_one_command_takes_off_every_label_that_the_product_sets_on_nodes(notes: str) -> None:
    (command,) = commands(notes, AFTERWARDS)
    labels = {value for name, value in vars(meta).items() if name.endswith("_LABEL") and "node-restriction" in value}
    assert command.startswith("kubectl label nodes --all ")
    assert set(command.split()[4:]) == {f"{label}-" for label in labels}
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert command in readme and all(step in readme for step in commands(notes, IN_ORDER) if not step.startswith("until"))


def test_notes_without_the_paragraph_are_said_to_be(notes: str) -> None:
    with pytest.raises(LookupError, match="no line that begins with 'To reinstall'"):
        commands(notes, "To reinstall")


def test_every_label_of_the_product_is_seen_and_no_other() -> None:
    ours = {meta.CLAIM_LABEL: "p.u", meta.MEMORY_TIER_LABEL: "T3-file", f"{meta.GROUP}/new": ""}
    others = {"omnixan.io/site-role": "compute", "kubernetes.io/hostname": "b", "zone": "edge.omnixan.io"}
    nodes = [
        {"metadata": {"name": "a", "labels": ours | others}},
        {"metadata": {"name": "b", "labels": others}},
        {"metadata": {"name": "c"}},
    ]
    assert product_labels(nodes) == {"a": sorted(ours)}


def typist(folder: Path) -> Release:
    """A release whose kubectl and helm print what they are and were told; kubectl fails if it is asked to."""
    kubectl, helm = folder / "k/kubectl", folder / "h/helm"
    for program in (kubectl, helm):
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "${0##*/} $KUBECONFIG $*"\n[ "$1" != fail ]\n')
        program.chmod(0o755)
    return Release(Kubectl(kubectl, folder / "config"), helm, "o", "a")


def test_lines_are_typed_as_by_somebody_who_has_both_programs(tmp_path: Path) -> None:
    said = typist(tmp_path).typed("kubectl label nodes --all a-", "until true; do sleep 1; done", "helm uninstall x")
    config = tmp_path / "config"
    assert said.splitlines() == [f"kubectl {config} label nodes --all a-", f"helm {config} uninstall x"]


def test_a_line_that_fails_ends_it_and_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"kubectl \S* fail") as raised:
        typist(tmp_path).typed("kubectl fail", "helm uninstall x")
    assert f"helm {tmp_path / 'config'}" not in str(raised.value)
    assert not isinstance(raised.value, subprocess.SubprocessError)
