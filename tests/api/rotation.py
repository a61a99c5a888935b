"""A service account's token in a folder, replaced by us as the kubelet replaces it, and refused when we say so.

The API server gives no token for less than ten minutes. But one that is bound to an object dies with the object, and what
the API server then says is what it says about one that ran out: tests/api/agent/test_the_token_is_replaced.py compares.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from tests.api.client import Kube
from tests.api.conftest import until
from tests.api.tokens import token

REMEMBERED_SECONDS = 10
"""How long the API server takes a token for good that it has looked at."""
LEEWAY_SECONDS = 60
"""How long after its end the API server accepts a token: clocks differ."""


class Mount:
    """The volume of a pod with the account's token: `token` is a link into a folder that is swapped as a whole."""

    def __init__(self, kube: Kube, account: str, folder: Path, authority: Path | None = None) -> None:
        """With `authority`, the CA's certificate is in the folder, too."""
        self._kube = kube
        self._account = account
        self.folder = folder
        self._authority = authority
        self._bound: dict[str, str] = {}
        folder.mkdir()
        for name in ("token", "ca.crt") if authority else ("token",):
            (folder / name).symlink_to(f"..data/{name}")
        self.current = ""
        self.turn()

    def turn(self) -> str:
        """Put a new token into the file, by one rename as the kubelet; returns the one before, which still holds."""
        before, secret = self.current, f"bound-{uuid.uuid4().hex[:8]}"
        made = self._kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}})
        self.current = token(self._kube, self._account, made)
        self._bound[self.current] = secret
        inner = self.folder / f"..{secret}"
        inner.mkdir()
        (inner / "token").write_text(self.current)
        if self._authority is not None:
            (inner / "ca.crt").write_bytes(self._authority.read_bytes())
        (self.folder / "..data_tmp").symlink_to(inner.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        return before

    def end(self, spent: str) -> None:
        """Let a token run out, and wait until the API server refuses it."""
        self._kube.delete("Secret", self._bound.pop(spent), "v1")
        user = self._kube.with_token(spent)
        until(lambda: answer(user)[0] == 401, "the API server refuses the token", 3 * REMEMBERED_SECONDS)


def answer(user: Kube) -> tuple[int, str]:
    """What the API server says to a user who asks for nothing in particular."""
    return user.answer("GET", "/api")


def ending(real: str, key: Path, seconds: float) -> str:
    """The token `real` as if its life ended in so many seconds (before now: negative), signed with the server's key."""
    header, claims, _ = real.split(".")
    end = int(time.time() + seconds)
    body: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=="))
    body |= {"exp": end, "iat": end - 3600, "nbf": end - 3600}
    text = f"{_encode(json.dumps({'alg': 'RS256'}).encode())}.{_encode(json.dumps(body).encode())}"
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "RS256"
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key)], input=text.encode(), capture_output=True, check=True
    )
    return f"{text}.{_encode(signed.stdout)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
