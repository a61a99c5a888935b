"""What the private engine is told, what it may take, what is cleaned up."""

import ipaddress
import json

import pytest

from e2e.cluster.engine import (
    BLOCKS,
    CAP_SYS_RESOURCE,
    EngineError,
    Layout,
    arguments,
    forbid_restarts,
    free_block,
    lacks_capability,
)


def layout(tmp_path, block="172.30.0.0/16"):
    return Layout(tmp_path / "data", tmp_path / "run", ipaddress.IPv4Network(block))


class TestAddresses:
    def test_the_first_block_nobody_uses_is_taken(self):
        assert str(free_block([])) == BLOCKS[0]

    @pytest.mark.parametrize("used", ["172.30.0.0/16", "172.30.4.0/24", "172.30.4.1/32", "172.30.7.9/24"])
    def test_a_block_that_meets_a_route_is_left(self, used):
        assert str(free_block([used])) == BLOCKS[1]

    def test_a_default_route_is_no_obstacle_and_ipv6_is_another_matter(self):
        assert str(free_block(["0.0.0.0/0", "fd00::/8"])) == BLOCKS[0]

    def test_wide_networks_leave_the_other_range(self):
        assert str(free_block(["172.16.0.0/12"])).startswith("10.")

    def test_with_none_left_the_error_names_what_was_tried(self):
        with pytest.raises(EngineError, match=BLOCKS[0].replace(".", r"\.")):
            free_block(["172.16.0.0/12", "10.0.0.0/8"])

    def test_nodes_and_builders_are_apart(self, tmp_path):
        at = layout(tmp_path)
        assert not at.default_subnet.overlaps(at.cluster_subnet)
        assert at.cluster_subnet.subnet_of(at.block) and at.default_subnet.subnet_of(at.block)


class TestNames:
    def test_two_engines_share_no_bridge(self, tmp_path):
        bridges = [
            name
            for block in BLOCKS
            for name in (layout(tmp_path, block).default_bridge, layout(tmp_path, block).cluster_bridge)
        ]
        assert len(set(bridges)) == len(bridges)

    def test_the_kernel_takes_the_bridge_names(self, tmp_path):
        assert all(len(layout(tmp_path, block).cluster_bridge) <= 15 for block in BLOCKS)

    def test_the_engine_touches_nothing_of_another(self, tmp_path):
        at = layout(tmp_path)
        words = arguments(at, needs_runtime=False)
        assert {"--iptables=false", "--ip6tables=false", "--ip-forward=false"} <= set(words)
        for option in ("--host", "--data-root", "--exec-root", "--pidfile"):
            assert str(tmp_path) in words[words.index(option) + 1]
        assert words[words.index("--bridge") + 1] == at.default_bridge


@pytest.mark.parametrize(
    ("bounding", "lacks"), [("000001ffffffffff", False), ("000001fffeffffff", True), ("0000000000000000", True)]
)
def test_a_machine_without_the_capability_is_noticed(bounding, lacks):
    status = f"Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\n"
    assert lacks_capability(status, CAP_SYS_RESOURCE) is lacks


def test_only_such_a_machine_gets_the_other_runtime(tmp_path):
    at = layout(tmp_path)
    assert "--default-runtime" in arguments(at, needs_runtime=True)
    assert "--default-runtime" not in arguments(at, needs_runtime=False)


class TestContainersOfAKilledEngine:
    def test_they_do_not_come_to_life_with_the_next_engine(self, tmp_path):
        settings = tmp_path / "containers" / "4f0c" / "hostconfig.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            json.dumps({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}, "Privileged": True})
        )
        forbid_restarts(tmp_path)
        assert json.loads(settings.read_text()) == {
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Privileged": True,
        }

    def test_a_half_written_one_is_left_to_the_engine(self, tmp_path):
        settings = tmp_path / "containers" / "4f0c" / "hostconfig.json"
        settings.parent.mkdir(parents=True)
        settings.write_text('{"RestartPol')
        forbid_restarts(tmp_path)
        assert settings.read_text() == '{"RestartPol'
