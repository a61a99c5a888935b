"""The quantum worker as the agent sees it: a process that runs one job at a time and is replaced when it dies.

    worker = Worker(sandbox, qubits=16)
    await worker.start()
    result = await worker.run(spec, parsed.circuit, on_progress=…, on_first_shot=…)

A job that takes too long is ended by `kill`; the next worker is forked from the warm fork server at once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from omnixan.edge_network.quantum import frames
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.forkclient import ServerDiedError, WorkerHandle
from omnixan.edge_network.quantum.sandbox import Sandbox
from omnixan.edge_network.quantum.training_log import PIECE, Kept, Pace, Resumed

READY_TIMEOUT = 60.0
TEND_TIMEOUT = 10.0
_RETRY_DELAYS = (0.0, 0.5, 1.0, 2.0, 5.0)


class Keeper(Protocol):
    """Who keeps the log of an algorithm's loop, or the state of a circuit on its way."""

    kept: Kept
    """What it has of this job; empty at first."""
    pace: Pace
    """How far the worker may be ahead of it."""

    def resumed(self, resumed: Resumed) -> None:
        """What became of what was kept, before anything new comes."""
        ...

    async def keep(self, records: bytes, shots: int, wait: bool) -> None:
        """Keep these too; `shots` are of all evaluations so far. With `wait` it returns when they are kept."""
        ...


@dataclass(slots=True)
class _Connection:
    """One worker process: its streams, its handle, and whether it is of no use any more."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    handle: WorkerHandle
    lost: asyncio.Event

    def drop(self) -> None:
        """End the process and have it replaced."""
        self.handle.kill()
        self.writer.close()
        self.lost.set()


class Worker:
    """One worker process behind a fork server, on a simulator of `qubits` qubits (`aer_threads` above 16).

    With a `device` it works on that device's emulator instead. With a `pool` (bytes of it and of a block) its states are in
    a pool of that size; `on_pool` gets what the worker says of it, as worker_loop has it, and None when a worker has ended.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        qubits: int,
        *,
        aer_threads: int = 1,
        device: Device | None = None,
        pool: tuple[int, int] | None = None,
        on_pool: Callable[[dict[str, Any] | None], None] = lambda said: None,
    ) -> None:
        self.restarts = 0
        """How many workers were replaced."""
        self._sandbox = sandbox
        self._config: dict[str, Any] = {"qubits": qubits, "aerThreads": aer_threads}
        if device is not None:
            self._config["device"] = device.model_dump(mode="json", by_alias=True)
        if pool is not None:
            self._config["pool"] = {"bytes": pool[0], "block": pool[1]}
        self._on_pool = on_pool
        self._busy = asyncio.Lock()
        self._current: _Connection | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._number = 0

    @property
    def ready(self) -> bool:
        """Whether a worker that has run a circuit is waiting or working."""
        return self._current is not None and not self._current.lost.is_set()

    @property
    def pid(self) -> int | None:
        """The worker process, None while there is none."""
        return None if self._current is None else self._current.handle.pid

    async def start(self) -> None:
        """Start the worker and wait until it is ready; BACKEND_ERROR if it does not come up in a minute."""
        await self._connection()

    async def close(self) -> None:
        """End the worker."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    def kill(self) -> None:
        """End the process at once; a running job fails with BACKEND_ERROR, and another worker takes its place."""
        if self._current is not None:
            self._current.handle.kill()

    async def tend(self) -> None:
        """Have a worker that rests give back pooled memory that others need, and say what it has; nothing without a pool."""
        if "pool" not in self._config or self._busy.locked():
            return
        async with self._busy:
            connection = self._current
            if connection is None or connection.lost.is_set():
                return
            answered = False
            try:
                connection.writer.write(frames.encode({"tend": True}))
                async with asyncio.timeout(TEND_TIMEOUT):
                    answered = await self._read(connection) is not None
            except (OSError, frames.FrameError, TimeoutError):
                pass
            finally:
                if not answered:
                    connection.drop()

    async def run(
        self,
        spec: Mapping[str, Any],
        circuit: Circuit | None = None,
        *,
        on_progress: Callable[[dict[str, Any], int], None] = lambda progress, shots: None,
        on_first_shot: Callable[[int], None] = lambda microseconds: None,
        keeper: Keeper | None = None,
    ) -> dict[str, Any]:
        """Run one job (`execute.execute`) after those that were asked for before it, and return its result.

        `spec` as in the manifest, with `execution.seed`; `circuit` is its parsed program, None for an algorithm.
        `on_first_shot` gets the moment sampling starts, in microseconds of the monotonic clock, `on_progress` also how
        many shots the loop's evaluations have taken. With a `keeper` the loop of an algorithm goes on where its log ends,
        and a circuit from its last state.
        ProgramError as `execute` raises it; BACKEND_ERROR with reason WorkerDied if the process ended. A call that is
        cancelled, as by a timeout, kills the worker.
        """
        async with self._busy:
            connection = await self._connection()
            answered = False
            try:
                answer = await self._talk(connection, spec, circuit, on_progress, on_first_shot, keeper)
                answered = answer is not None
            except (OSError, frames.FrameError):
                answer = None
            finally:
                if not answered:  # it died or the caller gave up: no later answer may be taken for the next job's
                    connection.drop()
        if answer is None:
            raise ProgramError(
                "BACKEND_ERROR", "WorkerDied", "the quantum worker ended while it ran the job: killed, or out of memory"
            )
        if "error" in answer:
            raise ProgramError.from_dict(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def _talk(
        self,
        connection: _Connection,
        spec: Mapping[str, Any],
        circuit: Circuit | None,
        on_progress: Callable[[dict[str, Any], int], None],
        on_first_shot: Callable[[int], None],
        keeper: Keeper | None,
    ) -> dict[str, Any] | None:
        """Send a job and return its last answer, None if the worker ended before."""
        self._number += 1
        request = {
            "id": self._number,
            "spec": {key: value for key, value in spec.items() if key != "program"},  # it gets it parsed
            "digest": None if circuit is None else circuit.digest,
            "circuit": None if circuit is None else circuit.to_dict(),
            "log": None,
        }
        pieces: list[bytes] = []
        if keeper is not None:
            log, pace = keeper.kept, keeper.pace
            pieces = [log.records[place : place + PIECE] for place in range(0, len(log.records), PIECE)]
            request["log"] = {
                "fingerprint": log.fingerprint,
                "pieces": len(pieces),
                "every": pace.every,
                "seconds": pace.seconds,
            }
        connection.writer.write(frames.encode(request))
        for piece in pieces:
            connection.writer.write(frames.encode({"piece": base64.b64encode(piece).decode()}))
        await connection.writer.drain()
        while (answer := await self._read(connection)) is not None:
            if "progress" in answer:
                on_progress(answer["progress"], answer["shots"])
            elif "resumed" in answer and keeper is not None:
                keeper.resumed(Resumed(**answer["resumed"]))
            elif "records" in answer and keeper is not None:
                await keeper.keep(base64.b64decode(answer["records"]), answer["shots"], answer["wait"])
                if answer["wait"]:
                    connection.writer.write(frames.encode({"kept": True}))
            elif "firstShot" in answer:
                on_first_shot(answer["firstShot"])
            else:
                return answer
        return None

    async def _read(self, connection: _Connection) -> dict[str, Any] | None:
        """Read a frame, None at the end; what it says of the pool is told to who follows it."""
        answer = await frames.read(connection.reader)
        if answer is not None and "pool" in answer:
            self._on_pool(answer.pop("pool"))
        return answer

    async def _connection(self) -> _Connection:
        """Return the ready worker's connection, waiting for one if need be."""
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="quantum-worker")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT):
                while True:
                    await self._connected.wait()
                    if self._current is not None and not self._current.lost.is_set():
                        return self._current
                    await asyncio.sleep(0)  # the keeper is about to replace it
        raise ProgramError("BACKEND_ERROR", "WorkerUnavailable", "the quantum worker did not start in time")

    async def _keep(self) -> None:
        """Fork a worker, wait until it is lost, and again."""
        failures = 0
        while True:
            try:
                self._current = await self._connect()
            except (ServerDiedError, OSError, frames.FrameError, TimeoutError, ProgramError):
                await asyncio.sleep(_RETRY_DELAYS[min(failures, len(_RETRY_DELAYS) - 1)])
                failures += 1
                continue
            failures = 0
            self._connected.set()
            lost = asyncio.create_task(self._current.lost.wait())
            reasons: set[asyncio.Future[Any]] = {lost, self._current.handle.ended}
            try:
                await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            finally:
                lost.cancel()
                self._connected.clear()
                self._current.drop()
                self._current = None
                self._on_pool(None)
            self.restarts += 1

    async def _connect(self) -> _Connection:
        socket, handle = await self._sandbox.fork_worker()
        reader, writer = await asyncio.open_connection(sock=socket)
        connection = _Connection(reader, writer, handle, asyncio.Event())
        try:
            writer.write(frames.encode(self._config))
            async with asyncio.timeout(READY_TIMEOUT):
                answer = await self._read(connection)
            if answer is None or "ready" not in answer:
                raise frames.FrameError("the worker ended before it was ready")
        except BaseException:
            connection.drop()
            raise
        return connection
