"""The arguments of `omnixan support-bundle`, apart from its work: that imports much, and `omnixan run` needs none of it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `omnixan` parser."""
    parser = commands.add_parser(
        "support-bundle",
        help="collect what somebody who helps needs to see",
        description="Collect objects, events, logs, Leases, versions and metrics of OMNIXAN Edge into one .tar.gz. "
        "Secrets and ConfigMaps are never read; programs, problems and results are left out unless asked for.",
        epilog="Exit status: 0 a bundle was written (what could not be read is listed), 1 the API server does not answer, "
        "2 the command or the kubeconfig is wrong.",
    )
    parser.add_argument("file", type=Path, nargs="?", help="where to write it (./omnixan-support-TIME.tar.gz)")
    parser.add_argument("-n", "--namespace", help="objects of this namespace only (all)")
    parser.add_argument("--system-namespace", default="omnixan-system", help="the operator's namespace (omnixan-system)")
    parser.add_argument("--kubeconfig", type=Path, help="as kubectl's (KUBECONFIG, ~/.kube/config, the pod's own account)")
    parser.add_argument("--context", help="context of the kubeconfig (the current one)")
    parser.add_argument("--include-programs", action="store_true", help="programs, problems and results too")
    parser.add_argument("--tail", type=_at_least(0), default=2000, help="lines of each log (2000)")
    parser.add_argument("--max-mib", type=_at_least(1), default=64, help="bound of the content before compression (64)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="what to print (table)")


def _at_least(least: int) -> type[int]:
    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small: at least {least}")
        return number

    parse.__name__ = "whole number"
    return parse  # type: ignore[return-value]  # argparse takes any callable and names it in its message
