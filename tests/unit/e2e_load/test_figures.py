"""What a load's figures are made of."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.load.accounts import OPERATOR, SIMULATOR
from e2e.load.figures import AuditLog, counted, quantile, total

METRICS = """
omnixan_x_bucket{le="0.001"} 90.0
omnixan_x_bucket{le="0.005"} 99.0
omnixan_x_bucket{le="+Inf"} 100.0
omnixan_jobs{phase="Complete"} 3.0
omnixan_jobs{phase="Failed"} 2.0
omnixan_y 7.0
"""


def entry(user: str, verb: str, resource: str, code: int = 200, subresource: str = "") -> bytes:
    about = {"resource": resource} | ({"subresource": subresource} if subresource else {})
    found = {"user": {"username": user}, "verb": verb, "objectRef": about, "responseStatus": {"code": code}}
    return json.dumps(found).encode() + b"\n"


def test_writes_are_counted_by_account_and_refused_ones_with_their_code(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(
        entry(OPERATOR, "create", "quantumruns", 201)
        + entry(OPERATOR, "get", "quantumruns")
        + entry(OPERATOR, "patch", "quantumjobs", 409, "status")
        + entry(OPERATOR, "create", "events", 201)
        + entry(SIMULATOR, "patch", "leases")
        + entry("somebody", "create", "quantumjobs", 201)
    )
    found = AuditLog(path).new_writes()
    assert found["operator"] == {"create quantumruns": 1, "patch quantumjobs/status (409)": 1, "create events": 1}
    assert counted(found["operator"]) == 2
    assert found["agents"] == {"patch leases": 1}
    assert counted(found["agents"]) == 0


def test_the_log_is_read_on_from_where_it_stopped_and_a_half_written_line_later(tmp_path: Path) -> None:
    path, line = tmp_path / "audit.log", entry(SIMULATOR, "patch", "quantumruns")
    log = AuditLog(path)
    path.write_bytes(line + line[:20])
    assert log.new_writes()["agents"].total() == 1
    assert log.new_writes()["agents"].total() == 0
    path.write_bytes(line + line)
    assert log.new_writes()["agents"].total() == 1


def test_a_quantile_is_the_upper_bound_of_its_bucket() -> None:
    assert quantile(METRICS, "omnixan_x", 0.9) == 0.001
    assert quantile(METRICS, "omnixan_x", 0.99) == 0.005
    assert quantile(METRICS, "omnixan_x", 0.995) == float("inf")


def test_series_are_chosen_by_their_labels() -> None:
    assert total(METRICS, "omnixan_jobs", phase="Failed") == 2
    assert total(METRICS, "omnixan_jobs") == 5
    assert total(METRICS, "omnixan_y") == 7
