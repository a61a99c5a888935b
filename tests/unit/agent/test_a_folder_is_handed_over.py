"""The folder of persistent memory becomes the agent's, and nothing else does. As root where this machine lets us be it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnixan.edge_network.agent.handover import hand_over, main, refusal

AGENT = 65532
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.mark.parametrize(
    ("owner", "names", "said"),
    [
        (0, [], ""),
        (0, ["lost+found", "omnixan.store", ".omnixan"], "it holds what is not ours (.omnixan)"),
        (0, ["lost+found", "omnixan.store"], ""),
        (AGENT, ["anything"], "the agent's already"),
        (1000, [], "belongs to user 1000"),
        (0, ["bin", "etc"], "it holds what is not ours (bin, etc)"),
        (0, [str(n) for n in range(9)], "(0, 1, 2, 3, 4, …)"),
    ],
)
def test_what_is_not_ours_is_not_given_away(owner: int, names: list[str], said: str) -> None:
    found = refusal(owner, names, AGENT)
    assert said in found if said else found == ""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "pmem0"
    made.mkdir(mode=0o755)
    yield made
    os.chown(made, os.geteuid(), os.getegid())  # for whoever cleans up


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


@needs_root
def test_an_empty_folder_of_roots_becomes_the_agents_alone(folder: Path) -> None:
    assert "handed over" in hand_over(folder, AGENT)
    assert owner(folder) == (AGENT, AGENT) and folder.stat().st_mode & 0o777 == 0o700
    assert "already" in hand_over(folder, AGENT)


@needs_root
def test_a_store_of_roots_comes_with_it_and_links_do_not(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("root's")
    (folder / "lost+found").mkdir()
    (folder / "omnixan.store").write_text("x")
    (folder / "omnixan.symbolic").symlink_to(outside)
    (folder / "omnixan.hard").hardlink_to(outside)
    os.mkfifo(folder / "omnixan.pipe")
    assert "handed over" in hand_over(folder, AGENT)
    assert owner(folder / "omnixan.store") == (AGENT, AGENT)
    assert owner(outside) == (0, 0) and owner(folder / "lost+found") == (0, 0)


@needs_root
def test_a_folder_with_other_things_stays_roots(folder: Path) -> None:
    (folder / "kubelet").write_text("x")
    assert "not ours (kubelet)" in hand_over(folder, AGENT)
    assert owner(folder) == (0, 0) and owner(folder / "kubelet") == (0, 0)


@needs_root
def test_a_link_to_a_folder_is_not_followed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert main([str(link), str(AGENT)]) == 0, "the agent starts nevertheless"
    assert owner(folder) == (0, 0)
    assert json.loads(capsys.readouterr().out)["log.level"] == "error"


@pytest.mark.parametrize("arguments", [[], ["/mnt"], ["mnt", "1"], ["/mnt", "0"], ["/mnt", "x"], ["/mnt", "-1"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_a_path_that_is_not_there_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), str(AGENT)]) == 0
    assert "No such file or directory" in json.loads(capsys.readouterr().out)["message"]


def test_it_needs_nothing_but_the_standard_library() -> None:
    """It runs as root: what it does not load cannot be turned against it."""
    script = (
        "import sys, omnixan.edge_network.agent.handover\n"
        "heavy = {'numpy', 'pydantic', 'aiohttp', 'qiskit', 'kubernetes', 'uvloop'} & sys.modules.keys()\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes capabilities away")
@pytest.mark.parametrize("mode", [0o755, 0o700, 0o000])
def test_chown_is_the_only_capability_that_it_takes(folder: Path, mode: int) -> None:
    (folder / "omnixan.store").write_text("x")
    folder.chmod(mode)
    only = ["setpriv", "--bounding-set=-all,+chown", "--inh-caps=-all", "--no-new-privs"]
    command = [*only, sys.executable, "-m", "omnixan.edge_network.agent.handover", str(folder), str(AGENT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stdout)["message"]
    if mode:
        assert "handed over to user" in said, said
        assert owner(folder) == owner(folder / "omnixan.store") == (AGENT, AGENT)
    else:
        assert "Permission denied" in said and owner(folder) == (0, 0), "root without capabilities is nobody"
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert not mode or "the agent's already" in json.loads(again.stdout)["message"]
