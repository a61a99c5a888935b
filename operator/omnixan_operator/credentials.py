"""The pod's service account: a token and a CA that the kubelet replaces on disk while the operator runs.

Two clients use it, each in its own way: ours asks for the token before every request; kopf is given one and asks for
another when the API server refuses it, or when what it was given is said to have expired.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REFRESH_SECONDS = 60.0
"""The kubelet replaces a token when 80 % of its life (ten minutes at least) is over."""
KOPF_SECONDS = 600.0
"""kopf takes token and CA from disk so often: both hold for longer. Its watches are made anew then, where they were."""
PATIENCE_SECONDS = 5.0
"""How long another token is waited for after one was refused, before the same one is tried again."""
POLL_SECONDS = 0.5

logger = logging.getLogger(__name__)


class CredentialsError(Exception):
    """There is no way to the API server; the message says what is missing."""


def server() -> str:
    """URL of the API server as a pod knows it, by address: cluster DNS may be down. Raises CredentialsError."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsError("neither KUBECONFIG nor KUBERNETES_SERVICE_HOST is set: run it in a pod, or set KUBECONFIG")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


class ServiceAccount:
    """The account's token, read again every minute and after a refusal; also the hook by which our client asks for it."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._token = ""
        self._read_at: float | None = None

    @property
    def authority(self) -> Path:
        """The file of the certificate authorities."""
        return self._folder / "ca.crt"

    def token(self) -> str:
        """The token; while the file cannot be read the last one. CredentialsError if there never was one."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= REFRESH_SECONDS:
            self._token = self._read() or self._token
            if not self._token:
                raise CredentialsError(f"there is no token in {self._folder / 'token'}")
            self._read_at = now
        return self._token

    def forget(self) -> None:
        """Read the file at the next call: the API server refused this token."""
        self._read_at = None

    def renew_authority(self, tls: ssl.SSLContext) -> None:
        """After a certificate was refused: trust what is in the CA's file now, too; what was trusted stays so."""
        with contextlib.suppress(OSError, ssl.SSLError):  # it is being replaced; the next failure reads it again
            tls.load_verify_locations(cafile=str(self.authority))

    def __call__(self, configuration: Any) -> None:
        """Put the token into a configuration of the `kubernetes` package, which calls this before every request."""
        configuration.api_key["BearerToken"] = f"Bearer {self.token()}"

    def _read(self) -> str:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (self._folder / "token").read_text(encoding="ascii").strip()
        return ""


class Login:
    """kopf's login handler.

    kopf ends for good when a login gives it what was refused before. A new token may be late, so it gets the old one
    once more after some seconds, in a form that it takes for another.
    """

    def __init__(self, account: ServiceAccount | None = None) -> None:
        self._account = account
        self._given = ""
        self._fresh_until = 0.0
        self._number = 0

    async def login(self, *, settings: kopf.OperatorSettings, **more: Any) -> kopf.ConnectionInfo | None:
        """From KUBECONFIG if it is set, else the pod's service account."""
        if os.environ.get("KUBECONFIG"):
            return await asyncio.to_thread(kopf.login_with_kubeconfig, settings=settings, **more)
        account = self._account or ServiceAccount(SERVICE_ACCOUNT)
        self._account = account
        if self._given and time.monotonic() < self._fresh_until:
            await self._wait_for_another(account)
        self._given = account.token()
        self._fresh_until = time.monotonic() + KOPF_SECONDS
        self._number += 1
        return kopf.ConnectionInfo(
            server=server(),
            ca_path=str(account.authority),
            token=self._given,
            trust_env=settings.networking.trust_env,
            priority=self._number,
            expiration=datetime.now(UTC) + timedelta(seconds=KOPF_SECONDS),
        )

    async def _wait_for_another(self, account: ServiceAccount) -> None:
        logger.warning("the API server refused the token that kopf has, or closed its connection")
        end = time.monotonic() + PATIENCE_SECONDS
        account.forget()
        while account.token() == self._given and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
            account.forget()
