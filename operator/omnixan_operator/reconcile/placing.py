"""Runs on their way to the API server: each has its place on a node before the store knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omnixan.edge_network.api.edgecluster import EdgeCluster
from omnixan_operator import kinds
from omnixan_operator.keys import CLAIMS, dispatch_key
from omnixan_operator.kinds import Object
from omnixan_operator.reconcile.context import Context
from omnixan_operator.store import name_of, namespace_of


@contextmanager
def on_its_way(ctx: Context, cluster: EdgeCluster, run: Object) -> Iterator[None]:
    """While the run is being created, its place is taken.

    If the store does not have it afterwards, its place is free again and no event will say so: nothing came of it, or
    it was deleted before the answer to its creation came.
    """
    ctx.placing[name_of(run)] = (namespace_of(run), run["spec"]["nodeName"])
    try:
        yield
    finally:
        del ctx.placing[name_of(run)]
        if ctx.store.get(kinds.QUANTUM_RUN, namespace_of(run), name_of(run)) is None:
            ctx.queue.add(CLAIMS)
            ctx.queue.add(dispatch_key(cluster.metadata.namespace, cluster.metadata.name))
