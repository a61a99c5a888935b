"""Our own node image, for machines that reach no image registry: kind builds it from local programs only.

Four images, each on the one before: the Debian tree; the base (`node_image_files/Dockerfile`: systemd, containerd,
kind's own scripts); what `kind build node-image` makes of it and of a release tarball put together here; and the same
without the dynamic storage provisioner.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

from e2e.cluster.archive import Content, EmptyFolder, Image, Link, layer, write_archive
from e2e.cluster.cache import artefact_lock, key_of, remove_tree, scratch_folder
from e2e.cluster.debian import NODE_PACKAGES, tree
from e2e.cluster.docker import Docker
from e2e.cluster.golang import module_folder, program, project_folder
from e2e.cluster.process import run
from e2e.cluster.steps import Steps
from e2e.cluster.versions import HERE, KUBERNETES, PROJECT_OF_PROGRAM, PROJECTS

FILES = HERE / "node_image_files"
REPOSITORY = "omnixan/node"
SERVER_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PROXY_PROGRAMS = ("/usr/sbin/nft", "/usr/sbin/conntrack")
PROTOCOLS = "/etc/protocols"
"""Without it nft prints tcp as 6. kube-proxy, which compares by name, then removes every service it finds already there:
when it is started again, and once an hour."""
EXECUTABLE_FOLDERS = ("usr/local/bin", "kind/bin")


def ensure_node_image(docker: Docker, steps: Steps) -> str:
    """The tag of the node image in this engine; built if it is not there."""
    base_tree = tree("node", NODE_PACKAGES, steps)
    content = key_of(
        FILES,
        HERE / "node_image.py",
        HERE / "archive.py",
        base_tree.name,
        *(project_folder(project).name for project in PROJECTS),
    )
    tag = f"{REPOSITORY}:v{KUBERNETES}-{content}"
    with artefact_lock("node-image"):
        if not docker.has_image(tag):
            scratch = scratch_folder("node-image")
            try:
                _build(docker, steps, base_tree, tag, scratch)
            finally:
                remove_tree(scratch)
            for repository in (REPOSITORY, f"{REPOSITORY}-kind", f"{REPOSITORY}-base", f"{REPOSITORY}-tree"):
                docker.remove_images(repository, keep=[tag])
    return tag


def _build(docker: Docker, steps: Steps, base_tree: Path, tag: str, scratch: Path) -> None:
    content = tag.rpartition("-")[2]
    with steps.step("build the base of the node image"):
        imported, base, plain = (f"{REPOSITORY}-{stage}:{content}" for stage in ("tree", "base", "kind"))
        docker.import_tree(base_tree, imported)
        docker.build(_base_context(scratch / "base"), base, {"TREE": imported})
    with steps.step("build the node image"):
        release = _release(scratch, base_tree)
        temporary = scratch / "kind"
        temporary.mkdir()
        run(
            [
                *(program("kind"), "build", "node-image", "--type", "file"),
                *("--base-image", base, "--image", plain, release),
            ],
            env={**docker.env, "TMPDIR": str(temporary)},
        )
        last = scratch / "last"
        last.mkdir()
        shutil.copy(FILES / "default-storage.yaml", last)
        (last / "Dockerfile").write_text(f"FROM {plain}\nCOPY default-storage.yaml /kind/manifests/default-storage.yaml\n")
        docker.build(last, tag)


def _base_context(context: Path) -> Path:
    """Kind's files with the modes its Dockerfile gives them, our programs, and our Dockerfile."""
    root = context / "root"
    files = kind_sources() / "images" / "base" / "files"
    for source in sorted(path for path in files.rglob("*") if path.is_file()):
        name = source.relative_to(files)
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(0o755 if str(name.parent) in EXECUTABLE_FOLDERS else 0o644)
    for name_of_program in ("containerd", "containerd-shim-runc-v2", "ctr", "crictl"):
        shutil.copy(program(name_of_program), root / "usr/local/bin")
    shutil.copy(FILES / "Dockerfile", context)
    return context


def kind_sources() -> Path:
    """The published sources of kind: its base image's files and the names of the images it wants."""
    return module_folder(PROJECT_OF_PROGRAM["kind"])


def _release(scratch: Path, base_tree: Path) -> Path:
    """A tarball laid out like a Kubernetes release: programs and image archives, from local programs."""
    server = scratch / "release" / "kubernetes" / "server" / "bin"
    server.mkdir(parents=True)
    names = _wanted_images()
    for image in SERVER_IMAGES:
        own = _single(names[image], f"/usr/local/bin/{image}", program(image))
        write_archive(server / f"{image}.tar", [own, *_others(names)] if image == "kube-apiserver" else [own])
    proxy = layer({"/usr/local/bin/kube-proxy": program("kube-proxy"), "/tmp": EmptyFolder(0o1777)})
    libraries = layer(with_libraries(base_tree, PROXY_PROGRAMS) | {PROTOCOLS: base_tree / PROTOCOLS.lstrip("/")})
    write_archive(server / "kube-proxy.tar", [Image(names["kube-proxy"], (libraries, proxy))])
    for tool in ("kubelet", "kubectl", "kubeadm"):
        shutil.copy(program(tool), server)
    (scratch / "release" / "kubernetes" / "version").write_text(f"v{KUBERNETES}\n")
    release = scratch / "kubernetes.tar.gz"
    with tarfile.open(release, "w:gz", compresslevel=0) as tar:  # kind wants gzip, nobody wants to wait for it
        tar.add(scratch / "release" / "kubernetes", "kubernetes")
    return release


def _single(name: str, path: str, source: Path, entrypoint: tuple[str, ...] = ()) -> Image:
    return Image(name, (layer({path: source, "/tmp": EmptyFolder(0o1777)}),), entrypoint)


def _others(names: dict[str, str]) -> list[Image]:
    """All images that are not Kubernetes' own. They ride in kube-apiserver's archive: kind pulls what it is not given."""
    pause = program("pause")
    return [
        _single(names["etcd"], "/usr/local/bin/etcd", program("etcd")),
        _single(names["coredns"], "/coredns", program("coredns"), ("/coredns",)),
        _single(names["pause"], "/pause", pause, ("/pause",)),
        # never run: the cluster is made without kind's network and storage
        *(_single(names[unused], "/pause", pause, ("/pause",)) for unused in names if unused.endswith("Image")),
    ]


def _wanted_images() -> dict[str, str]:
    """Short name -> full image name, as kubeadm and kind themselves say it, so that no registry is written here."""
    listed = run([program("kubeadm"), "config", "images", "list", "--kubernetes-version", f"v{KUBERNETES}"])
    sources = kind_sources()
    constants = "".join((sources / f"pkg/build/nodeimage/const_{part}.go").read_text() for part in ("cni", "storage"))
    containerd = (sources / "images/base/files/etc/containerd/config.toml").read_text()
    return image_names(listed, constants, containerd)


def image_names(kubeadm_list: str, kind_constants: str, containerd_config: str) -> dict[str, str]:
    """Short name -> full image name.

    From `kubeadm config images list` (last part of the name -> name), the Go constants of kind (constant -> name)
    and containerd's configuration, which overrules kubeadm about the sandbox image "pause".
    """
    names = {name.rpartition(":")[0].rpartition("/")[2]: name for name in kubeadm_list.split()}
    names |= dict(re.findall(r'const (\w+Image) = "([^"]+)"', kind_constants))
    sandbox = re.search(r'sandbox_image\s*=\s*"([^"]+)"', containerd_config)
    if not sandbox:
        raise ValueError("kind's containerd configuration names no sandbox_image")
    names["pause"] = sandbox[1]
    return names


def with_libraries(root: Path, programs: tuple[str, ...]) -> dict[str, Content]:
    """Programs of a Debian tree with the shared libraries they load, as files of a layer."""
    files: dict[str, Content] = {folder: Link(f"usr{folder}") for folder in ("/bin", "/lib", "/lib64", "/sbin")}
    for name in programs:
        loaded = run(["chroot", root, "ldd", name])
        for path in [name, *re.findall(r"(/\S+) \(0x", loaded)]:
            real = run(["chroot", root, "readlink", "-f", path]).strip()
            inside = path if path.startswith("/usr/") else f"/usr{path}"
            files[inside] = root / real.lstrip("/")
    return files
