import json
import math

import pytest

from omnixan.edge_network.quantum.analysis import MAX_GATE_NAMES, analyze, analyze_qaoa
from omnixan.edge_network.quantum.circuit import MAX_GATES, Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.gates import GATES

M = (Measurement(0, 0),)


def test_a_circuit_survives_json(random_circuit):
    for seed in range(20):
        circuit = random_circuit(seed, 5, 40)
        again = Circuit.from_dict(json.loads(json.dumps(circuit.to_dict())))
        assert again == circuit
        assert again.digest == circuit.digest


def test_circuits_that_differ_have_different_digests():
    first = Circuit(2, 1, (Instruction("rz", (0,), (0.5,)),), M)
    others = [
        Circuit(3, 1, first.instructions, M),
        Circuit(2, 2, first.instructions, M),
        Circuit(2, 1, (Instruction("rz", (1,), (0.5,)),), M),
        Circuit(2, 1, (Instruction("rz", (0,), (math.nextafter(0.5, 1),)),), M),
        Circuit(2, 1, first.instructions, (Measurement(1, 0),)),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qubits": 0}, "allowed are 1 to 1000"),
        ({"qubits": 1001}, "allowed are 1 to 1000"),
        ({"qubits": True}, "must be an integer"),
        ({"qubits": 2.0}, "must be an integer"),
        ({"clbits": -1}, "allowed are 0 to 1000"),
        ({"gates": None}, "needs the lists"),
        ({"gates": [["h", [0], [0.5]]]}, "takes 1 qubits and 0 parameters"),
        ({"gates": [["rz", [0]]]}, "takes 1 qubits and 1 parameters"),
        ({"gates": [["cx", [0, 0]]]}, "acts on qubits"),
        ({"gates": [["cx", [0, 2]]]}, "acts on qubits"),
        ({"gates": [["cx", [0, -1]]]}, "acts on qubits"),
        ({"gates": [["evil", [0]]]}, "is not a standard gate"),
        ({"gates": [["rz", [0], [float("nan")]]]}, "not a finite number"),
        ({"gates": [["rz", [0], [float("inf")]]]}, "not a finite number"),
        ({"gates": [["rz", [0], [10**400]]]}, "too large"),
        ({"gates": [["rz", [0], ["1"]]]}, "must be numbers"),
        ({"gates": [["rz", ["0"], [1]]]}, "must be an integer"),
        ({"gates": ["h"]}, "must be [name, qubits]"),
        ({"gates": [["h", [0]]] * (MAX_GATES + 1)}, "at most 100000"),
        ({"measure": [[0, 2]]}, "out of bounds"),
        ({"measure": [[2, 0]]}, "out of bounds"),
        ({"measure": [[0, 0], [1, 0]]}, "written by two"),
        ({"measure": [[0]]}, "must be [qubit, classical bit]"),
    ],
)
def test_a_bad_circuit_is_refused_with_what_is_wrong(change, message):
    data = {"qubits": 2, "clbits": 2, "gates": [], "measure": [[0, 0]]}
    Circuit.from_dict(data)
    with pytest.raises(ValueError, match=r".") as error:
        Circuit.from_dict({**data, **change})
    assert message in str(error.value)


def test_what_is_no_mapping_is_no_circuit():
    with pytest.raises(ValueError, match="must be a mapping"):
        Circuit.from_dict([1])


def test_analysis_counts_depth_and_gates():
    gates = (
        Instruction("h", (0,)),
        Instruction("cx", (0, 1)),
        Instruction("cx", (1, 2)),
        Instruction("h", (0,)),
    )
    circuit = Circuit(4, 1, gates, (Measurement(2, 0),))
    assert analyze(circuit, "ab") == {
        "qubits": 4,
        "depth": 4,  # h, cx, cx, and the measurement of qubit 2
        "twoQubitGates": 2,
        "twoQubitDepth": 2,
        "lineSwaps": 0,
        "measured": 1,
        "gates": {"cx": 2, "h": 2},
        "sha256": "ab",
    }


def test_analysis_depth_is_that_of_qiskit(random_circuit, to_qiskit):
    for seed in range(30):
        circuit = random_circuit(seed, 6, 50)
        target = to_qiskit(circuit)
        target.measure_all(add_bits=True, inplace=True)
        target.data = [d for d in target.data if d.operation.name not in ("barrier", "measure")] + [
            d
            for d in target.data
            if d.operation.name == "measure" and target.find_bit(d.qubits[0]).index in circuit.measured_qubits
        ]
        assert analyze(circuit)["depth"] == target.depth()
        assert analyze(circuit)["twoQubitGates"] == target.num_nonlocal_gates()


def test_analysis_names_at_most_32_gates():
    gates = []
    for weight, (name, kind) in enumerate(GATES.items()):
        gates += [Instruction(name, tuple(range(kind.qubits)), (0.5,) * kind.params)] * (weight + 1)
    named = analyze(Circuit(2, 1, tuple(gates), M))["gates"]
    assert len(named) == MAX_GATE_NAMES < len(GATES)
    assert sum(named.values()) == len(gates)
    assert named["other"] == sum(range(1, len(GATES) - MAX_GATE_NAMES + 2))


def test_qaoa_takes_one_qubit_a_variable():
    assert analyze_qaoa("knapsack", 15, 3) == {"qubits": 15}


@pytest.mark.parametrize(("kind", "n", "layers"), [("tsp", 3, 1), ("qubo", 0, 1), ("maxcut", 21, 1), ("qubo", 3, 11)])
def test_qaoa_out_of_bounds_is_refused(kind, n, layers):
    with pytest.raises(ValueError, match=r"allowed|not known"):
        analyze_qaoa(kind, n, layers)
