"""Flux's real source-controller and kustomize-controller as processes of this machine, and the proof that they wait rightly.

    python -m e2e.gitops.flux

builds both (once, about ten minutes on two cores) and runs tests/flux on a bare control plane with the real operator. A part
of `make soak`; the result goes to docs/figures/flux.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from e2e.bench.figures import OUT, machine
from e2e.cluster.apiserver import free_ports
from e2e.cluster.golang import module_folder, program
from e2e.cluster.process import dying_with_us
from e2e.cluster.steps import Steps
from e2e.cluster.versions import EXTRAS

CONTROLLERS = ("source-controller", "kustomize-controller")
TESTS = Path(__file__).resolve().parents[2] / "tests" / "flux"
NAMESPACE = "flux-system"
START_SECONDS = 60.0
FIGURES = "OMNIXAN_FLUX_FIGURES"
"""Environment variable: the file that the tests write their figures to."""


class FluxError(RuntimeError):
    """A controller did not start; the message has the end of its log."""


class Flux:
    """Both controllers on one API server; a context manager for the main thread. They end with this process."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        storage, *health = free_ports(3)
        (self._folder / "artifacts").mkdir()
        common = ["--enable-leader-election=false", "--metrics-addr=127.0.0.1:0", "--log-level=info"]
        address = f"127.0.0.1:{storage}"
        own = {
            "source-controller": [
                f"--storage-path={self._folder / 'artifacts'}",
                f"--storage-addr={address}",
                f"--storage-adv-addr={address}",
            ],
            "kustomize-controller": ["--requeue-dependency=2s"],
        }
        for name, port in zip(CONTROLLERS, health, strict=True):
            self._start(name, [*common, *own[name], f"--health-addr=127.0.0.1:{port}"])
        for name, port in zip(CONTROLLERS, health, strict=True):
            self._wait(name, port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        """The last lines of a controller's log."""
        return "\n".join((self._folder / f"{name}.log").read_text().splitlines()[-15:])

    def _start(self, name: str, arguments: list[str]) -> None:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig),
            "RUNTIME_NAMESPACE": NAMESPACE,
            "TMPDIR": str(self._folder),
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            command = dying_with_us([str(program(name)), *arguments])
            self._processes[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait(self, name: str, port: int) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                opener.open(f"http://127.0.0.1:{port}/readyz", timeout=5)
                return
            except urllib.error.URLError:
                if self._processes[name].poll() is not None or time.monotonic() > deadline:
                    raise FluxError(f"{name} is not ready\n{self.log(name)}") from None
            time.sleep(0.1)


def definitions() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of the kinds that the controllers serve."""
    found = []
    for project in (project for project in EXTRAS if project.name in CONTROLLERS):
        for path in sorted((module_folder(project) / "config" / "crd" / "bases").glob("*.yaml")):
            found += list(yaml.safe_load_all(path.read_text()))
    return found


def main() -> None:
    """Build, run the proof, keep its figures; exits with 1 if it failed."""
    begin = time.monotonic()
    for name in CONTROLLERS:
        program(name, Steps())
    built = round(time.monotonic() - begin, 1)
    OUT.mkdir(parents=True, exist_ok=True)
    figures = OUT / "flux.json"
    figures.unlink(missing_ok=True)
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(TESTS), "-v"], env={**os.environ, FIGURES: str(figures)}, check=False
    )
    if done.returncode == 0:
        versions = {project.name: project.version for project in EXTRAS if project.name in CONTROLLERS}
        seconds = {"building": built, "proof": round(time.monotonic() - begin, 1)}
        told = {"machine": machine(), "versions": versions, "seconds": seconds} | json.loads(figures.read_text())
        figures.write_text(json.dumps(told, indent=1) + "\n")
    raise SystemExit(1 if done.returncode else 0)


if __name__ == "__main__":
    main()
