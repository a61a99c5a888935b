"""The agent's Prometheus metrics, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

from omnixan.edge_network.agent.settings import Settings

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Metrics:
    """All metrics of one agent; seconds are wall time."""

    def __init__(self, settings: Settings, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nothing here needs
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.runs = Counter(
            "omnixan_agent_runs",
            "Runs that ended here, by state and, if failed, category.",
            ("state", "category"),
            registry=self.registry,
        )
        self.run_seconds = Histogram(
            "omnixan_agent_run_seconds", "From a run's start to its end.", buckets=_LONG, registry=self.registry
        )
        self.queue_length = Gauge("omnixan_agent_queue_length", "Runs that wait.", registry=self.registry)
        self.unsent_results = Gauge(
            "omnixan_agent_unsent_results", "Ended runs the API server has not taken yet.", registry=self.registry
        )
        self.parse_seconds = Histogram(
            "omnixan_agent_parse_seconds",
            "Parsing a program that was not in the cache.",
            buckets=_FAST,
            registry=self.registry,
        )
        self.first_shot_seconds = Histogram(
            "omnixan_agent_first_shot_seconds",
            "From a run's start to its first shot.",
            buckets=_LONG,
            registry=self.registry,
        )
        self.worker_ready = Gauge(
            "omnixan_agent_worker_ready", "1 while the quantum worker is warm.", registry=self.registry
        )
        self.resumed_iterations = Counter(
            "omnixan_agent_resumed_iterations",
            "Evaluations of algorithms' loops that were taken from a log and not run again.",
            registry=self.registry,
        )
        self.worker_restarts = Counter(
            "omnixan_agent_worker_restarts", "Workers that ended and were replaced.", registry=self.registry
        )
        # With labels even where one would do: what is off has no series then.
        self.store_bytes = Gauge(
            "omnixan_agent_persistent_memory_bytes",
            "Bytes of the store, of kind size and used; where persistent memory is in use.",
            ("tier", "kind"),
            registry=self.registry,
        )
        self.pool_bytes = Gauge(
            "omnixan_agent_pool_bytes",
            "Bytes of the pool of memory, of kind total, used, idle and resident; where there is one.",
            ("kind",),
            registry=self.registry,
        )
        self.pool_waste = Gauge(
            "omnixan_agent_pool_waste_ratio",
            "What the pool of memory wastes, of kind external, internal and overhead (docs/modules.md).",
            ("kind",),
            registry=self.registry,
        )
        self.module_ready = Gauge(
            "omnixan_agent_module_ready",
            "1 while a module that is on is in use as it was asked for.",
            ("condition",),
            registry=self.registry,
        )
        self._before: list[Callable[[], None]] = []
        Gauge(
            "omnixan_build_info",
            "1; the labels say what runs here.",
            ("version", "component", "cluster", "pool", "region", "node", "backend"),
            registry=self.registry,
        ).labels(
            version,
            "node-agent",
            settings.cluster,
            settings.pool,
            settings.region,
            settings.node_name,
            settings.backend,
        ).set(1)

    def before(self, refresh: Callable[[], None]) -> None:
        """Have this called before each exposition: it sets what is looked up rather than counted."""
        self._before.append(refresh)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        for refresh in self._before:
            refresh()
        return generate_latest(self.registry)
