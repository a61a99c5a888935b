"""The API server begins a new audit log when one is full: a round that began in the old one misses nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from e2e.cluster.interface import Cluster
from e2e.faults.field import Field


class Logged:
    """A cluster that has an audit log only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def audit_log(self) -> Path:
        return self._path


def entry(number: int) -> str:
    return json.dumps({"number": number}) + "\n"


def numbers(field: Field, since: int) -> list[int]:
    return [found["number"] for found in field.audit(since)]


def test_entries_of_the_full_log_come_first(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    field = Field(cast(Cluster, Logged(log)), cast(Any, None), cast(Any, None))
    log.write_text(entry(1) + entry(2))
    since = field.audit_size()
    log.write_text(log.read_text() + entry(3) + '{"number"')  # the last is being written
    assert numbers(field, since) == [3] and numbers(field, 0) == [1, 2, 3]
    (tmp_path / "audit-2026-11-27T10-00-00.000.log").write_text(entry(0))
    (tmp_path / "audit-2026-11-28T10-00-00.000.log").write_text(entry(1) + entry(2) + entry(3))
    log.write_text(entry(4))
    assert numbers(field, since) == [3, 4]
