import base64
import os
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.agent import credentials
from omnixan.edge_network.agent.credentials import CredentialsError, TokenFile, find, from_kubeconfig


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    folder = tmp_path_factory.mktemp("ca")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days 2"
    subprocess.run([*command.split(), "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
    return (folder / "crt").read_bytes(), (folder / "key").read_bytes()


def test_a_rotated_token_is_taken_within_a_minute(tmp_path: Path, clock: Clock):
    file = tmp_path / "token"
    file.write_text("first\n")
    token = TokenFile(file, clock)
    assert token() == "first"
    file.write_text("second\n")
    clock.now += 59
    assert token() == "first"
    clock.now += 1
    assert token() == "second"


def test_a_refused_token_is_read_again_at_once(tmp_path: Path, clock: Clock):
    file = tmp_path / "token"
    file.write_text("first")
    token = TokenFile(file, clock)
    token()
    file.write_text("second")
    token.forget()
    assert token() == "second"


@pytest.mark.parametrize("content", [None, "", "\u00fc"])
def test_the_old_token_holds_while_the_file_is_swapped(tmp_path: Path, clock: Clock, content: str | None):
    file = tmp_path / "token"
    file.write_text("first")
    token = TokenFile(file, clock)
    token()
    file.unlink()
    if content is not None:
        file.write_text(content)
    clock.now += 61
    assert token() == "first"


def test_a_token_that_never_was_there_is_an_error_that_names_the_file(tmp_path: Path):
    with pytest.raises(CredentialsError, match="token"):
        TokenFile(tmp_path / "token")()


def test_in_a_pod_the_service_account_is_used(tmp_path: Path, certificate: tuple[bytes, bytes]):
    (tmp_path / "token").write_text("bound")
    (tmp_path / "ca.crt").write_bytes(certificate[0])
    found = find({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert found.server == "https://10.0.0.1:6443"
    assert found.token is not None and found.token() == "bound"
    assert found.tls is not None and found.tls.verify_mode == ssl.CERT_REQUIRED and found.tls.check_hostname
    assert len(found.tls.get_ca_certs()) == 1


def test_an_ipv6_service_address_is_bracketed(tmp_path: Path, certificate: tuple[bytes, bytes]):
    (tmp_path / "token").write_text("bound")
    (tmp_path / "ca.crt").write_bytes(certificate[0])
    assert find({"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).server == "https://[fd00::1]:443"


def test_outside_of_a_pod_without_a_kubeconfig_there_is_nothing(tmp_path: Path):
    with pytest.raises(CredentialsError, match="KUBECONFIG"):
        find({}, tmp_path)


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path = folder / "config"
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_kubeconfig_with_client_certificates_is_used(tmp_path: Path, certificate: tuple[bytes, bytes]):
    crt, key = (base64.b64encode(data).decode() for data in certificate)
    cluster = {"server": "https://127.0.0.1:6443/", "certificate-authority-data": crt}
    user = {"client-certificate-data": crt, "client-key-data": key}
    path = kubeconfig(tmp_path, cluster, user)
    found = find({"KUBECONFIG": f"{path}{os.pathsep}/nowhere"}, tmp_path)
    assert found.server == "https://127.0.0.1:6443" and found.token is None
    assert found.tls is not None and found.tls.verify_mode == ssl.CERT_REQUIRED


def test_a_kubeconfig_with_a_token_file_beside_it_is_used(tmp_path: Path):
    (tmp_path / "token").write_text("mine")
    cluster = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}
    found = from_kubeconfig(kubeconfig(tmp_path, cluster, {"tokenFile": "token"}))
    assert found.token is not None and found.token() == "mine"
    assert found.tls is not None and found.tls.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("cluster", "user", "named"),
    [
        ({"server": "ftp://x"}, {}, "server"),
        ({"server": "https://x"}, {"exec": {"command": "aws"}}, "exec"),
        ({"server": "https://x", "certificate-authority-data": "%%%"}, {}, "certificate"),
        ({"server": "https://x", "certificate-authority": "missing.pem"}, {}, "missing.pem"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_which_part(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], named: str
):
    with pytest.raises(CredentialsError, match=named):
        from_kubeconfig(kubeconfig(tmp_path, cluster, user))


@pytest.mark.parametrize("text", ["[1, 2]", "{", "current-context: x", ""])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str):
    (tmp_path / "config").write_text(text)
    with pytest.raises(CredentialsError):
        from_kubeconfig(tmp_path / "config")


def test_the_default_place_is_that_of_every_pod():
    assert Path("/var/run/secrets/kubernetes.io/serviceaccount") == credentials.SERVICE_ACCOUNT
