"""`EdgeQuantumProcessor` as a user of the Python API meets it."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from omnixan.edge_network import EdgeQuantumProcessor
from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.execute import execute

ROOT = Path(__file__).parents[4]
ITEMS = {"values": [6, 5, 4], "weights": [3, 2, 2], "capacity": 4}
EXAMPLES = ["knapsack.yaml", *(f"knapsack/p0{k}.yaml" for k in range(1, 7))]


def test_the_built_in_knapsack_runs_and_reads_well():
    result = EdgeQuantumProcessor(node_id="edge_07").execute_qaoa(problem="knapsack", layers=3, seed=1)
    assert result.optimum == 309
    assert result.probability_ratio > 3
    text = repr(result)
    assert "edge_07" in text and "309" in text and "seed 1" in text and "random guess" in text
    with pytest.raises(FrozenInstanceError):
        result.seed = 2


def test_local_search_is_reported_apart_and_can_be_left_out():
    with_it = EdgeQuantumProcessor().execute_qaoa(ITEMS, layers=1, shots=4, seed=3)
    without = EdgeQuantumProcessor().execute_qaoa(ITEMS, layers=1, shots=4, seed=3, local_optimization=False)
    assert with_it.local_search.value >= with_it.best.value
    assert without.local_search is None
    assert (with_it.summary, with_it.counts) == (without.summary, without.counts)


def test_short_and_full_form_are_the_same_problem_and_equal_a_jobs_result():
    short = EdgeQuantumProcessor().execute_qaoa(ITEMS, layers=2, seed=4)
    full = EdgeQuantumProcessor().execute_qaoa({"knapsack": ITEMS}, layers=2, seed=4)
    spec = {"algorithm": {"qaoa": {"problem": {"knapsack": ITEMS}, "layers": 2}}, "execution": {"seed": 4}}
    job = execute(spec, None, backend=SimulatorBackend(3))
    assert short.summary == full.summary == job["summary"]
    assert short.counts == job["counts"]


def test_a_drawn_seed_is_named_and_repeats_the_result():
    first = EdgeQuantumProcessor().execute_qaoa(ITEMS, layers=1)
    assert EdgeQuantumProcessor().execute_qaoa(ITEMS, layers=1, seed=first.seed) == first


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"problem": "tsp"}, "problem: 'tsp'"),
        ({"problem": 3}, "problem: 3"),
        ({"problem": {}}, "problem: {}"),
        ({"problem": {"values": [1], "weights": [1]}}, "problem.knapsack.capacity"),
        ({"problem": ITEMS | {"capacity": 0}}, "problem.knapsack.capacity: 0"),
        ({"problem": ITEMS | {"weights": [1]}}, "problem.knapsack"),
        ({"problem": ITEMS | {"values": [1, -2, 3]}}, "problem.knapsack.values.1: -2"),
        ({"layers": 0}, "layers: 0"),
        ({"layers": 11}, "layers: 11"),
        ({"shots": 0}, "shots: 0"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": True}, "seed: True"),
        ({"optimizer": "SPSA"}, "optimizer: 'SPSA'"),
    ],
)
def test_wrong_input_is_refused_by_field_value_and_what_is_allowed(arguments, named):
    with pytest.raises(ValueError) as refusal:
        EdgeQuantumProcessor().execute_qaoa(**({"problem": ITEMS} | arguments))
    assert str(refusal.value).startswith(named)
    assert len(str(refusal.value)) > len(named) + 10


def test_the_api_alone_loads_neither_numpy_nor_scipy_nor_qiskit():
    code = (
        "import sys, omnixan.edge_network, omnixan.edge_network.api.quantumjob\n"
        "print(sorted({'numpy', 'scipy', 'qiskit'} & set(sys.modules)))"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "node_agent")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import omnixan.edge_network

    with pytest.raises(AttributeError, match="Nothing"):
        _ = omnixan.edge_network.Nothing


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_knapsack_finds_its_optimum_and_beats_luck(name):
    manifest = yaml.safe_load((ROOT / "examples" / name).read_text())
    QuantumJob.model_validate({"metadata": manifest["metadata"], "spec": manifest["spec"]})
    summary = execute(manifest["spec"], None, backend=SimulatorBackend(10))["summary"]
    assert summary["solution"]["value"] == summary["problem"]["optimum"]
    assert summary["probabilityRatio"] > 3


@pytest.mark.parametrize("name", ["wagner", "octahedron", "frucht"])
def test_an_example_cut_is_the_greatest(name):
    manifest = yaml.safe_load((ROOT / "examples" / "maxcut" / f"{name}.yaml").read_text())
    QuantumJob.model_validate({"metadata": manifest["metadata"], "spec": manifest["spec"]})
    summary = execute(manifest["spec"], None, backend=SimulatorBackend(12))["summary"]
    assert summary["solution"]["value"] == summary["problem"]["optimum"]
    assert summary["probabilityRatio"] > 1  # of one greatest cut; the others and mirror images have their own share
