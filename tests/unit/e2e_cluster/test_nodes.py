"""Nodes, as the API server and as the engine tell of them."""

import pytest

from e2e.cluster.kind import NodeState, node_states
from e2e.cluster.kubectl import CONTROL_PLANE_LABEL, nodes_from


def item(name, ready="True", **changes):
    return {
        "metadata": {"name": name, "labels": {}},
        "spec": {"podCIDR": "10.246.1.0/24"},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "172.30.128.2"}],
        },
    } | changes


def test_a_node_is_read_whole():
    (node,) = nodes_from({"items": [item("w")]})
    assert (node.name, node.ready, node.address, node.pod_cidr) == ("w", True, "172.30.128.2", "10.246.1.0/24")


def test_the_control_plane_comes_first_and_workers_by_name():
    control_plane = item("z", metadata={"name": "z", "labels": {CONTROL_PLANE_LABEL: ""}})
    assert [node.name for node in nodes_from({"items": [item("w2"), control_plane, item("w1")]})] == ["z", "w1", "w2"]


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_only_true_is_ready(ready):
    assert not nodes_from({"items": [item("w", ready)]})[0].ready


def test_a_node_that_has_just_joined_has_nothing_yet():
    (node,) = nodes_from({"items": [{"metadata": {"name": "w"}}]})
    assert (node.ready, node.address, node.pod_cidr) == (False, "", "")


def test_the_engine_tells_running_paused_and_stopped_nodes_apart():
    inspected = "/w1|true|false|172.30.128.2\n/w2|true|true|172.30.128.3\n/w3|false|false|\n\n"
    assert node_states(inspected) == {
        "w1": NodeState(True, False, "172.30.128.2"),
        "w2": NodeState(True, True, "172.30.128.3"),
        "w3": NodeState(False, False, ""),
    }


def test_no_nodes_are_none():
    assert node_states("") == {}
