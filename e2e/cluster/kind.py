"""Provider `kind`: a cluster whose nodes are containers of this machine.

Where a Docker engine answers and gives kind's stock node image, that is used. Everywhere else: our own node image on
the private engine. Kubernetes, its nodes and what they can do are the same.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from e2e.cluster import engine
from e2e.cluster.cache import HELD_BY, cache_root, key_of, run_lock, sweep
from e2e.cluster.docker import Docker
from e2e.cluster.golang import program
from e2e.cluster.interface import ClusterError, Node
from e2e.cluster.kind_config import AUDIT_FILE, AUDIT_POLICY, NAME, WORKERS, config_key_text, kind_config
from e2e.cluster.kubectl import CONTROL_PLANE_LABEL, kubectl, read_nodes
from e2e.cluster.loading import images_folder, load_archive, missing_on, saved
from e2e.cluster.network import cni_config, cut_rules, heal_rules, routing_script
from e2e.cluster.process import CommandError, complaints, run
from e2e.cluster.steps import Steps
from e2e.cluster.versions import KUBERNETES

STOCK_IMAGE = f"kindest/node:v{KUBERNETES}"
NODE_LABEL = f"io.x-k8s.kind.cluster={NAME}"
READY_SECONDS = 300.0
MENDED_SECONDS = 20.0
"""How long a cluster that is there gets to be well: a node that was frozen or cut off reports again within 10 s."""
NODE_STATE = "{{.Name}}|{{.State.Running}}|{{.State.Paused}}|{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


@dataclass(frozen=True)
class State:
    """What a running cluster was made of; kept beside its kubeconfig."""

    image: str
    config: str
    docker_env: dict[str, str]
    run: str
    """Pid of the run that raised it, see `cache.run_lock`."""

    @property
    def own_network(self) -> bool:
        """Whether pod networking is ours to lay."""
        return self.image != STOCK_IMAGE


@dataclass(frozen=True)
class NodeState:
    """A node's container as the engine sees it; a paused one counts as running."""

    running: bool
    paused: bool
    address: str


def node_states(inspected: str) -> dict[str, NodeState]:
    """Node -> state, out of what `docker inspect` prints with the format NODE_STATE."""
    rows = [line.lstrip("/").split("|") for line in inspected.splitlines() if line.strip()]
    return {name: NodeState(running == "true", paused == "true", address) for name, running, paused, address in rows}


class KindCluster:
    """The cluster `omnixan` on this machine."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._folder = cache_root() / "cluster"

    # ---- life

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig with full rights; `up` makes it."""
        return self._folder / "kubeconfig"

    def up(self, *, fresh: bool = False) -> None:
        """Raise the cluster, from whatever an earlier run left, and wait until every node is Ready."""
        with run_lock("cluster up"):
            sweep()
            docker, image = self._engine_and_image()
            config = self._write_config(own_network=image != STOCK_IMAGE)
            wanted = State(image, key_of(config_key_text(config)), docker.env, os.environ[HELD_BY])
            if not fresh and self._is_as(wanted) and self._undo_faults() and self._is_well():
                self._steps.say("the cluster is up already")
                return
            self._delete(docker)
            self._create(docker, wanted)

    def down(self) -> None:
        """Remove the cluster and the private engine."""
        with run_lock("cluster down"):
            sweep()
            state = self._state()
            # a run that was killed while it made the cluster wrote no state: ask the user's own engine too
            users = Docker(state.docker_env if state else {})
            if users.env == {} and shutil.which("docker") and users.answers():
                self._delete(users)
            engine.stop(self._steps)  # and with it every node it runs
            shutil.rmtree(self._folder, ignore_errors=True)

    def prepare(self) -> tuple[Docker, str]:
        """Everything `up` needs but the cluster itself: programs, engine, node image. Returns engine and image."""
        return self._engine_and_image()

    def _engine_and_image(self) -> tuple[Docker, str]:
        own = Docker()
        if shutil.which("docker") and own.answers() and self._has_stock_image(own):
            program("kind", self._steps)
            return own, STOCK_IMAGE
        from e2e.cluster.prepare import own_node_image  # only here: a machine with a registry needs none of it

        return own_node_image(self._steps)

    def _has_stock_image(self, docker: Docker) -> bool:
        if docker.has_image(STOCK_IMAGE):
            return True
        try:
            docker("manifest", "inspect", STOCK_IMAGE, timeout=30)  # does a registry answer at all?
            with self._steps.step(f"pull {STOCK_IMAGE}"):
                docker("pull", STOCK_IMAGE, timeout=1800)
        except CommandError:
            self._steps.say("a Docker engine answers, a registry with the stock node image does not: building our own")
            return False
        return True

    def _create(self, docker: Docker, wanted: State) -> None:
        with self._steps.step(f"create the cluster: Kubernetes {KUBERNETES}, 1 control plane, {WORKERS} workers"):
            try:
                self._kind_create(docker, wanted)
            except CommandError as error:
                # kubeadm gives the API server four minutes, and a busy machine may need more; what it began is of no use
                self._steps.say(f"the cluster did not come up ({', '.join(complaints(error.output))}); once more")
                self._delete(docker)
                self._kind_create(docker, wanted)
            (self._folder / "state.json").write_text(json.dumps(asdict(wanted)))
            self._dns_on_control_plane()
            if wanted.own_network:
                self._lay_network()
        with self._steps.step("wait for all nodes and the cluster's DNS"):
            self.wait_ready(READY_SECONDS)
            self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=300s", timeout=310)

    def _kind_create(self, docker: Docker, wanted: State) -> None:
        run(
            [
                *(program("kind", self._steps), "create", "cluster", "--name", NAME, "--image", wanted.image),
                *("--config", self._folder / "kind.yaml", "--kubeconfig", self.kubeconfig),
            ],
            env=docker.env,
            timeout=600,
        )

    def _dns_on_control_plane(self) -> None:
        """Keep the cluster's DNS off the workers, whose failure is tested: it must not take DNS away from all."""
        pinned = {"spec": {"template": {"spec": {"nodeSelector": {CONTROL_PLANE_LABEL: ""}}}}}
        self.kubectl("-n", "kube-system", "patch", "deployment", "coredns", "--patch", json.dumps(pinned))

    def _delete(self, docker: Docker) -> None:
        left = docker.containers(NODE_LABEL)
        if left:
            with self._steps.step("remove the earlier cluster"):
                for paused in docker("ps", "--quiet", "--filter", "status=paused").split():
                    docker("unpause", paused)
                run([program("kind", self._steps), "delete", "cluster", "--name", NAME], env=docker.env, timeout=300)
        for name in ("state.json", "kubeconfig"):
            (self._folder / name).unlink(missing_ok=True)

    def _write_config(self, own_network: bool) -> str:
        audit = self._folder / "audit"
        audit.mkdir(parents=True, exist_ok=True)
        policy = self._folder / "audit-policy.yaml"
        if policy.is_dir():  # an engine that starts a container whose file has gone puts a folder in its place
            policy.rmdir()
        policy.write_text(AUDIT_POLICY)
        memory = self._folder / "memory"
        memory.mkdir(exist_ok=True)
        config = kind_config(audit, policy, images_folder(), memory, own_network)
        (self._folder / "kind.yaml").write_text(config)
        return config

    def _state(self) -> State | None:
        try:
            return State(**json.loads((self._folder / "state.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def raised_by_this_run(self) -> bool:
        """Whether the cluster was raised by the run that holds the lock now: then it need not be made anew."""
        state = self._state()
        return state is not None and state.run == os.environ.get(HELD_BY)

    def _is_as(self, wanted: State) -> bool:
        state = self._state()
        return state is not None and (state.image, state.config) == (wanted.image, wanted.config)

    def _undo_faults(self) -> bool:
        """Undo what a run that died did to nodes; for a while the API server still calls such nodes Ready.

        False if a node is gone, shut down, or cannot be mended: then the cluster has to be made anew.
        """
        try:
            states = node_states(self.docker("inspect", "--format", NODE_STATE, *self.docker.containers(NODE_LABEL)))
            if len(states) != WORKERS + 1 or any(not state.running for state in states.values()):
                return False
            for node in [name for name, state in states.items() if state.paused]:
                self.thaw(node)
            for node in states:
                self.heal(node)
        except (CommandError, ClusterError):
            return False
        return True

    def _is_well(self) -> bool:
        deadline = time.monotonic() + MENDED_SECONDS
        while time.monotonic() < deadline:
            with suppress(CommandError):
                nodes = read_nodes(self.kubeconfig, timeout=10)
                if len(nodes) == WORKERS + 1 and all(node.ready for node in nodes):
                    return True
            time.sleep(0.5)
        return False

    @property
    def docker(self) -> Docker:
        """The engine that the cluster's nodes run in."""
        state = self._state()
        if state is None:
            raise ClusterError("there is no cluster; `python -m e2e.cluster up` raises one")
        return Docker(state.docker_env)

    # ---- asking

    def nodes(self) -> list[Node]:
        """All nodes, control plane first."""
        if not self.kubeconfig.exists():
            raise ClusterError("there is no cluster; `python -m e2e.cluster up` raises one")
        try:
            return read_nodes(self.kubeconfig)
        except CommandError as error:
            raise ClusterError(f"the API server does not answer: {error}") from error

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Wait until all nodes are Ready."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                nodes = self.nodes()
                unready = [node.name for node in nodes if not node.ready]
                if len(nodes) == WORKERS + 1 and not unready:
                    return
                if time.monotonic() > deadline:
                    raise ClusterError(f"{len(nodes)} nodes, not Ready after {timeout:.0f} s: {', '.join(unready)}")
            except ClusterError:  # a control plane that has just been started does not answer yet
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def kubectl(self, *arguments: str, text_input: str | None = None, timeout: float | None = 120) -> str:
        """Run kubectl on this cluster."""
        return kubectl(self.kubeconfig, *arguments, text_input=text_input, timeout=timeout)

    def audit_log(self) -> Path:
        """The API server's audit log, JSON lines."""
        return self._folder / "audit" / AUDIT_FILE

    # ---- doing

    def load_image(self, *images: str | Path) -> None:
        """Put images onto every worker."""
        workers = [node.name for node in self.nodes() if not node.control_plane]
        docker = self.docker
        for archive in (image for image in images if isinstance(image, Path)):
            with self._steps.step(f"load {archive.name} into {len(workers)} nodes"):
                load_archive(docker, workers, archive)
        tags = [image for image in images if isinstance(image, str)]
        wanting = {node: missing_on(docker, node, tags) for node in workers}
        for image in tags:
            nodes = [node for node, missing in wanting.items() if image in missing]
            if nodes:
                with self._steps.step(f"load {image} into {len(nodes)} nodes"):
                    load_archive(docker, nodes, saved(docker, image))

    def node_shell(self, node: str, argv: Sequence[str], text_input: str | None = None) -> str:
        """Run a program as root in a node."""
        stdin = () if text_input is None else ("--interactive",)
        return self.docker("exec", *stdin, self._known(node), *argv, text_input=text_input)

    def shell_command(self, node: str, argv: Sequence[str], terminal: bool) -> tuple[list[str], dict[str, str]]:
        """The command, and its environment, that runs a program in a node with this process' own input and output."""
        flags = ["--interactive", "--tty"] if terminal else ["--interactive"]
        return ["docker", "exec", *flags, self._known(node), *argv], self.docker.env

    def cut(self, node: str) -> None:
        """Drop every packet from and to a node."""
        self.node_shell(node, ["nft", "-f", "-"], text_input=cut_rules())

    def heal(self, node: str) -> None:
        """Let packets pass again."""
        self.node_shell(node, ["nft", "-f", "-"], text_input=heal_rules())

    def freeze(self, node: str) -> None:
        """Stop all processes of a node where they are."""
        self.docker("pause", self._known(node))

    def thaw(self, node: str) -> None:
        """Let a frozen node run on."""
        self.docker("unpause", self._known(node))

    def stop_node(self, node: str) -> None:
        """Shut a node down."""
        self.docker("stop", "--time", "5", self._known(node))

    def start_node(self, node: str) -> None:
        """Start a node that was shut down, with its pod routes."""
        self.docker("start", self._known(node))
        state = self._state()
        if state is not None and state.own_network:
            self._lay_network()

    def _known(self, node: str) -> str:
        containers = self.docker.containers(NODE_LABEL)
        if node not in containers:
            raise ClusterError(f"no node {node!r}; there are {', '.join(sorted(containers)) or 'none'}")
        return node

    def _lay_network(self) -> None:
        """Give every running node its routes to the others' pods, by the addresses they have now."""
        deadline = time.monotonic() + READY_SECONDS
        while len(ready := self._nodes_with_pod_range()) != WORKERS + 1:
            if time.monotonic() > deadline:
                raise ClusterError(f"only {len(ready)} of {WORKERS + 1} nodes have a pod address range")
            time.sleep(0.3)
        addresses = self._addresses()
        nodes = [Node(n.name, n.control_plane, n.ready, addresses[n.name], n.pod_cidr) for n in ready if n.name in addresses]

        def lay(node: Node) -> None:
            self.node_shell(node.name, ["sh", "-c", routing_script(node, nodes)], text_input=cni_config(node.pod_cidr))

        with ThreadPoolExecutor() as pool:
            list(pool.map(lay, nodes))

    def _nodes_with_pod_range(self) -> list[Node]:
        with suppress(ClusterError):  # the control plane may have been started a moment ago
            return [node for node in self.nodes() if node.pod_cidr]
        return []

    def _addresses(self) -> dict[str, str]:
        """Node -> address, of the nodes that run: from the engine, because a restarted node may have got another."""
        states = node_states(self.docker("inspect", "--format", NODE_STATE, *self.docker.containers(NODE_LABEL)))
        return {name: state.address for name, state in states.items() if state.running and not state.paused}
