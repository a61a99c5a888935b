"""What a job found, as it stands in the status of QuantumRun and QuantumJob."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from omnixan.edge_network.api.meta import ATOMIC, Model
from omnixan.edge_network.api.workload import MAX_VARIABLES

MAX_RESULT_BYTES = 512 * 1024
TOP_OUTCOMES = 8

Bits = Annotated[str, Field(max_length=1024)]


class Outcome(Model):
    """One measured bit string."""

    bitstring: Bits
    """Classical bits, bit 0 rightmost."""
    count: int
    """How many shots gave it."""
    probability: float
    """count / shots."""


class Solution(Model):
    """The best feasible outcome of a sample, by value."""

    bitstring: Bits
    """Variables, variable 0 rightmost."""
    value: float
    """Its value: total value of the items, weight of the cut, or the quadratic function."""
    feasible: bool
    """Whether it obeys the constraint; false only if the sample has no feasible outcome."""
    selected: Annotated[list[int], Field(max_length=MAX_VARIABLES, json_schema_extra=ATOMIC)]
    """The chosen items, the nodes on one side of the cut, or the variables that are 1."""
    probability: float
    """Exact probability of this outcome in one shot where the backend knows its state, else the measured share."""
    approximation_ratio: float
    """Value over the optimum (found by exhaustive search, for reporting only); 1 is optimal."""


class ProblemInfo(Model):
    """The problem as it was solved."""

    kind: Literal["knapsack", "maxcut", "qubo"]
    """Which kind."""
    variables: int
    """Binary variables, one qubit each."""
    optimum: float
    """The best possible value, by exhaustive search; no optimiser sees it."""


class Training(Model):
    """What it took to find the circuit's parameters."""

    optimizer: Annotated[str, Field(max_length=32)]
    """L-BFGS-B or COBYLA."""
    layers: int
    """Layers of the circuit."""
    evaluations: int
    """Evaluations of the objective."""
    shots: int
    """Shots spent on them; 0 where states are exact."""
    objective: float
    """The objective that was reached, in the units of the problem's value."""


class Expectation(Model):
    """The value of one observable."""

    name: Annotated[str, Field(max_length=63)] | None = None
    """As in the spec."""
    value: float
    """Estimated expectation value."""
    standard_error: float
    """Of the estimate; 0 where the state is exact."""


class MitigationInfo(Model):
    """What was done about a device's errors."""

    readout: Annotated[str, Field(max_length=32)]
    """The method: tensored, qubit by qubit; none on a simulator, whose readings have no errors."""
    overhead: float
    """Factor by which undoing the errors widens a standard error at most; 1: not at all."""


class Summary(Model):
    """The result on one screen. Equal manifest and seed give an equal summary, on a cluster and without one."""

    shots: int
    """Shots of the final sample."""
    distinct_outcomes: int
    """How many different bit strings it has."""
    top: Annotated[list[Outcome], Field(max_length=TOP_OUTCOMES, json_schema_extra=ATOMIC)]
    """The most frequent ones."""
    problem: ProblemInfo | None = None
    """With an algorithm: what was solved."""
    solution: Solution | None = None
    """With an algorithm: the best outcome of the sample."""
    uniform: Solution | None = None
    """With an algorithm: the best of as many uniformly random bit strings; luck's share, for comparison."""
    probability_ratio: float | None = None
    """How many times likelier one shot gives the solution than one random guess does: the proof of the algorithm."""
    training: Training | None = None
    """With an algorithm: what its parameters cost."""
    expectations: Annotated[list[Expectation], Field(max_length=32, json_schema_extra=ATOMIC)] | None = None
    """With an estimator: the values, in the order of the spec's observables."""
    mitigation: MitigationInfo | None = None
    """With mitigation."""


class Transpiled(Model):
    """The circuit as it was fitted to a device."""

    success_probability: float
    """That one shot is not disturbed (ESP), from the errors and durations of its very gates and qubits."""
    depth: int
    """Longest chain of gates and measurements."""
    two_qubit_gates: int
    """Gates on two qubits, those of routing included."""
    seconds: float
    """Duration of one shot on the device, the pause after it left out."""


class Usage(Model):
    """What the run took."""

    shots: int = 0
    """All shots that are known to have run: training included, and what an agent that ended had run in vain."""
    cpu_seconds: float = 0.0
    """CPU time of the worker."""
    qpu_seconds: float | None = None
    """Time of the device, the pauses between shots included; absent on a simulator."""
    transpiled: Transpiled | None = None
    """What ran on the device; absent on a simulator. Its successProbability stands beside the predicted one."""


class Progress(Model):
    """How far an algorithm's loop is."""

    iteration: int
    """Evaluations done."""
    of: int
    """Evaluations at most."""
    best: float
    """Best objective so far."""
