"""`make test`: every part of the tests, with one cluster, and a line with the minutes of each part at the end.

What needs no cluster runs while it is built and raised: the one waits for disks and downloads, the other does not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster import open_cluster
from e2e.cluster.golang import program, project_folder
from e2e.cluster.images import ensure_images
from e2e.cluster.process import CommandError, dying_with_us
from e2e.cluster.versions import PROJECTS

BIN = Path(sys.executable).parent
API_TESTS = "tests/api"
WAITING = {"test-operator": f"{API_TESTS}/omnixan_operator", "test-agent": f"{API_TESTS}/agent"}
"""The API tests that mostly wait: for leases to end, tokens to run out, an API server to be away."""


@dataclass
class Suite:
    """The parts so far: name, seconds, whether it went well."""

    parts: list[tuple[str, float, bool]] = field(default_factory=list)

    def run(self, name: str, *commands: list[str]) -> None:
        """One part: its commands one after another; it fails if one of them does, and the rest is run all the same."""
        print(f"\n══ {name}", flush=True)
        begin = time.monotonic()
        results = [subprocess.run(dying_with_us(command), check=False).returncode for command in commands]
        self.add(name, time.monotonic() - begin, not any(results))

    def add(self, name: str, seconds: float, well: bool) -> None:
        """Note how a part ended."""
        self.parts.append((name, seconds, well))
        print(f"══ {name}: {'ok' if well else 'FAILED'}, {seconds / 60:.1f} min", flush=True)

    def close(self) -> int:
        """Print all parts; the exit status."""
        print("\n══ minutes")
        for name, seconds, well in self.parts:
            print(f"   {name:<12} {seconds / 60:5.1f}  {'ok' if well else 'FAILED'}")
        return 0 if all(well for _, _, well in self.parts) else 1


class Behind:
    """A part that runs while others do; what it prints comes at its end, in one piece."""

    def __init__(self, name: str, command: list[str]) -> None:
        self._name = name
        self._begin = time.monotonic()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the part)
        self._process = subprocess.Popen(
            dying_with_us(command), stdout=self._output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        self._process.wait()
        self._seconds = time.monotonic() - self._begin

    def join(self, suite: Suite) -> None:
        """Wait for its end, print what it said, add it to the suite."""
        self._thread.join()
        self._output.seek(0)
        print(f"\n══ {self._name}\n{self._output.read().decode(errors='replace')}", flush=True)
        self._output.close()
        suite.add(self._name, self._seconds, self._process.returncode == 0)


def _raise_cluster(suite: Suite) -> None:
    begin = time.monotonic()
    well = False
    try:
        cluster = open_cluster()
        cluster.up(fresh=True)
        ensure_images(cluster)
        well = True
    except Exception as error:  # told here: a thread's exception would else be a traceback in the middle of a part
        print(f"the cluster did not come up: {error}", file=sys.stderr, flush=True)
    suite.add("cluster", time.monotonic() - begin, well)


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _programs_are_built() -> bool:
    """Whether compilers leave the machine alone: everything that the cluster is made of is in the cache."""
    return all(project_folder(project).exists() for project in PROJECTS)


def _wait_for_the_api_server() -> None:
    """Wait for the programs of the API tests, the first of those that the cluster needs too."""
    for name in ("etcd", "kube-apiserver"):
        with suppress(CommandError):  # the thread that raises the cluster tells it
            program(name)


def main() -> None:
    """Run everything; exits with 1 if a part failed."""
    begin = time.monotonic()
    suite = Suite()
    warm = _programs_are_built()
    cluster = threading.Thread(target=_raise_cluster, args=(suite,))
    cluster.start()
    # Some API tests mostly wait. The simulation needs a processor and no time of its own.
    # Both go on beside the others, at once if nothing has to be compiled.
    waiting, faults = (_waiting(), _faults()) if warm else ([], None)
    suite.run(
        "lint",
        _python("ruff", "check", "."),
        _python("ruff", "format", "--check", "--quiet", "."),
        _python("mypy"),
        [str(BIN / "lint-imports")],
        _python("omnixan.edge_network.api.crd", "--check"),
        _python("e2e.reference", "--check"),
        _python("e2e.gitops.argocd", "--check"),
    )
    suite.run("test-unit", _python("pytest", "tests/unit", "tests/crash", "-q"))
    _wait_for_the_api_server()
    waiting = waiting or _waiting()
    suite.run("test-api", _python("pytest", API_TESTS, "-q", *(f"--ignore={folder}" for folder in WAITING.values())))
    suite.run("test-guest", ["nice", "-n", "10", *_python("pytest", "tests/guest", "-q", "--durations=3")])
    for part in waiting:
        part.join(suite)
    cluster.join()
    faults = faults or _faults()
    suite.run("test-e2e", _python("pytest", "e2e/scenarios", "-v", "--durations=10"))
    faults.join(suite)
    suite.add("all", time.monotonic() - begin, all(well for _, _, well in suite.parts))
    raise SystemExit(suite.close())


def _waiting() -> list[Behind]:
    return [Behind(name, _python("pytest", folder, "-q", "--durations=5")) for name, folder in WAITING.items()]


def _faults() -> Behind:
    return Behind("test-faults", ["nice", "-n", "15", *_python("pytest", "tests/faults", "-q", "--durations=10")])


if __name__ == "__main__":
    main()
