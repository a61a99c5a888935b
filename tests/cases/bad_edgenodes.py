"""EdgeNodes that are refused."""

from __future__ import annotations

from tests.cases import good
from tests.cases.case import Case

NODE_CASES = (
    Case(
        "a pool name of 21 characters",
        good.EDGE_NODE,
        {"spec.pool": "p" * 21},
        {"spec.pool": "p" * 20},
        "may not be more than 20 bytes",
    ),
    Case(
        "a node name that is none",
        good.EDGE_NODE,
        {"spec.nodeName": "Worker_1"},
        {"spec.nodeName": "worker-1.site-a.example"},
        "should match",
    ),
)
