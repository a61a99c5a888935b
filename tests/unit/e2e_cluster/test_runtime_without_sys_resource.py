"""The OCI runtime for machines without CAP_SYS_RESOURCE: runc is given everything but that name."""

import json
import subprocess

import pytest

from e2e.cluster.versions import HERE

RUNTIME = HERE / "files" / "runc-without-sys-resource"
CAPABILITIES = ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_KILL"]


@pytest.fixture
def run_runtime(tmp_path, monkeypatch):
    """Runs it with a `runc` that only notes its arguments."""
    (tmp_path / "runc").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/seen\n')
    (tmp_path / "runc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def run(*words):
        subprocess.run([RUNTIME, *words], check=True, cwd=tmp_path)
        return (tmp_path / "seen").read_text().split("\n")[:-1]

    return run


@pytest.fixture
def bundle(tmp_path):
    made = tmp_path / "bundle"
    made.mkdir()
    content = {"process": {"capabilities": {"bounding": CAPABILITIES, "effective": list(reversed(CAPABILITIES))}}}
    (made / "config.json").write_text(json.dumps(content, separators=(",", ":")))
    return made


@pytest.mark.parametrize("form", [("--bundle", "{}"), ("--bundle={}",), ("-b", "{}")])
def test_a_container_asks_for_all_but_the_missing_one(run_runtime, bundle, form):
    words = ("--root", "/r", "create", *(word.format(bundle) for word in form), "id")
    assert run_runtime(*words) == list(words)
    asked = json.loads((bundle / "config.json").read_text())["process"]["capabilities"]
    assert asked == {"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL", "CAP_CHOWN"]}


def test_so_does_a_program_run_in_it(run_runtime, tmp_path):
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"capabilities": {"bounding": CAPABILITIES[1:]}}, separators=(",", ":")))
    run_runtime("exec", "--process", str(process), "id")
    assert json.loads(process.read_text()) == {"capabilities": {"bounding": ["CAP_KILL"]}}


def test_other_verbs_pass_untouched(run_runtime, bundle):
    before = (bundle / "config.json").read_text()
    assert run_runtime("delete", "--force", "id with blank") == ["delete", "--force", "id with blank"]
    assert (bundle / "config.json").read_text() == before
