"""Which nodes a claiming pass touches: none of an EdgeCluster that exists and has not come in yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from omnixan.edge_network.api.meta import CLAIM_LABEL
from omnixan_operator import kinds
from omnixan_operator.apiserver import Known
from omnixan_operator.desired.common import claim_mark
from omnixan_operator.keys import CLAIMS, Key
from omnixan_operator.kinds import Object
from omnixan_operator.offers import Offers
from omnixan_operator.queue import WorkQueue
from omnixan_operator.reconcile import claims
from omnixan_operator.store import Store
from tests.unit.omnixan_operator.operator_makers import cluster_object, meta

OTHER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


class World:
    """A store with the EdgeCluster `ec` and one node that carries the claim of another, and the API server's list."""

    def __init__(self, *listed: str) -> None:
        self.store, self.queue = Store(), WorkQueue[Key]()
        self.listed = [Known("omnixan", f"ec-{i}", uid, 1) for i, uid in enumerate(listed)]
        self.lists, self.changed = 0, list[tuple[str, Any]]()
        self.store.put(kinds.EDGE_CLUSTER, cluster_object())
        self.context: Any = SimpleNamespace(
            store=self.store, queue=self.queue, api=self, plan=None, claims_rest=0.0, offers=Offers(self.store, {}),
            monotonic=lambda: 1.0,
            apply=self.apply, merge=self.merge, recorder=SimpleNamespace(normal=lambda *_: None),
        )  # fmt: skip

    def node(self, name: str, **labels: str) -> None:
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        metadata = meta(name, "") | {"labels": {"role": "gw"} | labels}
        self.store.put(kinds.NODE, {"metadata": metadata, "spec": {}, "status": ready})

    async def list_known(self, kind: Any) -> tuple[list[Known], int]:
        assert kind is kinds.EDGE_CLUSTER
        self.lists += 1
        return self.listed, 1

    async def apply(self, _: Any, obj: Object, __: str) -> None:
        self.changed.append((obj["metadata"]["name"], obj["metadata"]["labels"][CLAIM_LABEL]))

    async def merge(self, _: Any, obj: Object, __: Object, ___: str) -> None:
        self.changed.append((obj["metadata"]["name"], None))


@pytest.mark.parametrize("exists", [False, True])
async def test_a_claim_of_an_edgecluster_that_has_not_come_in_is_left_alone(exists: bool) -> None:
    world = World("uid-of-ec", *([OTHER] if exists else []))
    world.node("node-0", **{CLAIM_LABEL: f"gateway.{claim_mark(OTHER)}"})
    again = await claims.reconcile(world.context, CLAIMS)
    if exists:
        assert not world.changed and again == claims.RECHECK
    else:
        assert world.changed == [("node-0", f"gateway.{claim_mark('uid-of-ec')}")] and again is None


async def test_nothing_is_listed_while_all_claims_are_known() -> None:
    world = World("uid-of-ec")
    world.node("node-0", **{CLAIM_LABEL: f"gateway.{claim_mark('uid-of-ec')}"})
    world.node("node-1")
    assert await claims.reconcile(world.context, CLAIMS) is None
    assert not world.lists and not world.changed
