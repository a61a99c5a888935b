"""Where the API server is and who we are there: from the pod's service account, or from a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_REFRESH_SECONDS = 60.0
"""A bound token is replaced on disk by the kubelet when 80 % of its life (an hour at least) is over."""


class CredentialsError(Exception):
    """There is no usable way to the API server; the message says which file or entry, and what to do."""


class TokenFile:
    """A bearer token that is rotated on disk: read again every minute, and at once after a 401."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._token = ""
        self._read_at: float | None = None

    def __call__(self) -> str:
        """Return the token; CredentialsError if the file was never readable."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= TOKEN_REFRESH_SECONDS:
            self._read()
            self._read_at = now
        return self._token

    def forget(self) -> None:
        """Read the file at the next call: the API server refused this token."""
        self._read_at = None

    def _read(self) -> None:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            if self._token:
                return  # the kubelet swaps the file; the old token holds for a while
            raise CredentialsError(f"cannot read the token {self._path}: {error}") from error
        if token:
            self._token = token
        elif not self._token:
            raise CredentialsError(f"the token file {self._path} is empty")


@dataclass(frozen=True)
class Credentials:
    """The server's URL without a slash at the end, the TLS context (None for http), the token's source if any."""

    server: str
    tls: ssl.SSLContext | None
    token: Callable[[], str] | None
    authority: Path | None = None
    """The file of the certificate authorities, if they are in one."""

    def forget_token(self) -> None:
        """After a 401: take the token from disk again."""
        if isinstance(self.token, TokenFile):
            self.token.forget()

    def renew_authority(self) -> None:
        """After a certificate was refused: trust what is in the CA's file now, too; what was trusted stays so."""
        if self.tls is not None and self.authority is not None:
            with contextlib.suppress(OSError, ssl.SSLError):  # it is being replaced; the next failure reads it again
                self.tls.load_verify_locations(cafile=str(self.authority))


def find(environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Credentials:
    """Return the credentials of KUBECONFIG where it is set, else of the pod; CredentialsError if there are none."""
    if kubeconfig := environment.get("KUBECONFIG"):
        return from_kubeconfig(Path(kubeconfig.split(os.pathsep)[0]))
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsError("neither KUBECONFIG nor KUBERNETES_SERVICE_HOST is set: run it in a pod, or set KUBECONFIG")
    token, authority = TokenFile(account / "token"), account / "ca.crt"
    token()
    try:
        tls = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise CredentialsError(f"cannot read the CA {authority}: {error}") from error
    return Credentials(f"https://{f'[{host}]' if ':' in host else host}:{port}", tls, token, authority)


def from_kubeconfig(path: Path) -> Credentials:
    """Return the credentials of a kubeconfig's current context: tokens and client certificates, no exec plugins."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CredentialsError(f"cannot read the kubeconfig {path}: {error}") from error
    if not isinstance(config, dict):
        raise CredentialsError(f"the kubeconfig {path} is not a mapping")
    return from_config(config, path)


def from_config(config: dict[str, Any], path: Path) -> Credentials:
    """Return the credentials of a kubeconfig's content; file names in it are relative to the folder of `path`."""
    context = _entry(config, "contexts", config.get("current-context"), "context", path)
    cluster = _entry(config, "clusters", context.get("cluster"), "cluster", path)
    user = _entry(config, "users", context.get("user"), "user", path)
    if unknown := {"exec", "auth-provider"} & user.keys():
        raise CredentialsError(f"{path}: user has {unknown.pop()!r}; a token or a client certificate is needed")
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("http://", "https://")):
        raise CredentialsError(f"{path}: the cluster's server is {server!r}; it must be an http or https URL")
    token: Callable[[], str] | None = None
    if isinstance(text := user.get("token"), str):
        token = lambda: text  # noqa: E731
    elif isinstance(name := user.get("tokenFile"), str):
        token = TokenFile(path.parent / name)
        token()
    tls = _tls(cluster, user, path) if server.startswith("https://") else None
    inline, file = "certificate-authority-data" in cluster, cluster.get("certificate-authority")
    authority = path.parent / file if isinstance(file, str) and not inline else None
    return Credentials(server.rstrip("/"), tls, token, authority)


def _entry(config: dict[str, Any], section: str, name: object, kind: str, path: Path) -> dict[str, Any]:
    for item in config.get(section) or []:
        if isinstance(item, dict) and item.get("name") == name and isinstance(item.get(kind), dict):
            found: dict[str, Any] = item[kind]
            return found
    raise CredentialsError(f"{path}: {section} has no entry named {name!r}")


def _tls(cluster: dict[str, Any], user: dict[str, Any], path: Path) -> ssl.SSLContext:
    try:
        authority = _pem(cluster, "certificate-authority", path)
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        if cluster.get("insecure-skip-tls-verify") is True:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _pem(user, "client-certificate", path), _pem(user, "client-key", path)
        if certificate and key:
            # Python's ssl takes a client's certificate from a file only.
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:
                file.write(certificate + b"\n" + key)
                file.flush()
                context.load_cert_chain(file.name)
    except (OSError, ssl.SSLError, UnicodeDecodeError, binascii.Error) as error:
        raise CredentialsError(f"{path}: a certificate or key cannot be used: {error}") from error
    return context


def _pem(section: dict[str, Any], name: str, path: Path) -> bytes | None:
    if isinstance(data := section.get(f"{name}-data"), str):
        return base64.b64decode(data, validate=True)
    if isinstance(file := section.get(name), str):
        return (path.parent / file).read_bytes()
    return None
