"""What a pool's agents get of an EdgeCluster's modules and the pool's changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.api.modules import (
    EffectiveModules,
    Modules,
    ModulesOverride,
    bytes_of,
    effective_modules,
)

DEFAULTS = {"enabled": True, "mode": "auto", "pmemPath": "/mnt/pmem0", "size": "1Gi", "checkpointInterval": "5m"}
OTHERS = {"mode": "file", "pmemPath": "/mnt/pmem1", "size": "2Gi", "checkpointInterval": "30s"}
POOLING = {
    "enabled": True,
    "poolSize": "4Gi",
    "blockSize": "64Mi",
    "reuseStrategy": "LRU",
    "quantumCircuitCache": True,
}


def merged(base: Any, change: Any) -> dict[str, Any]:
    modules = None if base is None else Modules.model_validate(base)
    override = None if change is None else ModulesOverride.model_validate(change)
    return effective_modules(modules, override).wire()


@pytest.mark.parametrize(
    ("base", "change", "effective"),
    [
        (None, None, {}),
        ({}, {}, {}),
        (None, {"persistentMemory": {"mode": "dax"}}, {}),  # a module that nobody switched on
        (None, {"persistentMemory": {"enabled": True}}, {"persistentMemory": DEFAULTS}),
        ({"persistentMemory": {}}, None, {"persistentMemory": DEFAULTS}),
        ({"persistentMemory": {}, "memoryPooling": {}}, None, {"persistentMemory": DEFAULTS, "memoryPooling": POOLING}),
        ({"persistentMemory": {"enabled": False}}, None, {}),
        ({"persistentMemory": {"enabled": False, "size": "2Gi"}}, {"persistentMemory": {"enabled": True}}, None),
        ({"persistentMemory": {}}, {"persistentMemory": {"enabled": False}}, {}),
        ({"memoryPooling": {}}, {"memoryPooling": {"quantumCircuitCache": False}}, None),
    ],
)
def test_the_specifications_defaults_hold_where_a_module_is_on(base: Any, change: Any, effective: Any) -> None:
    found = merged(base, change)
    if effective is not None:
        assert found == effective
    elif "memoryPooling" in found:
        assert found == {"memoryPooling": POOLING | {"quantumCircuitCache": False}}
    else:
        assert found == {"persistentMemory": DEFAULTS | {"size": "2Gi"}}


@given(st.sets(st.sampled_from(sorted(OTHERS))), st.sets(st.sampled_from(sorted(OTHERS))))
def test_an_override_changes_what_it_names_and_nothing_else(in_base: set[str], in_change: set[str]) -> None:
    base = {name: OTHERS[name] for name in in_base}
    change = {name: DEFAULTS[name] for name in in_change}
    found = merged({"persistentMemory": base}, {"persistentMemory": change})
    assert found == {"persistentMemory": DEFAULTS | base | change}


def test_an_override_has_no_defaults() -> None:
    """Else it would override everything silently."""
    assert ModulesOverride.model_validate({"persistentMemory": {}, "memoryPooling": {}}).wire() == {
        "persistentMemory": {},
        "memoryPooling": {},
    }


def test_what_is_effective_is_a_status() -> None:
    found = merged({"persistentMemory": {}, "memoryPooling": {}}, None)
    assert EffectiveModules.model_validate(found).wire() == found


@pytest.mark.parametrize(("size", "number"), [("1Mi", 1 << 20), ("64Mi", 1 << 26), ("4Gi", 1 << 32), ("2Ti", 1 << 41)])
def test_sizes_are_bytes(size: str, number: int) -> None:
    assert bytes_of(size) == number
