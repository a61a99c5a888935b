"""Wide circuits on Aer, in a process of its own."""

import os
import signal

import pytest

from omnixan.edge_network.quantum import pauli, sampler, statevector
from omnixan.edge_network.quantum.aer import AerProcess
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.execute import execute

SPEC = {"primitive": {"sampler": {"shots": 1000}}, "execution": {"seed": 3}}


@pytest.fixture(scope="module", autouse=True)
def importable(request):
    """Aer's process is a fresh Python: it finds our package as this one does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, request.config.inipath.parent.glob("node_agent")))
    yield
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture(scope="module")
def aer():
    """One Aer process for all tests."""
    process = AerProcess()
    yield process
    process.close()


def test_both_engines_draw_equal_counts(aer, random_circuit):
    for seed in range(12):
        circuit = random_circuit(seed, 7, 60)  # every gate of the table, those Aer lacks too
        ours = statevector.probabilities(statevector.compiled(circuit))
        assert aer.sample(circuit, 500, seed, lambda: None) == sampler.sample(ours, 500, seed)


def test_a_wide_circuit_runs_and_says_when_sampling_starts(ghz):
    backend = SimulatorBackend(20)
    try:
        assert backend._aer is None  # nothing is started for nothing
        moments = []
        result = execute(SPEC, ghz(18), backend=backend, on_first_shot=lambda: moments.append(1))
        assert set(result["counts"]) == {"0" * 18, "1" * 18}
        assert moments == [1]
        narrow = execute(SPEC, ghz(8), backend=backend)
        assert list(narrow["counts"].values()) == list(result["counts"].values())  # the same draws
        assert result["usage"]["cpuSeconds"] > narrow["usage"]["cpuSeconds"]
    finally:
        backend.close()


def test_a_dead_process_is_an_error_and_is_replaced(aer, ghz, layered):
    aer.sample(ghz(3), 10, 1, lambda: None)
    os.kill(aer._spawned.pid, signal.SIGKILL)
    aer._spawned.ended()
    assert sum(aer.sample(ghz(3), 10, 1, lambda: None).values()) == 10
    with pytest.raises(ProgramError) as error:  # dies while it samples, or with an answer in hand that no socket takes whole
        aer.sample(layered(20, 2), 1_000_000, 1, lambda: os.kill(aer._spawned.pid, signal.SIGKILL))
    assert (error.value.category, error.value.reason) == ("BACKEND_ERROR", "AerDied")
    assert sum(aer.sample(ghz(3), 10, 1, lambda: None).values()) == 10


def test_both_engines_have_equal_expectation_values(aer, random_circuit):
    strings = ["IIIIIII", "ZIIIIIX", "XYZXYZI", "YYIIIZZ"]
    for seed in range(6):
        circuit = random_circuit(seed, 7, 60)
        ours = pauli.exact(statevector.statevector(circuit), strings)
        moments = []
        assert aer.expectations(circuit, strings, lambda: moments.append(1)) == pytest.approx(ours, abs=1e-9)  # noqa: B023
        assert moments == [1]


def test_an_estimator_is_exact_on_a_wide_circuit_too(ghz):
    backend = SimulatorBackend(20)
    terms = [{"pauli": "Z" * 18, "coefficient": "0.5"}, {"pauli": "X" * 18}, {"pauli": "I" * 17 + "Z"}]
    try:
        spec = {"primitive": {"estimator": {"observables": [{"terms": terms}]}}, "execution": {"seed": 3}}
        result = execute(spec, ghz(18), backend=backend)
    finally:
        backend.close()
    assert result["summary"]["expectations"] == [{"value": 1.5, "standardError": 0.0}]
    assert result["usage"]["shots"] == 0
