"""Placement: which node, and why not the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator.decide.placement import Need, Offer, place
from omnixan_operator.reasons import Reason


def offer(node: str = "n", **more: Any) -> Offer:
    fields = {"tier": "gateway", "qubits": 8, "ready": True, "draining": False, "backlog": 0} | more
    return Offer(node, **fields)


def test_the_shortest_queue_wins_then_the_name() -> None:
    choice = place(Need(2), [offer("c"), offer("b", backlog=1), offer("a", backlog=1)])
    assert choice.node == "c" and choice.placement.policy == "queue-length"
    choice = place(Need(2), [offer("b", backlog=1), offer("a", backlog=1), offer("c", backlog=2)])
    assert choice.node == "a"
    assert choice.placement.reason == "a: 1 unfinished runs, the fewest of 3 fitting nodes (of equals the first by name)"


@pytest.mark.parametrize(
    ("bad", "constraint", "actual", "required"),
    [
        ({"qubits": 7}, "qubits", "7", "8"),
        ({"tier": "gateway"}, "tier", "gateway", "compute"),
        ({"ready": False, "state": "no Lease"}, "ready", "no Lease", "ready"),
        ({"draining": True}, "draining", "draining", "not draining"),
    ],
)
def test_a_rejection_names_the_constraint(bad: dict[str, Any], constraint: str, actual: str, required: str) -> None:
    choice = place(Need(8, ("compute",)), [offer("bad", **({"tier": "compute"} | bad)), offer("good", tier="compute")])
    assert choice.node == "good"
    (rejection,) = choice.placement.rejected or []
    assert (rejection.node, rejection.constraint, rejection.actual, rejection.required) == (
        "bad",
        constraint,
        actual,
        required,
    )


def test_no_node_fits_is_told_in_numbers() -> None:
    offers = [offer(f"n{i:02}", qubits=8) for i in range(20)] + [offer("x", ready=False)]
    choice = place(Need(12), offers)
    assert choice.node is None and choice.reason is Reason.NO_NODE_FITS
    assert choice.message == "none of 21 nodes fits: 1 not ready, 20 with fewer than 12 qubits"
    assert choice.placement.rejected_count == 21
    assert [r.node for r in choice.placement.rejected or []] == [f"n{i:02}" for i in range(16)]


def test_no_nodes_is_another_reason() -> None:
    assert place(Need(1), []).reason is Reason.NO_NODES


OFFERS = st.lists(
    st.builds(
        Offer,
        node=st.sampled_from([f"n{i}" for i in range(30)]),
        tier=st.sampled_from(["gateway", "compute"]),
        qubits=st.integers(0, 24),
        ready=st.booleans(),
        draining=st.booleans(),
        backlog=st.integers(0, 5),
    ),
    max_size=30,
    unique_by=lambda o: o.node,
)


@given(OFFERS, st.integers(1, 24), st.sampled_from([(), ("gateway",), ("compute",)]), st.randoms())
def test_every_node_fits_or_is_counted(offers: list[Offer], qubits: int, tiers: tuple[str, ...], random: Any) -> None:
    choice = place(Need(qubits, tiers), offers)
    fits = [o for o in offers if o.ready and not o.draining and o.qubits >= qubits and (not tiers or o.tier in tiers)]
    assert choice.placement.rejected_count == len(offers) - len(fits)
    assert (choice.node is None) == (not fits)
    if fits:
        best = next(o for o in fits if o.node == choice.node)
        assert all((best.backlog, best.node) <= (o.backlog, o.node) for o in fits)
    random.shuffle(offers)
    assert place(Need(qubits, tiers), offers) == choice
