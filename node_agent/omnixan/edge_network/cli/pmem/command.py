"""The command `omnixan pmem inspect`: a path in, a table (or JSON) out."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from omnixan.edge_network.persistent_memory.inspection import Contents, Inspection, inspect
from omnixan.edge_network.persistent_memory.medium import MediumError

DAMAGED = 1
REFUSED = 2
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def run(args: argparse.Namespace) -> int:
    """Inspect and print; the exit status."""
    try:
        found = inspect(args.path)
    except MediumError as error:
        print(f"omnixan pmem inspect: {error}", file=sys.stderr)
        return REFUSED
    if args.output == "json":
        print(json.dumps(found.wire(), indent=4))
    else:
        show(Console(), found)
    return DAMAGED if found.contents.is_wrong else 0


def show(console: Console, found: Inspection) -> None:
    """Print it for people: two columns that fold, so that it fits a terminal of any width."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("path", Text(found.proof.path))
    table.add_row("tier", Text(found.proof.best.label))
    for number, line in enumerate(found.proof.evidence):
        table.add_row("" if number else "proof", Text(line))
    table.add_row("libpmem", Text(found.library))
    for number, namespace in enumerate(found.namespaces.namespaces):
        device = namespace.blockdev or namespace.chardev or "no device"
        domain = f", {namespace.persistence_domain}" if namespace.persistence_domain else ""
        line = f"{namespace.dev} {namespace.mode} {device} {_size(namespace.size)}{domain}"
        table.add_row("" if number else "namespaces", Text(line))
    if not found.namespaces.namespaces:
        table.add_row("namespaces", Text(found.namespaces.message))
    for number, line in enumerate(_contents(found.contents)):
        table.add_row("" if number else "store", Text(line))
    console.print(table)


def _contents(contents: Contents) -> list[str]:
    lines = [f"{contents.state}: {contents.message}" if contents.message else contents.state]
    wire, report = contents.wire(), contents.report
    if contents.superblock is not None:
        clean = "closed cleanly" if contents.superblock.clean else "not closed: in use, or ended by force"
        lines.append(f"format version {wire['formatVersion']}, epoch {wire['epoch']}, {clean}")
    if report is not None:
        used = f"{_size(report.used)} of {_size(report.capacity)} used, {_size(report.live)} live"
        lines.append(f"{report.keys} entries; {used}")
        lines += [f"at {damage['position']}, {damage['key'] or 'no key'}: {damage['what']}" for damage in wire["damages"]]
    # Keys are whatever was stored: none may move the cursor of a terminal.
    return ["".join(char if char.isprintable() else "?" for char in line) for line in lines]


def _size(number: int) -> str:
    amount, unit = float(number), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.4g} {_UNITS[unit]}"
