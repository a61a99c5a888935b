"""What runs a circuit: a small interface, and the simulator behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.quantum import pauli, sampler, statevector
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.fusion import Program
from omnixan.edge_network.quantum.mitigation import ReadoutError

if TYPE_CHECKING:
    from omnixan.edge_network.quantum.aer import AerProcess
    from omnixan.edge_network.quantum.circuit_log import CircuitLog

#: The widest state there is room for: 2**24 amplitudes of 16 bytes are 256 MiB.
MAX_QUBITS = 24

CACHE_BYTES = 32 * 1024 * 1024
TARGET = "numpy"
"""What circuits are compiled for here."""


class Shots(Protocol):
    """What a backend gave: counts by outcome index (bit k is circuit.measured_qubits[k]), readout errors of the bits."""

    @property
    def outcomes(self) -> dict[int, int]:
        """Counts by index."""
        ...

    @property
    def readout(self) -> Sequence[ReadoutError]:
        """Of each bit; empty where readings have no errors."""
        ...


@dataclass(frozen=True)
class ExactShots:
    """Shots of a simulator."""

    outcomes: dict[int, int]
    readout: tuple[ReadoutError, ...] = ()


@dataclass(frozen=True)
class Options:
    """How a circuit is to be run: `level` 0 to 3 of fitting it to a device; `timeout_seconds` None for no bound.

    `log` keeps the state of the circuit on its way, where the backend has one: the numpy engine, and no other.
    """

    level: int = 1
    timeout_seconds: float | None = None
    log: CircuitLog | None = None


class Backend(Protocol):
    """A device or simulator of `qubits` qubits; `exact` if it knows its state and not only samples of it."""

    name: str
    qubits: int
    exact: bool

    def sample(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> dict[str, int]:
        """Return counts by bit string, ascending. `on_first_shot` is called when sampling starts."""
        ...

    def shots(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> Shots:
        """As `sample`, by outcome index and with what is known of readout errors."""
        ...

    def expectations(
        self, circuit: Circuit, strings: Sequence[str], on_first_shot: Callable[[], None], options: Options | None = None
    ) -> dict[str, float] | None:
        """Return the exact expectation value of each Pauli string before any measurement; None if not `exact`."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time that processes of its own have used for it so far."""
        ...

    def take_usage(self) -> dict[str, Any]:
        """Return what a device spent since the last call ({qpuSeconds, transpiled}), nothing for a simulator."""
        ...

    def warm(self) -> None:
        """Load whatever the first job would have to wait for."""
        ...

    def close(self) -> None:
        """End the processes of its own."""
        ...


class SimulatorBackend:
    """Exact simulation: the numpy engine up to 16 qubits, above them Qiskit Aer in a process of its own.

    `qubits` is how many it offers, at most 24; `aer_threads` how many threads Aer may use. States of the numpy engine come
    from `buffers`, a `MemoryPooling` for one, if there are any.
    """

    name = "simulator"
    exact = True

    def __init__(self, qubits: int, *, aer_threads: int = 1, buffers: statevector.Buffers | None = None) -> None:
        if not 1 <= qubits <= MAX_QUBITS:
            raise ValueError(f"qubits is {qubits}; a simulator offers 1 to {MAX_QUBITS}")
        self.qubits = qubits
        self._aer_threads = aer_threads
        self._aer: AerProcess | None = None
        self._buffers = buffers
        self.compiled: CircuitCache[Program] = CircuitCache(CACHE_BYTES)
        """What circuits were compiled to, within `CACHE_BYTES`."""

    def sample(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> dict[str, int]:
        """Return counts by bit string; CAPABILITY_MISMATCH for a circuit wider than the backend. Only the `log` counts."""
        return sampler.counts(circuit, self.shots(circuit, shots, seed, on_first_shot, options).outcomes)

    def shots(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> ExactShots:
        """As `sample`, by outcome index."""
        require_width(circuit.qubits, self)
        if circuit.qubits <= statevector.MAX_QUBITS:
            probabilities = statevector.probabilities(self._program(circuit), self._buffers, _log(options))
            on_first_shot()
            outcomes = sampler.sample(probabilities, shots, seed)
        else:
            outcomes = self._aer_process().sample(circuit, shots, seed, on_first_shot)
        return ExactShots(outcomes)

    def expectations(
        self, circuit: Circuit, strings: Sequence[str], on_first_shot: Callable[[], None], options: Options | None = None
    ) -> dict[str, float] | None:
        """Return exact expectation values; CAPABILITY_MISMATCH for a circuit wider than the backend."""
        require_width(circuit.qubits, self)
        if circuit.qubits > statevector.MAX_QUBITS:
            return self._aer_process().expectations(circuit, strings, on_first_shot)
        state = statevector.statevector(circuit, self._buffers, _log(options))
        on_first_shot()
        return pauli.exact(state, strings)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the Aer process so far."""
        return 0.0 if self._aer is None else self._aer.cpu_seconds

    def take_usage(self) -> dict[str, Any]:
        """Return nothing: a simulator has no device time."""
        return {}

    def warm(self) -> None:
        """Do nothing: Aer is started when the first wide circuit comes."""

    def close(self) -> None:
        """End the Aer process, if there is one."""
        if self._aer is not None:
            self._aer.close()
            self._aer = None

    def _program(self, circuit: Circuit) -> Program:
        program = self.compiled.get(circuit.digest, TARGET)
        if program is None:
            program = statevector.compiled(circuit)
            self.compiled.put(circuit.digest, TARGET, program, program.nbytes)
        return program

    def _aer_process(self) -> AerProcess:
        if self._aer is None:
            from omnixan.edge_network.quantum.aer import AerProcess

            self._aer = AerProcess(self._aer_threads)
        return self._aer


def _log(options: Options | None) -> CircuitLog | None:
    return None if options is None else options.log


def require_width(qubits: int, backend: Backend) -> None:
    """Raise CAPABILITY_MISMATCH if a job needs more qubits than the backend has."""
    if qubits > backend.qubits:
        raise ProgramError(
            "CAPABILITY_MISMATCH",
            "TooManyQubits",
            f"the job needs {qubits} qubits, the {backend.name} offers {backend.qubits}: use fewer qubits or a wider "
            "backend",
        )
