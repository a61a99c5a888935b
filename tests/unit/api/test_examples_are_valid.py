"""Every manifest in examples/ is one that the kinds take."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.quantumjob import QuantumJob

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
MODELS = {"EdgeCluster": EdgeCluster, "QuantumJob": QuantumJob}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_a_manifest_is_taken_and_names_no_field_that_is_not_there(path: Path) -> None:
    for document in documents(path):
        if document["kind"] in MODELS:
            model = MODELS[document["kind"]].model_validate(document)
            assert known(document["spec"], model.spec.wire()), path


def known(given: Any, taken: Any) -> bool:
    """Whether everything that was given was taken: the API server would drop a misspelt field without a word."""
    if isinstance(given, dict):
        return isinstance(taken, dict) and all(known(value, taken.get(key)) for key, value in given.items())
    if isinstance(given, list):
        return isinstance(taken, list) and len(given) == len(taken) and all(map(known, given, taken))
    return bool(given == taken)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_a_pinned_digest_is_that_of_the_text_beside_it(path: Path) -> None:
    found = documents(path)
    texts = {d["metadata"]["name"]: d["data"] for d in found if d["kind"] == "ConfigMap"}
    for job in found:
        program = job.get("spec", {}).get("program", {})
        if (reference := program.get("configMapRef")) and "sha256" in program:
            text = texts[reference["name"]][reference["key"]]
            assert program["sha256"] == hashlib.sha256(text.encode()).hexdigest()
