"""Pod networking and broken lines: what each node is told."""

import json
import re

import pytest

from e2e.cluster.interface import Node
from e2e.cluster.kind_config import POD_SUBNET
from e2e.cluster.network import CONFIG_PATH, CUT_TABLE, cni_config, cut_rules, heal_rules, routing_script

NODES = [Node(f"n{i}", i == 0, True, f"172.30.128.{i + 2}", f"10.246.{i}.0/24") for i in range(4)]


def test_a_node_gives_its_pods_addresses_of_its_own_range():
    config = json.loads(cni_config("10.246.2.0/24"))
    link = config["plugins"][0]
    assert link["ipam"]["ranges"] == [[{"subnet": "10.246.2.0/24"}]]
    assert link["ipMasq"] is False  # else a pod would see its peer under the node's address


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_a_node_reaches_the_pods_of_every_other_and_its_own_without_a_route(node):
    routes = dict(re.findall(r"ip route replace (\S+) via (\S+)", routing_script(node, NODES)))
    assert routes == {other.pod_cidr: other.address for other in NODES if other is not node}


def test_only_what_leaves_the_pods_network_is_masqueraded():
    (rule,) = re.findall(r"add rule .*masquerade", routing_script(NODES[1], NODES))
    assert f"ip saddr {NODES[1].pod_cidr}" in rule and f"ip daddr != {POD_SUBNET}" in rule


def test_the_configuration_appears_whole_and_last():
    last = routing_script(NODES[1], NODES).splitlines()[-1]
    assert last == f"mv {CONFIG_PATH}.new {CONFIG_PATH}"


def test_a_cut_drops_both_ways_and_can_be_made_twice():
    lines = [line.strip() for line in cut_rules().splitlines() if line.strip()]
    assert 'iifname "eth0" drop' in lines and 'oifname "eth0" drop' in lines
    assert lines[:2] == [f"table inet {CUT_TABLE}", f"delete table inet {CUT_TABLE}"]


def test_healing_removes_all_of_a_cut_and_hurts_nobody_who_was_not():
    assert heal_rules().splitlines() == [f"table inet {CUT_TABLE}", f"delete table inet {CUT_TABLE}"]
