"""The way to the API server for a person: kubeconfig as kubectl finds it, with contexts and credential plugins."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from omnixan.edge_network.agent import credentials
from omnixan.edge_network.agent.credentials import Credentials, CredentialsError

PLUGIN_SECONDS = 60.0


def find(kubeconfig: Path | None, context: str | None, environment: Mapping[str, str]) -> Credentials:
    """What kubectl would use: --kubeconfig, KUBECONFIG, ~/.kube/config, the pod's account. CredentialsError if none."""
    path = kubeconfig
    if path is None and environment.get("KUBECONFIG"):
        path = Path(environment["KUBECONFIG"].split(os.pathsep)[0])
    if path is None and (home := Path(environment.get("HOME", "/")) / ".kube" / "config").is_file():
        path = home
    if path is None:
        if context is not None:
            raise CredentialsError("--context needs a kubeconfig: give --kubeconfig or set KUBECONFIG")
        return credentials.find(environment)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CredentialsError(f"cannot read the kubeconfig {path}: {error}") from error
    if not isinstance(config, dict):
        raise CredentialsError(f"the kubeconfig {path} is not a mapping")
    if context is not None:
        known = [entry.get("name") for entry in config.get("contexts") or ()]
        if context not in known:
            raise CredentialsError(f"{path}: there is no context {context!r}; there are {', '.join(map(str, known))}")
        config["current-context"] = context
    for entry in config.get("users") or ():
        user = entry.get("user") if isinstance(entry, dict) else None
        if isinstance(user, dict) and "exec" in user and entry.get("name") == _user(config):
            entry["user"] = _from_plugin(user["exec"], environment)
    return credentials.from_config(config, path)


def _user(config: Mapping[str, Any]) -> object:
    current = config.get("current-context")
    for entry in config.get("contexts") or ():
        if entry.get("name") == current:
            return (entry.get("context") or {}).get("user")
    return None


def _from_plugin(plugin: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run the credential plugin that the user's own kubeconfig names, as kubectl does; what it says as a user entry."""
    given = {str(e["name"]): str(e["value"]) for e in plugin.get("env") or ()}
    info = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    command = [str(plugin.get("command", "")), *map(str, plugin.get("args") or ())]
    try:
        done = subprocess.run(
            command,
            env={**environment, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            capture_output=True,
            text=True,
            timeout=PLUGIN_SECONDS,
            check=False,
        )
        status = json.loads(done.stdout)["status"] if done.returncode == 0 else None
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"the credential plugin {command[0]!r} of the kubeconfig failed: {error}") from error
    if not isinstance(status, dict):
        raise CredentialsError(f"the credential plugin {command[0]!r} failed: {done.stderr.strip()[:500]}")
    user: dict[str, Any] = {"token": status["token"]} if status.get("token") else {}
    for name, field in (("client-certificate-data", "clientCertificateData"), ("client-key-data", "clientKeyData")):
        if status.get(field):
            user[name] = base64.b64encode(str(status[field]).encode()).decode()
    return user
