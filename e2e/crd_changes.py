"""Whether CustomResourceDefinitions changed additively: what was stored or written before must be taken as it was before.

    python -m e2e.crd_changes OLD_FOLDER NEW_FOLDER

Kubernetes ratchets: an update that leaves a value as it is passes even if the value breaks a bound that was tightened
meanwhile. That helps the stored object and not the manifest in Git that is created again, nor an agent of the last
release that writes its status. So a tightened bound is a break here. A new rule about a change (it names oldSelf) is none:
it refuses no object as it is, neither stored nor created again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]

UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "minLength", "minItems", "minProperties")
EXACT = (
    "type",
    "format",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-embedded-resource",
    "nullable",
)
"""Keywords that decide how a value is read, stored or merged: they stay as they are."""
NAMES = ("group", "scope", "names.kind", "names.plural", "names.listKind", "names.singular")


@dataclass(frozen=True)
class Break:
    """A change that can refuse or lose what was fine before."""

    path: str
    """kind, version and field, e.g. QuantumJob.v1alpha1.spec.program."""
    what: str
    """What changed; for a rule its CEL text."""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def breaks(old: Schema, new: Schema) -> list[Break]:
    """All breaking changes between two versions of one CustomResourceDefinition."""
    kind = old["spec"]["names"]["kind"]
    found = [
        Break(kind, f"spec.{name} changed from {_at(old['spec'], name)!r} to {_at(new['spec'], name)!r}")
        for name in NAMES
        if _at(old["spec"], name) != _at(new["spec"], name)
    ]
    for gone in sorted(_words(old) - _words(new)):
        found.append(Break(kind, f"the name {gone!r}, which kubectl understood, is gone"))
    versions = {version["name"]: version for version in new["spec"]["versions"]}
    for before in old["spec"]["versions"]:
        path, now = f"{kind}.{before['name']}", versions.get(before["name"])
        if now is None or (before["served"] and not now["served"]):
            found.append(Break(path, "the version is no longer served"))
            continue
        if before["storage"] and not now["storage"]:
            found.append(Break(path, "the version is no longer the one that is stored: that takes a conversion"))
        found += _of_version(before, now, path)
    return found


def _of_version(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for name, settings in old.get("subresources", {}).items():
        if new.get("subresources", {}).get(name) != settings:
            yield Break(path, f"the subresource {name} is gone or has other paths")
    fields = {field["jsonPath"] for field in new.get("selectableFields", ())}
    for field in old.get("selectableFields", ()):
        if field["jsonPath"] not in fields:
            yield Break(path, f"objects can no longer be selected by {field['jsonPath']}")
    yield from _of_schema(old["schema"]["openAPIV3Schema"], new["schema"]["openAPIV3Schema"], path)


def _of_schema(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for keyword in EXACT:
        if old.get(keyword) != new.get(keyword):
            yield Break(path, f"{keyword} changed from {old.get(keyword)!r} to {new.get(keyword)!r}")
    yield from _of_bounds(old, new, path)
    yield from _of_default(old, new, path)
    added = set(new.get("required", ())) - set(old.get("required", ()))
    for name in sorted(added):
        if "default" not in new["properties"][name]:
            yield Break(f"{path}.{name}", "is required now, without a default")
    rules = {rule["rule"] for rule in old.get("x-kubernetes-validations", ())}
    for rule in new.get("x-kubernetes-validations", ()):
        if rule["rule"] not in rules and "oldSelf" not in rule["rule"]:
            yield Break(path, f"new rule: {rule['rule']}")
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield Break(f"{path}.{name}", "the field is gone: its value would be dropped")
        else:
            yield from _of_schema(schema, new["properties"][name], f"{path}.{name}")
    for keyword, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if keyword in old and keyword not in new:
            yield Break(path, f"{keyword} is gone")
        elif keyword in old:
            yield from _of_schema(old[keyword], new[keyword], path + suffix)


def _of_bounds(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for keyword in UPPER:
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield Break(path, f"{keyword} was {old.get(keyword, 'unbounded')} and is {new[keyword]}")
    for keyword in LOWER:
        if keyword in new and new[keyword] > old.get(keyword, 0 if keyword != "minimum" else float("-inf")):
            yield Break(path, f"{keyword} was {old.get(keyword, 'unbounded')} and is {new[keyword]}")
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield Break(path, f"pattern was {old.get('pattern')!r} and is {new['pattern']!r}")
    if "enum" in new:
        if "enum" not in old:
            yield Break(path, f"only {new['enum']} are allowed now")
        for value in old.get("enum", ()):
            if value not in new["enum"]:
                yield Break(path, f"the value {value!r} is no longer allowed")


def _of_default(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    """A default may get fields that are new themselves; what it was, it stays."""
    if "default" not in old or old["default"] == new.get("default"):
        return
    before, now = old["default"], new.get("default")
    if isinstance(before, dict) and isinstance(now, dict):
        fresh = now.keys() - before.keys()
        if before.items() <= now.items() and not fresh & old.get("properties", {}).keys():
            return
    yield Break(path, f"the default was {before!r} and is {now!r}: manifests that leave it out would mean something else")


def _at(spec: Schema, dotted: str) -> Any:
    value: Any = spec
    for part in dotted.split("."):
        value = value.get(part)
    return value


def _words(crd: Schema) -> set[str]:
    names = crd["spec"]["names"]
    return {*names.get("shortNames", ()), *names.get("categories", ())}


def load(folder: Path) -> dict[str, Any]:
    """The CustomResourceDefinitions of a folder, by name."""
    found = (yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml")))
    return {crd["metadata"]["name"]: crd for crd in found}


def all_breaks(old: Path, new: Path) -> list[Break]:
    """All breaking changes between two folders."""
    before, now = load(old), load(new)
    found = [Break(name, "the kind is gone") for name in before if name not in now]
    return found + [b for name in before if name in now for b in breaks(before[name], now[name])]


def main() -> None:
    """Print what breaks; exits with 1 if something does."""
    parser = argparse.ArgumentParser(prog="python -m e2e.crd_changes", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args()
    found = all_breaks(args.old, args.new)
    for each in found:
        print(each)
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
