"""Talking to a Docker engine through its command line program."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster.process import CommandError, dying_with_us, run, succeeds

# the classic builder: it needs no plugin and no network, and every engine has it
BUILD_ENVIRONMENT = {"DOCKER_BUILDKIT": "0"}


@dataclass(frozen=True)
class Docker:
    """One engine. `env` says which (DOCKER_HOST); empty means the user's own."""

    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, text_input: str | None = None, timeout: float | None = 300) -> str:
        """Run `docker …` and return what it prints; raises CommandError."""
        return run(["docker", *arguments], env=self.env, text_input=text_input, timeout=timeout)

    def answers(self, timeout: float = 10) -> bool:
        """Whether the engine is there and responds within `timeout` seconds."""
        return succeeds(["docker", "version", "--format", "{{.Server.Version}}"], env=self.env, timeout=timeout)

    def has_image(self, tag: str) -> bool:
        """Whether the engine holds an image of that name."""
        return succeeds(["docker", "image", "inspect", tag], env=self.env)

    def build(self, context: Path, tag: str, arguments: dict[str, str] | None = None, file: Path | None = None) -> None:
        """Build an image without any network: everything it needs is in `context`."""
        options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        options += ["--file", str(file)] if file else []
        run(
            ["docker", "build", "--network=none", "--force-rm", "--tag", tag, *options, context],
            env={**self.env, **BUILD_ENVIRONMENT},
        )

    def import_tree(self, tree: Path, tag: str) -> None:
        """Make an image of one layer out of a folder."""
        with subprocess.Popen(dying_with_us(["tar", "-C", str(tree), "-c", "."]), stdout=subprocess.PIPE) as tar:
            done = subprocess.run(
                ["docker", "import", "-", tag],
                stdin=tar.stdout,
                env={**os.environ, **self.env},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode or tar.returncode:
            raise CommandError(["docker", "import", tag], done.returncode or tar.returncode or 1, done.stderr)

    def containers(self, label: str) -> list[str]:
        """Names of all containers, running or not, that carry a label (`name` or `name=value`)."""
        return self("ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}").split()

    def remove_images(self, repository: str, keep: Sequence[str]) -> None:
        """Remove the images of a repository but for those kept; one in use stays."""
        listed = self("images", "--format", "{{.Repository}}:{{.Tag}}", repository).split()
        for tag in listed:
            if tag not in keep and not tag.endswith(":<none>"):
                succeeds(["docker", "image", "rm", tag], env=self.env, timeout=60)

    def prune(self) -> None:
        """Remove what earlier builds left and nobody has named, but for the last days' (they make the next build short)."""
        succeeds(["docker", "image", "prune", "--force", "--filter", "until=72h"], env=self.env, timeout=300)


IMAGE_NAME = re.compile(
    r"(?P<repository>[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
)


def split_image_name(name: str) -> tuple[str, str]:
    """Repository and tag of an image name, the tag `latest` if it has none. Raises ValueError on anything else."""
    found = IMAGE_NAME.fullmatch(name)
    if not found:
        raise ValueError(f"image name {name!r}: allowed is repository[:tag] in lower case, without a digest")
    return found["repository"], found["tag"] or "latest"
