"""Takes out of objects and logs what is nobody else's business. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A copy of the whole manifest, program and all."""
SECRET_NAME = re.compile(r"token|password|passwd|secret|credential|api_?key|private_?key", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a JSON Web Token
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
GONE = "(redacted)"


def clean(obj: Mapping[str, Any], *, programs: bool) -> Object:
    """The object without managedFields, copies of manifests and secrets in env; programs and results only if asked for."""
    out: Object = json.loads(json.dumps(obj))
    metadata = out.get("metadata") or {}
    metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(LAST_APPLIED, None)
    _hide_env(out)
    if not programs:
        _hide_work(out)
    return out


def text(log: str) -> str:
    """A log without tokens and private keys."""
    return SECRET_TEXT.sub(GONE, log)


def _hide_work(out: Object) -> None:
    """Programs, the numbers of problems, results: their size stays, and the digest of a program."""
    spec, status = out.get("spec") or {}, out.get("status") or {}
    inline = (spec.get("program") or {}).get("inline") or {}
    if isinstance(data := inline.get("data"), str):
        digest = hashlib.sha256(data.encode()).hexdigest()
        inline["data"] = f"(redacted: {len(data.encode())} bytes, sha256 {digest})"
    for algorithm in (spec.get("algorithm") or {}).values():
        if isinstance(algorithm, dict) and "problem" in algorithm:
            algorithm["problem"] = _sizes(algorithm["problem"])
    primitive = spec.get("primitive") or {}
    if "estimator" in primitive:
        primitive["estimator"] = _sizes(primitive["estimator"])
    result = status.get("result")
    if isinstance(result, dict):
        status["result"] = {"ref": result["ref"]} if "ref" in result else {}
        status["result"]["redacted"] = f"{len(json.dumps(result))} bytes"
    if isinstance(progress := (status.get("run") or status).get("progress"), dict):
        progress.pop("best", None)


def _sizes(value: Any) -> Any:
    """Names and shapes stay, values go."""
    if isinstance(value, dict):
        return {name: _sizes(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return f"(redacted: {len(value)} entries)"
    return value if isinstance(value, bool) else GONE


def _hide_env(value: Any) -> None:
    if isinstance(value, dict):
        for entry in value.get("env") or () if isinstance(value.get("env"), list) else ():
            if isinstance(entry, dict) and "value" in entry and SECRET_NAME.search(str(entry.get("name", ""))):
                entry["value"] = GONE
        for inner in value.values():
            _hide_env(inner)
    elif isinstance(value, list):
        for inner in value:
            _hide_env(inner)
