"""The cache of compiled circuits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.memory_pooling.circuits import CircuitCache


def test_the_circuit_unused_for_longest_goes_first() -> None:
    circuits: CircuitCache[str] = CircuitCache(30)
    for name in "abc":
        circuits.put(name, "t", name.upper(), 10)
    assert circuits.get("a", "t") == "A"
    circuits.put("d", "t", "D", 10)
    assert [circuits.get(name, "t") for name in "abcd"] == ["A", None, "C", "D"]
    assert (circuits.hits, circuits.misses, circuits.nbytes) == (4, 1, 30)


def test_targets_are_apart() -> None:
    circuits: CircuitCache[str] = CircuitCache(30)
    circuits.put("a", "one", "A1", 10)
    circuits.put("a", "two", "A2", 10)
    assert [circuits.get("a", target) for target in ("one", "two", "three")] == ["A1", "A2", None]


def test_a_circuit_beyond_the_bound_is_not_kept_and_drives_out_nothing() -> None:
    circuits: CircuitCache[str] = CircuitCache(30)
    circuits.put("a", "t", "A", 10)
    circuits.put("b", "t", "B", 31)
    assert (circuits.get("a", "t"), circuits.get("b", "t")) == ("A", None)
    circuits.put("a", "t", "longer", 31)
    assert (circuits.get("a", "t"), circuits.nbytes) == (None, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 40)), max_size=40))
def test_the_costs_never_exceed_the_bound(puts: list[tuple[str, int]]) -> None:
    circuits: CircuitCache[int] = CircuitCache(50)
    for program, cost in puts:
        circuits.put(program, "t", cost, cost)
        kept = [c for d in "abcdef" if (c := circuits.get(d, "t")) is not None]
        assert sum(kept) == circuits.nbytes <= 50
        assert len(kept) == len(circuits)
        assert cost > 50 or circuits.get(program, "t") == cost
