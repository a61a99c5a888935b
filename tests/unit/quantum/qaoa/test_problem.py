"""Problems, their landscapes and their phases, against the definitions written out one bit string at a time."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnixan.edge_network.quantum.qaoa.encoding import phases, standardized
from omnixan.edge_network.quantum.qaoa.local_search import improve
from omnixan.edge_network.quantum.qaoa.objective import TailMean
from omnixan.edge_network.quantum.qaoa.problem import from_spec, landscape
from omnixan.edge_network.quantum.qaoa.recipe import PENALTIES

PROBLEMS = json.loads((Path(__file__).parents[4] / "examples" / "problems.json").read_text())

knapsacks = st.integers(1, 7).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "values": st.lists(st.integers(0, 50), min_size=n, max_size=n),
            "weights": st.lists(st.integers(0, 50), min_size=n, max_size=n),
            "capacity": st.integers(1, 120),
        }
    )
)


def scene_of(spec):
    return landscape(from_spec(spec))


@settings(max_examples=50, deadline=None)
@given(knapsacks)
def test_a_knapsacks_landscape_is_its_definition(spec):
    scene = scene_of({"knapsack": spec})
    for index in range(1 << scene.variables):
        items = [k for k, bit in enumerate(reversed(scene.bitstring(index))) if bit == "1"]
        weight = sum(spec["weights"][k] for k in items)
        assert scene.selected(index) == items
        assert scene.value[index] == sum(spec["values"][k] for k in items)
        assert scene.feasible[index] == (weight <= spec["capacity"])
        assert scene.excess[index] == max(0, weight - spec["capacity"])


def test_a_cut_counts_the_weights_between_the_sides():
    scene = scene_of({"maxcut": {"edges": [[0, 1], [1, 2], [0, 2]], "weights": ["1.5", "2", "-1"]}})
    cut = {scene.bitstring(index): value for index, value in enumerate(scene.value)}
    assert cut == {"000": 0, "001": 0.5, "010": 3.5, "011": 1, "100": 1, "101": 3.5, "110": 0.5, "111": 0}
    assert scene.optimum() == 3.5


@pytest.mark.parametrize(("sense", "optimum", "ratio_of_zero"), [("minimize", -2.0, 3 / 5), ("maximize", 3.0, 2 / 5)])
def test_a_qubo_is_its_sum_of_terms(sense, optimum, ratio_of_zero):
    terms = [(0, 0, "3"), (1, 1, "-2"), (0, 1, "-1.5")]
    qubo = {"size": 2, "sense": sense, "terms": [{"row": r, "column": c, "value": v} for r, c, v in terms]}
    scene = scene_of({"qubo": qubo})
    assert scene.value.tolist() == [0, 3, -2, -0.5]
    assert scene.optimum() == optimum
    assert scene.approximation_ratio(0) == pytest.approx(ratio_of_zero)
    assert scene.value[scene.best_of(range(4))] == optimum


@pytest.mark.parametrize("name", PROBLEMS["knapsack"])
def test_the_optimum_of_a_public_knapsack_is_found(name):
    data = PROBLEMS["knapsack"][name]
    assert scene_of({"knapsack": data}).optimum() == data["optimum"]


@pytest.mark.parametrize("name", PROBLEMS["maxcut"])
def test_the_greatest_cut_of_a_public_graph_is_found(name):
    data = PROBLEMS["maxcut"][name]
    scene = scene_of({"maxcut": data})
    assert (scene.variables, scene.optimum()) == (data["nodes"], data["maxcut"])


@pytest.mark.parametrize("spec", [{}, {"qubo": {"size": 21, "terms": []}}, {"tsp": {}}])
def test_an_unknown_or_too_wide_problem_is_refused(spec):
    with pytest.raises(ValueError, match="problem"):
        from_spec(spec)


@settings(max_examples=30, deadline=None)
@given(knapsacks)
def test_a_knapsacks_phases_are_quadratic(spec):
    """Two-qubit gates suffice: the Walsh transform of each diagonal vanishes above weight two."""
    problem = from_spec({"knapsack": spec})
    size, n = 1 << problem.variables, problem.variables
    signs = np.array([[(-1) ** (i & j).bit_count() for i in range(size)] for j in range(size)])
    for diagonal in phases(problem, landscape(problem), PENALTIES):
        coefficients = signs @ diagonal / size
        high = [abs(coefficients[j]) for j in range(size) if j.bit_count() > 2]
        assert max(high, default=0) < 1e-9, n
        assert abs(diagonal.mean()) < 1e-9
        assert diagonal.std() == pytest.approx(1) or not diagonal.any()


def test_the_unbalanced_phase_is_its_formula():
    problem = from_spec({"knapsack": {"values": [3, 4], "weights": [2, 5], "capacity": 5}})
    (diagonal,) = phases(problem, landscape(problem), ((0.5, 2.0),))
    free = [1.0, 0.6, 0.0, -0.4]
    raw = [-v / 4 - 0.5 * h + 2 * h * h for v, h in zip([0, 3, 4, 7], free, strict=True)]
    assert diagonal == pytest.approx((np.array(raw) - np.mean(raw)) / np.std(raw))


def test_a_low_phase_is_a_good_cut_or_quadratic_value():
    for spec in (
        {"maxcut": {"edges": [[0, 1], [1, 2]]}},
        {"qubo": {"size": 1, "terms": [{"row": 0, "column": 0, "value": "-1"}]}},
    ):
        problem = from_spec(spec)
        scene = landscape(problem)
        (diagonal,) = phases(problem, scene, PENALTIES)
        assert scene.value[int(diagonal.argmin())] == scene.optimum()


def test_a_constant_diagonal_becomes_zero():
    assert not standardized(np.full(8, 0.1 + 0.2)).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_the_tail_mean_is_the_mean_of_the_best_samples(seed, alpha):
    """Of n equally likely samples, the tail of alpha = k / n is the mean of the best k."""
    random = np.random.default_rng(seed)
    benefit, samples = random.standard_normal(16), random.integers(0, 16, 40)
    best = max(1, round(alpha * 40))
    shares = np.bincount(samples, minlength=16) / 40
    expected = np.sort(benefit[samples])[::-1][:best].mean()
    assert TailMean(benefit, best / 40).value(shares) == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.0, 1.5, -0.1])
def test_a_share_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        TailMean(np.zeros(2), alpha)


@settings(max_examples=50, deadline=None)
@given(knapsacks, st.integers(0, 2**7 - 1))
def test_local_search_never_worsens_and_ends_in_a_local_optimum(spec, start):
    scene = scene_of({"knapsack": spec})
    start %= 1 << scene.variables
    end = improve(scene, start)
    assert end == start or scene.better(end, start)
    assert scene.feasible[end]  # dropping items always helps an infeasible one
    assert not any(scene.better(end ^ (1 << k), end) for k in range(scene.variables))
    assert improve(scene, end) == end
