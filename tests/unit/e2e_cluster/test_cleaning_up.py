"""Which artefacts are kept, and which go."""

import os
import time

import pytest

from e2e.cluster.cache import UNUSED_DAYS, outdated, used

DAY = 86400.0
NOW = 1000 * DAY
LONG_AGO = NOW - (UNUSED_DAYS + 1) * DAY
RECENTLY = NOW - (UNUSED_DAYS - 1) * DAY


def test_a_version_nobody_used_for_long_goes():
    assert outdated("kind-new", {"kind-new": NOW, "kind-old": LONG_AGO}, NOW) == ["kind-old"]


def test_another_checkouts_version_stays_while_it_is_used():
    assert outdated("kind-new", {"kind-new": NOW, "kind-other": RECENTLY}, NOW) == []


def test_what_is_in_use_stays_however_old():
    assert outdated("kind-new", {"kind-new": LONG_AGO}, NOW) == []


@pytest.mark.parametrize("other", ["containerd-1", "node-agent-1", "node", "nodes-1", "debs"])
def test_other_artefacts_are_none_of_its_business(other):
    assert outdated("node-1", {"node-1": NOW, other: LONG_AGO}, NOW) == []


def test_use_is_noted_and_the_outdated_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("go-new", "go-old", "helm-old"):
        (tmp_path / name / "bin").mkdir(parents=True)
        os.utime(tmp_path / name, (0, 0))
    assert used(tmp_path / "go-new") == tmp_path / "go-new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go-new", "helm-old"]
    assert time.time() - (tmp_path / "go-new").stat().st_mtime < 60
