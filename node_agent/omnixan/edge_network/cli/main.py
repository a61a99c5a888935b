"""The `omnixan` command."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from omnixan.edge_network.cli import manifest, render
from omnixan.edge_network.cli.pmem import arguments as pmem
from omnixan.edge_network.cli.support import arguments as support

FAILED = 1
REFUSED = 2


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exits with 0 (Complete), 1 (Failed) or 2 (the manifest or the command is wrong)."""
    parser = argparse.ArgumentParser(prog="omnixan", description="Quantum jobs without a cluster, and help with one.")
    parser.add_argument("--version", action="version", version=f"omnixan {_version()}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="run a QuantumJob manifest on this machine",
        description="Run a QuantumJob manifest on this machine, exactly as a node of a cluster would.",
        epilog="Exit status: 0 the job is Complete, 1 it Failed, 2 the manifest or the command is wrong.",
    )
    run.add_argument("file", type=Path, help="a file with one QuantumJob")
    run.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        type=Path,
        help="keep the log of an algorithm's loop there: interrupted, the same manifest goes on where it was",
    )
    run.add_argument("-o", "--output", choices=("table", "json"), default="table", help="what to print (table)")
    support.add(commands)
    pmem.add(commands)
    args = parser.parse_args(argv)
    if args.command == "support-bundle":
        from omnixan.edge_network.cli.support import command

        sys.exit(command.run(args, _version()))
    if args.command == "pmem":
        from omnixan.edge_network.cli.pmem import command as pmem_command

        sys.exit(pmem_command.run(args))
    sys.exit(_run(args.file, args.output, args.checkpoint))


def _run(path: Path, output: str, checkpoint: Path | None) -> int:
    try:
        document, spec = manifest.load(path)
    except manifest.ManifestError as error:
        print(error, file=sys.stderr)
        return REFUSED
    from omnixan.edge_network.cli import local, outcome  # numpy and more: not for --help or a wrong manifest

    # The bar goes to standard error: standard output is for the result alone.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[best]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        bar = bars.add_task(document["metadata"]["name"], total=None, best="")

        def progress(news: dict[str, Any]) -> None:
            bars.update(bar, completed=news["iteration"], total=news["of"], best=f"best {news['best']:.4g}")

        done: outcome.Outcome | local.CheckpointError
        try:
            done = local.execute(spec, progress, checkpoint)
        except local.CheckpointError as error:
            done = error
    if isinstance(done, local.CheckpointError):
        print(f"--checkpoint {done}", file=sys.stderr)
        return REFUSED
    metadata = {"namespace": "default"} | document["metadata"]
    job = {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": metadata,
        "spec": spec.wire(),
        "status": outcome.status(done),
    }
    if output == "json":
        print(json.dumps(job, indent=4))
    else:
        render.show(Console(), job)
    return 0 if done.failure is None else FAILED


def _version() -> str:
    try:
        return version("omnixan-edge")
    except PackageNotFoundError:
        return "from a source tree"


if __name__ == "__main__":
    main()
