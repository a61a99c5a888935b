"""An EdgeNode's verdict, and the label on its Kubernetes node that says how durable its persistent memory is."""

from __future__ import annotations

from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL
from omnixan_operator import kinds
from omnixan_operator.decide.heartbeat import expires_in, pulse
from omnixan_operator.desired.edgenode import memory_tier
from omnixan_operator.keys import Key
from omnixan_operator.kinds import Object
from omnixan_operator.reconcile.context import Context, parse
from omnixan_operator.status import edgenode as status
from omnixan_operator.store import alive, controller_of, name_of, uid_of

DEFAULT_DURATION = 40.0
FIELD_MANAGER = "omnixan-operator-tiers"


async def reconcile(ctx: Context, key: Key) -> float | None:
    """One status write if the verdict changed; come back when the Lease ends."""
    live = ctx.store.get(kinds.EDGE_NODE, key.namespace, key.name)
    if live is None or not alive(live):
        return None
    node = parse(EdgeNode, live)
    if isinstance(node, str):
        return None
    lease = ctx.store.get(kinds.LEASE, key.namespace, key.name)
    beat = ctx.feed.last_beat(key.namespace, key.name)
    duration = float((lease or {}).get("spec", {}).get("leaseDurationSeconds") or DEFAULT_DURATION)
    now = ctx.monotonic()
    wanted = status.status(node, pulse(beat, duration, now), ctx.now())
    if wanted != status.ours(node):
        await ctx.write_status(kinds.EDGE_NODE, live, wanted)
    await _label_tier(ctx, live, node)
    return expires_in(beat, duration, now)


async def _label_tier(ctx: Context, live: Object, node: EdgeNode) -> None:
    """Set or remove the Node's label, if the Node is still the version that was decided on."""
    owner, machine = controller_of(live), ctx.store.get(kinds.NODE, "", node.spec.node_name)
    if owner is None or machine is None or not alive(machine):
        return
    labels = machine["metadata"].get("labels") or {}
    wanted = memory_tier(node, owner["uid"], labels.get(CLAIM_LABEL))
    if wanted == labels.get(MEMORY_TIER_LABEL):
        return
    metadata = {"name": name_of(machine), "uid": uid_of(machine), "resourceVersion": machine["metadata"]["resourceVersion"]}
    patch = {"metadata": metadata | {"labels": {MEMORY_TIER_LABEL: wanted}}}
    await ctx.merge(kinds.NODE, machine, patch, FIELD_MANAGER)
