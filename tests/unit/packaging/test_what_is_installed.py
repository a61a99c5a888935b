"""What `pip install '.[agent]'` puts on a machine: all of the packages, and commands that work without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = {"omnixan_operator": ROOT / "operator", "omnixan": ROOT / "node_agent"}
LOCKS = {"operator": "operator", "agent": "node_agent"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True, timeout=120)
    return folder


def sources() -> Iterator[str]:
    for package, folder in SOURCES.items():
        for file in (folder / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(folder))


def test_the_wheel_holds_both_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == set(sources())


def test_a_manifest_runs_where_there_is_no_checkout(site: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "job.yaml"
    manifest.write_text((ROOT / "examples/knapsack.yaml").read_text())
    done = subprocess.run(
        [str(site / "bin/omnixan"), "run", manifest.name, "-o", "json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"]["phase"] == "Complete"


@pytest.mark.parametrize("extra", LOCKS)
def test_the_lock_of_an_image_has_all_that_its_extra_asks_for(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"][extra]]
    locked = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (ROOT / LOCKS[extra] / "requirements.txt").read_text(), re.MULTILINE)
    names = {canonical(name) for name in locked}
    assert not [one for one in asked if canonical(re.split(r"[<>=!~\[;]", one)[0]) not in names]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
