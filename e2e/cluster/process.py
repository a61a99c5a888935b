"""Running other programs: output kept, errors that show what the program said, no child that outlives a killed run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

TAIL_LINES = 20


class CommandError(RuntimeError):
    """A program ended with an error; the message holds its last lines."""

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        self.status = status
        self.output = output
        tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
        super().__init__(f"{' '.join(argv[:6])} … ended with status {status}\n{tail}".rstrip())


def complaints(output: str) -> list[str]:
    """The lines in which a program says that something is wrong: kind's and kubeadm's end in stack traces that do not."""
    lines = (line.strip() for line in output.splitlines())
    found = [line for line in lines if line.lower().startswith(("error", "couldn't", "timed out"))]
    return found[:5] or ["it does not say why"]


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """The command, arranged so that the kernel ends it when this process dies, even by kill -9.

    Uses util-linux' setpriv where it is there (always on Linux distributions); elsewhere the command as it is.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text_input: str | None = None,
    input_file: IO[bytes] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    `env` is added to this process' environment; `timeout` is in seconds. Raises CommandError if the program fails
    or takes longer.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(
            dying_with_us(command),
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=text_input,
            stdin=(input_file or subprocess.DEVNULL) if text_input is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandError(command, -1, f"no end after {late.timeout:.0f} s") from late
    except FileNotFoundError as missing:
        raise CommandError(command, 127, f"{missing.filename} is not installed; `make setup` installs it") from missing
    if done.returncode != 0:
        raise CommandError(command, done.returncode, done.stdout + done.stderr)
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout: float = 20) -> bool:
    """Whether a program ends well within `timeout` seconds."""
    try:
        run(argv, env=env, timeout=timeout)
    except CommandError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def command_line(pid: int) -> str:
    """The arguments of a running process, joined by blanks; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
