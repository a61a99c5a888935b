"""The modules of the node agents: what an EdgeCluster asks of them, what a pool changes, and what comes of both."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from omnixan.edge_network.api.meta import Duration, Model, Rule, seconds_of

SYSTEM_FOLDERS = (
    *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/opt", "/proc"),
    *("/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"),  # noqa: S108 - refused, not used
)
"""Where no persistent memory may be: what lies there is the system's, the kubelet's, or run by root."""
DAX_DEVICE = r"^/dev/dax[0-9]+\.[0-9]+$"
"""The one kind of path under /dev that may be: a device-dax."""

PmemMode = Literal["auto", "dax", "file"]
PmemPath = Annotated[str, Field(min_length=2, max_length=255, pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")]
"""An absolute path without `.`, `..`, empty or hidden parts."""
Size = Annotated[str, Field(min_length=3, max_length=8, pattern=r"^[1-9][0-9]{0,5}(Mi|Gi|Ti)$")]
"""A number of bytes: 64Mi, 4Gi, 1Ti."""

BlockSize = Literal["1Mi", "2Mi", "4Mi", "8Mi", "16Mi", "32Mi", "64Mi", "128Mi", "256Mi", "512Mi", "1Gi"]
"""Bytes of a block of memory: a power of two."""

_UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_FOLDERS = ", ".join(f"'{folder}'" for folder in SYSTEM_FOLDERS)
_DEVICE_IN_CEL = DAX_DEVICE.replace("\\", "\\\\")


def bytes_of(size: str) -> int:
    """The bytes of a Size."""
    return int(size[:-2]) * _UNITS[size[-2:]]


def is_dax_device(path: str) -> bool:
    """Whether a path names a device-dax rather than a folder."""
    return re.match(DAX_DEVICE, path) is not None


def is_the_systems(path: str) -> bool:
    """Whether a path is in one of SYSTEM_FOLDERS."""
    return not is_dax_device(path) and any(path == folder or path.startswith(f"{folder}/") for folder in SYSTEM_FOLDERS)


def _rule_of_path(has: str) -> str:
    return (
        f"{has}self.pmemPath.matches('{_DEVICE_IN_CEL}') || "
        f"!([{_FOLDERS}].exists(f, self.pmemPath == f || self.pmemPath.startsWith(f + '/')))"
    )


def _rule_of_interval(has: str) -> str:
    return (
        f"{has}duration(self.checkpointInterval) >= duration('1s') && duration(self.checkpointInterval) <= duration('24h')"
    )


def _rule_of_size(has: str) -> str:
    return f"{has}quantity(self.size).compareTo(quantity('16Mi')) >= 0"


_PATH = "pmemPath must be a folder of its own, such as /mnt/pmem0, or /dev/daxX.Y: none of the system's"
_INTERVAL = "checkpointInterval must be from 1s to 24h"
_SIZE = "size must be at least 16Mi"
_BLOCKS = "poolSize must be a whole number of blocks of blockSize"
MIN_SIZE = 16 << 20


def in_blocks(pool: str | None, block: str | None) -> bool:
    """Whether a pool of memory is a whole number of blocks, as far as both are said."""
    return pool is None or block is None or bytes_of(pool) % bytes_of(block) == 0


class PersistentMemoryValues(Model):
    """The module persistent_memory as it is."""

    enabled: bool = True
    """Whether the agents keep a store that survives a power cut."""
    mode: PmemMode = "auto"
    """dax: DAX or nothing; auto: the best tier that is proven at the path; file: file I/O even where DAX works."""
    pmem_path: PmemPath = "/mnt/pmem0"
    """A folder of the node, mounted into the agent and handed over to it (needs a namespace whose Pod Security level is
    privileged, and a prefix that the chart allows), or a device-dax that a device plugin gives to the agent."""
    size: Size = "1Gi"
    """What the store takes there, all at once when it is made."""
    checkpoint_interval: Duration = "5m"
    """The longest time between two checkpoints of a job that runs, whatever the job asks for."""


class PersistentMemory(PersistentMemoryValues):
    """The module persistent_memory: on, with these defaults, where it is named."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(_rule_of_path(""), _PATH, lambda m: not is_the_systems(m.pmem_path), ".pmemPath"),
        Rule(_rule_of_size(""), _SIZE, lambda m: bytes_of(m.size) >= MIN_SIZE, ".size"),
        Rule(
            _rule_of_interval(""),
            _INTERVAL,
            lambda m: 1 <= seconds_of(m.checkpoint_interval) <= 86400,
            ".checkpointInterval",
        ),
    )


class PersistentMemoryOverride(Model):
    """A pool's changes to persistent_memory; a field that is absent keeps the EdgeCluster's value."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _rule_of_path("!has(self.pmemPath) || "),
            _PATH,
            lambda m: m.pmem_path is None or not is_the_systems(m.pmem_path),
            ".pmemPath",
        ),
        Rule(
            _rule_of_size("!has(self.size) || "),
            _SIZE,
            lambda m: m.size is None or bytes_of(m.size) >= MIN_SIZE,
            ".size",
        ),
        Rule(
            _rule_of_interval("!has(self.checkpointInterval) || "),
            _INTERVAL,
            lambda m: m.checkpoint_interval is None or 1 <= seconds_of(m.checkpoint_interval) <= 86400,
            ".checkpointInterval",
        ),
    )
    enabled: bool | None = None
    """Whether this pool's agents keep a store."""
    mode: PmemMode | None = None
    """Mode on this pool's nodes."""
    pmem_path: PmemPath | None = None
    """Path on this pool's nodes."""
    size: Size | None = None
    """Size on this pool's nodes."""
    checkpoint_interval: Duration | None = None
    """Interval on this pool's nodes."""


class MemoryPoolingValues(Model):
    """The module memory_pooling as it is."""

    enabled: bool = True
    """Whether the agents take their buffers from a pool."""
    pool_size: Size = "4Gi"
    """The most that the pool takes of the node's memory. Where spec.agent.resources is absent it is added to the agent's
    memory limit; else the limit there must allow it."""
    block_size: BlockSize = "64Mi"
    """What the pool takes from the system, and gives back to it, at once."""
    reuse_strategy: Literal["LRU"] = "LRU"
    """Which idle block is given back first: the least recently used."""
    quantum_circuit_cache: bool = True
    """Whether compiled circuits are kept for programs that come again."""


class MemoryPooling(MemoryPoolingValues):
    """The module memory_pooling: on, with these defaults, where it is named."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "quantity(self.poolSize).asInteger() % quantity(self.blockSize).asInteger() == 0",
            _BLOCKS,
            lambda m: in_blocks(m.pool_size, m.block_size),
            ".poolSize",
        ),
    )


class MemoryPoolingOverride(Model):
    """A pool's changes to memory_pooling; a field that is absent keeps the EdgeCluster's value."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.blockSize) || !has(self.poolSize) || "
            "quantity(self.poolSize).asInteger() % quantity(self.blockSize).asInteger() == 0",
            _BLOCKS,
            lambda m: in_blocks(m.pool_size, m.block_size),
            ".poolSize",
        ),
    )
    enabled: bool | None = None
    """Whether this pool's agents have one."""
    pool_size: Size | None = None
    """Size on this pool's nodes."""
    block_size: BlockSize | None = None
    """Size of a block on this pool's nodes."""
    reuse_strategy: Literal["LRU"] | None = None
    """Strategy on this pool's nodes."""
    quantum_circuit_cache: bool | None = None
    """Whether compiled circuits are kept on this pool's nodes."""


class Modules(Model):
    """What the agents do beside running jobs. A module that is not named is off."""

    memory_pooling: MemoryPooling | None = None
    """A pool of memory for quantum states."""
    persistent_memory: PersistentMemory | None = None
    """Memory that survives: a restart, an upgrade, a power cut."""


class ModulesOverride(Model):
    """A pool's changes to the modules; what is absent keeps the EdgeCluster's value."""

    memory_pooling: MemoryPoolingOverride | None = None
    """Changes to memory_pooling."""
    persistent_memory: PersistentMemoryOverride | None = None
    """Changes to persistent_memory."""


class EffectiveModules(Model):
    """The modules of one pool: the EdgeCluster's, with the pool's changes; absent where a module is off."""

    memory_pooling: MemoryPoolingValues | None = None
    """memory_pooling on this pool's nodes."""
    persistent_memory: PersistentMemoryValues | None = None
    """persistent_memory on this pool's nodes."""


_Values = TypeVar("_Values", PersistentMemoryValues, MemoryPoolingValues)


def effective_modules(modules: Modules | None, override: ModulesOverride | None) -> EffectiveModules:
    """What a pool's agents get: the EdgeCluster's values, with the fields that the pool's override names.

    A module that the EdgeCluster does not name is off unless the override says `enabled: true`; the fields that it leaves
    out then have the specification's defaults.
    """
    base, change = modules or Modules(), override or ModulesOverride()
    return EffectiveModules(
        memory_pooling=_merged(MemoryPoolingValues, base.memory_pooling, change.memory_pooling),
        persistent_memory=_merged(PersistentMemoryValues, base.persistent_memory, change.persistent_memory),
    )


def _merged(kind: type[_Values], base: Model | None, change: Model | None) -> _Values | None:
    values = {"enabled": False} if base is None else base.model_dump()
    values |= {} if change is None else change.model_dump(exclude_none=True, exclude_unset=True)
    return kind(**values) if values["enabled"] else None
