"""Which node gets a job: filter by what it needs, then score by predicted success and wait.

    score = success probability − WAIT_WEIGHT · wait / (wait + HALF_WAIT)

Success comes first: of two devices the better one is taken, until its queue is so much longer that the difference is
not worth it; the whole weight, which an endless queue costs, is a tenth of a success. Of equal nodes the shorter queue
wins, so that simulators, which all succeed with 1, are taken in turn. A floor (`minSuccessProbability`) is never traded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from omnixan.edge_network.api.quantumjob import MAX_REJECTED, Placement, Prediction, Rejection
from omnixan_operator.decide.esp import Load, Quality, success_probability
from omnixan_operator.reasons import Reason

POLICY = "success-probability"
WAIT_WEIGHT = 0.1
HALF_WAIT = 120.0
"""Seconds of wait that cost half of WAIT_WEIGHT. How both were chosen: docs/esp.md."""
SIMULATED_RUN_SECONDS = 0.05
"""What a run on a simulator is taken to last: they have no pace of their own."""


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
    backend: str = "simulator"
    """simulator, or emulator."""
    quality: Quality | None = None
    """Of a device or its emulator: its calibration; None where it has not (yet) reported a valid one."""
    wait_seconds: float | None = None
    """Time of the device for the unfinished runs; None: not known, taken from their number."""
    full: bool = False
    """Whether its queue has no free place."""

    @cached_property
    def exact(self) -> bool:
        """Whether it makes no errors."""
        return self.backend == "simulator"

    @cached_property
    def closed(self) -> bool:
        """Whether nothing can be sent there now, whatever it needs."""
        return self.full or self.draining or not self.ready

    @cached_property
    def wait(self) -> float:
        """Seconds before a new run begins."""
        return self.backlog * SIMULATED_RUN_SECONDS if self.wait_seconds is None else self.wait_seconds


@dataclass(frozen=True)
class Need:
    """What a job needs."""

    qubits: int
    tiers: tuple[str, ...] = ()
    """Empty: all."""
    load: Load | None = None
    """What its program asks of a device; None for an algorithm, whose loop runs on simulators only."""
    min_success: float | None = None
    """Floor of the success probability; None: none."""
    simulator_allowed: bool = True
    """Whether a simulator may run it."""


FULL = "queue"
"""The constraint that every node with a full queue does not meet."""
Unmet = tuple[str, str, str]
"""A constraint that a node does not meet: its name, what the node offers, what is needed."""


@dataclass(frozen=True)
class Choice:
    """The outcome: `node` is None if no node fits, then `reason` and `message` say why."""

    node: str | None
    placement: Placement
    reason: Reason
    message: str


def place(need: Need, offers: Iterable[Offer]) -> Choice:
    """The fitting node of the best score; of equals the one with fewer unfinished runs, then the first by name."""
    nodes = sorted(offers, key=attrgetter("node"))
    unfit: list[Offer] = []
    best: tuple[tuple[float, int, str], Offer, float] | None = None
    for offer in nodes:
        if offer.closed:  # in a busy cluster most are: why exactly is asked only for those that the status names
            unfit.append(offer)
            continue
        predicted = success(need, offer)
        if _unmet(need, offer, predicted) is not None:
            unfit.append(offer)
            continue
        rank = (-score(predicted, offer.wait), offer.backlog, offer.node)
        if best is None or rank < best[0]:
            best = rank, offer, predicted
    return _none(need, unfit) if best is None else _chosen(need, best[1], best[2], len(nodes), unfit)


def has_place(need: Need, offers: Iterable[Offer]) -> bool:
    """Whether `place` would find a node."""
    return any(_unmet(need, offer, success(need, offer)) is None for offer in offers)


def may_queue(need: Need, offers: Iterable[Offer]) -> bool:
    """Whether a node fits, or would if its queue had a free place."""
    unmet = (_unmet(need, offer, success(need, offer)) for offer in offers)
    return any(constraint is None or constraint[0] == FULL for constraint in unmet)


def score(success: float, wait: float) -> float:
    """What a node is worth: see above. `wait` in seconds."""
    return success - WAIT_WEIGHT * wait / (wait + HALF_WAIT)


def success(need: Need, offer: Offer) -> float:
    """The predicted success probability of one shot there; not a number where nothing can be predicted."""
    if offer.exact:
        return 1.0
    if need.load is None or offer.quality is None:
        return math.nan
    return success_probability(need.load, offer.quality)


def _unmet(need: Need, offer: Offer, predicted: float) -> Unmet | None:
    """The first constraint that the node does not meet, or None if it fits."""
    if need.tiers and offer.tier not in need.tiers:
        return "tier", offer.tier, " or ".join(need.tiers)
    if not offer.ready:
        return "ready", offer.state[:256] or "not ready", "ready"
    if offer.draining:
        return "draining", "draining", "not draining"
    if offer.exact and not need.simulator_allowed:
        return "simulatorAllowed", offer.backend, "a device or its emulator"
    if not offer.exact and need.load is None:
        return "algorithm", offer.backend, "a simulator"
    if offer.qubits < need.qubits:
        return "qubits", str(offer.qubits), str(need.qubits)
    if not offer.exact and offer.quality is None:
        return "calibration", "none reported", "reported"
    if need.min_success is not None and not predicted >= need.min_success:
        return "minSuccessProbability", decimal(predicted), decimal(need.min_success)
    if offer.full:
        return FULL, f"{offer.backlog} unfinished runs", "a free place"
    return None


def decimal(number: float) -> str:
    """A number with at most four significant digits, as a decimal string; under a millionth it is 0."""
    return "0" if abs(number) < 1e-6 else f"{number:.4g}"


def _chosen(need: Need, offer: Offer, predicted: float, nodes: int, unfit: list[Offer]) -> Choice:
    prediction = Prediction(success_probability=decimal(predicted), wait_seconds=decimal(offer.wait))
    runs = {0: "no unfinished run", 1: "1 unfinished run"}.get(offer.backlog, f"{offer.backlog} unfinished runs")
    message = (
        f"{offer.node}: success probability {prediction.success_probability}, {runs} ({prediction.wait_seconds} s), "
        f"the best of {nodes - len(unfit)} fitting nodes"
    )
    rejected = [(other, _why(need, other)) for other in unfit[:MAX_REJECTED]]
    return _choice(offer.node, prediction, Reason.PLACED, message, rejected, len(unfit))


def _none(need: Need, unfit: list[Offer]) -> Choice:
    if not unfit:
        return _choice(None, None, Reason.NO_NODES, "the EdgeCluster has no nodes yet", [], 0)
    rejected = [(offer, _why(need, offer)) for offer in unfit]
    constraints = Counter(constraint for _, (constraint, _, _) in rejected)
    reason = Reason.QUEUED if FULL in constraints else Reason.NO_NODE_FITS
    return _choice(None, None, reason, _none_fits(need, constraints), rejected[:MAX_REJECTED], len(unfit))


def _why(need: Need, offer: Offer) -> Unmet:
    """The constraint that an unfit node does not meet."""
    unmet = _unmet(need, offer, success(need, offer))
    assert unmet is not None
    return unmet


def _choice(
    node: str | None,
    prediction: Prediction | None,
    reason: Reason,
    message: str,
    rejected: list[tuple[Offer, Unmet]],
    rejected_count: int,
) -> Choice:
    placement = Placement(
        policy=POLICY,
        node=node,
        reason=message,
        predicted=prediction,
        rejected=[
            Rejection(node=offer.node, constraint=name, actual=actual, required=required)
            for offer, (name, actual, required) in rejected
        ]
        or None,
        rejected_count=rejected_count,
    )
    return Choice(node, placement, reason, message)


def _none_fits(need: Need, constraints: Counter[str]) -> str:
    floor = "" if need.min_success is None else decimal(need.min_success)
    words = {
        "tier": f"of another tier than {' or '.join(need.tiers)}",
        "ready": "not ready",
        "draining": "being drained",
        "simulatorAllowed": "simulators, which the job does not allow",
        "algorithm": "without a simulator, which an algorithm needs",
        "qubits": f"with fewer than {need.qubits} qubits",
        "calibration": "without a calibration",
        FULL: "with a full queue",
        "minSuccessProbability": f"with a predicted success probability under {floor}",
    }
    parts = [f"{constraints[constraint]} {text}" for constraint, text in words.items() if constraints[constraint]]
    return f"none of {constraints.total()} nodes fits: {', '.join(parts)}"
