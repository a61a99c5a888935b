from hypothesis import given
from hypothesis import strategies as st

from omnixan.edge_network.agent.backoff import Backoff


def test_it_doubles_up_to_its_bound_and_starts_again():
    backoff = Backoff(0.5, 3.0, uniform=lambda low, high: high)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next() == 0.5


@given(st.floats(0.01, 10), st.floats(1, 100), st.integers(1, 30))
def test_every_wait_lies_in_the_upper_half_of_its_bound(first: float, factor: float, number: int):
    backoff = Backoff(first, first * factor)
    waits = [backoff.next() for _ in range(number)]
    bounds = [min(first * 2**n, first * factor) for n in range(number)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
