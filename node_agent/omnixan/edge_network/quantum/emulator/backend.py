"""The emulator as a backend: what it computes comes from a process of its own, how long it takes from the device.

A real device is busy for shots × (circuit + readout + pause) seconds. So is the emulator: it answers when that time is
over, however fast the simulation was (and not before the simulation is, should that take longer). Waiting happens in
the quantum worker, which is killed when its job is cancelled or times out, and with it the emulator's process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.quantum import frames, sampler
from omnixan.edge_network.quantum.backend import Options, require_width
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.emulator.readout import ReadoutError
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.spawned import Spawned

MAX_ANSWER = 64 * 1024 * 1024
_BELL = Circuit(2, 2, (Instruction("h", (0,)), Instruction("cx", (0, 1))), (Measurement(0, 0), Measurement(1, 1)))


@dataclass(frozen=True)
class Clock:
    """Real time; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Shots:
    """What a device gave: counts by outcome index (bit k is circuit.measured_qubits[k]), and what is known of it."""

    outcomes: dict[int, int]
    readout: tuple[ReadoutError, ...]
    """Readout error of each bit, for mitigation."""
    transpiled: dict[str, Any]
    occupancy: float
    """Seconds that the device was busy."""


class EmulatorBackend:
    """The emulator of one device; `exact` is False, as only samples come out of it."""

    name = "emulator"
    exact = False

    def __init__(self, device: Device, *, threads: int = 1, clock: Clock | None = None) -> None:
        self.device = device
        self.qubits = device.width
        self._clock = clock or Clock()
        self._spawned = Spawned("omnixan.edge_network.quantum.emulator.process", threads)
        self._cpu_seconds = 0.0
        self._spent: dict[str, Any] = {}

    def warm(self) -> None:
        """Start the process and fit and run one circuit, so that the next finds all loaded; takes no device time."""
        if self.qubits > 1:
            self._talk(_BELL, 16, 0, Options(), lambda: None)

    def sample(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> dict[str, int]:
        """Return noisy counts by bit string when the device would; CAPABILITY_MISMATCH for what it cannot take."""
        return sampler.counts(circuit, self.shots(circuit, shots, seed, on_first_shot, options).outcomes)

    def shots(
        self, circuit: Circuit, shots: int, seed: int, on_first_shot: Callable[[], None], options: Options | None = None
    ) -> Shots:
        """As `sample`, with the readout errors of the qubits in use beside the outcomes."""
        require_width(circuit.qubits, self)
        begun: list[float] = []

        def begin() -> None:
            begun.append(self._clock.now())
            on_first_shot()

        found = self._talk(circuit, shots, seed, options or Options(), begin)
        self._note(found)
        rest = begun[0] + found.occupancy - self._clock.now()
        if rest > 0:
            self._clock.sleep(rest)
        return found

    def expectations(
        self, circuit: Circuit, strings: Sequence[str], on_first_shot: Callable[[], None], options: Options | None = None
    ) -> None:
        """Return None: only samples come out of a device."""

    def cpu_seconds(self) -> float:
        """Return the CPU time of the emulator's process so far."""
        return self._cpu_seconds

    def take_usage(self) -> dict[str, Any]:
        """Return {qpuSeconds, transpiled} of the shots since the last call, as `status.usage` has them."""
        spent, self._spent = self._spent, {}
        return spent

    def close(self) -> None:
        """End the process."""
        self._spawned.close()

    def _note(self, found: Shots) -> None:
        """Add device time up; of several circuits the one with the least chance is told."""
        before = self._spent.get("transpiled")
        kept = found.transpiled
        if before is not None and before["successProbability"] <= kept["successProbability"]:
            kept = before
        busy = self._spent.get("qpuSeconds", 0.0) + found.occupancy
        self._spent = {"qpuSeconds": round(busy, 6), "transpiled": kept}

    def _talk(self, circuit: Circuit, shots: int, seed: int, options: Options, on_begin: Callable[[], None]) -> Shots:
        connection, new = self._spawned.connect()
        request = {
            "digest": circuit.digest,
            "circuit": circuit.to_dict(),
            "shots": shots,
            "seed": seed,
            "level": options.level,
            "longest": options.timeout_seconds,
        }
        facts: dict[str, Any] = {}
        try:
            if new:
                connection.sendall(frames.encode({"device": self.device.model_dump(mode="json", by_alias=True)}))
            connection.sendall(frames.encode(request))
            while (answer := frames.receive(connection, MAX_ANSWER)) is not None:
                if "begins" in answer:
                    facts = answer["begins"]
                    on_begin()
                elif "refused" in answer:
                    raise ProgramError.from_dict(answer["refused"])
                elif "error" in answer:
                    message = f"the emulator of {self.device.device} could not run the circuit: {answer['error']}"
                    raise ProgramError("BACKEND_ERROR", "EmulatorFailed", message)
                else:
                    self._cpu_seconds += float(answer["cpuSeconds"])
                    return _shots(answer, facts)
        except (OSError, frames.FrameError) as error:
            self.close()
            message = f"the connection to the emulator's process broke: {error}"
            raise ProgramError("BACKEND_ERROR", "EmulatorDied", message) from error
        code = self._spawned.ended()
        message = f"the emulator's process ended with status {code} while it ran {circuit.qubits} qubits; out of memory?"
        raise ProgramError("BACKEND_ERROR", "EmulatorDied", message)


def _shots(answer: dict[str, Any], facts: dict[str, Any]) -> Shots:
    return Shots(
        outcomes={int(index): int(count) for index, count in answer["outcomes"]},
        readout=tuple(ReadoutError(p10, p01) for p10, p01 in facts["readout"]),
        transpiled=facts["transpiled"],
        occupancy=float(facts["occupancy"]),
    )
