"""Built-in problem instances, for a first try without data of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

#: What a problem's name stands for. "knapsack" is P01 of the public FSU set KNAPSACK_01: ten items, optimum 309.
BUILT_IN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "knapsack": {
            "knapsack": {
                "values": [92, 57, 49, 68, 60, 43, 67, 84, 87, 72],
                "weights": [23, 31, 29, 44, 53, 38, 63, 85, 89, 82],
                "capacity": 165,
            }
        }
    }
)
