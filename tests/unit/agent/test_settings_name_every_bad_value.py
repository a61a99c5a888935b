import os
import subprocess
import sys
from pathlib import Path

import pytest

from omnixan.edge_network.agent.settings import SettingsError, from_environment

GOOD = {
    "NODE_NAME": "edge-01.example",
    "POD_NAMESPACE": "omnixan",
    "POD_NAME": "ec-gateways-x7k2p",
    "POOL": "gateways",
    "CLUSTER": "ec",
    "QUBITS": "8",
}


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        from_environment(GOOD | changes)
    return caught.value.problems


def test_what_the_daemonset_gives_is_enough():
    settings = from_environment(GOOD)
    assert (settings.node_name, settings.namespace, settings.qubits) == ("edge-01.example", "omnixan", 8)
    assert (settings.region, settings.backend, settings.http_port, settings.log_level) == ("", "simulator", 8080, "INFO")
    assert settings.grace_seconds == 20


def test_an_emulator_has_its_devices_qubits_and_a_device_nobody_knows_is_named():
    settings = from_environment(GOOD | {"BACKEND": "emulator", "DEVICE": "guadalupe", "QUBITS": ""})
    assert (settings.backend, settings.device, settings.qubits) == ("emulator", "guadalupe", 16)
    (problem,) = problems(BACKEND="emulator", DEVICE="osprey")
    assert problem.startswith("DEVICE is 'osprey'; it must be a recorded device: boeblingen, guadalupe, jakarta")
    (problem,) = problems(BACKEND="emulator")
    assert problem.startswith("DEVICE is not set")
    assert from_environment(GOOD).device == ""


def test_optional_values_are_taken():
    extra = {"REGION": "eu-north", "CLUSTER_UID": "9f1c-22", "HTTP_PORT": "0", "LOG_LEVEL": "debug", "QUBITS": " 24 "}
    settings = from_environment(GOOD | extra)
    assert (settings.region, settings.cluster_uid, settings.http_port) == ("eu-north", "9f1c-22", 0)
    assert (settings.log_level, settings.qubits) == ("DEBUG", 24)


def test_without_a_path_there_is_no_memory_and_with_one_it_has_a_size():
    settings = from_environment(GOOD)
    assert (settings.memory_path, settings.memory_mode, settings.memory_size) == (None, "auto", 64 << 20)
    asked = {"PMEM_PATH": "/mnt/pmem0", "PMEM_MODE": "dax", "PMEM_SIZE": "2GB", "CHECKPOINT_INTERVAL": "30"}
    settings = from_environment(GOOD | asked)
    assert (settings.memory_path, settings.memory_mode, settings.memory_size) == ("/mnt/pmem0", "dax", 2 << 30)
    assert settings.checkpoint_seconds == 30


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_variable_is_named(name: str):
    assert [p.split()[0] for p in problems(**{name: ""})] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NODE_NAME", "Edge_01"),
        ("NODE_NAME", "../secrets"),
        ("PMEM_PATH", "mnt/pmem0"),
        ("PMEM_MODE", "fast"),
        ("PMEM_SIZE", "4Ki"),
        ("PMEM_SIZE", "10000001"),
        ("PMEM_SIZE", "much"),
        ("CHECKPOINT_INTERVAL", "0"),
        ("CHECKPOINT_INTERVAL", "5m"),
        ("POD_NAMESPACE", "a b"),
        ("POOL", "x" * 64),
        ("REGION", "eu north"),
        ("BACKEND", "qpu"),
        ("QUBITS", "0"),
        ("QUBITS", "25"),
        ("QUBITS", "eight"),
        ("HTTP_PORT", "65536"),
        ("LOG_LEVEL", "chatty"),
        ("SHUTDOWN_GRACE_SECONDS", "-1"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str):
    [problem] = problems(**{name: value})
    assert problem.startswith(f"{name} is ") and value[:60] in problem and "it must be" in problem


def test_all_bad_values_are_named_at_once():
    assert len(problems(QUBITS="many", POOL="", HTTP_PORT="http")) == 3


def test_the_process_ends_with_status_2_and_says_why():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path("node_agent").resolve())} | GOOD | {"QUBITS": "99"}
    command = [sys.executable, "-m", "omnixan.edge_network.agent.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["omnixan-agent: QUBITS is '99'; it must be a whole number from 1 to 24"]


def test_the_process_ends_with_status_2_where_there_is_no_api_server_to_find():
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path("node_agent").resolve())} | GOOD
    command = [sys.executable, "-m", "omnixan.edge_network.agent.main"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "KUBECONFIG" in ended.stderr


def test_without_a_size_there_is_no_pool_of_memory_and_with_one_it_is_as_asked():
    settings = from_environment(GOOD)
    assert (settings.pool_size, settings.block_size, settings.reuse_strategy) == (0, 64 << 20, "LRU")
    asked = {"POOL_SIZE": "4Gi", "BLOCK_SIZE": "1Mi", "CIRCUIT_CACHE": "false"}
    settings = from_environment(GOOD | asked)
    assert (settings.pool_size, settings.block_size, settings.circuit_cache) == (4 << 30, 1 << 20, False)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("POOL_SIZE", "much", "a size such as 4Gi"),
        ("BLOCK_SIZE", "96Mi", "a power of two from 64Ki on"),
        ("BLOCK_SIZE", "32Ki", "a power of two from 64Ki on"),
        ("REUSE_STRATEGY", "FIFO", "LRU"),
        ("CIRCUIT_CACHE", "yes", "true or false"),
    ],
)
def test_a_bad_value_of_the_pool_is_named(name: str, value: str, allowed: str):
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name} is {value!r}; it must be ") and allowed in problem
