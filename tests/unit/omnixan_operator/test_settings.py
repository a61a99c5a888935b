"""The operator's environment."""

from __future__ import annotations

import pytest

from omnixan_operator.settings import SettingsError, from_environment


def test_the_charts_environment_is_understood() -> None:
    settings = from_environment(
        {
            "AGENT_IMAGE": "example.invalid/agent:1",
            "AGENT_CLUSTER_ROLE": "role",
            "ANALYZER_SOCKET": "/s",
            "POD_NAMESPACE": "ns",
            "POD_NAME": "pod",
            "LOG_LEVEL": "debug",
            "METRICS_PORT": "9090",
            "WORKERS": "4",
            "CONFINEMENT": "one, two",
            "TOKEN_SECONDS": "600",
        }
    )
    assert (settings.agent_image, settings.agent_cluster_role) == ("example.invalid/agent:1", "role")
    assert (settings.analyzer_socket, settings.namespace, settings.pod_name) == ("/s", "ns", "pod")
    assert settings.confinement == ("one", "two") and settings.token_seconds == 600
    assert (settings.log_level, settings.metrics_port, settings.workers) == ("DEBUG", 9090, 4)


def test_only_the_image_is_required() -> None:
    settings = from_environment({"AGENT_IMAGE": "i", "LOG_LEVEL": ""} | {"METRICS_PORT": ""} | {"LOG_LEVEL": "INFO"})
    assert settings.confinement == ()
    assert settings.agent_cluster_role == "omnixan-edge-agent" and settings.metrics_port == 8080


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "AGENT_IMAGE is not set"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD': it must be DEBUG"),
        ({"METRICS_PORT": "http"}, "METRICS_PORT is 'http': it must be a whole number from 0 to 65535"),
        ({"METRICS_PORT": "70000"}, "METRICS_PORT is '70000'"),
        ({"TOKEN_SECONDS": "599"}, "TOKEN_SECONDS is '599': it must be a whole number from 600 to 86400"),
        ({"WORKERS": "0"}, "WORKERS is '0': it must be a whole number from 1 to 256"),
    ],
)
def test_a_mistake_is_named(environment: dict[str, str], message: str) -> None:
    given = environment if not environment else {"AGENT_IMAGE": "i"} | environment
    with pytest.raises(SettingsError, match=message):
        from_environment(given)
