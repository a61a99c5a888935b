"""The chart as Helm renders it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.pypi import helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/omnixan-edge"
RELEASE = "omnixan-edge"
NAMESPACE = "omnixan-system"
KUBERNETES = "1.36.0"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same values in an eighth of the time, where there is libyaml."""
Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is what it said."""


def run_helm(*args: str) -> str:
    """One call of helm; returns its output. Raises HelmError."""
    done = subprocess.run([_program(), *args], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


@cache
def _program() -> str:
    return str(helm())


@cache
def _rendered(namespace: str, values: tuple[str, ...], kubernetes: str, served: tuple[str, ...]) -> str:
    settings = [arg for value in values for arg in ("--set", value)]
    settings += [arg for kind in served for arg in ("--api-versions", kind)]
    return run_helm("template", RELEASE, str(CHART), "--namespace", namespace, "--kube-version", kubernetes, *settings)


def render(
    *values: str, namespace: str = NAMESPACE, kubernetes: str = KUBERNETES, served: tuple[str, ...] = ()
) -> list[Manifest]:
    """The manifests of the chart for a version of Kubernetes that serves these kinds (group/version/kind), too.

    Values are given as for `--set`. Raises HelmError.
    """
    return [m for m in yaml.load_all(_rendered(namespace, values, kubernetes, served), LOADER) if m]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [m for m in manifests if m["kind"] == kind]


def one(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The only one of the kind, or the one of that name."""
    (found,) = (m for m in of_kind(manifests, kind) if name in (None, m["metadata"]["name"]))
    return found


def pod_of(manifests: list[Manifest]) -> Manifest:
    """The pod template of the operator."""
    template: Manifest = one(manifests, "Deployment")["spec"]["template"]
    return template


def container(manifests: list[Manifest], name: str) -> Manifest:
    """A container of the operator's pod."""
    (found,) = (c for c in pod_of(manifests)["spec"]["containers"] if c["name"] == name)
    return dict(found)
