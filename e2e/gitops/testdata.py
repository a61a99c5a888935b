"""Makes health_test.yaml and testdata/ of the Argo CD scripts out of a recording: a real object for each health and reason.

OMNIXAN_RECORDING=r.jsonl python -m pytest tests/api/omnixan_operator
python -m e2e.gitops.testdata r.jsonl
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from e2e.gitops import argocd, kstatus

METADATA = ("name", "namespace", "generation", "deletionTimestamp", "labels", "annotations")


def pick(recording: Path) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """The first recorded object of each kind, health and reason."""
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    with recording.open() as lines:
        for obj in map(json.loads, lines):
            if kstatus.ours(obj):
                health = argocd.health(obj)
                reason = health.message.split(":")[0] if ":" in health.message else "New"
                found.setdefault((obj["kind"], health.status, reason), obj)
    return found


def exported(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object with a namespace that is the same in every recording."""
    namespace = obj["metadata"]["namespace"]
    metadata = {name: obj["metadata"][name] for name in METADATA if name in obj["metadata"]}
    whole = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "spec": obj["spec"]}
    text = json.dumps(whole | {"status": obj["status"]}).replace(namespace, "site")
    exported_: dict[str, Any] = json.loads(text)
    return exported_


def main() -> None:
    """Write the files of every kind in the recording."""
    chosen = pick(Path(sys.argv[1]))
    for kind in argocd.KINDS:
        folder = argocd.SCRIPTS / kind
        (folder / "testdata").mkdir(exist_ok=True)
        for old in (folder / "testdata").glob("*.yaml"):
            old.unlink()
        tests = []
        for (_, status, reason), obj in sorted((k, o) for k, o in chosen.items() if k[0] == kind):
            name = re.sub(r"(?<!^)(?=[A-Z])", "-", f"{status}{reason}").lower()
            manifest = exported(obj)
            (folder / "testdata" / f"{name}.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False, width=120))
            expected = {"status": status, "message": argocd.health(manifest).message}
            tests.append({"healthStatus": expected, "inputPath": f"testdata/{name}.yaml"})
        (folder / "health_test.yaml").write_text(yaml.safe_dump({"tests": tests}, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
