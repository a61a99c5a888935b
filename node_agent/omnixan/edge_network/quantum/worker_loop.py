"""The quantum worker's side of its connection: jobs in, progress and results out, one at a time.

Runs in a process forked by the fork server. The protocol (frames of `frames`):

    → {"qubits": n, "aerThreads": t[, "device": {…}]               first, once; with a device: its emulator
       [, "pool": {"bytes": of all, "block": bytes}]}
    ← {"ready": true}                                              after a circuit was compiled and sampled
    → {"tend": true}   ← {}                                        while it rests: memory goes back that others need
    → {"id": i, "spec": {…}, "digest": … | null, "circuit": {…} | null, "log": null | {"fingerprint", "pieces": n,
       "every": k | null, "seconds": s}}  {"piece": base64 of records}*n       (of a circuit's state or a loop's evaluations)
    ← {"id": i, "resumed": {fingerprint, evaluations, length, shots, problem}}?
      {"id": i, "records": base64, "shots": of all evaluations so far, "wait": bool}*   → {"kept": true} where it waits
      {"id": i, "progress": {…}, "shots": n}*  {"id": i, "firstShot": microseconds, monotonic}?
      {"id": i, "result": {…}} | {"id": i, "error": {category, reason, message}}

With a pool, "pool" is added to `ready`, to progress and to every last answer: the fields of `PoolStats`, or {"refused":
{reason, message}} if it cannot be; then states are allocated one by one.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.memory_pooling.pool import MemoryPooling
from omnixan.edge_network.quantum import frames
from omnixan.edge_network.quantum.backend import Backend, SimulatorBackend
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.circuit_log import CircuitLog
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute, training_shots
from omnixan.edge_network.quantum.training_log import Kept, Ledger, Pace, Resumed

PROGRESS_INTERVAL = 0.1
CACHED_GATES = 200_000
PARSED = "parsed"
POOL_BYTES = 16 << 20
"""Memory that states are kept in: two of 16 qubits take 2 MiB."""
BLOCK_BYTES = 1 << 20

_BELL = Circuit(2, 2, (Instruction("h", (0,)), Instruction("cx", (0, 1))), (Measurement(0, 0), Measurement(1, 1)))


def warm_up() -> None:
    """Compile and sample one circuit: everything a sampler job needs is loaded after it."""
    spec = {"primitive": {"sampler": {"shots": 16}}, "execution": {"seed": 0}}
    execute(spec, _BELL, backend=SimulatorBackend(2))


def serve(connection: socket.socket) -> None:
    """Run jobs until the connection ends."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the agent has gone away within a job
        _serve(connection)


def _serve(connection: socket.socket) -> None:
    config = frames.receive(connection)
    if config is None:
        return
    states = States(config.get("pool"))
    backend = _backend(config, states)
    warm_up()
    backend.warm()
    _send(connection, {"ready": True, **states.report()})
    circuits: CircuitCache[Circuit] = CircuitCache(CACHED_GATES)
    while (request := frames.receive(connection)) is not None:
        if "tend" in request:
            states.tend()
            _send(connection, states.report())
        else:
            answer = _run(connection, request, backend, circuits, states)
            _send(connection, {"id": request["id"], **answer, **states.report()})
    backend.close()


def _backend(config: dict[str, Any], states: States) -> Backend:
    if "device" not in config:
        return SimulatorBackend(int(config["qubits"]), aer_threads=int(config["aerThreads"]), buffers=states.pool)
    from omnixan.edge_network.quantum.devices import Device
    from omnixan.edge_network.quantum.emulator.backend import EmulatorBackend

    return EmulatorBackend(Device.model_validate(config["device"]), threads=int(config["aerThreads"]))


class States:
    """The memory that states are in: the pool that was asked for, or a small one of its own of which nobody is told."""

    def __init__(self, asked: dict[str, int] | None) -> None:
        self._told = asked is not None
        self._refused: dict[str, str] | None = None
        self.pool: MemoryPooling | None = None
        """None where it cannot be: then states are allocated one by one."""
        size, block = (POOL_BYTES, BLOCK_BYTES) if asked is None else (asked["bytes"], asked["block"])
        try:
            self.pool = MemoryPooling(size, block, quantum_circuits=False)
        except PoolError as error:
            self._refused = {"reason": error.reason, "message": str(error)}
            print(f"states are not pooled: {error}", file=sys.stderr)

    def report(self) -> dict[str, Any]:
        """What an answer says of it: nothing, if nobody asked for a pool."""
        if not self._told:
            return {}
        return {"pool": {"refused": self._refused} if self.pool is None else asdict(self.pool.stats())}

    def tend(self) -> None:
        """Give memory back that others need."""
        if self.pool is not None:
            self.pool.check_pressure()


def _run(
    connection: socket.socket,
    request: dict[str, Any],
    backend: Backend,
    circuits: CircuitCache[Circuit],
    states: States,
) -> dict[str, Any]:
    number = request["id"]
    last_progress = 0.0
    shots_each = 0

    def on_progress(progress: dict[str, Any]) -> None:
        nonlocal last_progress
        now = time.monotonic()
        if now - last_progress >= PROGRESS_INTERVAL:
            last_progress = now
            shots = progress["iteration"] * shots_each
            _send(connection, {"id": number, "progress": progress, "shots": shots, **states.report()})

    def on_first_shot() -> None:
        _send(connection, {"id": number, "firstShot": time.monotonic_ns() // 1000})

    try:
        kept = _kept(connection, request)
        circuit = _circuit(request, circuits)
        shots_each = training_shots(request["spec"], backend)
        result = execute(
            request["spec"],
            circuit,
            backend=backend,
            on_progress=on_progress,
            on_first_shot=on_first_shot,
            ledger=_ledger(connection, request, kept) if circuit is None else None,
            circuit_log=_circuit_log(connection, request, kept) if circuit is not None else None,
        )
        return {"result": result}
    except (BrokenPipeError, ConnectionResetError):
        raise
    except ProgramError as error:
        return {"error": error.to_dict()}
    except MemoryError:
        message = "the worker is out of memory: use fewer qubits, or give the agent more memory"
        return {"error": ProgramError("BACKEND_ERROR", "OutOfMemory", message).to_dict()}
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        message = f"the worker failed: {type(error).__name__}: {error}"
        return {"error": ProgramError("BACKEND_ERROR", "WorkerFailed", message).to_dict()}


def _kept(connection: socket.socket, request: dict[str, Any]) -> Kept | None:
    """Read the log that follows a request, if it says so."""
    asked = request.get("log")
    if asked is None:
        return None
    pieces = [base64.b64decode(_receive(connection)["piece"]) for _ in range(asked["pieces"])]
    return Kept(asked["fingerprint"], b"".join(pieces))


def _ledger(connection: socket.socket, request: dict[str, Any], kept: Kept | None) -> Ledger | None:
    """What keeps the evaluations of an algorithm's loop, if they shall be kept."""
    if kept is None:
        return None
    asked = request["log"]
    return Ledger(
        kept,
        Pace(asked["every"], asked["seconds"]),
        lambda resumed: _tell_resumed(connection, request, resumed),
        lambda records, shots, wait: _deliver(connection, request, records, shots, wait),
    )


def _circuit_log(connection: socket.socket, request: dict[str, Any], kept: Kept | None) -> CircuitLog | None:
    """What keeps the state of a circuit, if it shall be kept; nothing else is sent or read while a state is delivered."""
    if kept is None:
        return None
    return CircuitLog(
        kept,
        request["log"]["seconds"],
        lambda resumed: _tell_resumed(connection, request, resumed),
        lambda record: _deliver(connection, request, record, 0, True),
    )


def _tell_resumed(connection: socket.socket, request: dict[str, Any], resumed: Resumed) -> None:
    _send(connection, {"id": request["id"], "resumed": asdict(resumed)})


def _deliver(connection: socket.socket, request: dict[str, Any], records: bytes, shots: int, wait: bool) -> None:
    text = base64.b64encode(records).decode()
    _send(connection, {"id": request["id"], "records": text, "shots": shots, "wait": wait})
    if wait:
        _receive(connection)


def _receive(connection: socket.socket) -> dict[str, Any]:
    message = frames.receive(connection)
    if message is None:
        raise ConnectionResetError("the agent has gone away within a job")
    return message


def _circuit(request: dict[str, Any], circuits: CircuitCache[Circuit]) -> Circuit | None:
    """Return the request's circuit; one that was seen before is the same object, which the backend has compiled."""
    if request["circuit"] is None:
        return None
    digest = request["digest"]
    circuit = circuits.get(digest, PARSED)
    if circuit is None:
        circuit = Circuit.from_dict(request["circuit"])
        circuits.put(digest, PARSED, circuit, len(circuit.instructions))
    return circuit


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(frames.encode(message))
