"""Makes the CustomResourceDefinitions out of the models: `python -m omnixan.edge_network.api.crd`.

pydantic's JSON schema is not structural in Kubernetes' sense ($ref, anyOf with null, const, titles, …); `structural`
rewrites it, and refuses what the API server would refuse or what would let a user's object grow without bound.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan.edge_network.api.meta import GROUP, VERSION, Model
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.api.quantumrun import QuantumRun

Schema = dict[str, Any]
DROPPED = frozenset({"title", "$defs", "discriminator", "examples"})


@dataclass(frozen=True)
class Column:
    """A printer column; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """One kind, as the API server has to know it."""

    model: type[Model]
    plural: str
    short: str
    columns: tuple[Column, ...]
    category: bool = True
    scale: bool = False
    status_default: bool = True
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind's name."""
        return self.model.__name__


def _condition(kind: str, field: str = "status") -> str:
    return f".status.conditions[?(@.type=='{kind}')].{field}"


AGE = Column("Age", ".metadata.creationTimestamp", "date")
KINDS = (
    Kind(
        EdgeCluster,
        "edgeclusters",
        "ec",
        (
            Column("Desired", ".status.desiredNodes", "integer"),
            Column("Nodes", ".status.nodes", "integer"),
            Column("Ready", ".status.readyNodes", "integer"),
            Column("Status", ".status.phase"),
            Column("Reason", _condition("Ready", "reason")),
            Column("Region", ".spec.region", priority=1),
            AGE,
        ),
        scale=True,
    ),
    Kind(
        EdgeNode,
        "edgenodes",
        "en",
        (
            Column("Pool", ".spec.pool"),
            Column("Tier", ".spec.tier"),
            Column("Qubits", ".status.qubits", "integer"),
            Column("Ready", _condition("Ready")),
            Column("Reason", _condition("Ready", "reason")),
            Column("Version", ".status.version"),
            Column("Backend", ".status.backend", priority=1),
            AGE,
        ),
    ),
    Kind(
        QuantumJob,
        "quantumjobs",
        "qj",
        (
            Column("Status", ".status.phase"),
            Column("Node", ".status.placement.node"),
            Column("Qubits", ".status.analysis.qubits", "integer"),
            Column("Value", ".status.result.summary.solution.value", "number"),
            Column("Ratio", ".status.result.summary.probabilityRatio", "number", priority=1),
            Column("Failure", ".status.failure.category"),
            Column("Placement", _condition("Placed", "reason"), priority=1),
            AGE,
        ),
    ),
    Kind(
        QuantumRun,
        "quantumruns",
        "qrun",
        (
            Column("Job", ".spec.jobRef.name"),
            Column("Node", ".spec.nodeName"),
            Column("Attempt", ".spec.attempt", "integer"),
            Column("State", ".status.state"),
            AGE,
        ),
        category=False,
        status_default=False,
        # The state too: an agent then lists and watches unfinished runs only, however many finished ones are kept.
        selectable=(".spec.nodeName", ".status.state"),
    ),
)


class NotStructuralError(ValueError):
    """A model says what a structural schema cannot say, or leaves a user's field without bound."""


def structural(model: type[Model]) -> Schema:
    """The structural schema of a model. Raises NotStructuralError naming the path of what does not fit."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _rewrite(raw, raw.get("$defs", {}), model.__name__)


def _rewrite(node: Schema, defs: Schema, path: str) -> Schema:
    node = dict(node)
    if "$ref" in node:
        target = defs[node.pop("$ref").rsplit("/", 1)[1]]
        node = {**target, **node}
    if node.get("x-kubernetes-int-or-string"):
        return {k: v for k, v in node.items() if k not in DROPPED and k != "type"}
    if "anyOf" in node:
        choices = [c for c in node.pop("anyOf") if c.get("type") != "null"]
        if len(choices) != 1:
            raise NotStructuralError(f"{path}: a union of several types; give it one type")
        return _rewrite({**choices[0], **{k: v for k, v in node.items() if k != "default"}}, defs, path)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    node = {k: v for k, v in node.items() if k not in DROPPED}
    if isinstance(node.get("default"), dict):
        node["default"] = _without_nulls(node["default"])
    elif "default" in node and node["default"] is None:
        del node["default"]
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if node.get("additionalProperties") in (True, False):
        del node["additionalProperties"]
    for keyword in ("exclusiveMinimum", "exclusiveMaximum", "prefixItems", "oneOf", "allOf", "not"):
        if keyword in node:
            raise NotStructuralError(f"{path}: {keyword} is not structural")
    if "properties" in node:
        node["properties"] = {k: _rewrite(v, defs, f"{path}.{k}") for k, v in node["properties"].items()}
    elif node.get("type") == "object":
        if not isinstance(node.get("additionalProperties"), dict):
            raise NotStructuralError(f"{path}: an object without fields would be pruned to nothing")
        node.pop("propertyNames", None)
        node["additionalProperties"] = _rewrite(node["additionalProperties"], defs, f"{path}.*")
    if node.get("type") == "array":
        node["items"] = _rewrite(node["items"], defs, f"{path}[]")
        if "x-kubernetes-list-type" not in node:
            raise NotStructuralError(f"{path}: a list needs x-kubernetes-list-type (ATOMIC, SET or list_map)")
    if node.get("type") == "integer":
        node.setdefault("format", "int64")
    return node


def _without_nulls(value: Schema) -> Schema:
    return {k: _without_nulls(v) if isinstance(v, dict) else v for k, v in value.items() if v is not None}


def unbounded(schema: Schema, path: str) -> Iterator[str]:
    """Paths of strings, lists and maps without an upper bound; in spec there may be none."""
    kind = schema.get("type")
    textual = kind == "string" or schema.get("x-kubernetes-int-or-string")
    if textual and not ({"maxLength", "enum"} & schema.keys()):
        yield f"{path}: string without maxLength"
    if kind == "array":
        if "maxItems" not in schema:
            yield f"{path}: list without maxItems"
        yield from unbounded(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        if "maxProperties" not in schema:
            yield f"{path}: map without maxProperties"
        yield from unbounded(schema["additionalProperties"], f"{path}.*")
    for name, child in schema.get("properties", {}).items():
        yield from unbounded(child, f"{path}.{name}")


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    schema = structural(kind.model)
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    if problems := list(unbounded(spec, f"{kind.name}.spec")):
        raise NotStructuralError("; ".join(problems))
    status.pop("default", None)
    if kind.status_default:
        # A fresh object must not be taken as settled: kstatus compares observedGeneration with generation.
        status["default"] = {"observedGeneration": -1}
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": spec,
        "status": status,
    }
    schema["required"] = ["spec"]
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": c.name, "type": c.type, "jsonPath": c.path} | ({"priority": c.priority} if c.priority else {})
            for c in kind.columns
        ],
    }
    if kind.scale:
        version["subresources"]["scale"] = {
            "specReplicasPath": ".spec.nodes",
            "statusReplicasPath": ".status.nodes",
            "labelSelectorPath": ".status.selector",
        }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    names: dict[str, Any] = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short],
    }
    if kind.category:
        names["categories"] = ["omnixan"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


HEADER = "# Generated from omnixan.edge_network.api by `make generate`; do not edit.\n"
CHART_HEAD = "{{- if .Values.crds.install }}\n"
CHART_KEEP = "metadata:\n  {{- if .Values.crds.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n"


def dump(kind: Kind) -> str:
    """The CRD as YAML."""
    return HEADER + yaml.safe_dump(crd(kind), sort_keys=False, width=120, allow_unicode=True)


def chart_template(kind: Kind) -> str:
    """The CRD as a Helm template: installed unless switched off, and kept at uninstall unless said otherwise."""
    text = dump(kind)
    if "{{" in text:
        raise NotStructuralError(f"{kind.name}: a description has '{{{{', which Helm would take as its own")
    return CHART_HEAD + text.replace("metadata:\n", CHART_KEEP, 1) + "{{- end }}\n"


def files() -> dict[Path, str]:
    """Everything `make generate` writes, by path from the project's root."""
    out: dict[Path, str] = {}
    for kind in KINDS:
        out[Path("crds") / f"{GROUP}_{kind.plural}.yaml"] = dump(kind)
        out[Path("charts/omnixan-edge/templates/crds") / f"{kind.plural}.yaml"] = chart_template(kind)
    return out


def main() -> None:
    """Write the files, or with --check say which ones differ and exit with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    check: bool = parser.parse_args().check
    stale = [path for path, text in files().items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{'out of date' if check else 'written'}: {path}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path])
    if check and stale:
        raise SystemExit("run `make generate` and commit what it writes")


if __name__ == "__main__":
    main()
