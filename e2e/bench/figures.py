"""Percentiles, the description of the machine, and the files that figures end in. Pure but for `write`."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from e2e.manifests import ROOT

OUT = ROOT / "docs/figures"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Count, median, p95, p99 and maximum, rounded to a hundredth."""
    points = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"count": len(values)} | {name: round(percentile(values, share), 2) for name, share in points.items()}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def verdict(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    """One row of a table: a figure that has to stay at or under a limit."""
    return {"figure": name, "measured": value, "limit": limit, "unit": unit, "met": value <= limit}


def at_least(name: str, value: float, limit: float, unit: str) -> dict[str, Any]:
    """One row of a table: a figure that has to reach a limit."""
    return {"figure": name, "measured": value, "limit": limit, "unit": unit, "met": value >= limit, "atLeast": True}


def noted(name: str, value: float, unit: str) -> dict[str, Any]:
    """One row of a table: a figure without an aim, which says how another is to be read."""
    return {"figure": name, "measured": value, "unit": unit}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of verdict rows."""
    lines = ["| figure | measured | aim | met |", "| --- | ---: | ---: | --- |"]
    for r in rows:
        if "limit" not in r:
            lines.append(f"| {r['figure']} | {r['measured']:g} {r['unit']} | – | – |")
            continue
        unit, met = r["unit"], "yes" if r["met"] else "no"
        sign = "≥" if r.get("atLeast") else "≤"
        lines.append(f"| {r['figure']} | {r['measured']:g} {unit} | {sign} {r['limit']:g} {unit} | {met} |")
    return "\n".join(lines) + "\n"


def write(name: str, data: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """docs/figures/NAME.json and NAME.md."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(
        json.dumps({"machine": machine(), "rows": rows} | data, indent=1, ensure_ascii=False) + "\n"
    )
    (OUT / f"{name}.md").write_text(table(rows))
    print(table(rows))
