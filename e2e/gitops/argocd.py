"""Runs our Argo CD health scripts as Argo CD does, and makes the ConfigMap that carries them.

    python -m e2e.gitops.argocd [--check]

Argo CD runs them in Lua 5.1 without io, os, debug and package; so does this.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from e2e.gitops.kstatus import Result
from omnixan.edge_network.api.meta import GROUP

ROOT = Path(__file__).resolve().parents[2] / "gitops" / "argocd"
SCRIPTS = ROOT / "resource_customizations" / GROUP
CONFIG_MAP = ROOT / "argocd-cm.yaml"
KINDS = ("EdgeCluster", "EdgeNode", "QuantumJob")
TAKEN_AWAY = ("io", "os", "debug", "package", "require", "dofile", "loadfile", "load", "loadstring", "python", "print")
"""What a health script must do without."""
AGREES: Mapping[Result, frozenset[str]] = {
    Result.CURRENT: frozenset({"Healthy", "Suspended"}),
    Result.IN_PROGRESS: frozenset({"Progressing", "Suspended", "Degraded"}),
    Result.FAILED: frozenset({"Degraded"}),
    Result.TERMINATING: frozenset({"Progressing"}),
}
"""Which health may stand beside a kstatus. Degraded beside InProgress is for HeartbeatLost alone: see `agrees`."""


@dataclass(frozen=True)
class Health:
    """What Argo CD shows."""

    status: str
    message: str


@cache
def _script(kind: str) -> Any:
    from lupa.lua51 import LuaRuntime

    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    for name in TAKEN_AWAY:
        lua.execute(f"{name} = nil")
    source = (SCRIPTS / kind / "health.lua").read_text()
    return lua, lua.execute(f"return function(obj)\n{source}\nend")


def health(obj: Mapping[str, Any]) -> Health:
    """The health of an object. Argo CD itself says Progressing while an object is being deleted."""
    if obj["metadata"].get("deletionTimestamp"):
        return Health("Progressing", "Pending deletion")
    lua, script = _script(obj["kind"])
    answer = script(lua.table_from(obj, recursive=True))
    return Health(str(answer["status"]), str(answer["message"]))


def agrees(obj: Mapping[str, Any], result: Result, found: Health) -> bool:
    """Whether a health may stand beside a kstatus."""
    if found.status not in AGREES[result]:
        return False
    if result is Result.IN_PROGRESS and found.status == "Degraded":
        return obj["kind"] == "EdgeNode" and found.message.startswith("HeartbeatLost")
    return True


def config_map() -> str:
    """The part of Argo CD's ConfigMap argocd-cm with all scripts, as YAML."""
    data = {f"resource.customizations.health.{GROUP}_{kind}": (SCRIPTS / kind / "health.lua").read_text() for kind in KINDS}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": data,
    }
    head = "# Generated from resource_customizations/ by `python -m e2e.gitops.argocd`; do not edit.\n"
    return head + yaml.dump(body, Dumper=_Blocks, sort_keys=False, width=200)


class _Blocks(yaml.SafeDumper):
    """Writes text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)


def main() -> None:
    """Write the ConfigMap, or with --check exit with 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m e2e.gitops.argocd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is out of date")
    if not parser.parse_args().check:
        CONFIG_MAP.write_text(config_map())
    elif CONFIG_MAP.read_text() != config_map():
        raise SystemExit(f"{CONFIG_MAP.name} is out of date: run `python -m e2e.gitops.argocd`")


if __name__ == "__main__":
    main()
