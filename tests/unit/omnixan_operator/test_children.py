"""An EdgeCluster's children: what is as it should be is not written again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from omnixan_operator import kinds
from omnixan_operator.apiserver import NotFoundError
from omnixan_operator.desired.rolebinding import role_binding
from omnixan_operator.kinds import Object
from omnixan_operator.reconcile import edgecluster
from omnixan_operator.store import Store
from omnixan_operator.trim import FIELD_MANAGER
from tests.unit.omnixan_operator.operator_makers import cluster


class World:
    """A store that the watch has not filled yet, and an API server that has, or has not, the object."""

    def __init__(self, live: Object | None) -> None:
        self.live = live
        self.applied: list[Object] = []

    async def get(self, *_: Any) -> Object:
        if self.live is None:
            raise NotFoundError("not found", 404)
        return self.live

    async def apply_over(self, _: Any, desired: Object, __: Object | None) -> None:
        self.applied.append(desired)

    async def ensure(self, desired: Object) -> Any:
        ctx: Any = SimpleNamespace(store=Store(), api=self, apply_over=self.apply_over)
        return await edgecluster._ensure(ctx, cluster(), kinds.ROLE_BINDING, desired)


def stored(desired: Object, **changes: Any) -> Object:
    """As the API server gives it: with the fields that it adds, and who owns which."""
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in desired["metadata"]["labels"]}}, "f:subjects": {}}
    ours = {"manager": FIELD_MANAGER, "operation": "Apply", "time": "2026-11-24T21:00:00Z", "fieldsV1": fields}
    other = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": {}}}}
    server = {"uid": "a", "resourceVersion": "7", "managedFields": [ours, other]}
    return desired | {"metadata": desired["metadata"] | server} | changes


@pytest.mark.parametrize("changed", [False, True])
async def test_a_child_that_was_made_by_a_lost_write_is_looked_at_before_it_is_written_again(changed: bool) -> None:
    desired = role_binding(cluster(), "agent")
    world = World(stored(desired, **({"subjects": []} if changed else {})))
    assert await world.ensure(desired) is None
    assert world.applied == ([desired] if changed else [])


async def test_a_child_that_is_missing_is_made() -> None:
    world, desired = World(None), role_binding(cluster(), "agent")
    assert await world.ensure(desired) is None and world.applied == [desired]
