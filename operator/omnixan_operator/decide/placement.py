"""Which node gets a job: filter, then score. For now the score is the queue's length, and the status says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from omnixan.edge_network.api.quantumjob import MAX_REJECTED, Placement, Rejection
from omnixan_operator.reasons import Reason

POLICY = "queue-length"


@dataclass(frozen=True)
class Offer:
    """What a node offers."""

    node: str
    tier: str
    qubits: int
    """0 until the agent has reported."""
    ready: bool
    draining: bool
    backlog: int
    """Unfinished runs on it."""
    state: str = ""
    """Why it is not ready."""


@dataclass(frozen=True)
class Need:
    """What a job needs."""

    qubits: int
    tiers: tuple[str, ...] = ()
    """Empty: all."""


@dataclass(frozen=True)
class Choice:
    """The outcome: `node` is None if no node fits, then `reason` and `message` say why."""

    node: str | None
    placement: Placement
    reason: Reason
    message: str


def place(need: Need, offers: Iterable[Offer]) -> Choice:
    """The fitting node with the fewest unfinished runs; of equals the first by name."""
    nodes = sorted(offers, key=lambda offer: offer.node)
    rejected = [rejection for offer in nodes if (rejection := reject(need, offer)) is not None]
    names = {rejection.node for rejection in rejected}
    fitting = [offer for offer in nodes if offer.node not in names]
    best = min(fitting, key=lambda offer: offer.backlog, default=None)
    if best is None:
        reason = Reason.NO_NODE_FITS if nodes else Reason.NO_NODES
        message = _none_fits(need, rejected) if nodes else "the EdgeCluster has no nodes yet"
    else:
        reason = Reason.PLACED
        runs = "no unfinished run" if best.backlog == 0 else f"{best.backlog} unfinished runs"
        message = f"{best.node}: {runs}, the fewest of {len(fitting)} fitting nodes (of equals the first by name)"
    placement = Placement(
        policy=POLICY,
        node=best.node if best else None,
        reason=message,
        rejected=rejected[:MAX_REJECTED] or None,
        rejected_count=len(rejected),
    )
    return Choice(placement.node, placement, reason, message)


def reject(need: Need, offer: Offer) -> Rejection | None:
    """The first constraint that the node does not meet, or None if it fits."""
    if need.tiers and offer.tier not in need.tiers:
        return Rejection(node=offer.node, constraint="tier", actual=offer.tier, required=" or ".join(need.tiers))
    if not offer.ready:
        return Rejection(node=offer.node, constraint="ready", actual=offer.state[:256] or "not ready", required="ready")
    if offer.draining:
        return Rejection(node=offer.node, constraint="draining", actual="draining", required="not draining")
    if offer.qubits < need.qubits:
        return Rejection(node=offer.node, constraint="qubits", actual=str(offer.qubits), required=str(need.qubits))
    return None


def _none_fits(need: Need, rejected: list[Rejection]) -> str:
    words = {
        "tier": f"of another tier than {' or '.join(need.tiers)}",
        "ready": "not ready",
        "draining": "being drained",
        "qubits": f"with fewer than {need.qubits} qubits",
    }
    counts = Counter(rejection.constraint for rejection in rejected)
    parts = [f"{counts[constraint]} {text}" for constraint, text in words.items() if counts[constraint]]
    return f"none of {len(rejected)} nodes fits: {', '.join(parts)}"
