"""The estimator primitive on an exact simulator and on an emulated device; Qiskit is the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

from omnixan.edge_network.api.quantumrun import RunResult
from omnixan.edge_network.api.workload import MAX_SEED
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.backend import ExactShots, SimulatorBackend
from omnixan.edge_network.quantum.emulator.backend import Clock, EmulatorBackend
from omnixan.edge_network.quantum.emulator.readout import ReadoutError, flipped
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.estimate import seed_of
from omnixan.edge_network.quantum.execute import execute
from omnixan.edge_network.quantum.openqasm import parse

PROGRAM = 'OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; h q[0]; cx q[0], q[1]; ry(0.7) q[2]; cx q[1], q[2];'
OBSERVABLES = [
    {"name": "energy", "terms": [{"pauli": "ZZI", "coefficient": "0.5"}, {"pauli": "IXX", "coefficient": "-1.25"}]},
    {"terms": [{"pauli": "YIY"}, {"pauli": "III", "coefficient": "2"}]},
]


def spec(**more: Any) -> dict[str, Any]:
    estimator = {"observables": OBSERVABLES, "precision": "0.02"} | more.pop("estimator", {})
    return {"primitive": {"estimator": estimator}, "execution": {"seed": 5}} | more


def expected() -> list[float]:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(0.7, 2)
    circuit.cx(1, 2)
    operators = [
        SparsePauliOp.from_list([(t["pauli"], float(t.get("coefficient", "1"))) for t in one["terms"]])
        for one in OBSERVABLES
    ]
    values = StatevectorEstimator().run([(circuit, operators)]).result()[0].data.evs
    return [float(value) for value in values]


def test_a_simulator_gives_exact_values_without_shots() -> None:
    result = execute(spec(), parse(PROGRAM), backend=SimulatorBackend(8))
    RunResult.model_validate({"summary": result["summary"], "counts": result["counts"]})
    found = result["summary"]["expectations"]
    assert [one["value"] for one in found] == pytest.approx(expected(), abs=1e-9)
    assert [one["standardError"] for one in found] == [0.0, 0.0]
    assert [one.get("name") for one in found] == ["energy", None]
    assert (result["usage"]["shots"], result["counts"]) == (0, {})


def test_measurements_of_the_program_do_not_count() -> None:
    with_measurement = PROGRAM + " bit[3] c; c = measure q;"
    found = execute(spec(), parse(with_measurement), backend=SimulatorBackend(8))["summary"]["expectations"]
    assert [one["value"] for one in found] == pytest.approx(expected(), abs=1e-9)


def test_mitigation_has_nothing_to_do_on_a_simulator_and_says_so() -> None:
    result = execute(spec(mitigation={"readout": True}), parse(PROGRAM), backend=SimulatorBackend(8))
    assert result["summary"]["mitigation"] == {"readout": "none", "overhead": 1.0}


@pytest.fixture(scope="module")
def manila() -> Iterator[EmulatorBackend]:
    backend = EmulatorBackend(devices.load("manila"), clock=Clock(lambda: 0.0, lambda seconds: None))
    yield backend
    backend.close()


def test_an_emulated_device_reaches_the_precision_and_mitigation_costs_its_overhead(manila: EmulatorBackend) -> None:
    plain = execute(spec(), parse(PROGRAM), backend=manila)["summary"]
    mitigated = execute(spec(mitigation={"readout": True}), parse(PROGRAM), backend=manila)["summary"]
    assert mitigated["mitigation"]["readout"] == "tensored" and mitigated["mitigation"]["overhead"] > 1

    for one, wider in zip(plain["expectations"], mitigated["expectations"], strict=True):
        assert 0 < one["standardError"] <= 0.02
        assert one["standardError"] < wider["standardError"] <= 0.02 * mitigated["mitigation"]["overhead"]
    for summary in (plain, mitigated):
        for one, exact in zip(summary["expectations"], expected(), strict=True):
            assert abs(one["value"] - exact) < 0.3


def test_mitigation_comes_nearer_where_reading_is_what_errs(manila: EmulatorBackend) -> None:
    ones = parse('OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; x q;')
    parity = {"observables": [{"terms": [{"pauli": "ZZZZ"}]}], "precision": "0.01"}
    plain, mitigated = (
        execute(spec(estimator=parity, mitigation={"readout": undo}), ones, backend=manila)["summary"]["expectations"][0]
        for undo in (False, True)
    )
    assert 0.5 < plain["value"] < 0.95 and abs(mitigated["value"] - 1) < (1 - plain["value"]) / 2


def test_equal_jobs_have_equal_estimates(manila: EmulatorBackend) -> None:
    first, second = (execute(spec(), parse(PROGRAM), backend=manila) for _ in range(2))
    assert first["summary"] == second["summary"] and first["usage"]["shots"] == first["summary"]["shots"] > 2500


def test_an_observable_of_another_width_is_refused_by_name() -> None:
    wrong = {"observables": [*OBSERVABLES, {"terms": [{"pauli": "ZZI"}, {"pauli": "ZZZZ"}]}]}
    with pytest.raises(ProgramError) as refused:
        execute(spec(estimator=wrong), parse(PROGRAM), backend=SimulatorBackend(8))
    assert (refused.value.category, refused.value.reason) == ("INVALID_PROGRAM", "ObservableWidth")
    assert "observables[2].terms[1].pauli has 4 letters, the program has 3 qubits" in str(refused.value)


def test_a_precision_that_takes_too_many_shots_is_refused_with_one_that_does_not(manila: EmulatorBackend) -> None:
    with pytest.raises(ProgramError) as refused:
        execute(spec(estimator={"precision": "0.0001"}), parse(PROGRAM), backend=manila)
    assert refused.value.category == "PAYLOAD_REJECTED" and "or coarser" in str(refused.value)


def test_mitigated_counts_add_up_to_the_shots(manila: EmulatorBackend) -> None:
    sampler = {"primitive": {"sampler": {"shots": 4000}}, "mitigation": {"readout": True}, "execution": {"seed": 5}}
    program = parse('OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c; x q; c = measure q;')
    mitigated = execute(sampler, program, backend=manila)
    plain = execute(sampler | {"mitigation": {"readout": False}}, program, backend=manila)
    assert sum(mitigated["counts"].values()) == 4000
    assert mitigated["counts"]["111"] > plain["counts"]["111"] > 3000
    assert mitigated["summary"]["mitigation"]["overhead"] > 1 and "mitigation" not in plain["summary"]


class Sampling(SimulatorBackend):
    """A simulator that keeps its state to itself and misreads bits: any backend that gives counts."""

    exact = False

    def __init__(self, errors: tuple[ReadoutError, ...]) -> None:
        super().__init__(8)
        self._errors = errors

    def expectations(self, circuit: Any, strings: Any, on_first_shot: Any, options: Any = None) -> None:
        return None

    def shots(self, circuit: Any, shots: int, seed: int, on_first_shot: Any, options: Any = None) -> ExactShots:
        errors = tuple(self._errors[qubit] for qubit in circuit.measured_qubits)
        outcomes = super().shots(circuit, shots, seed, on_first_shot, options).outcomes
        return ExactShots(flipped(outcomes, errors, seed), errors)


@pytest.mark.parametrize("undo", [False, True])
def test_the_standard_error_is_the_spread_of_the_estimates(undo: bool) -> None:
    wrong = (
        (ReadoutError(0.02, 0.1), ReadoutError(0.05, 0.05), ReadoutError(0.1, 0.03)) if undo else (ReadoutError(0, 0),) * 3
    )
    backend, circuit = Sampling(wrong), parse(PROGRAM)
    scores = []
    for seed in range(150):
        job = spec(estimator={"precision": "0.05"}, execution={"seed": seed}, mitigation={"readout": undo})
        found = execute(job, circuit, backend=backend)["summary"]["expectations"]
        scores += [(one["value"] - exact) / one["standardError"] for one, exact in zip(found, expected(), strict=True)]
    assert len(scores) == 300
    assert abs(np.mean(scores)) < 4 / np.sqrt(300), "unbiased"
    assert 0.85 < np.std(scores) < 1.15, "four deviations of a spread of 1 out of 300"


def test_circuits_of_one_job_draw_from_streams_of_their_own() -> None:
    seeds = [seed_of(seed, number) for seed in range(30) for number in range(30)]
    assert len(set(seeds)) == 900 and all(0 <= seed <= MAX_SEED for seed in seeds)


def test_an_algorithm_accepts_mitigation_and_says_that_nothing_was_to_do() -> None:
    algorithm = {"qaoa": {"problem": {"maxcut": {"edges": [[0, 1], [1, 2]]}}, "layers": 1}}
    job = {"algorithm": algorithm, "mitigation": {"readout": True}, "execution": {"seed": 5}}
    summary = execute(job, None, backend=SimulatorBackend(8))["summary"]
    assert summary["mitigation"] == {"readout": "none", "overhead": 1.0} and summary["solution"]["value"] == 2
