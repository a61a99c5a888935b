"""What kind and kubeadm are told."""

from pathlib import Path

import pytest
import yaml

from e2e.cluster.cache import key_of
from e2e.cluster.kind_config import (
    AUDIT_FOLDER_IN_NODE,
    AUDIT_POLICY,
    IMAGES_IN_NODE,
    MEMORY_IN_NODE,
    POD_SUBNET,
    POLICY_IN_NODE,
    SERVICE_SUBNET,
    WORKERS,
    config_key_text,
    kind_config,
)


@pytest.fixture
def text():
    paths = (Path("/cache/audit"), Path("/cache/policy.yaml"), Path("/cache/images"), Path("/cache/memory"))
    return kind_config(*paths, own_network=True)


@pytest.fixture
def config(text):
    return yaml.safe_load(text)


def test_there_is_one_control_plane_and_the_workers(config):
    assert [node["role"] for node in config["nodes"]] == ["control-plane"] + ["worker"] * WORKERS


@pytest.mark.parametrize("own", [True, False])
def test_pod_networking_is_left_to_us_only_where_it_is_ours(own):
    config = yaml.safe_load(kind_config(Path("/a"), Path("/p"), Path("/i"), Path("/m"), own_network=own))
    assert config["networking"]["disableDefaultCNI"] is own


def test_pods_and_services_have_ranges_apart_from_each_other(config):
    import ipaddress

    pods, services = ipaddress.ip_network(POD_SUBNET), ipaddress.ip_network(SERVICE_SUBNET)
    assert not pods.overlaps(services)
    assert (config["networking"]["podSubnet"], config["networking"]["serviceSubnet"]) == (POD_SUBNET, SERVICE_SUBNET)


def test_what_there_is_one_of_holds_no_election(config):
    told = yaml.safe_load(config["nodes"][0]["kubeadmConfigPatches"][0])
    for part in ("controllerManager", "scheduler"):
        assert told[part]["extraArgs"] == [{"name": "leader-elect", "value": "false"}]


def test_the_audit_log_gets_out_of_the_node(config):
    control_plane = config["nodes"][0]
    mounts = {mount["hostPath"]: mount["containerPath"] for mount in control_plane["extraMounts"]}
    assert mounts["/cache/audit"] == AUDIT_FOLDER_IN_NODE
    assert mounts["/cache/policy.yaml"] == POLICY_IN_NODE
    api_server = yaml.safe_load(control_plane["kubeadmConfigPatches"][0])["apiServer"]
    arguments = {argument["name"]: argument["value"] for argument in api_server["extraArgs"]}
    assert all(isinstance(value, str) for value in arguments.values())  # kubeadm takes nothing else
    reachable = {volume["hostPath"] for volume in api_server["extraVolumes"]}
    assert arguments["audit-policy-file"] in reachable
    assert str(Path(arguments["audit-log-path"]).parent) in reachable


def test_the_audit_policy_logs_every_request_once_without_bodies():
    policy = yaml.safe_load(AUDIT_POLICY)
    assert policy["rules"] == [{"level": "Metadata"}]
    assert policy["omitStages"] == ["RequestReceived"]


def test_kubelets_start_on_machines_with_cgroup_v1(config):
    kubelet = yaml.safe_load(config["kubeadmConfigPatches"][0])
    assert kubelet == {"kind": "KubeletConfiguration", "failCgroupV1": False}


def test_the_key_follows_the_meaning_and_not_the_order(text, config):
    shuffled = yaml.safe_dump(dict(reversed(config.items())), sort_keys=False)
    assert shuffled != text
    assert key_of(config_key_text(shuffled)) == key_of(config_key_text(text))
    config["nodes"].pop()
    assert key_of(config_key_text(yaml.safe_dump(config))) != key_of(config_key_text(text))


def test_every_node_sees_the_folder_of_saved_images_and_cannot_write_it(config):
    wanted = {"hostPath": "/cache/images", "containerPath": IMAGES_IN_NODE, "readOnly": True}
    assert all(wanted in node["extraMounts"] for node in config["nodes"])


def test_one_worker_has_a_folder_that_can_be_written_where_persistent_memory_is_mounted(config):
    wanted = {"hostPath": "/cache/memory", "containerPath": MEMORY_IN_NODE}
    assert [wanted in node["extraMounts"] for node in config["nodes"]] == [False, False, False, True]
