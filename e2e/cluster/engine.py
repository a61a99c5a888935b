"""The private Docker engine: its own socket, data, bridges and addresses, nothing shared with another engine.

It runs without packet filter rules of its own: Docker's chains have fixed names, and an engine that starts flushes
them, another engine's too. Containers need no way out of their bridge here; the API server's port on the loopback
address is served by docker-proxy. What it adds to the machine is therefore known by name and can be removed after
any death: processes below RUN, mounts below RUN and the data folder, bridges and one filter rule.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.cache import artefact_lock, cache_root, key_of, mounts_below
from e2e.cluster.docker import Docker
from e2e.cluster.process import CommandError, command_line, is_alive, run, succeeds
from e2e.cluster.steps import Steps
from e2e.cluster.versions import HERE

RULE_COMMENT = "omnixan-edge"
CAP_SYS_RESOURCE = 24
KIND_NETWORK = "kind"
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_NEEDED = 1024
"""Four nodes' systemd, kubelet and containerd share one user's instances; with Debian's 128 a kubelet may not start."""
START_SECONDS = 60.0
STOP_SECONDS = 20.0
HUNG_SECONDS = 3.0
"""How long an engine that does not answer gets to end by itself."""

BLOCKS = [f"172.{second}.0.0/16" for second in range(30, 16, -1)] + [f"10.{second}.0.0/16" for second in range(250, 255)]
"""Where the engine may take its addresses; the first that the machine has no route into is used."""


class EngineError(RuntimeError):
    """The private engine cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """Names of everything one engine owns. They depend on the cache folder and the address block alone."""

    data: Path
    run: Path
    block: ipaddress.IPv4Network

    @property
    def socket(self) -> Path:
        """The engine's API socket."""
        return self.run / "docker.sock"

    @property
    def pid_file(self) -> Path:
        """Where dockerd writes its process id."""
        return self.run / "dockerd.pid"

    @property
    def log(self) -> Path:
        """What dockerd says."""
        return self.data.parent / "dockerd.log"

    @property
    def default_bridge(self) -> str:
        """Bridge of containers that name no network (the builders)."""
        return f"{self._prefix}-0"

    @property
    def cluster_bridge(self) -> str:
        """Bridge of the cluster's nodes."""
        return f"{self._prefix}-kind"

    @property
    def _prefix(self) -> str:
        first, second = str(self.block.network_address).split(".")[:2]
        return f"omx{first}.{second}"

    @property
    def default_subnet(self) -> ipaddress.IPv4Network:
        """Addresses of the default bridge."""
        return next(self.block.subnets(new_prefix=24))

    @property
    def cluster_subnet(self) -> ipaddress.IPv4Network:
        """Addresses of the nodes."""
        return list(self.block.subnets(new_prefix=24))[128]

    @property
    def docker(self) -> Docker:
        """The client of this engine."""
        return Docker({"DOCKER_HOST": f"unix://{self.socket}"})


def free_block(in_use: Iterable[str], candidates: Iterable[str] = BLOCKS) -> ipaddress.IPv4Network:
    """The first candidate that overlaps no network in use (CIDR strings). Raises EngineError if all do."""
    used = [ipaddress.ip_network(network, strict=False) for network in in_use]
    for candidate in candidates:
        block = ipaddress.IPv4Network(candidate)
        if not any(network.version == 4 and network.prefixlen > 0 and block.overlaps(network) for network in used):
            return block
    raise EngineError(f"no address block is free for the Docker engine; tried {', '.join(candidates)}")


def layout() -> Layout:
    """The layout of this cache's engine: as recorded while it runs, else newly chosen."""
    folder = run_folder()
    recorded = folder / "block"
    if recorded.exists():
        block = ipaddress.IPv4Network(recorded.read_text().strip())
    else:
        block = free_block(_networks_in_use())
    return Layout(cache_root() / "engine" / "data", folder, block)


def run_folder() -> Path:
    """Socket, process id and scratch of this cache's engine; exists from its start until it is cleared away."""
    return Path("/run/omnixan-edge") / key_of(str(cache_root()))[:8]


def _networks_in_use() -> list[str]:
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    return [route["dst"] for route in routes if route.get("dst", "default") != "default"]


def lacks_capability(status: str, capability: int) -> bool:
    """Whether a process' bounding set (text of /proc/PID/status) lacks a capability, given by its number."""
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    return not int(bounding.split()[1], 16) >> capability & 1


def arguments(at: Layout, needs_runtime: bool) -> list[str]:
    """The command line of dockerd."""
    words = [
        *("--host", f"unix://{at.socket}"),
        *("--data-root", str(at.data)),
        *("--exec-root", str(at.run / "exec")),
        *("--pidfile", str(at.pid_file)),
        *("--bridge", at.default_bridge),
        # a containerd of the machine is shared by name, if there is one: keep apart from its other users
        *("--containerd-namespace", "omnixan", "--containerd-plugins-namespace", "omnixan-plugins"),
        *("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"),
        *("--storage-driver", "overlay2", "--shutdown-timeout", "5"),
    ]
    if needs_runtime:
        runtime = HERE / "files" / "runc-without-sys-resource"
        words += ["--add-runtime", f"unprivileged={runtime}", "--default-runtime", "unprivileged"]
    return words


def start(steps: Steps) -> Docker:
    """The running engine: the one that runs already if it answers and was started alike, else a new one."""
    _check_possible()
    with artefact_lock("engine"):
        at = layout()
        needs_runtime = lacks_capability(Path("/proc/self/status").read_text(), CAP_SYS_RESOURCE)
        command = ["dockerd", *arguments(at, needs_runtime)]
        fingerprint = at.run / "arguments"
        if at.run.exists():
            if fingerprint.exists() and fingerprint.read_text() == "\n".join(command) and at.docker.answers():
                return at.docker
            with steps.step("clear away a Docker engine left by an earlier run"):
                _stop(at)
        with steps.step("start the private Docker engine"):
            _launch(at, command, fingerprint)
        return at.docker


def _check_possible() -> None:
    if os.geteuid() != 0:
        raise EngineError("the private Docker engine needs root; run as root, or give Docker with a registry it reaches")
    missing = [name for name in ("dockerd", "docker", "runc", "ip") if not shutil.which(name)]
    if missing:
        raise EngineError(f"not installed: {', '.join(missing)}; `make setup` installs them")


def _launch(at: Layout, command: list[str], fingerprint: Path) -> None:
    for folder in (at.data, at.run / "exec"):
        folder.mkdir(parents=True, exist_ok=True)
    (at.run / "block").write_text(str(at.block))
    before = INOTIFY.read_text().strip()
    if int(before) < INOTIFY_NEEDED:
        (at.run / "inotify").write_text(before)
        INOTIFY.write_text(str(INOTIFY_NEEDED))
    _remove_bridges(at)
    forbid_restarts(at.data)
    gateway = f"{next(at.default_subnet.hosts())}/{at.default_subnet.prefixlen}"
    run(["ip", "link", "add", at.default_bridge, "type", "bridge"])
    run(["ip", "address", "add", gateway, "dev", at.default_bridge])
    run(["ip", "link", "set", at.default_bridge, "up"])
    with at.log.open("w") as log:
        engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not at.docker.answers(timeout=5):
        if engine.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(at.log.read_text(errors="replace").splitlines()[-8:])
            _stop(at)
            raise EngineError(f"dockerd did not start; the end of {at.log}:\n{tail}")
        time.sleep(0.1)
    _remove_containers(at)  # of an engine that was killed; its data remember them, and may have started them again
    _cluster_network(at)
    fingerprint.write_text("\n".join(command))  # last: only what is complete is used again


def forbid_restarts(data: Path) -> None:
    """Containers of an engine that was killed are not to come to life with the next one, before it removes them.

    They would look for mounts that are gone by then, and Docker makes an empty folder of a file it does not find.
    """
    for file in data.glob("containers/*/hostconfig.json"):
        with suppress(ValueError):  # half written at the kill: the engine itself drops that container
            settings = json.loads(file.read_text())
            settings["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
            file.write_text(json.dumps(settings))


def _cluster_network(at: Layout) -> None:
    """The nodes' network, made before kind would make it, so that its bridge has a name we know."""
    if succeeds(["docker", "network", "inspect", KIND_NETWORK], env=at.docker.env):
        at.docker("network", "rm", KIND_NETWORK)
    at.docker(
        *("network", "create", "--driver", "bridge", "--subnet", str(at.cluster_subnet)),
        *("--opt", f"com.docker.network.bridge.name={at.cluster_bridge}", KIND_NETWORK),
    )
    # frames between nodes pass the machine's packet filter only with br_netfilter, and then another engine's
    # "drop what is forwarded" would cut the nodes off from one another
    filtered = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if filtered.exists() and filtered.read_text().strip() == "1" and shutil.which("iptables"):
        run(["iptables", "-w", "-I", "FORWARD", *_rule(at)])


def _rule(at: Layout) -> list[str]:
    bridge = at.cluster_bridge
    return ["-i", bridge, "-o", bridge, "-m", "comment", "--comment", RULE_COMMENT, "-j", "ACCEPT"]


def stop(steps: Steps) -> None:
    """Take the engine and everything it added to the machine away; its images stay in the cache."""
    with artefact_lock("engine"):
        if run_folder().exists():
            with steps.step("stop the private Docker engine"):
                _stop(layout())


def _stop(at: Layout) -> None:
    answers = at.docker.answers()
    if answers:
        _remove_containers(at)
        with suppress(CommandError):
            at.docker("network", "rm", KIND_NETWORK, timeout=20)
    _end_processes(at, STOP_SECONDS if answers else HUNG_SECONDS)
    for folder in (at.run, at.data):
        for mount in mounts_below(folder, Path("/proc/self/mounts").read_text()):
            succeeds(["umount", "--lazy", mount])
    _remove_bridges(at)
    if shutil.which("iptables"):
        while succeeds(["iptables", "-w", "-D", "FORWARD", *_rule(at)]):
            pass
    _restore_inotify(at)
    shutil.rmtree(at.run)
    with suppress(OSError):
        at.run.parent.rmdir()  # unless an engine of another cache runs


def _remove_containers(at: Layout) -> None:
    """Remove every container; one that cannot be removed ends with its processes, see `_end_processes`."""
    with suppress(CommandError):
        for name in at.docker("ps", "--quiet", "--filter", "status=paused", timeout=20).split():
            at.docker("unpause", name, timeout=20)
    with suppress(CommandError):
        if left := at.docker("ps", "--all", "--quiet", timeout=20).split():
            at.docker("rm", "--force", "--volumes", *left, timeout=60)
        at.docker("volume", "prune", "--force", timeout=60)


def _restore_inotify(at: Layout) -> None:
    """The limit of before, unless an engine of another cache still needs ours."""
    before = at.run / "inotify"
    others = [folder for folder in at.run.parent.iterdir() if folder != at.run]
    if before.exists() and not others:
        INOTIFY.write_text(before.read_text())
    elif before.exists():
        shutil.copy(before, others[0] / "inotify")


def _end_processes(at: Layout, patience: float) -> None:
    dockerd = [pid for pid, command in _processes() if "dockerd" in command and str(at.pid_file) in command]
    for pid in dockerd:
        _signal(pid, signal.SIGTERM)
    if not _wait_until_dead(dockerd, patience):
        for pid in dockerd:
            _signal(pid, signal.SIGKILL)
    # containerd and the shims carry our folder in their arguments; a shim's child is process 1 of a container,
    # and with it everything in the container ends
    left = [pid for pid, command in _processes() if str(at.run / "exec") in command]
    inside = [child for pid in left for child in _children(pid) if "shim" in command_line(pid)]
    for pid in [*inside, *left]:
        _thaw(pid)
        _signal(pid, signal.SIGKILL)
    if not _wait_until_dead([*dockerd, *left, *inside], STOP_SECONDS):
        raise EngineError(f"processes of the old Docker engine do not end: {[*dockerd, *left, *inside]}; reboot the machine")


def _processes() -> list[tuple[int, str]]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [(pid, command_line(pid)) for pid in pids if pid != os.getpid()]


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _thaw(pid: int) -> None:
    """A frozen process does not even take SIGKILL (cgroup v1): let it run."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "freezer":
                Path(f"/sys/fs/cgroup/freezer{path}/freezer.state").write_text("THAWED")
            elif not controllers and path != "/":
                Path(f"/sys/fs/cgroup{path}/cgroup.freeze").write_text("0")


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_until_dead(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _remove_bridges(at: Layout) -> None:
    for bridge in (at.default_bridge, at.cluster_bridge):
        if Path(f"/sys/class/net/{bridge}").exists():
            run(["ip", "link", "delete", bridge])
