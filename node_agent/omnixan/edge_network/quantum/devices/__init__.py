"""Recorded calibrations of real devices: figures, couplings and where they come from, one JSON file a device.

The files are made by `scripts/record_devices.py` from snapshots that a vendor published; each names its source. They are
measurements of the past, not of any device as it is now: what follows them is an emulator and is called one.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from functools import cached_property, lru_cache
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Error = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1)]


class DeviceError(ValueError):
    """A device is not known, or its file is damaged; the message says which and what is allowed."""


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Gate(_Figures):
    """A gate on certain qubits: average infidelity and duration in seconds."""

    error: Error
    seconds: Seconds


class Qubit(_Figures):
    """One qubit; times in seconds."""

    t1: Positive
    """Relaxation time."""
    t2: Positive
    """Dephasing time; recorded values over 2·t1, which physics forbids, are taken as 2·t1."""
    p01: Error
    """Probability to read 0 where 1 was prepared."""
    p10: Error
    """Probability to read 1 where 0 was prepared."""
    readout: Seconds = Field(alias="readoutSeconds")
    """Duration of a readout."""
    gates: dict[str, Gate]
    """Single-qubit gates by name."""

    @model_validator(mode="before")
    @classmethod
    def _physical(cls, data: Any) -> Any:
        if isinstance(data, dict) and {"t1", "t2"} <= data.keys():
            data = data | {"t2": min(data["t2"], 2 * data["t1"])}
        return data

    @property
    def readout_error(self) -> float:
        """Mean of both ways to read a bit wrong."""
        return (self.p01 + self.p10) / 2


class Coupling(_Figures):
    """A pair of qubits with a controlled-NOT; the first is the control."""

    qubits: tuple[int, int]
    cx: Gate


class Source(_Figures):
    """Where the figures come from."""

    package: str
    version: str
    path: str
    backend: str
    calibrated: str
    notes: tuple[str, ...] = ()


class Device(_Figures):
    """A device as it was measured once (or, after `emulator.drift`, as it may be some time later)."""

    device: str
    source: Source
    method: str = "recorded snapshot"
    shot_delay: Seconds = Field(alias="shotDelay")
    """Pause between two shots, in which the qubits come to rest."""
    qubits: tuple[Qubit, ...] = Field(min_length=1, max_length=64)
    couplings: tuple[Coupling, ...] = Field(max_length=256)

    @model_validator(mode="after")
    def _consistent(self) -> Device:
        for coupling in self.couplings:
            a, b = coupling.qubits
            if a == b or not (0 <= a < self.width and 0 <= b < self.width):
                raise ValueError(f"coupling {a}-{b}: qubits are numbered from 0 to {self.width - 1}, and are different")
        if len(self.by_pair) != len(self.couplings):
            raise ValueError("a coupling stands there twice")
        if self.width > 1 and len(_reachable(self.neighbours)) != self.width:
            raise ValueError("the coupling map is not connected")
        return self

    @property
    def width(self) -> int:
        """Number of qubits."""
        return len(self.qubits)

    @cached_property
    def by_pair(self) -> dict[tuple[int, int], Gate]:
        """The controlled-NOT of each directed pair."""
        return {coupling.qubits: coupling.cx for coupling in self.couplings}

    @cached_property
    def neighbours(self) -> tuple[frozenset[int], ...]:
        """The coupled qubits of each qubit."""
        found: list[set[int]] = [set() for _ in self.qubits]
        for coupling in self.couplings:
            a, b = coupling.qubits
            found[a].add(b)
            found[b].add(a)
        return tuple(map(frozenset, found))

    @cached_property
    def basis(self) -> tuple[str, ...]:
        """Names of its gates, cx included."""
        return (*sorted({name for qubit in self.qubits for name in qubit.gates}), "cx")

    @cached_property
    def pulse(self) -> str:
        """The single-qubit gate that one pulse makes: sx, or u2 on older devices."""
        return "sx" if "sx" in self.basis else "u2"

    @cached_property
    def id(self) -> str:
        """Changes with every figure: the name and ten digits of a SHA-256."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.device}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def coupling_error(self, a: int, b: int) -> float:
        """Error of the controlled-NOT between two neighbours, the better direction; KeyError if they are none."""
        known = [self.by_pair[pair].error for pair in ((a, b), (b, a)) if pair in self.by_pair]
        if not known:
            raise KeyError((a, b))
        return min(known)

    def median_error(self) -> float:
        """Median error of its controlled-NOTs."""
        return statistics.median(coupling.cx.error for coupling in self.couplings)


def names() -> tuple[str, ...]:
    """The recorded devices, in order of the alphabet."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


@lru_cache(maxsize=32)
def load(name: str) -> Device:
    """Return a recorded device; DeviceError for an unknown one (with the list of known ones) or a damaged file."""
    if name not in names():
        raise DeviceError(f"device {name!r:.80} is not known; recorded are {', '.join(names())}")
    return parse(name, (resources.files(__name__) / f"{name}.json").read_bytes())


def parse(name: str, data: bytes) -> Device:
    """Return the device of a file's bytes; DeviceError says what is wrong with them."""
    try:
        device = Device.model_validate_json(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:5])
        raise DeviceError(f"the recorded calibration of {name} is damaged: {problems}") from None
    if device.device != name:
        raise DeviceError(f"the recorded calibration of {name} is damaged: it is that of {device.device!r:.80}")
    return device


def _reachable(neighbours: tuple[frozenset[int], ...]) -> set[int]:
    seen, edge = {0}, [0]
    while edge:
        new = neighbours[edge.pop()] - seen
        seen |= new
        edge.extend(new)
    return seen
