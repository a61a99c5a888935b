"""Evaluations as bytes, for logs that outlive the process, and the fingerprint of what a log belongs to.

A record, little endian: u32 phase, u32 flags (1: with a gradient), f64 value, f64 angles, f64 gradient. All records of a
log have one size, which the number of layers and the optimiser give.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from omnixan.edge_network.quantum.qaoa.loop import Evaluation
from omnixan.edge_network.quantum.qaoa.recipe import ALPHA, EXACT, PENALTIES, SHOTS

FORMAT = 1
_HEAD = struct.Struct("<IId")
_GRADIENT = 1


def pack(evaluations: Iterable[Evaluation]) -> bytes:
    """Return evaluations as records, one after another; numbers keep every bit."""
    return b"".join(map(_packed, evaluations))


def _packed(evaluation: Evaluation) -> bytes:
    numbers = evaluation.angles + (evaluation.gradient or ())
    flags = 0 if evaluation.gradient is None else _GRADIENT
    return _HEAD.pack(evaluation.phase, flags, evaluation.value) + struct.pack(f"<{len(numbers)}d", *numbers)


def record_size(layers: int, gradient: bool) -> int:
    """Return the bytes of a record: a circuit of `layers` has two angles a layer."""
    return _HEAD.size + 8 * 2 * layers * (2 if gradient else 1)


def unpack(data: bytes, layers: int) -> list[Evaluation]:
    """Return the whole records of a log; what is left behind the last of them is passed over."""
    return list(_unpacked(data, layers))


def _unpacked(data: bytes, layers: int) -> Iterator[Evaluation]:
    place = 0
    while place + _HEAD.size <= len(data):
        phase, flags, value = _HEAD.unpack_from(data, place)
        size = record_size(layers, bool(flags & _GRADIENT))
        if place + size > len(data):
            return
        numbers = struct.unpack_from(f"<{(size - _HEAD.size) // 8}d", data, place + _HEAD.size)
        angles, gradient = numbers[: 2 * layers], numbers[2 * layers :]
        yield Evaluation(phase, angles, value, gradient or None)
        place += size


def fingerprint(spec: Mapping[str, Any], exact: bool) -> str:
    """Return the digest of all that evaluations follow from: problem, shots, optimiser, seed, recipe and libraries.

    `spec` as `execute` takes it. A log with another fingerprint is another computation's, or was made by a version that
    would have gone on differently.
    """
    belongs = {
        "format": FORMAT,
        "algorithm": spec["algorithm"],
        "optimizer": spec.get("optimizer"),
        "shots": (spec.get("primitive") or {}).get("sampler"),
        "seed": spec["execution"]["seed"],
        "exact": exact,
        "recipe": [repr(EXACT), repr(SHOTS), repr(PENALTIES), ALPHA],
        "libraries": [version(name) for name in ("numpy", "scipy")],
    }
    return hashlib.sha256(json.dumps(belongs, sort_keys=True).encode()).hexdigest()
