"""What computes: the sandbox that parses programs and the warm quantum worker, and whether they are ready."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omnixan.edge_network.agent import strays
from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.pooling import PoolOfMemory
from omnixan.edge_network.agent.programs import PARSED, digest_of
from omnixan.edge_network.api.quantumrun import QuantumRunSpec, RunProgram, workload_of
from omnixan.edge_network.api.workload import wrong_format
from omnixan.edge_network.memory_pooling.circuits import CircuitCache
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.devices import Device
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.sandbox import Sandbox
from omnixan.edge_network.quantum.worker import Keeper, Worker

BYTES_PER_GATE = 300
CACHED_BYTES = 100_050 * BYTES_PER_GATE
"""Bound on the remembered programs; the largest that is allowed just fits."""
COST_OF_A_PROGRAM = 50 * BYTES_PER_GATE
"""Bytes that a program counts for beside its gates, so that the number of small ones is bounded too."""
CHECK_SECONDS = 0.25
TEND_SECONDS = 1.0
"""How often a pool that rests is asked whether others need its memory."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a run found: {summary, counts}, and {shots, cpuSeconds} that it took."""

    result: dict[str, Any]
    usage: dict[str, Any]


class Engine:
    """One sandbox and one worker on a simulator of `qubits` qubits, or on the emulator of a `device`.

    The worker's states are in the `pool`, if there is one, and parsed programs in its cache of circuits; else in its own.

    `await start()` first, before the process has threads or sockets; then `run()` for ever, which keeps `ready` true to
    life, calls `on_change(ready, problem)` when it changes, and `on_replaced()` when a worker had to be replaced.
    """

    def __init__(
        self,
        qubits: int,
        metrics: Metrics,
        on_change: Callable[[bool, str], None],
        on_replaced: Callable[[], None],
        device: Device | None = None,
        pool: PoolOfMemory | None = None,
    ) -> None:
        self._sandbox = Sandbox()
        if pool is None or pool.sizes is None:
            self._worker = Worker(self._sandbox, qubits, device=device)
        else:
            self._worker = Worker(self._sandbox, qubits, device=device, pool=pool.sizes, on_pool=pool.hear)
        programs = None if pool is None else pool.circuits
        self._programs: CircuitCache[Circuit] = CircuitCache(CACHED_BYTES) if programs is None else programs
        self._metrics = metrics
        self._on_change = on_change
        self._on_replaced = on_replaced
        self._prepared: tuple[str, asyncio.Task[Circuit]] | None = None
        self._ready = asyncio.Event()
        self.cold_since: float | None = time.monotonic()
        """Since when (monotonic seconds) there is no warm worker; None while there is one."""

    async def start(self) -> None:
        """Start the fork server; ProgramError if it does not come up."""
        await self._sandbox.start()

    @property
    def ready(self) -> bool:
        """Whether the worker is warm."""
        return self._worker.ready

    async def warm(self) -> None:
        """Wait until the worker is warm."""
        while not self._worker.ready:
            self._ready.clear()
            await self._ready.wait()

    async def run(self) -> None:
        """Keep the worker alive and say when it is ready and when not; for ever."""
        restarts = 0
        problem = ""
        while True:
            try:
                await self._worker.start()
            except ProgramError as error:
                problem = str(error)
                log.error("the quantum worker does not start: %s", problem)
                self._on_change(False, problem)
                continue
            self.cold_since = None
            self._ready.set()
            self._metrics.worker_ready.set(1)
            self._on_change(True, "")
            tended = time.monotonic()
            while self._worker.ready and self._worker.restarts == restarts:
                strays.reap(self._sandbox.pid)
                if time.monotonic() - tended >= TEND_SECONDS:
                    await self._worker.tend()
                    tended = time.monotonic()
                await asyncio.sleep(CHECK_SECONDS)
            if new := self._worker.restarts - restarts:
                restarts = self._worker.restarts
                self._metrics.worker_restarts.inc(new)
                self._on_replaced()
            if not self._worker.ready:
                self.cold_since = time.monotonic()
                self._metrics.worker_ready.set(0)
                self._on_change(False, "")

    async def execute(
        self,
        spec: QuantumRunSpec,
        on_progress: Callable[[dict[str, Any], int], None],
        on_first_shot: Callable[[float], None],
        keeper: Keeper | None = None,
    ) -> Answer:
        """Parse and run one job; `on_first_shot` gets seconds of the monotonic clock. ProgramError for whatever fails.

        `on_progress` and `keeper` as `Worker.run` takes them.
        When the call is cancelled, the worker is killed and replaced.
        """
        circuit = None if spec.program is None else await self.parsed(spec.program)
        job = workload_of(spec) | {"execution": spec.execution.wire()}
        result = await self._worker.run(
            job,
            circuit,
            on_progress=on_progress,
            on_first_shot=lambda microseconds: on_first_shot(microseconds / 1e6),
            keeper=keeper,
        )
        return Answer({"summary": result["summary"], "counts": result["counts"]}, result["usage"])

    def prepare(self, text: str) -> None:
        """Begin to parse a program whose turn is next; an earlier preparation that nobody asked for is dropped."""
        digest = digest_of(text)
        if (digest, PARSED) in self._programs or (self._prepared is not None and self._prepared[0] == digest):
            return
        self._drop_prepared()
        task = asyncio.create_task(self._parse(text, None, digest))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to who asks, else to nobody
        self._prepared = digest, task

    async def parsed(self, program: RunProgram) -> Circuit:
        """Return a program's circuit: from memory, from its preparation, or out of the sandbox."""
        text = program.inline.data
        digest = digest_of(text)
        if program.sha256 not in (None, digest) or wrong_format(program.inline.format, text) is not None:
            # the sandbox has the words for a wrong pin or language
            return await self._parse(text, program.sha256, digest, program.inline.format)
        circuit = self._programs.get(digest, PARSED)
        if circuit is not None:
            return circuit
        if self._prepared is not None and self._prepared[0] == digest:
            task = self._prepared[1]
            self._prepared = None
            return await task
        return await self._parse(text, program.sha256, digest)

    async def _parse(self, text: str, sha256: str | None, digest: str, format_: str | None = None) -> Circuit:
        started = time.perf_counter()
        parsed = await self._sandbox.parse(text, sha256, format_)
        self._metrics.parse_seconds.observe(time.perf_counter() - started)
        cost = COST_OF_A_PROGRAM + BYTES_PER_GATE * len(parsed.circuit.instructions)
        self._programs.put(digest, PARSED, parsed.circuit, cost)
        return parsed.circuit

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared[1].cancel()
            self._prepared = None

    async def close(self) -> None:
        """End the worker and the fork server."""
        self._drop_prepared()
        await self._worker.close()
        await self._sandbox.close()
