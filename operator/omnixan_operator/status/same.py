"""Whether a status says what is there already."""

from __future__ import annotations

import json
from typing import Any

from omnixan.edge_network.api.meta import Model


def same(wanted: Model, last: Model) -> bool:
    """Whether writing `wanted` over `last` would change nothing.

    Lists of objects are compared whatever their order: the API server merges them by key and keeps an order of its own,
    so that another one would be a difference that no write takes away.
    """
    return wanted == last or _unordered(wanted.wire()) == _unordered(last.wire())


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unordered(part) for key, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted(json.dumps(_unordered(part), sort_keys=True) for part in value)
    return value
