"""kubectl as users run it, with JSON in and out, and waiting on conditions instead of on time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
POLL_SECONDS = 0.25


class KubectlError(RuntimeError):
    """kubectl ended with another status than 0; the message has the command and what it printed."""

    def __init__(self, argv: list[str], output: str) -> None:
        self.output = output
        super().__init__(f"{' '.join(argv)}\n{output}")


@dataclass(frozen=True)
class Kubectl:
    """One kubectl binary on one cluster."""

    binary: Path
    kubeconfig: Path

    def run(self, *args: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Standard output of `kubectl args…`; raises KubectlError."""
        argv = [str(self.binary), "--kubeconfig", str(self.kubeconfig), *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise KubectlError(["kubectl", *args], done.stdout + done.stderr)
        return done.stdout

    def apply(self, *objects: Object) -> str:
        """`kubectl apply -f -` of the objects."""
        return self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def apply_file(self, path: Path, *args: str) -> str:
        """`kubectl apply -f path`."""
        return self.run("apply", "-f", str(path), *args)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None if there is none."""
        where = ["-n", namespace] if namespace else []
        text = self.run("get", kind, name, *where, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str | None = None, selector: str | None = None) -> list[Object]:
        """All objects of a kind, in one namespace or in all."""
        where = ["-n", namespace] if namespace else ["-A"]
        chosen = ["-l", selector] if selector else []
        items: list[Object] = json.loads(self.run("get", kind, *where, *chosen, "-o", "json"))["items"]
        return items

    def delete(self, kind: str, *names: str, namespace: str | None = None, wait: bool = True) -> None:
        """`kubectl delete`, without error if there is nothing."""
        where = ["-n", namespace] if namespace else []
        self.run("delete", kind, *names, *where, "--ignore-not-found", f"--wait={str(wait).lower()}")

    def until(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        holds: Callable[[Object | None], bool],
        timeout: float = 60,
    ) -> Object | None:
        """The object as soon as `holds` says so; AssertionError with its last state after `timeout` seconds."""
        seen: list[Object | None] = [None]

        def so() -> bool:
            seen[0] = self.get(kind, name, namespace)
            return holds(seen[0])

        try:
            eventually(so, f"{kind} {namespace}/{name}", timeout)
        except AssertionError as error:
            state = yaml.safe_dump((seen[0] or {}).get("status", seen[0]), sort_keys=False)
            raise AssertionError(f"{error}; it is\n{state}") from None
        return seen[0]


def condition(obj: Object | None, kind: str) -> Object:
    """A condition of an object, or an empty mapping."""
    for found in ((obj or {}).get("status") or {}).get("conditions") or []:
        if found["type"] == kind:
            return dict(found)
    return {}


def is_true(kind: str) -> Callable[[Object | None], bool]:
    """A test for `Kubectl.until`: the condition is True for the object's current generation."""

    def holds(obj: Object | None) -> bool:
        if obj is None or obj.get("status", {}).get("observedGeneration") != obj["metadata"]["generation"]:
            return False
        return condition(obj, kind).get("status") == "True"

    return holds


def eventually(holds: Callable[[], bool], what: str, timeout: float = 60) -> None:
    """Return as soon as `holds` does; AssertionError naming `what` after `timeout` seconds.

    A look that fails is one of the looks: an API server that is busy, or away for a moment, is asked again.
    """
    deadline = time.monotonic() + timeout
    problem = ""
    while True:
        try:
            if holds():
                return
            problem = ""
        except (KubectlError, subprocess.TimeoutExpired) as error:
            problem = f"; the last look failed: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so after {timeout:.0f} s{problem}")
        time.sleep(POLL_SECONDS)
