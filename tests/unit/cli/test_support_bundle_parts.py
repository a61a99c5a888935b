"""What a support bundle leaves out, how it stays small, and how it finds the API server."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.agent.credentials import CredentialsError
from omnixan.edge_network.cli.support import access, redact
from omnixan.edge_network.cli.support.archive import Archive
from tests.cases import good

PROGRAM = good.PROGRAM


def cleaned(obj: dict[str, Any], *, programs: bool = False) -> str:
    return json.dumps(redact.clean(obj, programs=programs))


@pytest.mark.parametrize("manifest", [good.JOB_PROGRAM, good.RUN_PROGRAM], ids=lambda m: m["kind"])
def test_programs_and_results_are_replaced_by_their_sizes(manifest: dict[str, Any]) -> None:
    shown = cleaned(manifest)
    assert "cx q[0]" not in shown and "bitstring" not in shown
    assert f"(redacted: {len(PROGRAM)} bytes, sha256 " in shown
    assert "cx q[0]" in cleaned(manifest, programs=True)


@pytest.mark.parametrize(
    "manifest", [good.JOB_KNAPSACK, good.JOB_MAXCUT, good.JOB_QUBO], ids=lambda m: m["metadata"]["name"]
)
def test_the_numbers_of_problems_are_replaced_by_their_count(manifest: dict[str, Any]) -> None:
    problem = manifest["spec"]["algorithm"]["qaoa"]["problem"]
    for values in (v for part in problem.values() for v in part.values() if isinstance(v, list)):
        assert json.dumps(values) not in cleaned(manifest) and json.dumps(values) in cleaned(manifest, programs=True)


def test_copies_of_the_manifest_in_metadata_go() -> None:
    metadata = good.JOB_PROGRAM["metadata"] | {
        "annotations": {redact.LAST_APPLIED: json.dumps(good.JOB_PROGRAM), "kept": "yes"},
        "managedFields": [{"manager": "x"}],
    }
    shown = cleaned(good.JOB_PROGRAM | {"metadata": metadata}, programs=True)
    assert redact.LAST_APPLIED not in shown and "managedFields" not in shown and '"kept": "yes"' in shown


def test_secrets_in_environments_go_and_the_rest_stays() -> None:
    env = [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LOG_LEVEL", "value": "DEBUG"}]
    shown = cleaned({"metadata": {}, "spec": {"template": {"spec": {"containers": [{"env": env}]}}}})
    assert "hunter2" not in shown and "DEBUG" in shown


def test_tokens_and_keys_in_logs_go() -> None:
    log = (
        "a Authorization: Bearer abcdefghijkl\nb eyJhbGciOiJSUzI1.eyJzdWIiOiJ4eHh4.c2lnbmF0dXJl\n"
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nc\n"
    )
    assert redact.text(log) == "a Authorization: Bearer (redacted)\nb (redacted)\n(redacted)\nc\n"


def test_the_archive_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    with Archive(tmp_path / "bundle.tar.gz", 100) as archive:
        archive.add("small", "x" * 60, 1)
        archive.add("large", "x" * 60, 1)
        archive.add("fits", "x" * 40, 1)
    assert [(e.path, e.bytes) for e in archive.entries] == [("small", 60), ("large", 0), ("fits", 40)]
    assert "left out: 60 bytes" in archive.entries[1].note
    with tarfile.open(archive.path) as tar:
        assert tar.getnames() == ["bundle/small", "bundle/fits"]
    assert archive.path.stat().st_mode & 0o777 == 0o600


def test_a_bundle_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Archive(tmp_path / "bundle.tar.gz", 100) as archive:
        archive.add("small", "x", 1)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def kubeconfig(folder: Path, user: dict[str, Any]) -> Path:
    path = folder / "config"
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "two")]
    clusters = [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}]
    body = {"current-context": "one", "contexts": contexts, "clusters": clusters, "users": [{"name": "u", "user": user}]}
    path.write_text(yaml.safe_dump(body))
    return path


def test_a_credential_plugin_is_asked_as_kubectl_asks_it(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    answer = json.dumps({"kind": "ExecCredential", "status": {"token": "from the plugin"}})
    plugin.write_text(f'#!/bin/sh\n[ "$FOR" = us ] && [ "$1" = login ] || exit 3\necho \'{answer}\'\n')
    plugin.chmod(0o755)
    asked = {"exec": {"command": str(plugin), "args": ["login"], "env": [{"name": "FOR", "value": "us"}]}}
    found = access.find(kubeconfig(tmp_path, asked), None, os.environ)
    assert found.token is not None and found.token() == "from the plugin"


def test_a_credential_plugin_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="credential plugin '/nowhere/plugin'"):
        access.find(kubeconfig(tmp_path, {"exec": {"command": "/nowhere/plugin"}}), None, os.environ)


def test_an_unknown_context_is_named_with_those_there_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t"})
    assert access.find(path, "two", {}).server == "http://127.0.0.1:1"
    with pytest.raises(CredentialsError, match="no context 'three'; there are one, two"):
        access.find(None, "three", {"KUBECONFIG": str(path)})
