"""The operator's token and CA are replaced on disk while it runs, sometimes late."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web

from omnixan_operator import credentials
from omnixan_operator.apiserver import ApiServer, TransientError, load_configuration
from omnixan_operator.credentials import CredentialsError, Login, ServiceAccount
from omnixan_operator.kinds import LEASE
from omnixan_operator.metrics import Metrics
from tests.unit.authorities import Handler, made, secured


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def account(folder: Path, token: str = "first", clock: Clock | None = None) -> ServiceAccount:
    (folder / "token").write_text(token)
    return ServiceAccount(folder, clock or Clock())


def test_a_rotated_token_is_taken_within_a_minute(tmp_path: Path) -> None:
    clock = Clock()
    found = account(tmp_path, clock=clock)
    assert found.token() == "first"
    (tmp_path / "token").write_text("second\n")
    clock.now += 59
    assert found.token() == "first"
    clock.now += 1
    assert found.token() == "second"


def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    found = account(tmp_path)
    found.token()
    (tmp_path / "token").write_text("second")
    found.forget()
    assert found.token() == "second"


@pytest.mark.parametrize("content", [None, "", "\u00fc"])
def test_the_old_token_holds_while_the_file_is_swapped(tmp_path: Path, content: str | None) -> None:
    found = account(tmp_path)
    found.token()
    (tmp_path / "token").unlink()
    if content is not None:
        (tmp_path / "token").write_text(content, encoding="utf-8")
    found.forget()
    assert found.token() == "first"


def test_a_token_that_never_was_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="token"):
        ServiceAccount(tmp_path).token()


def test_the_api_server_is_found_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    assert credentials.server() == "https://[fd00::1]:6443"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(CredentialsError, match="KUBECONFIG"):
        credentials.server()


@pytest.fixture
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.delenv("KUBECONFIG", raising=False)


async def given(login: Login) -> kopf.ConnectionInfo:
    found = await login.login(settings=kopf.OperatorSettings())
    assert found is not None
    return found


async def test_kopf_gets_the_new_token_as_soon_as_it_is_there(tmp_path: Path, in_a_pod: None) -> None:
    login = Login(account(tmp_path))
    assert (await given(login)).token == "first"
    asked = asyncio.ensure_future(given(login))
    await asyncio.sleep(0)
    (tmp_path / "token").write_text("second")
    assert (await asked).token == "second"


async def test_while_no_new_token_is_there_kopf_gets_the_old_one_in_a_form_that_it_takes(
    tmp_path: Path, in_a_pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PATIENCE_SECONDS", 0.0)
    login = Login(account(tmp_path))
    first, second = await given(login), await given(login)
    assert first.token == second.token == "first"
    assert first != second, "kopf refuses what equals a login that failed, and ends"


async def test_a_login_that_has_only_run_out_is_renewed_without_delay(
    tmp_path: Path, in_a_pod: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "KOPF_SECONDS", 0.0)
    monkeypatch.setattr(credentials, "PATIENCE_SECONDS", 3600.0)
    login = Login(account(tmp_path))
    await given(login)
    assert (await asyncio.wait_for(given(login), 60)).token == "first"


class Pod:
    """A folder as the kubelet mounts it, and the operator's client that uses it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "serviceaccount"
        self.folder.mkdir()
        (self.folder / "token").write_text("old")
        monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", self.folder)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.delenv("KUBECONFIG", raising=False)
        self._env = monkeypatch

    async def client(self, port: int) -> ApiServer:
        self._env.setenv("KUBERNETES_SERVICE_PORT", str(port))
        return ApiServer(await load_configuration(), Metrics())


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    return Pod(tmp_path, monkeypatch)


def knows(pod: Pod, wanted: str, requests: list[str], late: bool = False) -> Handler:
    """Accepts one token; the kubelet brings it when another is refused, unless it is late."""

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.headers["Authorization"])
        if requests[-1] == f"Bearer {wanted}":
            return web.json_response({"metadata": {"name": "x"}})
        if not late:
            (pod.folder / "token").write_text(wanted)
        return web.json_response({"reason": "Unauthorized", "message": "Unauthorized"}, status=401)

    return answer


async def test_after_a_401_the_token_is_read_again_and_the_request_repeated(pod: Pod, tmp_path: Path) -> None:
    authority, requests = made(tmp_path, "a"), list[str]()
    shutil.copy(authority / "ca.crt", pod.folder)
    async with secured(knows(pod, "new", requests), authority) as port:
        api = await pod.client(port)
        try:
            assert (await api.merge(LEASE, "ns", "x", {}, "m"))["metadata"]["name"] == "x"
            assert requests == ["Bearer old", "Bearer new"]
        finally:
            await api.close()


async def test_a_token_that_stays_refused_is_no_lack_of_rights_and_is_tried_once_more_only(pod: Pod, tmp_path: Path) -> None:
    authority, requests = made(tmp_path, "a"), list[str]()
    shutil.copy(authority / "ca.crt", pod.folder)
    async with secured(knows(pod, "new", requests, late=True), authority) as port:
        api = await pod.client(port)
        try:
            with pytest.raises(TransientError) as caught:
                await api.get(LEASE, "ns", "x")
            assert caught.value.code == 401 and len(requests) == 2
        finally:
            await api.close()


async def test_a_new_authority_is_trusted_once_its_file_is_there(pod: Pod, tmp_path: Path) -> None:
    before, after = made(tmp_path, "before"), made(tmp_path, "after")
    shutil.copy(before / "ca.crt", pod.folder)
    requests: list[Any] = []
    async with secured(knows(pod, "old", requests), before) as port:
        api = await pod.client(port)
        await api.get(LEASE, "ns", "x")
    try:
        async with secured(knows(pod, "old", requests), after, port):
            with pytest.raises(TransientError, match="Certificate"):
                await api.get(LEASE, "ns", "x")
            shutil.copy(after / "ca.crt", pod.folder)
            with pytest.raises(TransientError, match="Certificate"):
                await api.get(LEASE, "ns", "x")
            await api.get(LEASE, "ns", "x")
    finally:
        await api.close()
