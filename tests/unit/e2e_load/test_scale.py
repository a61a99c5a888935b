"""What a load is made of."""

from __future__ import annotations

from e2e.load.scale import SMALL, Scale, job, program
from omnixan.edge_network.api.quantumjob import QuantumJobSpec
from omnixan.edge_network.quantum.analysis import analyze
from omnixan.edge_network.quantum.openqasm import parse


def test_programs_are_distinct_and_the_same_for_the_same_seed() -> None:
    texts = {program(number, 7) for number in range(500)}
    assert len(texts) == 500
    assert program(3, 7) == program(3, 7)
    assert program(3, 7) != program(3, 8)


def test_programs_can_be_run_on_the_nodes_of_the_load() -> None:
    assert all(2 <= analyze(parse(program(number, 7)))["qubits"] <= 8 for number in range(20))


def test_jobs_are_spread_over_tenants_and_programs() -> None:
    jobs = [job(number, SMALL) for number in range(SMALL.jobs)]
    assert {namespace for namespace, _ in jobs} == {f"tenant-{n}" for n in range(SMALL.tenants)}
    assert len({manifest["spec"]["program"]["inline"]["data"] for _, manifest in jobs}) == SMALL.programs
    assert len({manifest["metadata"]["name"] for _, manifest in jobs}) == SMALL.jobs
    QuantumJobSpec.model_validate(jobs[0][1]["spec"])


def test_the_full_load_is_the_one_that_the_figures_are_about() -> None:
    assert (Scale().jobs, Scale().programs, Scale().nodes, Scale().clusters) == (10_000, 500, 100, 1_000)
