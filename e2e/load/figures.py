"""What is read off a run: writes out of the audit log, quantiles out of a histogram. Pure but for the file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from e2e.load.accounts import OPERATOR, SIMULATOR

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
NAMES = {OPERATOR: "operator", SIMULATOR: "agents"}


def writes(lines: Iterable[bytes]) -> dict[str, Counter[str]]:
    """Requests that change something, by account and "verb resource[/subresource]", from an audit log's lines.

    Also those that the API server refused: they are load all the same, and shown with their code.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in NAMES.values()}
    for line in lines:
        entry = json.loads(line)
        who = NAMES.get(entry.get("user", {}).get("username", ""))
        if who is None or entry.get("verb") not in WRITES:
            continue
        about = entry.get("objectRef", {})
        what = "/".join(part for part in (about.get("resource"), about.get("subresource")) if part)
        code = entry.get("responseStatus", {}).get("code", 0)
        counts[who][f"{entry['verb']} {what}" + (f" ({code})" if code >= 300 else "")] += 1
    return counts


class AuditLog:
    """Reads on from where it stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_writes(self) -> dict[str, Counter[str]]:
        """Writes since the last call (or the beginning)."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            lines = []
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                lines.append(line)
        return writes(lines)


def counted(counts: Counter[str], *, without: tuple[str, ...] = ("events", "leases")) -> int:
    """The sum of the writes, but for some resources."""
    return sum(n for what, n in counts.items() if what.split()[1].split("/")[0] not in without)


def quantile(metrics: str, name: str, share: float) -> float:
    """The upper bound of the bucket that holds a quantile of a Prometheus histogram; inf beyond the last one."""
    buckets = [
        (float(bound), float(count))
        for bound, count in re.findall(rf'^{name}_bucket\{{[^}}]*le="([^"]+)"[^}}]*\}} (\S+)', metrics, re.MULTILINE)
    ]
    total = max((count for _, count in buckets), default=0.0)
    return next((bound for bound, count in sorted(buckets) if total and count >= share * total), float("nan"))


def total(metrics: str, name: str, **labels: str) -> float:
    """The sum of the series of a metric that have these labels."""
    found = 0.0
    for given, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", metrics, re.MULTILINE):
        if all(f'{key}="{wanted}"' in given for key, wanted in labels.items()):
            found += float(value)
    return found
