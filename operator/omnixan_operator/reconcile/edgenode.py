"""An EdgeNode's verdict: ready if its agent says so and its heartbeat is fresh."""

from __future__ import annotations

from omnixan.edge_network.api.edgenode import EdgeNode
from omnixan_operator import kinds
from omnixan_operator.decide.heartbeat import expires_in, pulse
from omnixan_operator.keys import Key
from omnixan_operator.reconcile.context import Context, alive, parse
from omnixan_operator.status import edgenode as status

DEFAULT_DURATION = 40.0


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
    return expires_in(beat, duration, now)
