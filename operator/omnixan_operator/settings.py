"""Settings of the process, from the environment that the chart sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """An environment variable is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """How this operator runs."""

    agent_image: str
    """AGENT_IMAGE: image of node agents whose EdgeCluster names none."""
    agent_cluster_role: str = "omnixan-edge-agent"
    """AGENT_CLUSTER_ROLE: the ClusterRole that is bound to the agents' ServiceAccounts."""
    token_seconds: int = 3600
    """TOKEN_SECONDS: how long an agent's token is valid, from 600 (the API server gives no shorter ones) to 86400."""
    analyzer_socket: str = "/run/analyzer/analyzer.sock"
    """ANALYZER_SOCKET: Unix socket of the program analyzer beside the operator."""
    confinement: tuple[str, ...] = ()
    """CONFINEMENT: names of the ValidatingAdmissionPolicies (and bindings) without which no agent is started."""
    namespace: str = "omnixan-system"
    """POD_NAMESPACE: where the operator runs."""
    pod_name: str = "omnixan-operator"
    """POD_NAME: reported with events."""
    log_level: str = "INFO"
    """LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""
    metrics_port: int = 8080
    """METRICS_PORT: HTTP port of /metrics, /livez and /readyz; 0 takes a free one."""
    metrics_host: str = ""
    """METRICS_HOST: address it listens on; empty: all."""
    workers: int = 16
    """WORKERS: keys that are reconciled at the same time."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `environment` gives; raises SettingsError."""
    image = environment.get("AGENT_IMAGE", "")
    if not image:
        raise SettingsError("AGENT_IMAGE is not set: it must name the node agent's container image")
    level = environment.get("LOG_LEVEL", Settings.log_level).upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError(f"LOG_LEVEL is {level!r}: it must be DEBUG, INFO, WARNING or ERROR")
    return Settings(
        agent_image=image,
        agent_cluster_role=environment.get("AGENT_CLUSTER_ROLE") or Settings.agent_cluster_role,
        token_seconds=_number(environment, "TOKEN_SECONDS", Settings.token_seconds, 600, 86400),
        analyzer_socket=environment.get("ANALYZER_SOCKET") or Settings.analyzer_socket,
        confinement=tuple(name.strip() for name in environment.get("CONFINEMENT", "").split(",") if name.strip()),
        namespace=environment.get("POD_NAMESPACE") or Settings.namespace,
        pod_name=environment.get("POD_NAME") or environment.get("HOSTNAME") or Settings.pod_name,
        log_level=level,
        metrics_port=_number(environment, "METRICS_PORT", Settings.metrics_port, 0, 65535),
        metrics_host=environment.get("METRICS_HOST", ""),
        workers=_number(environment, "WORKERS", Settings.workers, 1, 256),
    )


def _number(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name} is {text!r}: it must be a whole number from {low} to {high}")
    return int(text)
