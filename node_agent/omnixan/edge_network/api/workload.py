"""What a job computes: the part of spec that QuantumJob and QuantumRun share, and that runs locally too."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from omnixan.edge_network.api.meta import (
    ATOMIC,
    DecimalString,
    DnsLabel,
    DnsName,
    Duration,
    Model,
    Rule,
    Sha256,
    list_map,
    seconds_of,
)

MAX_PROGRAM_BYTES = 128 * 1024
MAX_VARIABLES = 20
MAX_SEED = 2**31 - 1
MAX_TERMS = MAX_VARIABLES * (MAX_VARIABLES + 1) // 2

Amount = Annotated[int, Field(ge=0, le=1_000_000_000)]
Node = Annotated[int, Field(ge=0, le=MAX_VARIABLES - 1)]
Edge = Annotated[list[Node], Field(min_length=2, max_length=2, json_schema_extra=ATOMIC)]


Format = Literal["openqasm3", "openqasm2"]
"""Languages of programs."""
_VERSION = re.compile(r"\s*(?:(?://[^\n]*\n|/\*.*?\*/)\s*)*OPENQASM\s+([0-9]+(?:\.[0-9]+)?)\s*;", re.DOTALL)


class InlineProgram(Model):
    """A program in the manifest itself."""

    format: Format = "openqasm3"
    """Language of data."""
    data: Annotated[str, Field(min_length=1, max_length=MAX_PROGRAM_BYTES)]
    """The program's text, at most 128 KiB; its language's standard library is all it may include."""


class ConfigMapProgram(Model):
    """A program in a ConfigMap of the job's own namespace."""

    name: DnsName
    """The ConfigMap. It may be made later than the job, which then waits."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """The key in it that has the program's text, at most 128 KiB."""
    format: Format = "openqasm3"
    """Language of the text."""


class Program(Model):
    """A quantum circuit, in exactly one place."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.inline) != has(self.configMapRef)",
            "exactly one of inline and configMapRef must be given",
            lambda p: (p.inline is None) != (p.config_map_ref is None),
        ),
    )
    inline: InlineProgram | None = None
    """The text itself."""
    config_map_ref: ConfigMapProgram | None = None
    """Where the text is. It is read once: what becomes of the ConfigMap later does not change the job."""
    sha256: Sha256 | None = None
    """SHA-256 of the text's UTF-8 bytes in lower-case hex; a program that differs is refused."""


class Sampler(Model):
    """Measure every qubit that the program measures, many times."""

    shots: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """How many times."""


PositiveDecimal = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^0?\.[0-9]*[1-9][0-9]*$|^[1-9][0-9]*(\.[0-9]+)?$")
]


class PauliTerm(Model):
    """A Pauli string with its coefficient."""

    pauli: Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[IXYZ]+$")]
    """One of I, X, Y, Z for each of the program's qubits, qubit 0 rightmost."""
    coefficient: DecimalString = "1"
    """Its real factor."""


class Observable(Model):
    """A sum of Pauli strings."""

    name: DnsLabel | None = None
    """Under which its value stands in the result."""
    terms: Annotated[list[PauliTerm], Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)]
    """The strings; equal ones are added up."""


class Estimator(Model):
    """Expectation values of observables in the state that the program ends in; its own measurements do not count."""

    observables: Annotated[list[Observable], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC)]
    """What is estimated."""
    precision: PositiveDecimal = "0.015625"
    """Standard error that is aimed at on a device: the shots follow from it. Where states are exact there is none."""


class Primitive(Model):
    """How the program is read out: one way; empty: by a sampler of 1024 shots."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.sampler) && has(self.estimator))",
            "only one of sampler and estimator can be given",
            lambda p: p.sampler is None or p.estimator is None,
        ),
    )
    sampler: Sampler | None = None
    """Counts of bit strings."""
    estimator: Estimator | None = None
    """Expectation values."""


class Mitigation(Model):
    """What is done about a device's errors; on a simulator there is nothing to do."""

    readout: bool = False
    """Undo the errors of reading, qubit by qubit, by the device's calibration; the result names the overhead."""


class Knapsack(Model):
    """Choose items of greatest total value whose total weight is at most the capacity."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "size(self.values) == size(self.weights)",
            "values and weights must have the same number of entries: one of each an item",
            lambda k: len(k.values) == len(k.weights),
            ".weights",
        ),
    )
    values: Annotated[list[Amount], Field(min_length=1, max_length=MAX_VARIABLES, json_schema_extra=ATOMIC)]
    """Value of each item."""
    weights: Annotated[list[Amount], Field(min_length=1, max_length=MAX_VARIABLES, json_schema_extra=ATOMIC)]
    """Weight of each item."""
    capacity: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Greatest total weight."""


class MaxCut(Model):
    """Split a graph's nodes in two so that the edges between the parts weigh most."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.weights) || size(self.weights) == size(self.edges)",
            "weights must have one entry for every edge, or be left out",
            lambda m: m.weights is None or len(m.weights) == len(m.edges),
            ".weights",
        ),
        Rule(
            "self.edges.all(e, e[0] != e[1])",
            "an edge must join two different nodes",
            lambda m: all(e[0] != e[1] for e in m.edges),
            ".edges",
        ),
    )
    edges: Annotated[list[Edge], Field(min_length=1, max_length=190, json_schema_extra=ATOMIC)]
    """Pairs of node numbers, from 0 to 19; the graph has as many nodes as the greatest number says."""
    weights: Annotated[list[DecimalString], Field(max_length=190, json_schema_extra=ATOMIC)] | None = None
    """Weight of each edge; absent: all 1."""


class QuboTerm(Model):
    """One term value·x[row]·x[column]; row = column is a linear term."""

    row: Node
    """First variable."""
    column: Node
    """Second variable."""
    value: DecimalString
    """Coefficient."""


class Qubo(Model):
    """A quadratic function of binary variables."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.terms.all(t, t.row < self.size && t.column < self.size)",
            "row and column of every term must be less than size",
            lambda q: all(t.row < q.size and t.column < q.size for t in q.terms),
            ".terms",
        ),
    )
    size: Annotated[int, Field(ge=1, le=MAX_VARIABLES)]
    """Number of binary variables."""
    terms: Annotated[
        list[QuboTerm],
        Field(min_length=1, max_length=MAX_TERMS),
        list_map("row", "column"),
    ]
    """The terms, each pair once."""
    sense: Literal["minimize", "maximize"] = "minimize"
    """What is looked for."""


class Problem(Model):
    """An optimisation problem: exactly one kind."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.knapsack), has(self.maxcut), has(self.qubo)].filter(x, x).size() == 1",
            "exactly one of knapsack, maxcut and qubo must be given",
            lambda p: [p.knapsack, p.maxcut, p.qubo].count(None) == 2,
        ),
    )
    knapsack: Knapsack | None = None
    """The 0/1 knapsack problem."""
    maxcut: MaxCut | None = None
    """The maximum cut of a graph."""
    qubo: Qubo | None = None
    """A quadratic unconstrained binary optimisation problem."""

    @property
    def variables(self) -> int:
        """Number of binary variables, which is the number of qubits that QAOA takes."""
        if self.knapsack is not None:
            return len(self.knapsack.values)
        if self.maxcut is not None:
            return 1 + max(max(edge) for edge in self.maxcut.edges)
        assert self.qubo is not None
        return self.qubo.size


class Qaoa(Model):
    """The quantum approximate optimisation algorithm."""

    problem: Problem
    """What is optimised: exactly one of knapsack, maxcut and qubo."""
    layers: Annotated[int, Field(ge=1, le=10)] = 3
    """Alternations of phase and mixer (p)."""


class Algorithm(Model):
    """A hybrid algorithm: a classical loop around a parametrised circuit."""

    qaoa: Qaoa
    """QAOA, the quantum approximate optimisation algorithm: phases of the problem and mixers in turn."""


class Optimizer(Model):
    """The classical loop of an algorithm."""

    name: Literal["auto", "COBYLA", "L-BFGS-B"] = "auto"
    """auto: L-BFGS-B with exact gradients where the backend knows its state exactly, else COBYLA on measured shots."""
    max_iterations: Annotated[int, Field(ge=1, le=1000)] = 100
    """Bound on the evaluations of each start that is refined."""


class Checkpoint(Model):
    """How much of a job is lost at most when the agent that runs it ends, on a node with persistent memory.

    Of an algorithm the iterations are kept. With neither everyIterations nor interval every iteration is kept at once and
    none waits for it: at most one is lost, or what was computed in some milliseconds. Of a program the state is kept, if
    statevector is true.
    """

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.interval)"
            " || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('24h'))",
            "interval must be from 1s to 24h",
            lambda c: c.interval is None or 1 <= seconds_of(c.interval) <= 86400,
            ".interval",
        ),
        Rule(
            "!has(self.statevector) || !self.statevector || !has(self.everyIterations)",
            "everyIterations needs an algorithm: with statevector: true use interval",
            lambda c: not c.statevector or c.every_iterations is None,
            ".everyIterations",
        ),
    )
    every_iterations: Annotated[int, Field(ge=1, le=1000)] | None = None
    """The loop waits after so many iterations until they are durable: never more than these are lost."""
    interval: Duration | None = None
    """Iterations, or a program's state, are made durable after so long at the latest; a node may do so more often than it is
    asked to, and less often where its medium is too slow for so many states."""
    resume: bool = True
    """Whether the job goes on from what was kept; false: nothing is kept, and it begins anew."""
    statevector: bool = False
    """Of a program: its state is kept on its way and it goes on from there, on a simulator and up to 16 qubits. Elsewhere
    nothing is kept of it: a device has no state to be read, and the simulator of wider circuits shows none."""


class Workload(Model):
    """Program or algorithm, and how it is read out."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.program) != has(self.algorithm)",
            "exactly one of program and algorithm must be given",
            lambda w: (w.program is None) != (w.algorithm is None),
        ),
        Rule(
            "!has(self.optimizer) || has(self.algorithm)",
            "optimizer needs algorithm: a program has no classical loop",
            lambda w: w.optimizer is None or w.algorithm is not None,
            ".optimizer",
        ),
        Rule(
            "!has(self.checkpoint) || has(self.algorithm)"
            " || (has(self.checkpoint.statevector) && self.checkpoint.statevector)",
            "checkpoint needs algorithm, or statevector: true: a program has no loop that could go on, only its state",
            lambda w: w.checkpoint is None or w.algorithm is not None or w.checkpoint.statevector,
            ".checkpoint",
        ),
        Rule(
            "!has(self.checkpoint) || has(self.program)"
            " || !has(self.checkpoint.statevector) || !self.checkpoint.statevector",
            "statevector needs program: an algorithm goes on from its iterations, without states",
            lambda w: w.checkpoint is None or w.program is not None or not w.checkpoint.statevector,
            ".checkpoint.statevector",
        ),
        Rule(
            "!has(self.primitive.estimator) || has(self.program)",
            "estimator needs program: an algorithm is read out by its sampler",
            lambda w: w.primitive.estimator is None or w.program is not None,
            ".primitive",
        ),
    )
    program: Program | None = None
    """A circuit to run as it is."""
    algorithm: Algorithm | None = None
    """An algorithm that makes its own circuits."""
    primitive: Primitive = Primitive(sampler=Sampler())
    """How it is read out."""
    mitigation: Mitigation | None = None
    """What is done about a device's errors."""
    optimizer: Optimizer | None = None
    """The algorithm's classical loop."""
    checkpoint: Checkpoint | None = None
    """How much of the loop is lost at most when its agent ends; absent: at most an iteration, where nodes keep them."""


def version_of(text: str) -> str:
    """The version that an OpenQASM program says it is written in, such as "2.0"; "3.0" if it says none."""
    version = _VERSION.match(text)
    return "3.0" if version is None else version.group(1)


def wrong_format(format_: str, text: str) -> str | None:
    """What is wrong with a program of `format_`, by its first line; None if they agree."""
    version = version_of(text)
    if version.split(".")[0] == format_.removeprefix("openqasm"):
        return None
    says = (
        f"says OPENQASM {version}" if _VERSION.match(text) else "has no line 'OPENQASM 2.0;', which OpenQASM 2 begins with"
    )
    return f"format is {format_}, but the program {says}: give the format that it is written in"
