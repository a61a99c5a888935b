"""Which cluster is used, and what may be done to one that is not ours."""

import pytest

from e2e.cluster import ClusterError, NotAvailable, Steps, open_cluster
from e2e.cluster.cli import main
from e2e.cluster.existing import ExistingCluster
from e2e.cluster.kind import KindCluster


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OMNIXAN_KUBECONFIG", raising=False)


@pytest.fixture
def kubeconfig(tmp_path):
    made = tmp_path / "kubeconfig"
    made.write_text("{}")
    return made


def test_without_a_word_it_is_our_own(monkeypatch, kubeconfig):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))  # the user's daily cluster: never touched
    assert isinstance(open_cluster(), KindCluster)


def test_an_existing_one_is_used_if_it_is_named(monkeypatch, kubeconfig):
    assert isinstance(open_cluster(kubeconfig), ExistingCluster)
    monkeypatch.setenv("OMNIXAN_KUBECONFIG", str(kubeconfig))
    assert isinstance(open_cluster(), ExistingCluster)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ClusterError, match="nowhere: no such file"):
        open_cluster(tmp_path / "nowhere")


@pytest.mark.parametrize("verb", ["cut", "heal", "freeze", "thaw", "stop_node", "start_node"])
def test_nobody_breaks_nodes_of_a_cluster_that_is_not_ours(verb, kubeconfig):
    with pytest.raises(NotAvailable, match="not available on the existing cluster"):
        getattr(open_cluster(kubeconfig), verb)("node")


def test_going_down_leaves_an_existing_cluster_alone(kubeconfig, capsys):
    open_cluster(kubeconfig, Steps()).down()
    assert "not ours and stays up" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [["status"], ["freeze", "omnixan-worker"], ["shell", "x", "--", "true"], ["load", "Not A Name"]],
    ids=lambda argv: argv[0],
)
def test_without_a_cluster_every_verb_says_how_to_get_one(argv, capsys):
    assert main(argv) == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: there is no cluster; `python -m e2e.cluster up` raises one")
    assert not told.out


def test_the_path_of_the_kubeconfig_is_printed_alone(tmp_path, capsys):
    assert main(["kubeconfig"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/cache/omnixan-edge/cluster/kubeconfig\n"
