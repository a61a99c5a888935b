"""The example circuits parse, fit their kind, and give the right answers by an oracle of their own."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import qiskit.qasm3
import yaml
from qiskit.quantum_info import Statevector

from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan.edge_network.quantum import statevector
from omnixan.edge_network.quantum.backend import SimulatorBackend
from omnixan.edge_network.quantum.execute import execute
from omnixan.edge_network.quantum.openqasm import parse

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "circuits").glob("*.yaml"))


def load(name):
    manifest = yaml.safe_load(next(path for path in EXAMPLES if path.stem == name).read_text())
    return manifest, manifest["spec"]["program"]["inline"]["data"]


def run(name):
    manifest, text = load(name)
    return execute(manifest["spec"], parse(text), backend=SimulatorBackend(16))


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_an_example_is_a_valid_job_of_2_to_16_qubits(name):
    manifest, text = load(name)
    assert (manifest["apiVersion"], manifest["kind"]) == ("edge.omnixan.io/v1alpha1", "QuantumJob")
    assert manifest["metadata"]["name"] == name
    QuantumJob.model_validate({"metadata": manifest["metadata"], "spec": manifest["spec"]})
    assert 2 <= parse(text).qubits <= 16
    pin = manifest["spec"]["program"].get("sha256")
    assert pin in (None, hashlib.sha256(text.encode()).hexdigest())


def test_there_are_the_promised_examples():
    assert {"ghz", "qft", "grover", "bernstein-vazirani", "adder"} <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("name", ["bell", "adder", "bernstein-vazirani", "grover"])
def test_qiskit_reads_the_same_circuit(name):
    # Those without constants and loops over them, which Qiskit's importer does not take: it gets the loops unrolled.
    _, text = load(name)
    for loop, values in (("{1, 2}", (1, 2)), ("{1, 3, 4, 6}", (1, 3, 4, 6)), ("[1:3]", (1, 2, 3)), ("[3:-1:1]", (3, 2, 1))):
        text = unrolled(text, loop, values)
    circuit = qiskit.qasm3.loads(text)
    expected = Statevector(circuit.remove_final_measurements(inplace=False)).data
    got = statevector.statevector(parse(load(name)[1]))
    assert abs(np.vdot(got, expected)) == pytest.approx(1, abs=1e-9)


def unrolled(text, loop, values):
    """Write a loop out: its body once a value, the index as a number."""
    while (start := text.find(f" in {loop} {{")) >= 0:
        head = text.rindex("for int ", 0, start)
        variable = text[head + len("for int ") : start].strip()
        end = text.index("}", start + len(loop) + 5)
        body = text[text.index("{", start + len(loop) + 4) + 1 : end]
        replaced = "".join(
            body.replace(f"[{variable}]", f"[{v}]").replace(f"[{variable} - 1]", f"[{v - 1}]") for v in values
        )
        text = text[:head] + replaced + text[end + 1 :]
    return text


@pytest.mark.parametrize(("name", "qubits"), [("bell", 2), ("ghz", 12), ("ghz-wide", 16)])
def test_entangled_qubits_agree(name, qubits):
    counts = run(name)["counts"]
    assert set(counts) == {"0" * qubits, "1" * qubits}
    assert abs(counts["0" * qubits] - 512) < 5 * 16  # five standard deviations


def test_the_fourier_transform_finds_the_period():
    _, text = load("qft")
    vector = np.zeros(64)
    vector[3::8] = np.sqrt(1 / 8)
    expected = np.fft.ifft(vector, norm="ortho")  # the transform's sign convention is exp(+2πi·xy/64)
    np.testing.assert_allclose(statevector.statevector(parse(text)), expected, atol=1e-12)
    result = run("qft")
    assert {int(bits, 2) for bits in result["counts"]} == set(range(0, 64, 8))


def test_grover_finds_the_marked_string():
    _, text = load("grover")
    state = np.full(8, np.sqrt(1 / 8))
    for _ in range(2):
        state[0b101] *= -1
        state = 2 * state.mean() - state
    np.testing.assert_allclose(np.abs(statevector.statevector(parse(text))), np.abs(state), atol=1e-12)
    best = run("grover")["summary"]["top"][0]
    assert best["bitstring"] == "101"
    assert best["probability"] > 0.9


def test_bernstein_vazirani_reads_the_secret_in_every_shot():
    assert run("bernstein-vazirani")["counts"] == {"1011010": 256}


def test_the_adder_adds():
    assert run("adder")["counts"] == {f"{11 + 6:05b}": 256}


@pytest.mark.parametrize(("a", "b"), [(0, 0), (15, 15), (9, 7), (5, 10), (1, 15)])
def test_the_adder_adds_other_numbers_too(a, b):
    _, text = load("adder")
    bits = "".join(f"x a[{i}];" for i in range(4) if a >> i & 1) + "".join(f"x b[{i}];" for i in range(4) if b >> i & 1)
    text = text.replace("x a[{0, 1, 3}];\nx b[{1, 2}];", bits)
    result = execute({"execution": {"seed": 1}}, parse(text), backend=SimulatorBackend(10))
    assert result["counts"] == {f"{a + b:05b}": 1024}
