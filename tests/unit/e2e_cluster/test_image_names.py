"""Names of images: the user's, kubeadm's and kind's, a node's."""

import pytest

from e2e.cluster.docker import split_image_name
from e2e.cluster.loading import archive_name, full_name
from e2e.cluster.node_image import image_names

KUBEADM = "r.example/kube-apiserver:v1.36.3\nr.example/coredns/coredns:v1.14.0\nr.example/pause:3.10\nr.example/etcd:3.6-0\n"
KIND = 'const kindnetdImage = "k/kindnetd:v1"\nconst other = 3\nconst storageHelperImage = "k/helper:v2"\n'
CONTAINERD = '[plugins.cri]\n  sandbox_image = "r.example/pause:3.11"\n'


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("omnixan/operator:1a2b", ("omnixan/operator", "1a2b")),
        ("omnixan/operator", ("omnixan/operator", "latest")),
        ("localhost:5000/a/b:v1", ("localhost:5000/a/b", "v1")),
        ("localhost:5000/a", ("localhost:5000/a", "latest")),
    ],
)
def test_a_name_has_a_repository_and_a_tag(name, parts):
    assert split_image_name(name) == parts


@pytest.mark.parametrize("name", ["", "Omnixan/operator", "a:b:c", "a@sha256:00", "a b", "-x", "a/:1", "--help", "a:1;ls"])
def test_what_is_no_name_is_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError, match="allowed is repository"):
        split_image_name(name)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("omnixan/operator:1", "docker.io/omnixan/operator:1"),
        ("r.example/x/y:1", "r.example/x/y:1"),
        ("localhost/x:1", "localhost/x:1"),
        ("host:5000/x:1", "host:5000/x:1"),
    ],
)
def test_a_node_knows_an_image_by_its_full_name(image, name):
    assert full_name(image) == name


def test_names_come_from_the_programs_that_will_look_for_them():
    names = image_names(KUBEADM, KIND, CONTAINERD)
    assert names["kube-apiserver"] == "r.example/kube-apiserver:v1.36.3"
    assert names["coredns"] == "r.example/coredns/coredns:v1.14.0"
    assert {name for name in names if name.endswith("Image")} == {"kindnetdImage", "storageHelperImage"}


def test_the_sandbox_image_is_the_one_containerd_asks_for():
    assert image_names(KUBEADM, KIND, CONTAINERD)["pause"] == "r.example/pause:3.11"


def test_a_configuration_without_a_sandbox_image_is_an_error():
    with pytest.raises(ValueError, match="sandbox_image"):
        image_names(KUBEADM, KIND, "[plugins]\n")


def test_a_saved_image_is_named_after_what_is_in_it():
    name = archive_name("omnixan/node-agent:1a2b", "sha256:0123456789abcdef")
    assert name == "omnixan_node-agent~1a2b~0123456789ab.tar"
    assert archive_name("omnixan/node-agent:1a2b", "sha256:fedcba9876543210") != name


def test_archives_of_two_repositories_never_share_the_part_that_says_what_is_older():
    parts = {archive_name(image, "sha256:00").split("~")[0] for image in ("a/b:1", "a/b-c:1", "a/b_c:1", "a:1")}
    assert len(parts) == 4
