"""What the API server may reorder is no difference; everything else is."""

from __future__ import annotations

from omnixan.edge_network.api.quantumjob import Placement, QuantumJobStatus, Rejection
from omnixan_operator.status.same import same


def status(*nodes: str, actual: str = "1", reason: str = "none fits") -> QuantumJobStatus:
    rejected = [Rejection(node=node, constraint="qubits", actual=actual, required="2") for node in nodes]
    return QuantumJobStatus(placement=Placement(policy="p", reason=reason, rejected=rejected, rejected_count=len(nodes)))


def test_another_order_is_the_same() -> None:
    assert same(status("a", "b", "c"), status("c", "a", "b"))


def test_another_entry_number_or_word_is_not() -> None:
    assert not same(status("a", "b"), status("a", "c"))
    assert not same(status("a", "b"), status("a"))
    assert not same(status("a"), status("a", actual="0"))
    assert not same(status("a"), status("a", reason="other"))
    assert not same(status("a"), QuantumJobStatus())
