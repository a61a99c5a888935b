"""`omnixan pmem inspect`: what it prints, its exit status, and that it changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.cli.main import main
from omnixan.edge_network.persistent_memory import MediumUnsuitable, Store, libpmem, open_medium
from omnixan.edge_network.persistent_memory.medium import PAGE

SIZE = 64 * PAGE
NAMESPACES = [{"dev": "namespace0.0", "mode": "fsdax", "size": 262144000, "blockdev": "pmem0"}]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with Store.open(open_medium(path, SIZE)) as opened:
        opened.put("job/1", b"x" * 5000)
        opened.put("job/\x1b[2J", b"y")
    return path


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Inspect:
    """`omnixan pmem inspect` in this process, with an ndctl of ours."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.binary, self.monkeypatch, self.capsys = tmp_path / "bin" / "ndctl", monkeypatch, capsys
        self.binary.parent.mkdir()
        monkeypatch.setenv("PATH", f"{self.binary.parent}:{os.environ['PATH']}")

    def __call__(self, path: Path, *options: str, ndctl: str = "exit 0", columns: int = 80) -> Done:
        self.binary.write_text(f"#!/bin/sh\n{ndctl}\n")
        self.binary.chmod(0o755)
        self.monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main(["pmem", "inspect", str(path), *options])
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, *self.capsys.readouterr())

    def json(self, path: Path, *, status: int = 0, ndctl: str = "exit 0") -> dict[str, Any]:
        done = self(path, "-o", "json", ndctl=ndctl)
        assert (done.returncode, done.stderr) == (status, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inspect:
    return Inspect(tmp_path, monkeypatch, capsys)


def test_it_is_a_command_of_omnixan(store: Path) -> None:
    command = [sys.executable, "-m", "omnixan.edge_network.cli.main", "pmem", "inspect", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 entries" in done.stdout and done.stderr == ""


def test_a_whole_store_is_described_and_left_as_it_was(store: Path, inspect: Inspect) -> None:
    before = store.read_bytes()
    found = inspect.json(store, ndctl=f"echo '{json.dumps(NAMESPACES)}'")
    assert store.read_bytes() == before
    assert found["tier"] == found["tiers"][0] and found["proof"][0] == f"tried on {store} itself"
    assert found["ndctl"] == {"state": "Found", "message": "", "namespaces": NAMESPACES}
    whole = found["store"]
    assert (whole["state"], whole["formatVersion"], whole["entries"], whole["damaged"]) == ("Whole", 1, 2, 0)
    assert whole["size"] == SIZE and 5000 < whole["live"] <= whole["used"] < whole["capacity"] and whole["closedCleanly"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_table_fits_the_terminal_and_shows_everything(store: Path, columns: int, inspect: Inspect) -> None:
    done = inspect(store, columns=columns, ndctl=f"echo '{json.dumps(NAMESPACES)}'")
    assert done.returncode == 0 and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= columns
    words = " ".join(done.stdout.split())
    for word in ("tier", "proof", "libpmem", "namespaces namespace0.0 fsdax pmem0 250 MiB", "store Whole", "2 entries"):
        assert word in words


def test_a_damaged_store_is_named_with_its_keys_and_fails(store: Path, inspect: Inspect) -> None:
    content = bytearray(store.read_bytes())
    place = content.index(b"x" * 5000) + 100
    content[place] ^= 1
    place = content.index(b"job/\x1b[2J") + len(b"job/\x1b[2J")
    content[content.index(b"y", place)] ^= 1
    store.write_bytes(content)
    found = inspect.json(store, status=1)["store"]
    assert found["state"] == "Damaged" and found["damaged"] >= 1
    assert all(damage["position"] >= 2 * PAGE for damage in found["damages"])
    table = inspect(store)
    assert table.returncode == 1 and "\x1b" not in table.stdout and "Damaged" in table.stdout


@pytest.mark.parametrize("cut", [SIZE - PAGE, SIZE - 1, PAGE + 17])
def test_a_truncated_store_is_unreadable_and_fails(store: Path, cut: int, inspect: Inspect) -> None:
    os.truncate(store, cut)
    assert inspect.json(store, status=1)["store"]["state"] == "Unreadable"


def test_a_store_that_a_writer_has_is_left_alone(store: Path, inspect: Inspect) -> None:
    with Store.open(open_medium(store)):
        assert inspect.json(store)["store"]["state"] == "InUse"


def test_without_a_store_the_tier_is_told(tmp_path: Path, inspect: Inspect) -> None:
    (tmp_path / "text").write_text("not a store")
    (tmp_path / "zeros").write_bytes(bytes(SIZE))
    for path in (tmp_path / "text", tmp_path / "zeros", tmp_path / "not there yet", tmp_path):
        found = inspect.json(path)
        assert found["store"]["state"] == "None" and found["store"]["message"] and found["proof"]
    assert not (tmp_path / "not there yet").exists()


@pytest.mark.parametrize(("ndctl", "state"), [("exit 0", "None"), ("exit 1", "NdctlFailed"), ("echo x", "NdctlGarbled")])
def test_what_ndctl_says_changes_no_exit_status(store: Path, ndctl: str, state: str, inspect: Inspect) -> None:
    assert inspect.json(store, ndctl=ndctl)["ndctl"]["state"] == state
    assert inspect(store, ndctl=ndctl).returncode == 0


def test_a_wrong_path_is_refused_by_name(tmp_path: Path, inspect: Inspect) -> None:
    done = inspect(tmp_path / "no" / "store")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"omnixan pmem inspect: {tmp_path}/no: no such folder")
    assert inspect(Path("/dev/null")).returncode == 2


def test_without_libpmem_everything_but_dax_works_and_it_is_said(
    store: Path, inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = libpmem.load

    def missing(*arguments: Any, **options: Any) -> libpmem.Library:
        return load(*arguments, **options, names=("libpmem2.so.0-not-there", "libpmem.so.0-not-there"))

    monkeypatch.setattr(libpmem, "load", missing)
    found = inspect.json(store)
    assert found["library"].startswith("none (libpmem2.so.0-not-there: cannot open")
    assert found["store"]["state"] == "Whole" and found["tier"] != "T1-fsdax"
    with Store.open(open_medium(store)) as opened:
        opened.put("job/1", b"z")
    with pytest.raises(MediumUnsuitable, match=r"an emulation needs libpmem: .*install libpmem2 or libpmem"):
        open_medium(store, emulate=True)
