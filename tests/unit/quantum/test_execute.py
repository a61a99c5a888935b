import json

import pytest

from omnixan.edge_network.api.quantumrun import RunResult
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.circuit import Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute, summarize


def spec(shots=1024, seed=7):
    return {"primitive": {"sampler": {"shots": shots}}, "execution": {"seed": seed}}


def test_a_sampler_job_gives_summary_counts_and_usage(ghz):
    moments = []
    result = execute(spec(), ghz(3), backend=SimulatorBackend(8), on_first_shot=lambda: moments.append(1))
    counts = result["counts"]
    assert set(counts) == {"000", "111"}
    assert sum(counts.values()) == 1024
    summary = result["summary"]
    assert (summary["shots"], summary["distinctOutcomes"]) == (1024, 2)
    assert summary["top"][0]["count"] == max(counts.values())
    assert result["usage"]["shots"] == 1024
    assert result["usage"]["cpuSeconds"] > 0
    assert moments == [1]
    RunResult.model_validate({"summary": summary, "counts": counts})


def test_equal_jobs_have_equal_results_and_shots_default_to_1024(ghz):
    backend = SimulatorBackend(8)
    first, second = (execute(spec(), ghz(4), backend=backend) for _ in range(2))
    assert (first["summary"], first["counts"]) == (second["summary"], second["counts"])
    assert execute(spec(seed=8), ghz(4), backend=backend)["counts"] != first["counts"]
    assert execute({"execution": {"seed": 7}}, ghz(4), backend=backend)["counts"] == first["counts"]


def test_the_top_outcomes_are_ranked_by_count_then_bit_string():
    counts = {f"{index:04b}": 10 + index // 2 for index in range(12)}
    summary = summarize(counts, sum(counts.values()))
    assert summary["distinctOutcomes"] == 12
    assert [item["bitstring"] for item in summary["top"]] == [f"{i:04b}" for i in (10, 11, 8, 9, 6, 7, 4, 5)]
    assert summary["top"][0]["probability"] == float(f"{15 / sum(counts.values()):.6g}")


def test_too_wide_a_job_is_refused(ghz):
    with pytest.raises(ProgramError) as error:
        execute(spec(), ghz(9), backend=SimulatorBackend(8))
    assert (error.value.category, error.value.reason) == ("CAPABILITY_MISMATCH", "TooManyQubits")
    with pytest.raises(ProgramError) as error:
        problem = {"maxcut": {"edges": [[0, 8]]}}
        execute({**spec(), "algorithm": {"qaoa": {"problem": problem}}}, None, backend=SimulatorBackend(8))
    assert error.value.reason == "TooManyQubits"


def test_too_large_a_result_is_refused_with_what_to_do():
    n = 16
    gates = tuple(Instruction("h", (q,)) for q in range(n))
    circuit = Circuit(n, n, gates, tuple(Measurement(q, q) for q in range(n)))
    backend = SimulatorBackend(n)
    with pytest.raises(ProgramError) as error:
        execute(spec(shots=1_000_000), circuit, backend=backend)
    assert (error.value.category, error.value.reason) == ("RESULT_TOO_LARGE", "ResultTooLarge")
    fitting = int(str(error.value).split("at most ")[-1].split(" shots")[0])
    result = execute(spec(shots=fitting), circuit, backend=backend)
    assert len(json.dumps(result, separators=(",", ":"))) <= 512 * 1024


@pytest.mark.parametrize("qubits", [0, 25])
def test_a_simulator_has_bounds(qubits):
    with pytest.raises(ValueError, match="1 to 24"):
        SimulatorBackend(qubits)


def test_nothing_can_be_sampled_of_a_program_that_measures_nothing():
    with pytest.raises(ProgramError) as error:
        execute(spec(), Circuit(1, 0, (Instruction("h", (0,)),), ()), backend=SimulatorBackend(8))
    assert (error.value.category, error.value.reason) == ("INVALID_PROGRAM", "NothingMeasured")
