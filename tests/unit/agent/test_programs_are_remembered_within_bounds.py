import hashlib

from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.agent.programs import Programs, digest_of


def test_the_digest_is_that_of_the_utf8_bytes():
    assert digest_of("qubit ψ;") == hashlib.sha256("qubit ψ;".encode()).hexdigest()


def test_the_program_unused_for_longest_goes_first():
    programs: Programs[str] = Programs(30)
    programs.put("a", "A", 10)
    programs.put("b", "B", 10)
    programs.put("c", "C", 10)
    assert programs.get("a") == "A"
    programs.put("d", "D", 10)
    assert [programs.get(d) for d in "abcd"] == ["A", None, "C", "D"]


def test_a_program_beyond_the_bound_is_not_kept_and_drives_out_nothing():
    programs: Programs[str] = Programs(30)
    programs.put("a", "A", 10)
    programs.put("b", "B", 31)
    assert (programs.get("a"), programs.get("b")) == ("A", None)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 40)), max_size=40))
def test_the_costs_never_exceed_the_bound(puts: list[tuple[str, int]]):
    programs: Programs[int] = Programs(50)
    for digest, cost in puts:
        programs.put(digest, cost, cost)
        kept = [c for d in "abcdef" if (c := programs.get(d)) is not None]
        assert sum(kept) <= 50 and len(kept) == len(programs)
        assert cost > 50 or programs.get(digest) == cost
