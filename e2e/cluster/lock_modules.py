"""Writes go.mod, go.sum and tools.go of Go projects after a version changed: `python -m e2e.cluster.lock_modules [NAME...]`.

The results are checked in, so that a build resolves nothing: it takes exactly these module versions, with these hashes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.cluster.versions import EXTRAS, GO_AT_LEAST, PROJECTS, GoProject


def staging_modules(go_mod: str) -> list[str]:
    """The modules that a go.mod of k8s.io/kubernetes replaces by folders of its own tree.

    As a dependency that tree is not there, so each has to be replaced by its published version instead.
    """
    return re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", go_mod, flags=re.MULTILINE)


def pinned_elsewhere(go_mod: Mapping[str, Any]) -> list[str]:
    """Options of `go mod edit` that repeat the versioned replacements and exclusions of a go.mod: they hold only in place.

    `go_mod` is what `go mod edit -json` says.
    """
    replaced = (r for r in go_mod.get("Replace") or () if r["New"].get("Version"))
    return [
        *(f"-replace={r['Old']['Path']}={r['New']['Path']}@{r['New']['Version']}" for r in replaced),
        *(f"-exclude={e['Path']}@{e['Version']}" for e in go_mod.get("Exclude") or ()),
    ]


def tools_file(packages: tuple[str, ...]) -> str:
    """A Go file that imports the packages and is never compiled: it tells `go mod tidy` what is needed."""
    imports = "".join(f'\t_ "{package}"\n' for package in packages)
    comment = "// Package tools names what is built from this module."
    return f"//go:build tools\n\n{comment}\npackage tools\n\nimport (\n{imports})\n"


def lock(project: GoProject) -> None:
    """Resolve one project anew and put the result into its folder."""
    with tempfile.TemporaryDirectory() as scratch:

        def go(*arguments: str) -> str:
            environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"}
            return subprocess.check_output(["go", *arguments], cwd=scratch, text=True, env=environment)

        go("mod", "init", f"edge.omnixan.io/{project.name}")
        go("mod", "edit", f"-go={'.'.join(map(str, GO_AT_LEAST))}", f"-require={project.module}@{project.version}")
        downloaded = json.loads(go("mod", "download", "-json", f"{project.module}@{project.version}"))
        for module in staging_modules(Path(downloaded["GoMod"]).read_text()):
            staged = f"v0.{project.version.removeprefix('v1.')}"
            go("mod", "edit", f"-replace={module}={module}@{staged}")
        for option in pinned_elsewhere(json.loads(go("mod", "edit", "-json", downloaded["GoMod"]))):
            go("mod", "edit", option)
        for module, instead in project.replace.items():
            go("mod", "edit", f"-replace={module}={instead}")
        (Path(scratch) / "tools.go").write_text(tools_file(project.packages))
        go("mod", "tidy", "-e")
        project.folder.mkdir(parents=True, exist_ok=True)
        for name in ("go.mod", "go.sum", "tools.go"):
            shutil.copy(Path(scratch) / name, project.folder / name)


def main() -> None:
    """Lock every project that comes from a published module, or those that are named."""
    wanted = sys.argv[1:]
    for project in (*PROJECTS, *EXTRAS):
        if project.module and (not wanted or project.name in wanted):
            lock(project)
            print(f"locked {project.name} {project.version}")


if __name__ == "__main__":
    main()
