"""The agent's Prometheus metrics, in a registry of its own."""

from __future__ import annotations

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

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
