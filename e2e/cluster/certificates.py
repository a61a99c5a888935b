"""A certificate authority and what a bare API server needs of it, made by openssl for one run."""

from __future__ import annotations

from pathlib import Path

from e2e.cluster.process import run

DAYS = "7"
ADMIN = "/O=system:masters/CN=omnixan-admin"
"""Group and name of the administrator: RBAC gives system:masters every right."""

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(folder: Path) -> None:
    """Write ca, server and admin (.crt, .key), and the service accounts' key pair sa.key, sa.pub, into `folder`."""
    _openssl(
        *("req", "-x509", *_CURVE, "-days", DAYS, "-subj", "/CN=omnixan-bare-control-plane"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.crt"),
    )
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    _signed(folder, "server", "/CN=kube-apiserver", "extendedKeyUsage=serverAuth", names)
    _signed(folder, "admin", ADMIN, "extendedKeyUsage=clientAuth")
    _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "sa.key")
    _openssl("pkey", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub")


def _signed(folder: Path, name: str, subject: str, *extensions: str) -> None:
    common = ("basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature")
    options = [word for extension in (*common, *extensions) for word in ("-addext", extension)]
    _openssl(
        *("req", "-x509", *_CURVE, "-days", DAYS, "-subj", subject, *options),
        *("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key"),
        *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
    )


def _openssl(*arguments: str | Path) -> None:
    run(["openssl", *arguments])
