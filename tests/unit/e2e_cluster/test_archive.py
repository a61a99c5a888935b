"""Image archives as `docker load`, containerd and kind read them."""

import hashlib
import io
import json
import tarfile

import pytest

from e2e.cluster.archive import EmptyFolder, Image, Link, layer, write_archive


@pytest.fixture
def program(tmp_path):
    made = tmp_path / "program"
    made.write_bytes(b"\x7fELF")
    made.chmod(0o700)
    return made


def entries(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


def read_archive(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


class TestLayer:
    def test_folders_come_before_what_is_in_them(self, program):
        names = list(entries(layer({"/usr/local/bin/program": program})))
        assert names == ["usr", "usr/local", "usr/local/bin", "usr/local/bin/program"]

    def test_a_program_stays_one_and_belongs_to_root(self, program):
        entry = entries(layer({"/p": program}))["p"]
        assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (0o755, 0, 0, 0)

    def test_a_file_that_cannot_be_executed_stays_so(self, program):
        program.chmod(0o600)
        assert entries(layer({"/p": program}))["p"].mode == 0o644

    def test_links_and_empty_folders_are_kept_as_such(self):
        made = entries(layer({"/bin": Link("usr/bin"), "/tmp": EmptyFolder(0o1777)}))
        assert made["bin"].issym() and made["bin"].linkname == "usr/bin"
        assert made["tmp"].isdir() and made["tmp"].mode == 0o1777

    def test_equal_content_gives_equal_bytes(self, program, tmp_path):
        other = tmp_path / "other"
        other.write_bytes(program.read_bytes())
        other.chmod(0o755)
        assert layer({"/a": program, "/b": Link("a")}) == layer({"/b": Link("a"), "/a": other})


class TestArchive:
    def test_every_layer_is_what_the_configuration_says(self, program, tmp_path):
        image = Image("registry.example/kube-proxy:v1", (layer({"/a": program}), layer({"/b": program})), ("/a",))
        write_archive(tmp_path / "x.tar", [image])
        files = read_archive(tmp_path / "x.tar")
        (described,) = json.loads(files["manifest.json"])
        config = json.loads(files[described["Config"]])
        digests = [f"sha256:{hashlib.sha256(files[name]).hexdigest()}" for name in described["Layers"]]
        assert config["rootfs"]["diff_ids"] == digests
        assert config["config"]["Entrypoint"] == ["/a"]
        assert described["Config"] == f"{hashlib.sha256(files[described['Config']]).hexdigest()}.json"

    def test_kind_reads_the_names_first(self, program, tmp_path):
        content = (layer({"/a": program}),)
        write_archive(
            tmp_path / "x.tar", [Image("r/etcd:3", content), Image("r/pause:1", content), Image("r/etcd:4", content)]
        )
        files = read_archive(tmp_path / "x.tar")
        assert next(iter(files)) == "repositories"
        assert {name: set(tags) for name, tags in json.loads(files["repositories"]).items()} == {
            "r/etcd": {"3", "4"},
            "r/pause": {"1"},
        }
        assert [entry["RepoTags"] for entry in json.loads(files["manifest.json"])] == [
            ["r/etcd:3"],
            ["r/pause:1"],
            ["r/etcd:4"],
        ]

    def test_images_share_a_layer(self, program, tmp_path):
        content = layer({"/a": program})
        write_archive(tmp_path / "x.tar", [Image("a:1", (content,)), Image("b:1", (content,), ("/a",))])
        with tarfile.open(tmp_path / "x.tar") as tar:
            names = tar.getnames()
        assert len([name for name in names if name.endswith("layer.tar")]) == 1
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("name", ["etcd", "host:5000/etcd"])
    def test_a_name_without_a_tag_is_refused(self, name, program, tmp_path):
        with pytest.raises(ValueError, match="has no tag"):
            write_archive(tmp_path / "x.tar", [Image(name, (layer({"/a": program}),))])
