"""Placement: which node, and why not the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator.decide.esp import Load, Part, Quality, success_probability
from omnixan_operator.decide.placement import WAIT_WEIGHT, Need, Offer, has_place, may_queue, place, score, success
from omnixan_operator.reasons import Reason


def offer(node: str = "n", **more: Any) -> Offer:
    fields = {"tier": "gateway", "qubits": 8, "ready": True, "draining": False, "backlog": 0} | more
    return Offer(node, **fields)


def test_the_shortest_queue_wins_then_the_name() -> None:
    choice = place(Need(2), [offer("c"), offer("b", backlog=1), offer("a", backlog=1)])
    assert choice.node == "c" and choice.placement.policy == "success-probability"
    choice = place(Need(2), [offer("b", backlog=1), offer("a", backlog=1), offer("c", backlog=2)])
    assert choice.node == "a"
    assert choice.message == "a: success probability 1, 1 unfinished run (0.05 s), the best of 3 fitting nodes"
    predicted = choice.placement.predicted
    assert predicted is not None and (predicted.success_probability, predicted.wait_seconds) == ("1", "0.05")


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


def quality(error: float = 0.01) -> Quality:
    part = Part(two_qubit_error=error, readout_error=0.02, t1=1e-4, t2=1e-4, distance=1.8)
    return Quality(
        id=f"device-{error}",
        parts=dict.fromkeys(range(2, 21), part),
        whole=part,
        single_qubit_error=3e-4,
        two_qubit_seconds=3e-7,
        readout_seconds=5e-6,
        shot_delay_seconds=2.5e-4,
    )


def device(node: str, error: float = 0.01, **more: Any) -> Offer:
    return offer(node, **({"backend": "emulator", "quality": quality(error), "wait_seconds": 0.0} | more))


LOAD = Load(width=4, measured=4, pulses=8, cnots=6, depth=5, line_swaps=0)
CIRCUIT = Need(4, load=LOAD)


def test_the_better_device_wins_until_its_queue_costs_more_than_it_is_worth() -> None:
    good, bad = device("good", 0.01, wait_seconds=1.0), device("bad", 0.02)
    assert place(CIRCUIT, [good, bad]).node == "good"
    much = device("good", 0.01, wait_seconds=240.0)
    assert place(CIRCUIT, [much, bad]).node == "bad"
    terrible = device("terrible", 0.3)
    endless = device("good", 0.01, wait_seconds=1e9)
    assert place(CIRCUIT, [endless, terrible]).node == "good", "no queue is worth a success"


def test_of_equal_devices_the_shorter_wait_wins() -> None:
    assert place(CIRCUIT, [device("a", wait_seconds=2.0, backlog=1), device("b", wait_seconds=1.0, backlog=9)]).node == "b"


def test_a_simulator_counts_as_certain_and_may_be_forbidden() -> None:
    offers = [device("device"), offer("sim")]
    assert place(CIRCUIT, offers).node == "sim"
    choice = place(replace(CIRCUIT, simulator_allowed=False), offers)
    assert choice.node == "device"
    (rejection,) = choice.placement.rejected or []
    assert (rejection.node, rejection.constraint, rejection.actual) == ("sim", "simulatorAllowed", "simulator")


def test_a_floor_is_kept_and_told_in_numbers() -> None:
    high = replace(CIRCUIT, min_success=0.99, simulator_allowed=False)
    choice = place(high, [device("a", 0.01), device("b", 0.05)])
    assert choice.node is None and choice.reason is Reason.NO_NODE_FITS
    assert choice.message == "none of 2 nodes fits: 2 with a predicted success probability under 0.99"
    rejections = choice.placement.rejected or []
    assert [(r.constraint, r.required) for r in rejections] == [("minSuccessProbability", "0.99")] * 2
    assert float(rejections[0].actual) > float(rejections[1].actual)
    assert choice.placement.predicted is None


def test_an_algorithm_waits_for_a_simulator_and_a_program_for_a_calibration() -> None:
    choice = place(Need(3), [device("device")])
    assert [(r.constraint, r.required) for r in choice.placement.rejected or []] == [("algorithm", "a simulator")]
    assert place(Need(3), [device("device"), offer("sim")]).node == "sim"
    choice = place(CIRCUIT, [device("device", quality=None)])
    assert [(r.constraint, r.actual) for r in choice.placement.rejected or []] == [("calibration", "none reported")]


OFFERS = st.lists(
    st.builds(
        Offer,
        node=st.sampled_from([f"n{i}" for i in range(30)]),
        tier=st.sampled_from(["gateway", "compute"]),
        qubits=st.integers(0, 24),
        ready=st.booleans(),
        draining=st.booleans(),
        backlog=st.integers(0, 5),
        backend=st.sampled_from(["simulator", "emulator"]),
        quality=st.one_of(st.none(), st.builds(quality, st.floats(0, 1))),
        wait_seconds=st.one_of(st.none(), st.floats(0, 1e6)),
        full=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda o: o.node,
)
NEEDS = st.builds(
    Need,
    st.integers(1, 24),
    st.sampled_from([(), ("gateway",), ("compute",)]),
    load=st.one_of(st.none(), st.just(LOAD)),
    min_success=st.one_of(st.none(), st.floats(0, 1)),
    simulator_allowed=st.booleans(),
)


def fits(need: Need, o: Offer) -> bool:
    if not o.ready or o.draining or o.full or o.qubits < need.qubits or (need.tiers and o.tier not in need.tiers):
        return False
    if o.backend == "simulator":
        return need.simulator_allowed
    if need.load is None or o.quality is None:
        return False
    return need.min_success is None or success_probability(need.load, o.quality) >= need.min_success


@given(OFFERS, NEEDS, st.randoms())
def test_every_node_fits_or_is_counted(offers: list[Offer], need: Need, random: Any) -> None:
    choice = place(need, offers)
    fitting = [o for o in offers if fits(need, o)]
    assert choice.placement.rejected_count == len(offers) - len(fitting)
    assert (choice.node is None) == (not fitting)
    if fitting:
        best = next(o for o in fitting if o.node == choice.node)
        assert all(score(success(need, best), best.wait) >= score(success(need, o), o.wait) for o in fitting)
        predicted = choice.placement.predicted
        assert predicted is not None
        assert float(predicted.success_probability) == pytest.approx(success(need, best), rel=1e-3, abs=1e-6)
    else:
        assert choice.placement.predicted is None
    random.shuffle(offers)
    assert place(need, offers) == choice


@given(OFFERS, NEEDS)
def test_the_short_looks_see_what_placement_would(offers: list[Offer], need: Need) -> None:
    choice = place(need, offers)
    assert has_place(need, offers) == (choice.node is not None)
    assert may_queue(need, offers) == (choice.node is not None or choice.reason is Reason.QUEUED)


@given(OFFERS, NEEDS, st.floats(0, 1))
def test_a_floor_is_never_violated(offers: list[Offer], need: Need, floor: float) -> None:
    choice = place(replace(need, min_success=floor), offers)
    if choice.node is not None:
        taken = next(o for o in offers if o.node == choice.node)
        assert success(need, taken) >= floor


@given(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_waiting_never_helps_and_costs_less_than_its_weight(success: float, less: float, more: float) -> None:
    less, more = sorted((less, more))
    assert score(success, less) >= score(success, more) >= success - WAIT_WEIGHT
