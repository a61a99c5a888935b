"""ndctl's JSON in every shape, and an ndctl that is missing, late, broken or talks nonsense."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from omnixan.edge_network.persistent_memory import ndctl
from omnixan.edge_network.persistent_memory.ndctl import Garbled, Namespace, State, discover, parse

FSDAX: dict[str, Any] = {
    "dev": "namespace0.0",
    "mode": "fsdax",
    "map": "dev",
    "size": 262144000,
    "uuid": "5c2f6d1e-4a0f-4a55-8b3f-2f4a7a5f8a0e",
    "sector_size": 512,
    "align": 2097152,
    "blockdev": "pmem0",
}
DEVDAX: dict[str, Any] = {
    "dev": "namespace1.0",
    "mode": "devdax",
    "size": 132120576,
    "daxregion": {"id": 1, "size": 132120576, "align": 2097152, "devices": [{"chardev": "dax1.0", "size": 132120576}]},
}
RAW: dict[str, Any] = {"dev": "namespace2.0", "mode": "raw", "size": 268435456, "blockdev": "pmem2"}
REGION: dict[str, Any] = {
    "dev": "region0",
    "size": 268435456,
    "available_size": 0,
    "type": "pmem",
    "persistence_domain": "memory_controller",
}
DIMMS: list[dict[str, Any]] = [{"dev": "nmem0", "id": "8680-56341200", "handle": 1}]

SHAPES = {
    "-N": [FSDAX, DEVDAX, RAW],
    "-N of a single one": [FSDAX],
    "-DRN": {"dimms": DIMMS, "regions": [REGION | {"namespaces": [FSDAX, DEVDAX, RAW]}]},
    "-RN": {"regions": [REGION | {"namespaces": [FSDAX, DEVDAX, RAW]}]},
    "-BDRN": [
        {
            "provider": "ACPI.NFIT",
            "dev": "ndbus0",
            "dimms": DIMMS,
            "regions": [REGION | {"mappings": [{"dimm": "nmem0"}], "namespaces": [FSDAX, DEVDAX, RAW]}],
        }
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_namespaces_are_found_in_every_shape(shape: str) -> None:
    found = {namespace.dev: namespace for namespace in parse(json.dumps(SHAPES[shape]))}
    assert list(found) == (["namespace0.0"] if "single" in shape else ["namespace0.0", "namespace1.0", "namespace2.0"])
    fsdax = found["namespace0.0"]
    assert (fsdax.mode, fsdax.size, fsdax.blockdev, fsdax.align) == ("fsdax", 262144000, "pmem0", 2097152)
    assert fsdax.persistence_domain == ("memory_controller" if "R" in shape else "")
    if "single" not in shape:
        assert (found["namespace1.0"].chardev, found["namespace1.0"].blockdev) == ("dax1.0", "")


@pytest.mark.parametrize("text", ["", "\n", "[]", "[\n]\n", json.dumps([REGION]), json.dumps({"dimms": DIMMS})])
def test_no_namespaces_are_no_error(text: str) -> None:
    assert parse(text) == ()


def test_a_namespace_named_twice_is_one() -> None:
    assert len(parse(json.dumps([FSDAX, {"regions": [{"namespaces": [FSDAX]}]}]))) == 1


@pytest.mark.parametrize(
    "text",
    ["disabled 1 region", '[{"dev": "namespace0.0", ', "42", '"namespace0.0"', "null", "[" * 100_000, "[" * 50 + "]" * 50],
    ids=["words", "torn", "number", "text", "null", "unclosed", "deep"],
)
def test_what_is_not_ndctls_is_refused_by_name(text: str) -> None:
    with pytest.raises(Garbled):
        parse(text)


def test_a_flood_of_namespaces_is_refused() -> None:
    with pytest.raises(Garbled, match="more than 1024"):
        parse(json.dumps([{"dev": f"namespace0.{n}", "mode": "raw"} for n in range(1025)]))


def test_wrong_types_and_control_characters_do_no_harm() -> None:
    odd = {"dev": "namespace0.0\x1b[2J", "mode": 7, "size": -1, "blockdev": ["x"], "align": True, "daxregion": [1]}
    (found,) = parse(json.dumps([odd]))
    assert found == Namespace(dev="namespace0.0?[2J", mode="", size=0)
    assert found.wire() == {"dev": "namespace0.0?[2J", "size": 0}


def fake(folder: Path, script: str) -> str:
    path = folder / "ndctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def prints(folder: Path, text: str, *, more: str = "") -> str:
    (folder / "answer").write_text(text)
    return fake(folder, f"cat '{folder}/answer'\n{more}")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_real_process_is_asked_for_namespaces_alone(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints(tmp_path, json.dumps(SHAPES[shape]), more=f"echo \"$@\" > '{tmp_path}/asked'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = discover()
    assert found.state is State.FOUND and found.namespaces[0].blockdev == "pmem0"
    assert (tmp_path / "asked").read_text() == "list -N\n"


def test_an_empty_answer_means_that_there_is_no_pmem(tmp_path: Path) -> None:
    found = discover(fake(tmp_path, "echo warning >&2"))
    assert (found.state, found.namespaces) == (State.NONE, ()) and "no persistent memory" in found.message


def test_a_missing_ndctl_is_a_state_and_no_exception(tmp_path: Path) -> None:
    found = discover(str(tmp_path / "ndctl"))
    assert found.state is State.MISSING and "not installed" in found.message


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo 'failed to open bus' >&2; exit 3", State.FAILED, "ended with 3 and said: failed to open bus"),
        ("exit 1", State.FAILED, "said: nothing"),
        ("kill -9 $$", State.FAILED, "ended with -9"),
        ("echo 'disabled 1 region'", State.GARBLED, "not JSON"),
        ("printf '[\\377]'", State.GARBLED, "cannot be read"),
        ("head -c 3000000 /dev/zero | tr '\\0' ' '", State.GARBLED, "more than 1048576 bytes"),
        ("head -c 3000000 /dev/zero >&2", State.GARBLED, "more than 1048576 bytes"),
    ],
)
def test_a_broken_ndctl_is_named(script: str, state: State, words: str, tmp_path: Path) -> None:
    found = discover(fake(tmp_path, script))
    assert found.state is state and words in found.message and found.namespaces == ()


def test_a_script_that_cannot_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ndctl"
    path.write_text("no program")
    path.chmod(0o644)
    assert discover(str(path)).state is State.FAILED


def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "child"
    found = discover(fake(tmp_path, f"sleep 1000 & echo $! > '{pid}.new'; mv '{pid}.new' '{pid}'; wait"), timeout=1)
    assert found.state is State.TIMED_OUT and "longer than 1 s" in found.message
    if not pid.exists():
        return  # it was ended before it had a child
    until = time.monotonic() + 60
    while is_running(int(pid.read_text())):  # a signal takes its time, and init its own to notice
        assert time.monotonic() < until
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_one_that_closes_its_output_and_hangs_is_ended(tmp_path: Path) -> None:
    assert discover(fake(tmp_path, "exec >&- 2>&-; exec sleep 1000"), timeout=1).state is State.TIMED_OUT


def test_it_gets_no_input_and_no_variables_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of ours")
    found = discover(fake(tmp_path, f"cat > '{tmp_path}/input'; env > '{tmp_path}/env'"), timeout=60)
    assert found.state is State.NONE
    assert (tmp_path / "input").read_text() == "" and "SECRET" not in (tmp_path / "env").read_text()


def test_the_limit_leaves_room_for_every_namespace_that_is_accepted() -> None:
    assert len(json.dumps([FSDAX] * 1024)) < ndctl.OUTPUT
