"""Reads a QuantumJob manifest from a file, as strictly as `kubectl apply` does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnixan.edge_network.api.meta import API_VERSION, MAX_NAME
from omnixan.edge_network.api.quantumjob import QuantumJobSpec
from omnixan.edge_network.api.workload import MAX_PROGRAM_BYTES

MAX_FILE_BYTES = 1024 * 1024


class ManifestError(Exception):
    """The file is not a QuantumJob that the API server would take; the message says where and why."""


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str = Field(min_length=1, max_length=MAX_NAME, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    namespace: str = Field(default="default", max_length=63)


def load(path: Path) -> tuple[dict[str, Any], QuantumJobSpec]:
    """The manifest as written and its spec with defaults filled in.

    Raises ManifestError if the file cannot be read, is no single QuantumJob, has unknown fields, or breaks a rule.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from error
    if len(text) > MAX_FILE_BYTES:
        raise ManifestError(f"{path}: {len(text)} bytes; a manifest has at most {MAX_FILE_BYTES}")
    try:
        documents = [d for d in yaml.safe_load_all(text) if d is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not YAML: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ManifestError(f"{path}: has {len(documents)} documents; `omnixan run` takes one QuantumJob")
    return documents[0], parse(documents[0], str(path))


def parse(document: dict[str, Any], where: str) -> QuantumJobSpec:
    """The spec of a manifest, validated by the same rules as in the cluster; raises ManifestError."""
    kind = (document.get("apiVersion"), document.get("kind"))
    if kind != (API_VERSION, "QuantumJob"):
        raise ManifestError(f"{where}: is a {kind[1]} of {kind[0]}; `omnixan run` takes a QuantumJob of {API_VERSION}")
    if unknown := document.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
        raise ManifestError(f"{where}: unknown field {sorted(unknown)[0]}")
    problems: list[str] = []
    for model, part in ((_Metadata, "metadata"), (QuantumJobSpec, "spec")):
        try:
            model.model_validate(document.get(part, {}), extra="forbid" if part == "spec" else "ignore")
        except ValidationError as error:
            problems += [_say(part, e) for e in error.errors(include_url=False)]
    if problems:
        raise ManifestError(f"{where} is not valid:\n" + "\n".join(f"  {p}" for p in problems))
    spec = QuantumJobSpec.model_validate(document["spec"])
    inline = spec.program.inline if spec.program is not None else None
    if spec.program is not None and inline is None:
        raise ManifestError(f"{where}: spec.program.configMapRef needs a cluster: give the text as spec.program.inline")
    if inline is not None and len(inline.data.encode()) > MAX_PROGRAM_BYTES:
        raise ManifestError(f"{where}: spec.program.inline.data: more than {MAX_PROGRAM_BYTES} bytes")
    return spec


def digest_of(text: str) -> str:
    """SHA-256 of a program's UTF-8 bytes, as spec.program.sha256 wants it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _say(part: str, error: Any) -> str:
    path = part + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"])
    value = error.get("input")
    shown = "" if isinstance(value, dict | list) or error["type"] in ("missing", "extra_forbidden") else f" ({value!r})"
    message = {"extra_forbidden": "unknown field", "missing": "required"}.get(
        error["type"], error["msg"].removeprefix("Value error, ")
    )
    return f"{path}{shown}: {message}"
