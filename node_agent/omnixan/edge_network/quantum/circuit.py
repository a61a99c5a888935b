"""The circuit representation that every part of the engine shares: plain data, checked when it is read.

A circuit is a list of standard gates on one or two qubits (`gates.GATES`) and the final measurements. It has no
classical control, no reset and no unbound parameter. As JSON it is

    {"qubits": 2, "clbits": 2, "gates": [["h", [0]], ["rz", [1], [0.5]], ["cx", [0, 1]]], "measure": [[0, 0], [1, 1]]}

with angles in radians and measurements as [qubit, classical bit]; a classical bit that is not named reads 0.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from omnixan.edge_network.quantum.gates import GATES

MAX_BITS = 1000
MAX_GATES = 100_000


class Instruction(NamedTuple):
    """One gate: its name in `gates.GATES`, the qubits it acts on, its angles in radians."""

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()


class Measurement(NamedTuple):
    """A final measurement of a qubit into a classical bit."""

    qubit: int
    clbit: int


@dataclass(frozen=True)
class Circuit:
    """A checked circuit. ValueError says which part is out of bounds.

    `qubits` and `clbits` count (at most 1,000 each), `instructions` are in order of application (at most 100,000),
    `measurements` name every classical bit at most once.
    """

    qubits: int
    clbits: int
    instructions: tuple[Instruction, ...]
    measurements: tuple[Measurement, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.qubits <= MAX_BITS:
            raise ValueError(f"qubits is {self.qubits}; allowed are 1 to {MAX_BITS}")
        if not 0 <= self.clbits <= MAX_BITS:
            raise ValueError(f"clbits is {self.clbits}; allowed are 0 to {MAX_BITS}")
        if len(self.instructions) > MAX_GATES:
            raise ValueError(f"the circuit has {len(self.instructions)} gates; at most {MAX_GATES} are allowed")
        for number, (name, qubits, params) in enumerate(self.instructions):
            kind = GATES.get(name)
            if kind is None:
                raise ValueError(f"gate {number}: {name!r} is not a standard gate")
            if len(qubits) != kind.qubits or len(params) != kind.params:
                raise ValueError(f"gate {number}: {name} takes {kind.qubits} qubits and {kind.params} parameters")
            if not all(0 <= qubit < self.qubits for qubit in qubits) or len(set(qubits)) != len(qubits):
                raise ValueError(f"gate {number}: {name} acts on qubits {list(qubits)} of a {self.qubits}-qubit circuit")
            if not all(map(math.isfinite, params)):
                raise ValueError(f"gate {number}: {name} has a parameter that is not a finite number: {list(params)}")
        for qubit, clbit in self.measurements:
            if not (0 <= qubit < self.qubits and 0 <= clbit < self.clbits):
                raise ValueError(f"measurement of qubit {qubit} into classical bit {clbit} is out of bounds")
        if len({clbit for _, clbit in self.measurements}) != len(self.measurements):
            raise ValueError("a classical bit is written by two measurements")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the circuit's JSON in lower-case hex: equal circuits have equal digests."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def measured_qubits(self) -> tuple[int, ...]:
        """The measured qubits, ascending, each once."""
        return tuple(sorted({qubit for qubit, _ in self.measurements}))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form given in this module's docstring."""
        return {
            "qubits": self.qubits,
            "clbits": self.clbits,
            "gates": [[name, list(q), list(p)] if p else [name, list(q)] for name, q, p in self.instructions],
            "measure": [list(measurement) for measurement in self.measurements],
        }

    @classmethod
    def from_dict(cls, data: object) -> Circuit:
        """Return the circuit of a mapping that `to_dict` made; ValueError for anything else."""
        if not isinstance(data, dict):
            raise ValueError("a circuit must be a mapping")
        gates, measure = data.get("gates"), data.get("measure")
        if not isinstance(gates, list) or not isinstance(measure, list):
            raise ValueError("a circuit needs the lists 'gates' and 'measure'")
        return cls(
            qubits=_integer(data.get("qubits"), "qubits"),
            clbits=_integer(data.get("clbits"), "clbits"),
            instructions=tuple(_instruction(item) for item in gates),
            measurements=tuple(_measurement(item) for item in measure),
        )


def _integer(value: object, name: str) -> int:
    if type(value) is not int:
        raise ValueError(f"{name} must be an integer, not {value!r:.40}")
    return value


def _instruction(item: object) -> Instruction:
    if not isinstance(item, list) or len(item) not in (2, 3) or not isinstance(item[0], str):
        raise ValueError(f"a gate must be [name, qubits] or [name, qubits, parameters], not {item!r:.80}")
    name, qubits, params = (*item, []) if len(item) == 2 else item
    if not isinstance(qubits, list) or not isinstance(params, list):
        raise ValueError(f"a gate's qubits and parameters must be lists: {item!r:.80}")
    if not all(type(p) in (int, float) for p in params):
        raise ValueError(f"a gate's parameters must be numbers: {item!r:.80}")
    try:
        angles = tuple(float(p) for p in params)
    except OverflowError as error:
        raise ValueError(f"a gate's parameter is too large: {name!r:.40}") from error
    return Instruction(name, tuple(_integer(q, "a gate's qubit") for q in qubits), angles)


def _measurement(item: object) -> Measurement:
    if not isinstance(item, list) or len(item) != 2:
        raise ValueError(f"a measurement must be [qubit, classical bit], not {item!r:.80}")
    return Measurement(_integer(item[0], "a measurement's qubit"), _integer(item[1], "a measurement's classical bit"))
