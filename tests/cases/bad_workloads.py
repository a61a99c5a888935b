"""What QuantumJob and QuantumRun have in common, where it is refused."""

from __future__ import annotations

from tests.cases import good
from tests.cases.case import Case
from tests.cases.edit import DELETE
from tests.cases.good import Manifest

MAX_PROGRAM = 128 * 1024


def workload_cases(program: Manifest, knapsack: Manifest, maxcut: Manifest, qubo: Manifest) -> tuple[Case, ...]:
    """The cases with these as the good ones."""
    problem = "spec.algorithm.qaoa.problem"
    either = "exactly one of program and algorithm must be given"
    one_problem = "exactly one of knapsack, maxcut and qubo must be given"
    entries = "values and weights must have the same number of entries"
    of_knapsack, of_maxcut, of_qubo = f"{problem}.knapsack", f"{problem}.maxcut", f"{problem}.qubo"
    return (
        Case("neither program nor algorithm", program, {"spec.program": DELETE}, {}, either, "spec"),
        Case(
            "program and algorithm",
            knapsack,
            {"spec.program": good.OF_PROGRAM["program"]},
            {"spec.optimizer": DELETE},
            either,
            "spec",
        ),
        Case(
            "an optimizer without an algorithm",
            program,
            {"spec.optimizer": good.OPTIMIZER},
            {},
            "optimizer needs algorithm",
            "spec",
        ),
        Case(
            "a checkpoint without an algorithm",
            program,
            {"spec.checkpoint": {"everyIterations": 5}},
            {},
            "checkpoint needs algorithm",
            "spec",
        ),
        Case(
            "a program's state that is kept by iterations",
            program,
            {"spec.checkpoint": {"statevector": True, "everyIterations": 5}},
            {"spec.checkpoint": {"statevector": True, "interval": "5s"}},
            "everyIterations needs an algorithm",
            "spec.checkpoint",
        ),
        Case(
            "a checkpoint of an algorithm's states",
            knapsack,
            {"spec.checkpoint": {"statevector": True}},
            {"spec.checkpoint": {"statevector": False}},
            "statevector needs program",
            "spec",
        ),
        Case(
            "a checkpoint more often than every second",
            knapsack,
            {"spec.checkpoint.interval": "0s"},
            {"spec.checkpoint.interval": "1s"},
            "interval must be from 1s to 24h",
            "spec.checkpoint",
        ),
        Case(
            "a checkpoint less often than every day",
            knapsack,
            {"spec.checkpoint.interval": "25h"},
            {"spec.checkpoint": {}},
            "interval must be from 1s to 24h",
            "spec.checkpoint",
        ),
        Case(
            "a program over 128 KiB",
            program,
            {"spec.program.inline.data": "/" * (MAX_PROGRAM + 1)},
            {"spec.program.inline.data": "/" * MAX_PROGRAM},
            "may not be more than 131072 bytes",
        ),
        Case(
            "a digest in capitals",
            program,
            {"spec.program.sha256": "AB" * 32},
            {"spec.program.sha256": "0f" * 32},
            "should match",
        ),
        Case(
            "a digest that is too short",
            program,
            {"spec.program.sha256": "ab" * 20},
            {"spec.program.sha256": DELETE},
            "should be at least 64 chars long",
        ),
        Case(
            "another language",
            program,
            {"spec.program.inline.format": "qpy"},
            {"spec.program.inline.format": "openqasm2"},
            'supported values: "openqasm3"',
        ),
        Case(
            "sampler and estimator",
            program,
            {"spec.primitive.estimator": {"observables": [good.OBSERVABLE]}},
            {"spec.primitive": {"estimator": {"observables": [good.OBSERVABLE]}}},
            "only one of sampler and estimator can be given",
            "spec.primitive",
        ),
        Case(
            "an estimator of an algorithm",
            knapsack,
            {"spec.primitive": {"estimator": {"observables": [good.OBSERVABLE]}}},
            {"spec.primitive": {"sampler": {"shots": 5}}},
            "estimator needs program: an algorithm is read out by its sampler",
            "spec",
        ),
        Case("no shot", program, {"spec.primitive.sampler.shots": 0}, {"spec.primitive.sampler.shots": 1}, "to 1"),
        Case(
            "a knapsack of 40 items",
            knapsack,
            {f"{of_knapsack}.values": [1] * 40, f"{of_knapsack}.weights": [1] * 40},
            {f"{of_knapsack}.values": [1] * 20, f"{of_knapsack}.weights": [1] * 20},
            "must have at most 20 items",
        ),
        Case(
            "a knapsack with negative weights",
            knapsack,
            {f"{of_knapsack}.weights": [2, -3, 4]},
            {f"{of_knapsack}.weights": [2, 0, 4]},
            "should be greater than or equal to 0",
        ),
        Case(
            "a knapsack with broken numbers",
            knapsack,
            {f"{of_knapsack}.values": [3, 4.5, 5]},
            {f"{of_knapsack}.values": [3, 4, 1_000_000_000]},
            "must be of type integer",
        ),
        Case(
            "more values than weights",
            knapsack,
            {f"{of_knapsack}.values": [3, 4, 5, 6]},
            {f"{of_knapsack}.values": [6], f"{of_knapsack}.weights": [2]},
            entries,
            of_knapsack,
        ),
        Case("no problem", knapsack, {of_knapsack: DELETE}, {}, one_problem, problem),
        Case("two problems", knapsack, {of_maxcut: good.MAXCUT}, {}, one_problem, problem),
        Case(
            "fewer weights than edges",
            maxcut,
            {f"{of_maxcut}.weights": ["1"]},
            {f"{of_maxcut}.weights": DELETE},
            "weights must have one entry for every edge",
            of_maxcut,
        ),
        Case(
            "an edge from a node to itself",
            maxcut,
            {f"{of_maxcut}.edges": [[0, 1], [2, 2]]},
            {f"{of_maxcut}.edges": [[0, 1], [1, 19]]},
            "an edge must join two different nodes",
            of_maxcut,
        ),
        Case(
            "an edge of three nodes",
            maxcut,
            {f"{of_maxcut}.edges.0": [0, 1, 2]},
            {f"{of_maxcut}.edges.0": [0, 2]},
            "must have at most 2 items",
        ),
        Case(
            "a weight that is no decimal string",
            maxcut,
            {f"{of_maxcut}.weights": ["1", "heavy"]},
            {f"{of_maxcut}.weights": ["1", "-2.5e-3"]},
            "should match",
        ),
        Case(
            "a term outside the matrix",
            qubo,
            {f"{of_qubo}.terms.1.column": 2},
            {f"{of_qubo}.size": 20, f"{of_qubo}.terms.1.column": 19},
            "row and column of every term must be less than size",
            of_qubo,
        ),
        Case(
            "the same term twice",
            qubo,
            {f"{of_qubo}.terms.1.column": 0},
            {f"{of_qubo}.terms.1": {"row": 1, "column": 0, "value": "2"}},
            "Duplicate value",
        ),
    )
