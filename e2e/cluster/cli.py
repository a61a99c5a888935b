"""`python -m e2e.cluster`: the cluster by hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from e2e.cluster import open_cluster
from e2e.cluster.cache import Busy, run_lock
from e2e.cluster.engine import EngineError
from e2e.cluster.interface import Cluster, ClusterError
from e2e.cluster.kind import KindCluster
from e2e.cluster.process import CommandError, dying_with_us
from e2e.cluster.steps import Steps


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m e2e.cluster", description="A real Kubernetes cluster on this machine.")
    top.add_argument(
        "--kubeconfig", type=Path, help="use this existing cluster instead (also: OMNIXAN_KUBECONFIG); never taken unasked"
    )
    top.add_argument("--output", choices=("text", "json"), default="text", help="json: one document on standard output")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="raise the cluster; one that is up and well is kept")
    up.add_argument("--fresh", action="store_true", help="make it anew in any case")
    verbs.add_parser("down", help="remove the cluster and all it added to the machine")
    verbs.add_parser("status", help="nodes and whether they are Ready")
    verbs.add_parser("kubeconfig", help="print the path of the kubeconfig")
    verbs.add_parser("audit", help="print the path of the API server's audit log")
    load = verbs.add_parser("load", help="put an image (tag, or archive of docker save) onto the workers")
    load.add_argument("image", nargs="+")
    shell = verbs.add_parser("shell", help="run a program in a node: shell NODE -- COMMAND …")
    shell.add_argument("node")
    shell.add_argument("command", nargs="*", default=[])
    for verb, text in (
        ("cut", "drop every packet of a node"),
        ("heal", "undo cut"),
        ("freeze", "stop a node's processes where they are"),
        ("thaw", "undo freeze"),
        ("stop", "shut a node down"),
        ("start", "start a node again"),
    ):
        verbs.add_parser(verb, help=text).add_argument("node")
    locked = verbs.add_parser("locked", help="run a command while no other run may touch the cluster: locked -- COMMAND …")
    locked.add_argument("command", nargs="+")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status. Errors of the user or the machine are one message, not a traceback."""
    options = parser().parse_args(argv)
    try:
        return _run(options)
    except (ClusterError, EngineError, CommandError, Busy, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_to_its_end(command: list[str]) -> int:
    """Run a program that ends with us, and never before: it cleans up when told to stop. Returns its exit status.

    An interrupt of the keyboard reaches it anyway, SIGTERM and SIGHUP are passed on; by kill -9 of ours it dies too.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # none may come before there is somebody to pass it to
    try:
        # setpriv and what it becomes inherit the mask, so it is lifted in the child again
        with subprocess.Popen(dying_with_us(command), preexec_fn=lambda: _unblock(numbers)) as child:
            signal.signal(signal.SIGINT, lambda *_: None)
            for number in numbers[1:]:
                signal.signal(number, lambda given, _: child.send_signal(given))
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            status = child.wait()
            return 128 - status if status < 0 else status
    except FileNotFoundError as missing:
        raise CommandError(command, 127, f"{missing.filename}: no such program") from missing
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _unblock(numbers: Iterable[signal.Signals]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _run(options: argparse.Namespace) -> int:
    steps = Steps()
    if options.verb == "locked":
        with run_lock(" ".join(options.command)):
            return run_to_its_end(options.command)
    cluster = open_cluster(options.kubeconfig, steps)
    match options.verb:
        case "up":
            cluster.up(fresh=options.fresh)
            _report(options, cluster, steps)
        case "down":
            cluster.down()
        case "status":
            _report(options, cluster, steps)
        case "kubeconfig":
            print(_document(options, "kubeconfig", str(cluster.kubeconfig)))
        case "audit":
            print(_document(options, "audit", str(cluster.audit_log())))
        case "load":
            cluster.load_image(*(Path(image) if Path(image).is_file() else image for image in options.image))
        case "shell":
            return _shell(cluster, options.node, options.command or ["bash"])
        case "stop":
            cluster.stop_node(options.node)
        case "start":
            cluster.start_node(options.node)
        case verb:
            getattr(cluster, verb)(options.node)
    return 0


def _shell(cluster: Cluster, node: str, command: list[str]) -> int:
    if isinstance(cluster, KindCluster):
        argv, env = cluster.shell_command(node, command, terminal=sys.stdin.isatty())
        return subprocess.call(argv, env={**os.environ, **env})
    print(cluster.node_shell(node, command), end="")
    return 0


def _document(options: argparse.Namespace, name: str, value: str) -> str:
    return json.dumps({name: value}) if options.output == "json" else value


def _report(options: argparse.Namespace, cluster: Cluster, steps: Steps) -> None:
    nodes = cluster.nodes()
    if options.output == "json":
        described = [dataclasses.asdict(node) for node in nodes]
        print(json.dumps({"kubeconfig": str(cluster.kubeconfig), "nodes": described, "seconds": steps.seconds}))
        return
    for node in nodes:
        role = "control plane" if node.control_plane else "worker"
        print(f"{node.name:<24} {role:<14} {'Ready' if node.ready else 'NotReady':<9} {node.address}")
    print(f"kubeconfig: {cluster.kubeconfig}")
