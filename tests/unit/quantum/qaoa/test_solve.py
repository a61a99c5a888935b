"""A QAOA job from end to end: what it reports, that it repeats, resumes, and beats luck."""

import json
from pathlib import Path

import numpy as np
import pytest

from omnixan.edge_network.api.result import Progress, Summary
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.qaoa import Evaluation, solve
from omnixan.edge_network.quantum.qaoa.problem import from_spec, landscape
from omnixan.edge_network.quantum.qaoa.recipe import EXACT

PROBLEMS = json.loads((Path(__file__).parents[4] / "examples" / "problems.json").read_text())
SMALL = {"knapsack": PROBLEMS["knapsack"]["P02"]}
QUBO = {
    "qubo": {
        "size": 3,
        "terms": [
            {"row": 0, "column": 0, "value": "-2"},
            {"row": 1, "column": 2, "value": "1.25"},
            {"row": 2, "column": 2, "value": "-0.5"},
        ],
    }
}


class Interrupted(Exception):
    pass


def interrupt_after(evaluations):
    def on_progress(progress):
        if progress["iteration"] == evaluations:
            raise Interrupted

    return on_progress


@pytest.mark.parametrize("name", ["P02", "P04"])
def test_the_optimum_is_at_least_three_times_likelier_than_by_luck(name):
    """Worst of four seeds; the whole table is a benchmark. The optimum is known to this test only."""
    data = PROBLEMS["knapsack"][name]
    for seed in range(4):
        summary = solve({"knapsack": data}, layers=3, shots=1024, seed=seed)["summary"]
        assert summary["solution"]["value"] == data["optimum"]
        assert summary["probabilityRatio"] >= 3


@pytest.mark.parametrize("name", ["P02", "P04"])
def test_training_on_shots_alone_beats_luck(name):
    """Worst of four seeds, by the exact probability of the final state."""
    data = PROBLEMS["knapsack"][name]
    for seed in range(4):
        summary = solve({"knapsack": data}, 3, 1024, seed, {"name": "COBYLA"})["summary"]
        assert summary["probabilityRatio"] >= 1.5
        assert summary["training"]["optimizer"] == "COBYLA"
        assert summary["training"]["shots"] == 1024 * summary["training"]["evaluations"]


@pytest.mark.parametrize("optimizer", ["auto", "COBYLA"])
@pytest.mark.parametrize("problem", [SMALL, QUBO, {"maxcut": {"edges": [[0, 1], [1, 2], [2, 0]]}}])
def test_the_summary_is_what_the_api_takes_and_adds_up(problem, optimizer):
    progress, first_shots = [], []
    result = solve(
        problem,
        2,
        200,
        5,
        {"name": optimizer, "maxIterations": 8},
        on_progress=progress.append,
        on_first_shot=lambda: first_shots.append(len(progress)),
    )
    summary = Summary.model_validate(result["summary"])
    scene = landscape(from_spec(problem))
    assert sum(result["counts"].values()) == summary.shots == 200
    assert summary.distinct_outcomes == len(result["counts"])
    assert list(result["counts"]) == sorted(result["counts"])
    assert result["summary"]["top"] == sorted(
        result["summary"]["top"], key=lambda outcome: (-outcome["count"], outcome["bitstring"])
    )
    solution, index = summary.solution, int(summary.solution.bitstring, 2)
    assert solution.bitstring in result["counts"]
    assert not any(scene.better(int(bits, 2), index) for bits in result["counts"])
    assert solution.selected == [k for k, bit in enumerate(reversed(solution.bitstring)) if bit == "1"]
    assert summary.probability_ratio == pytest.approx(solution.probability * 2**scene.variables, rel=1e-5)
    assert summary.uniform.probability == pytest.approx(2.0**-scene.variables)
    assert summary.problem.optimum == scene.optimum()
    assert [p["iteration"] for p in progress] == list(range(1, summary.training.evaluations + 1))
    assert all(Progress.model_validate(p).iteration <= p["of"] for p in progress)
    bests = [p["best"] for p in progress]
    assert bests == sorted(bests, reverse=not scene.maximize)
    assert first_shots == [0 if optimizer == "COBYLA" else len(progress)]


@pytest.mark.parametrize("optimizer", ["auto", "COBYLA"])
def test_equal_input_gives_an_equal_result_and_another_seed_another(optimizer):
    def run(seed):
        return solve(SMALL, 2, 128, seed, {"name": optimizer, "maxIterations": 12})

    assert json.dumps(run(1)) == json.dumps(run(1))
    assert run(1)["counts"] != run(2)["counts"]


@pytest.mark.parametrize("optimizer", ["L-BFGS-B", "COBYLA"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(optimizer, share):
    settings = {"name": optimizer, "maxIterations": 12}
    whole: list[Evaluation] = []
    expected = solve(SMALL, 2, 128, 3, settings, log=whole)
    log: list[Evaluation] = []
    stop = max(1, int(share * len(whole)))
    with pytest.raises(Interrupted):
        solve(SMALL, 2, 128, 3, settings, on_progress=interrupt_after(stop), log=log)
    assert log == whole[:stop]
    assert solve(SMALL, 2, 128, 3, settings, log=log) == expected
    assert log == whole


def test_a_replay_computes_nothing(monkeypatch):
    log: list[Evaluation] = []
    settings = {"name": "COBYLA", "maxIterations": 6}
    expected = solve(SMALL, 1, 64, 3, settings, log=log)
    drawn = []
    from omnixan.edge_network.quantum import sampler

    real = sampler.sample
    monkeypatch.setattr(sampler, "sample", lambda *args: drawn.append(args) or real(*args))
    assert solve(SMALL, 1, 64, 3, settings, log=log) == expected
    assert len(drawn) == 1  # the final sample


def test_the_log_of_another_run_is_refused():
    log: list[Evaluation] = []
    solve(SMALL, 1, 64, 3, {"maxIterations": 2}, log=log)
    with pytest.raises(ValueError, match="log: evaluation 0"):
        solve(SMALL, 1, 64, 4, {"maxIterations": 2}, log=log)


@pytest.mark.parametrize("budget", [1, 3])
def test_the_evaluations_of_a_start_are_bounded(budget):
    summary = solve(SMALL, 3, 64, 0, {"maxIterations": budget})["summary"]
    assert summary["training"]["evaluations"] <= EXACT.refined * budget


def test_gradients_are_refused_where_states_are_not_exact():
    with pytest.raises(ProgramError, match="L-BFGS-B needs exact gradients"):
        solve(SMALL, 1, 64, 0, {"name": "L-BFGS-B"}, exact=False)


def test_without_exact_states_the_probability_is_the_measured_share():
    result = solve(SMALL, 1, 64, 0, {"maxIterations": 3}, exact=False)
    solution = result["summary"]["solution"]
    assert solution["probability"] == result["counts"][solution["bitstring"]] / 64
    assert result["summary"]["training"]["optimizer"] == "COBYLA"


@pytest.mark.parametrize("optimizer", [{"name": "SPSA"}, {"maxIterations": 0}])
def test_a_wrong_optimizer_is_refused_by_name(optimizer):
    with pytest.raises(ValueError, match=f"optimizer.{next(iter(optimizer))}"):
        solve(SMALL, 1, 64, 0, optimizer)


def test_a_problem_without_anything_to_win_is_solved():
    result = solve({"knapsack": {"values": [0], "weights": [5], "capacity": 1}}, 1, 32, 0, {"maxIterations": 3})
    assert result["summary"]["solution"]["bitstring"] == "0"
    assert result["summary"]["solution"]["approximationRatio"] == 1


def test_a_sample_without_a_feasible_outcome_says_so():
    """Of twenty items of which none fits, one shot of random strings is feasible once in a million."""
    result = solve({"knapsack": {"values": [1] * 12, "weights": [2] * 12, "capacity": 1}}, 1, 1, 1, {"maxIterations": 1})
    summary = Summary.model_validate(result["summary"])
    assert not summary.uniform.feasible
    assert summary.uniform.approximation_ratio == 0
    assert summary.uniform.bitstring.count("1") == len(summary.uniform.selected) > 0


def test_probabilities_of_all_outcomes_sum_to_one_over_the_top():
    result = solve(QUBO, 1, 500, 0, {"maxIterations": 3})["summary"]
    assert np.isclose(sum(outcome["probability"] for outcome in result["top"]), 1)
