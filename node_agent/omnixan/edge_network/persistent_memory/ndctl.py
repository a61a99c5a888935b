"""Which persistent-memory namespaces the machine has, from `ndctl list -N`. Only reads."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

TIMEOUT = 10.0
"""Seconds that ndctl may take."""

OUTPUT = 1 << 20
"""Bytes of its answer that are read."""

_NAMESPACES = 1024
_DEPTH = 32
_TEXT = 128


class State(StrEnum):
    """What came of asking; only `FOUND` has namespaces; `FAILED`, `GARBLED` and `TIMED_OUT` are faults."""

    FOUND = "Found"
    NONE = "None"
    MISSING = "NdctlMissing"
    FAILED = "NdctlFailed"
    GARBLED = "NdctlGarbled"
    TIMED_OUT = "NdctlTimedOut"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as ndctl names it; what it did not say is empty or 0. `size` in bytes."""

    dev: str
    mode: str
    size: int
    blockdev: str = ""
    chardev: str = ""
    name: str = ""
    align: int = 0
    persistence_domain: str = ""

    def wire(self) -> dict[str, str | int]:
        """For JSON: without what is not known."""
        return {key: value for key, value in asdict(self).items() if value or key == "size"}


@dataclass(frozen=True, slots=True)
class Discovery:
    """The namespaces, or why there are none."""

    state: State
    namespaces: tuple[Namespace, ...] = ()
    message: str = ""


class Garbled(ValueError):
    """This is not what ndctl prints."""


def discover(binary: str = "ndctl", *, timeout: float = TIMEOUT) -> Discovery:
    """Ask ndctl; never raises. `binary` is looked up in PATH; it gets no input, and is ended with its children when late."""
    try:
        process = subprocess.Popen(
            [binary, "list", "-N"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            start_new_session=True,
        )
    except FileNotFoundError:
        return Discovery(State.MISSING, message=f"{binary} is not installed: namespaces are not known")
    except OSError as error:
        return Discovery(State.FAILED, message=f"{binary} cannot be started: {error.strerror}")
    with process:
        try:
            answer, complaint = _listen(process, timeout)
        except _Late:
            _end(process)
            return Discovery(State.TIMED_OUT, message=f"{binary} list -N took longer than {timeout:g} s and was ended")
        except _TooMuch:
            _end(process)
            return Discovery(State.GARBLED, message=f"{binary} list -N printed more than {OUTPUT} bytes and was ended")
    if process.returncode:
        said = _printable(complaint.decode("utf-8", "replace").strip()) or "nothing"
        return Discovery(State.FAILED, message=f"{binary} list -N ended with {process.returncode} and said: {said}")
    try:
        namespaces = parse(answer.decode("utf-8", "strict"))
    except ValueError as error:
        return Discovery(State.GARBLED, message=f"{binary} list -N printed what cannot be read: {error}")
    if not namespaces:
        return Discovery(State.NONE, message="ndctl lists no namespaces: this machine has no persistent memory set up")
    return Discovery(State.FOUND, namespaces)


def parse(text: str) -> tuple[Namespace, ...]:
    """The namespaces in any JSON that ndctl prints, whatever its nesting; nothing at all means none; raises `Garbled`."""
    if not text.strip():
        return ()
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"not JSON ({_printable(str(error))})") from None
    if not isinstance(tree, list | dict):
        raise Garbled(f"a {type(tree).__name__} instead of a list or an object")
    found: dict[str, Namespace] = {}
    for namespace in _walk(tree, "", 0):
        found.setdefault(namespace.dev, namespace)
        if len(found) > _NAMESPACES:
            raise Garbled(f"more than {_NAMESPACES} namespaces")
    return tuple(found.values())


def _walk(tree: Any, domain: str, depth: int) -> Iterator[Namespace]:
    if depth > _DEPTH:
        raise Garbled(f"nested more than {_DEPTH} deep")
    if isinstance(tree, list):
        for part in tree:
            yield from _walk(part, domain, depth + 1)
    elif isinstance(tree, dict):
        domain = _word(tree.get("persistence_domain")) or domain
        if _word(tree.get("dev")).startswith("namespace") and "mode" in tree:
            yield _namespace(tree, domain)
        for part in tree.values():
            yield from _walk(part, domain, depth + 1)


def _namespace(tree: dict[str, Any], domain: str) -> Namespace:
    return Namespace(
        dev=_word(tree["dev"]),
        mode=_word(tree["mode"]),
        size=_number(tree.get("size")),
        blockdev=_word(tree.get("blockdev")),
        chardev=_word(tree.get("chardev")) or _chardev(tree.get("daxregion")),
        name=_word(tree.get("name")),
        align=_number(tree.get("align")),
        persistence_domain=domain,
    )


def _chardev(region: Any) -> str:
    """The device of a devdax namespace in the verbose form: daxregion.devices[0].chardev."""
    devices = region.get("devices") if isinstance(region, dict) else None
    first = devices[0] if isinstance(devices, list) and devices else None
    return _word(first.get("chardev")) if isinstance(first, dict) else ""


def _word(value: Any) -> str:
    return _printable(value)[:_TEXT] if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64 else 0


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:300]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and its children: it leads its own group, and is not waited for yet, so the number is still its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Late(Exception):
    pass


class _TooMuch(Exception):
    pass


def _listen(process: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """Both outputs until they end; the process is waited for."""
    until = time.monotonic() + timeout
    read = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in read:
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise _Late
            for key, _ in ready:
                piece = os.read(key.fd, 65536)
                text = read[key.fileobj]  # type: ignore[index]  # the pipes registered above
                text += piece
                if len(text) > OUTPUT:
                    raise _TooMuch
                if not piece:
                    selector.unregister(key.fileobj)
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Late from None
    return bytes(read[process.stdout]), bytes(read[process.stderr])
