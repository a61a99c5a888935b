"""The arguments of `omnixan pmem`, apart from its work."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `omnixan` parser."""
    pmem = commands.add_parser("pmem", help="persistent memory: tiers, namespaces, stores")
    inspect = pmem.add_subparsers(dest="pmem", required=True).add_parser(
        "inspect",
        help="say at which tier a path is durable, by proof, and whether the store on it is whole",
        description="Say at which tier a path is durable, by proof, which namespaces the machine has, and what is in the "
        "store on it. Nothing is changed; for a folder, or a file that is not there yet, an unnamed scratch file is tried.",
        epilog="Exit status: 0 all is well (also without a store, or when a writer has it), 1 the store is damaged, "
        "2 the path is wrong.",
    )
    inspect.add_argument("path", type=Path, metavar="PATH", help="a file, a folder, a disk or a device-dax")
    inspect.add_argument("-o", "--output", choices=("table", "json"), default="table", help="what to print (table)")
