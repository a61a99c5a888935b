"""The command `omnixan support-bundle`: arguments in, a file and a table (or JSON) out."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from omnixan.edge_network.agent.credentials import Credentials, CredentialsError
from omnixan.edge_network.cli.support import access
from omnixan.edge_network.cli.support.api import Reader, ReadError
from omnixan.edge_network.cli.support.archive import Archive, Entry
from omnixan.edge_network.cli.support.collect import Collector, Wish

UNREACHABLE = 1
REFUSED = 2
MIB = 1024 * 1024


def run(args: argparse.Namespace, version: str) -> int:
    """Collect; the exit status."""
    try:
        credentials = access.find(args.kubeconfig, args.context, os.environ)
    except CredentialsError as error:
        print(f"omnixan support-bundle: {error}", file=sys.stderr)
        return REFUSED
    path: Path = args.file or Path(f"omnixan-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz")
    wish = Wish(args.namespace, args.system_namespace, args.include_programs, args.tail, version)
    try:
        entries = asyncio.run(_collect(credentials, path, args.max_mib * MIB, wish))
    except ReadError as error:
        print(f"omnixan support-bundle: {credentials.server} cannot be read: {error}", file=sys.stderr)
        return UNREACHABLE
    except OSError as error:
        print(f"omnixan support-bundle: cannot write {path}: {error}", file=sys.stderr)
        return REFUSED
    if args.output == "json":
        body = {"file": str(path), "bytes": path.stat().st_size, "entries": [entry.wire() for entry in entries]}
        print(json.dumps(body, indent=4))
    else:
        _show(Console(), path, entries, wish)
    return 0


async def _collect(credentials: Credentials, path: Path, limit: int, wish: Wish) -> list[Entry]:
    async with Reader(credentials) as reader:
        await reader.json("/version")  # an API server that does not answer at all is told at once
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bars:
            bar = bars.add_task("", total=None)

            def step(name: str, of: int) -> None:
                bars.update(bar, description=name, total=of)
                bars.advance(bar)

            with Archive(path, limit) as archive:
                await Collector(reader, archive, wish, step).run()
                return archive.entries


def _show(console: Console, path: Path, entries: list[Entry], wish: Wish) -> None:
    table = Table(title=f"{path}, {path.stat().st_size / 1024:.0f} KiB", title_justify="left")
    table.add_column("what", overflow="fold", min_width=38)
    table.add_column("entries", justify="right")
    table.add_column("bytes", justify="right")
    table.add_column("note", overflow="fold")
    for entry in entries:
        table.add_row(entry.path, str(entry.objects), str(entry.bytes), entry.note)
    console.print(table)
    if not wish.programs:
        console.print("Programs, problems and results are redacted; --include-programs takes them in.", highlight=False)
    console.print("Look through it before you hand it on: messages and logs may name what is yours.", highlight=False)
