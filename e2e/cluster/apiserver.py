"""A bare control plane for API tests: etcd and kube-apiserver as two processes on loopback, no nodes, ready in seconds.

    with BareControlPlane() as plane:
        plane.kubectl("get", "namespaces")

It is a real API server (schemas, CEL, server-side apply, watches, RBAC) with nothing behind it: no controller and no
scheduler run, so a DaemonSet makes no pod and a deleted namespace stays Terminating.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from e2e.cluster.cache import remove_tree, scratch_folder, sweep
from e2e.cluster.certificates import make_certificates
from e2e.cluster.golang import program
from e2e.cluster.kind_config import AUDIT_FILE, AUDIT_POLICY
from e2e.cluster.kubectl import kubectl
from e2e.cluster.process import dying_with_us
from e2e.cluster.steps import Steps

READY_SECONDS = 60.0
ATTEMPTS = 3
"""A port found free may be taken by another program before ours binds it; then new ones are tried."""


class ControlPlaneError(RuntimeError):
    """etcd or kube-apiserver did not start or did not answer; the message holds the end of its log."""


class BareControlPlane:
    """One control plane in a folder of its own; a context manager, to be entered in the program's main thread.

    Both processes end with this one, however it ends. A killed run's folder is removed by the next. With `audit` the
    API server writes down every request (who, what, which object; no bodies) in `audit_log`.
    """

    def __init__(self, steps: Steps | None = None, *, audit: bool = False) -> None:
        self._steps = steps or Steps(quiet=True)
        self._audit = audit
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = Path()
        self.url = ""

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of an administrator with every right."""
        return self._folder / "kubeconfig"

    @property
    def directory(self) -> Path:
        """Certificates (ca.crt, admin.crt, admin.key) and the logs etcd.log and kube-apiserver.log; gone at the end."""
        return self._folder

    @property
    def audit_log(self) -> Path:
        """The audit log, JSON lines. Raises ControlPlaneError unless it was asked for."""
        if not self._audit:
            raise ControlPlaneError("there is no audit log: make this one with BareControlPlane(audit=True)")
        return self._folder / AUDIT_FILE

    def kubectl(self, *arguments: str, text_input: str | None = None) -> str:
        """Run kubectl on this API server; returns what it prints, raises CommandError if it fails."""
        return kubectl(self.kubeconfig, *arguments, text_input=text_input)

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            # the kernel ends the processes with the thread that started them
            raise ControlPlaneError("enter BareControlPlane in the main thread: its processes end with the thread")
        sweep()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
                return self
            except ControlPlaneError:
                self._stop()
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                self._stop()
                raise
        raise AssertionError("the last attempt returns or raises")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _start(self) -> None:
        etcd, api_server = program("etcd", self._steps), program("kube-apiserver", self._steps)
        self._folder = scratch_folder("control-plane")
        with self._steps.step("start etcd and kube-apiserver"):
            make_certificates(self._folder)
            client, peer, secure = free_ports(3)
            self.url = f"https://127.0.0.1:{secure}"
            self.kubeconfig.write_text(admin_kubeconfig(self._folder, self.url))
            self.kubeconfig.chmod(0o600)
            self._launch("etcd", [str(etcd), *etcd_arguments(self._folder, client, peer)])
            arguments = api_server_arguments(self._folder, client, secure)
            if self._audit:
                (self._folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
                arguments += audit_arguments(self._folder, self.audit_log)
            self._launch("kube-apiserver", [str(api_server), *arguments])
            self._wait()

    def _launch(self, name: str, command: list[str]) -> None:
        log: IO[bytes]
        with (self._folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(dying_with_us(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(started)

    def _wait(self) -> None:
        context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        context.load_cert_chain(self._folder / "admin.crt", self._folder / "admin.key")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with suppress(OSError):  # not listening yet, or some part of it not ready (HTTP 500)
                if opener.open(f"{self.url}/readyz", timeout=5).read() == b"ok":
                    return
            if any(process.poll() is not None for process in self._processes) or time.monotonic() > deadline:
                raise ControlPlaneError(f"the API server is not ready\n{self._logs()}")
            time.sleep(0.05)

    def _logs(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.name}: {line}" for log in logs for line in log.read_text().splitlines()[-8:])

    def _stop(self) -> None:
        for process in self._processes:  # nothing of theirs is kept, so there is nothing to end in good order
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()
        if self._folder != Path():
            remove_tree(self._folder)


def free_ports(count: int) -> list[int]:
    """Distinct free TCP ports of the loopback address."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def etcd_arguments(folder: Path, client_port: int, peer_port: int) -> list[str]:
    """The command line of etcd. It need not survive a power cut, so it does not wait for the disk."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"),
    ]


def api_server_arguments(folder: Path, etcd_port: int, secure_port: int) -> list[str]:
    """The command line of kube-apiserver."""
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={secure_port}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--service-cluster-ip-range=10.97.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--endpoint-reconciler-type=none",
        # no controller makes the default service accounts that this plugin wants a pod to have
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def audit_arguments(folder: Path, log: Path) -> list[str]:
    """The options of kube-apiserver that make it write an audit log, each entry before the request's answer is sent."""
    return [
        f"--audit-policy-file={folder / 'audit-policy.yaml'}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking",
    ]


def admin_kubeconfig(folder: Path, url: str) -> str:
    """A kubeconfig with the certificates inside it, as JSON (which is YAML)."""

    def inline(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bare", "cluster": {"server": url, "certificate-authority-data": inline("ca.crt")}}],
            "users": [
                {
                    "name": "admin",
                    "user": {
                        "client-certificate-data": inline("admin.crt"),
                        "client-key-data": inline("admin.key"),
                    },
                }
            ],
            "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
            "current-context": "bare",
        }
    )


def main() -> None:
    """`python -m e2e.cluster.apiserver`: run one until interrupted, and print its kubeconfig's path."""
    with BareControlPlane(Steps()) as plane:
        print(plane.kubeconfig, flush=True)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    os.umask(0o077)
    main()
