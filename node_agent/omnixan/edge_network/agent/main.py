"""`omnixan-agent`: the node agent's process, from settings to a clean end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time

import uvloop

from omnixan.edge_network.agent import credentials, logs
from omnixan.edge_network.agent.apiserver import ApiServer, RefusedError, UnreachableError
from omnixan.edge_network.agent.engine import Engine
from omnixan.edge_network.agent.events import Events
from omnixan.edge_network.agent.memory import Memory
from omnixan.edge_network.agent.metrics import Metrics
from omnixan.edge_network.agent.modules import Modules, persistent_memory, together
from omnixan.edge_network.agent.pooling import PoolOfMemory, show
from omnixan.edge_network.agent.probes import Probes
from omnixan.edge_network.agent.runner import Runner
from omnixan.edge_network.agent.settings import Settings, SettingsError, from_environment
from omnixan.edge_network.agent.storage import Storage
from omnixan.edge_network.agent.twin import Twin
from omnixan.edge_network.agent.version import release
from omnixan.edge_network.quantum.devices import load
from omnixan.edge_network.quantum.emulator.calibration import report
from omnixan.edge_network.quantum.errors import ProgramError

COLD_SECONDS = 300.0
"""An agent without a warm worker for so long is no longer alive: a new container may do better."""
FAREWELL_SECONDS = 3.0

log = logging.getLogger(__name__)


def main() -> int:
    """Run the agent until SIGTERM or SIGINT; return the exit status (2: wrong settings, 1: it could not start)."""
    try:
        settings = from_environment(os.environ)
        access = credentials.find(os.environ)
    except SettingsError as error:
        print("\n".join(f"omnixan-agent: {problem}" for problem in error.problems), file=sys.stderr)
        return 2
    except credentials.CredentialsError as error:
        print(f"omnixan-agent: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, **{"service.name": "omnixan-agent", "host.name": settings.node_name})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(settings, access))
        except ProgramError as error:
            log.critical("cannot start: %s", error)
            return 1
        except OSError as error:
            log.critical("cannot start: %s", error)
            return 1
        except BaseExceptionGroup as group:
            log.critical("a part of the agent failed", exc_info=group)
            return 1
    return 0


async def serve(settings: Settings, access: credentials.Credentials) -> None:
    """Put the parts together and run them until a signal says to stop."""
    version = release()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics(settings, version)
    api = ApiServer(access)
    device = load(settings.device) if settings.device else None
    storage = Storage(settings.memory_path, settings.memory_mode, settings.memory_size, lambda: twin.look())
    memory = Memory(storage, settings.checkpoint_seconds)
    pool = PoolOfMemory(settings)

    def modules() -> Modules:
        return together(persistent_memory(storage.report()), pool.modules())

    metrics.before(lambda: show(metrics, storage.report(), pool.stats(), modules()))
    twin = Twin(
        api,
        settings,
        version,
        memory,
        None if device is None else report(device),
        modules,
    )
    events = Events(api, settings.node_name)

    def worker_changed(ready: bool, problem: str) -> None:
        if stop.is_set():
            return
        if ready:
            twin.say(True, "WorkerWarm", "the quantum worker is warm")
        elif problem:
            twin.say(False, "WorkerFailed", problem)
        else:
            twin.say(False, "WorkerStarting", "the quantum worker is starting", settle=True)

    def worker_replaced() -> None:
        events.warn(
            twin.node,
            "WorkerReplaced",
            "the quantum worker ended (a run that took too long or was deleted, a lack of memory, or an error of the "
            "simulator) and was replaced",
        )

    pool.open()
    engine = Engine(settings.qubits, metrics, worker_changed, worker_replaced, device, pool)

    def checkpoint_dropped(message: str) -> None:
        log.warning("%s", message)
        events.warn(twin.node, "CheckpointDropped", message)

    runner = Runner(api, settings, engine, metrics, memory, checkpoint_dropped)

    async def restore() -> None:
        await twin.restore()
        await runner.restore()

    def alive() -> str:
        cold = engine.cold_since
        too_long = cold is not None and time.monotonic() - cold > COLD_SECONDS
        return f"no quantum worker for more than {COLD_SECONDS:.0f} s" if too_long else ""

    def ready() -> str:
        if stop.is_set():
            return "shutting down"
        if not engine.ready:
            return "the quantum worker is not warm"
        if runner.restored and twin.node is not None:
            return ""  # what an earlier agent knew is enough to work
        return "" if runner.synced.is_set() and twin.synced.is_set() else "the API server has not answered yet"

    # First of all: the fork server is started from a process that has no thread and no socket.
    await engine.start()
    if await storage.open():
        await restore()
    probes = Probes(settings.http_port, metrics, alive=alive, ready=ready)
    await probes.start()
    what = f"{settings.backend} of {settings.device or 'an ideal device'}, {settings.qubits} qubits"
    log.info("agent %s on node %s: %s", version, settings.node_name, what)
    try:
        async with api, asyncio.TaskGroup() as group:
            tasks = [group.create_task(part.run()) for part in (engine, twin, runner)]
            tasks.append(group.create_task(storage.run(restore)))
            await stop.wait()
            log.info("shutting down")
            await farewell(twin)
            await runner.stop(settings.grace_seconds)
            for task in tasks:
                task.cancel()
    finally:
        await probes.close()
        await engine.close()
        await storage.close()


async def farewell(twin: Twin) -> None:
    """Tell the operator not to place anything here any more; if it cannot be reached, the Lease tells it later."""
    twin.say(False, "ShuttingDown", "the agent is shutting down")
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await twin.publish_now()
    except (TimeoutError, RefusedError, UnreachableError) as error:
        log.warning("could not report the shutdown: %s", error or "no answer in time")


if __name__ == "__main__":
    sys.exit(main())
