"""Prometheus metrics of the operator: names, labels, base units."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from omnixan_operator.version import release

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_DECISION = (0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1, 0.5)


class Metrics:
    """All metrics, on a registry of their own (a second operator in one process would have its own)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        build = Gauge("omnixan_build_info", "1; the labels say what runs here.", ["version", "component"], registry=registry)
        build.labels(release(), "operator").set(1)
        self.leader = Gauge("omnixan_operator_leader", "1 while this replica leads, else 0.", registry=registry)
        self.queue_depth = Gauge(
            "omnixan_operator_queue_depth", "Keys that are due and wait for a worker.", registry=registry
        )
        self.queue_latency = Histogram(
            "omnixan_operator_queue_latency_seconds",
            "How long a key was due before a worker took it.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.queue_retries = Counter(
            "omnixan_operator_queue_retries", "Keys that failed and were put back.", ["kind"], registry=registry
        )
        self.reconciles = Counter(
            "omnixan_operator_reconcile",
            "Reconciliations by kind and outcome (ok, later, conflict, retry, error).",
            ["kind", "outcome"],
            registry=registry,
        )
        self.reconcile_seconds = Histogram(
            "omnixan_operator_reconcile_seconds",
            "Time of one reconciliation.",
            ["kind"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.api_requests = Counter(
            "omnixan_operator_api_requests",
            "Requests to the API server by verb, kind and HTTP status (0: no answer).",
            ["verb", "kind", "code"],
            registry=registry,
        )
        self.placement_seconds = Histogram(
            "omnixan_operator_placement_seconds",
            "From a job's creation (whole seconds, by the API server's clock) to its first placement.",
            registry=registry,
            buckets=(0.1, 0.25, 0.5, 1, 1.5, 2, 5, 10, 30, 60, 300, 3600),
        )
        self.placement_decision_seconds = Histogram(
            "omnixan_operator_placement_decision_seconds",
            "Time to decide which node gets a job, from the look at all nodes on.",
            registry=registry,
            buckets=(
                0.00025,
                0.0005,
                0.001,
                0.0015,
                0.002,
                0.003,
                0.004,
                0.005,
                0.0075,
                0.01,
                0.015,
                0.02,
                0.025,
                0.05,
                0.1,
                0.5,
            ),
        )
        self.placement_decision_cpu_seconds = Histogram(
            "omnixan_operator_placement_decision_cpu_seconds",
            "The processor time that such a decision takes: without the times at which others had the processor.",
            registry=registry,
            buckets=_DECISION,
        )
        self.analysis_seconds = Histogram(
            "omnixan_operator_analysis_seconds",
            "Time of one program analysis that was not in the cache.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.events_dropped = Counter(
            "omnixan_operator_events_dropped", "Events that were not posted.", ["why"], registry=registry
        )
        self.missed_deletions = Counter(
            "omnixan_operator_missed_deletions",
            "Objects that were found gone by a resync, not by the watch.",
            ["kind"],
            registry=registry,
        )
        self.jobs = Gauge("omnixan_jobs", "QuantumJobs by phase.", ["phase"], registry=registry)
        self.cluster_nodes = Gauge(
            "omnixan_cluster_nodes",
            "Nodes of an EdgeCluster: desired, claimed, ready.",
            ["namespace", "cluster", "region", "state"],
            registry=registry,
        )
