"""What the agent is told by its environment: read once, checked at once, every bad value named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast, get_args

from omnixan.edge_network.agent.logs import LEVELS
from omnixan.edge_network.api.edgecluster import MAX_QUBITS
from omnixan.edge_network.api.meta import Backend, Device
from omnixan.edge_network.memory_pooling.pool import SMALLEST_BLOCK, STRATEGIES
from omnixan.edge_network.persistent_memory.medium import PAGE
from omnixan.edge_network.persistent_memory.mode import Mode
from omnixan.edge_network.persistent_memory.sizes import parse_size
from omnixan.edge_network.quantum.devices import load

MINIMUM_MEMORY = 1 << 20
"""Bytes of the smallest memory: room for the log of a loop."""

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")


class SettingsError(ValueError):
    """The environment is wrong; `problems` has one sentence for every bad value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Settings:
    """The agent's settings; each field's environment variable is its name in upper case unless said otherwise."""

    node_name: str
    """The Kubernetes node; the name of its EdgeNode and Lease too."""
    namespace: str
    """POD_NAMESPACE: where the EdgeNode, the Lease and the runs are."""
    pod_name: str
    """Who holds the Lease."""
    pool: str
    """The pool, for metrics."""
    cluster: str
    """The EdgeCluster, for metrics."""
    cluster_uid: str
    """The EdgeCluster's uid; empty if not told."""
    region: str
    """The region, for metrics; empty if there is none."""
    backend: Backend
    """What computes."""
    device: str
    """Whose recorded calibration the emulator follows; empty for a simulator."""
    qubits: int
    """The widest program it takes; of an emulator, its device's number."""
    http_port: int
    """Port of /metrics, /livez, /readyz; 0 takes a free one and logs it."""
    log_level: str
    """DEBUG, INFO, WARNING or ERROR."""
    grace_seconds: float
    """SHUTDOWN_GRACE_SECONDS: how long a running run may still take after SIGTERM."""
    memory_path: str | None
    """PMEM_PATH: the folder or device of the agent's memory, None if it shall have none."""
    memory_mode: str
    """PMEM_MODE: auto, dax or file, as `persistent_memory.Mode`."""
    memory_size: int
    """PMEM_SIZE: bytes that a new memory takes, all at once."""
    checkpoint_seconds: float
    """CHECKPOINT_INTERVAL: the longest time between two checkpoints of a loop, whatever its job asks for."""
    pool_size: int
    """Bytes of the pool of memory; 0 if there shall be none."""
    block_size: int
    """Bytes of its blocks."""
    reuse_strategy: str
    """Which idle block is given back first."""
    circuit_cache: bool
    """Whether it remembers compiled circuits."""


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; SettingsError names every variable that is missing or bad."""
    problems: list[str] = []

    def read(name: str, default: str | None, parse: Callable[[str], T], allowed: str) -> T:
        text = environment.get(name, "").strip() or default
        if text is None:
            problems.append(f"{name} is not set; it must be {allowed}")
        else:
            try:
                return parse(text)
            except ValueError:
                problems.append(f"{name} is {text!r:.80}; it must be {allowed}")
        return cast(T, None)  # never used: problems are raised below

    name = "a Kubernetes object name (lower-case letters, digits, '-' and '.')"
    label = "a label value (letters, digits, '-', '_' and '.', at most 63)"
    known = get_args(Backend)
    backend = cast(Backend, read("BACKEND", "simulator", _one_of(known), " or ".join(known)))
    device, qubits = "", 0
    if backend == "emulator":
        devices = get_args(Device)
        device = read("DEVICE", None, _one_of(devices), f"a recorded device: {', '.join(devices)}")
        qubits = load(device).width if device else 0
    else:
        qubits = read("QUBITS", None, _integer(1, MAX_QUBITS), f"a whole number from 1 to {MAX_QUBITS}")
    settings = Settings(
        node_name=read("NODE_NAME", None, _matching(_NAME), name),
        namespace=read("POD_NAMESPACE", None, _matching(_NAME), name),
        pod_name=read("POD_NAME", None, _matching(_NAME), name),
        pool=read("POOL", None, _matching(_LABEL), label),
        cluster=read("CLUSTER", None, _matching(_LABEL), label),
        cluster_uid=read("CLUSTER_UID", "", _matching(_LABEL), "the uid of the EdgeCluster"),
        region=read("REGION", "", _matching(_LABEL), label),
        backend=backend,
        device=device,
        qubits=qubits,
        http_port=read("HTTP_PORT", "8080", _integer(0, 65535), "a port number from 0 to 65535"),
        log_level=read("LOG_LEVEL", "INFO", lambda text: _one_of(LEVELS)(text.upper()), ", ".join(LEVELS)),
        grace_seconds=read("SHUTDOWN_GRACE_SECONDS", "20", _integer(0, 3600), "a number of seconds from 0 to 3600"),
        memory_path=read("PMEM_PATH", "", _path, "the absolute path of a folder or device") or None,
        memory_mode=read("PMEM_MODE", "auto", _one_of(tuple(Mode)), ", ".join(Mode)),
        memory_size=read(
            "PMEM_SIZE", "64Mi", _size, f"a size such as 256Mi, of at least {MINIMUM_MEMORY >> 20}Mi, in whole pages of 4Ki"
        ),
        checkpoint_seconds=read(
            "CHECKPOINT_INTERVAL", "300", _integer(1, 86400), "a whole number of seconds from 1 to 86400"
        ),
        pool_size=read("POOL_SIZE", "0", parse_size, "a size such as 4Gi, in whole blocks of BLOCK_SIZE, or 0 for no pool"),
        block_size=read("BLOCK_SIZE", "64Mi", _block, f"a power of two from {SMALLEST_BLOCK >> 10}Ki on, such as 64Mi"),
        reuse_strategy=read("REUSE_STRATEGY", "LRU", _one_of(STRATEGIES), ", ".join(STRATEGIES)),
        circuit_cache=read("CIRCUIT_CACHE", "true", _one_of(("true", "false")), "true or false") == "true",
    )
    if problems:
        raise SettingsError(problems)
    return settings


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError
        return text

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    return parse


def _path(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError
    return text


def _size(text: str) -> int:
    value = parse_size(text)
    if value < MINIMUM_MEMORY or value % PAGE:
        raise ValueError
    return value


def _block(text: str) -> int:
    value = parse_size(text)
    if value < SMALLEST_BLOCK or value & (value - 1):
        raise ValueError
    return value
