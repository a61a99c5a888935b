"""What is said about a job's size without a parser."""

from __future__ import annotations

import hashlib

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import Analysis, Failure
from omnixan.edge_network.api.workload import MAX_PROGRAM_BYTES
from omnixan_operator.decide.program import FIRST_LOOK, LAST_LOOK, digest, look_again, without_parser
from omnixan_operator.reasons import Reason
from tests.unit.omnixan_operator.operator_makers import BELL, KNAPSACK, job


def test_an_algorithms_width_has_a_closed_form() -> None:
    assert without_parser(job(algorithm=KNAPSACK).spec, "") == Analysis(qubits=3)
    cut = {"qaoa": {"problem": {"maxcut": {"edges": [[0, 1], [1, 6]]}}}}
    assert without_parser(job(algorithm=cut).spec, "") == Analysis(qubits=7)


def test_a_program_must_be_parsed() -> None:
    assert without_parser(job().spec, BELL) is None
    pinned = {"inline": {"data": BELL}, "sha256": hashlib.sha256(BELL.encode()).hexdigest()}
    assert without_parser(job(program=pinned).spec, BELL) is None and digest(BELL) == pinned["sha256"]


def test_another_digest_is_refused_with_both() -> None:
    found = without_parser(job(program={"inline": {"data": BELL}, "sha256": "0" * 64}).spec, BELL)
    assert isinstance(found, Failure)
    assert (found.category, found.reason) == (Category.PAYLOAD_REJECTED, Reason.DIGEST_MISMATCH)
    assert digest(BELL) in found.message and "0" * 64 in found.message


def test_a_format_that_is_not_the_programs_is_refused() -> None:
    old = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c;'
    assert without_parser(job(program={"inline": {"format": "openqasm2", "data": old}}).spec, old) is None
    for format_, data, said in (
        ("openqasm3", old, "OPENQASM 2.0"),
        ("openqasm2", BELL, "OPENQASM 3.0"),
        ("openqasm2", "h;", "no line"),
    ):
        found = without_parser(job(program={"inline": {"format": format_, "data": data}}).spec, data)
        assert isinstance(found, Failure) and found.reason == Reason.FORMAT_MISMATCH
        assert format_ in found.message and said in found.message


def test_bytes_count_not_characters() -> None:
    fits = "é" * (MAX_PROGRAM_BYTES // 2)
    assert without_parser(job(program={"inline": {"data": fits}}).spec, fits) is None
    found = without_parser(job(program={"inline": {"data": fits + "é"}}).spec, fits + "é")
    assert isinstance(found, Failure) and found.reason == Reason.PROGRAM_TOO_LARGE
    assert str(MAX_PROGRAM_BYTES + 2) in found.message


def test_a_text_out_of_a_config_map_obeys_the_same_bounds_and_is_named() -> None:
    stored = {"configMapRef": {"name": "programs", "key": "bell.qasm"}}
    assert without_parser(job(program=stored).spec, BELL) is None
    found = without_parser(job(program=stored).spec, "x" * (MAX_PROGRAM_BYTES + 1))
    assert isinstance(found, Failure) and "key bell.qasm of ConfigMap programs" in found.message
    found = without_parser(job(program=stored | {"sha256": "0" * 64}).spec, BELL)
    assert isinstance(found, Failure) and found.reason == Reason.DIGEST_MISMATCH


def test_what_is_missing_is_looked_for_less_and_less_often() -> None:
    waits, age = [], 0.0
    while age < 3600:
        waits.append(look_again(age))
        age += waits[-1]
    assert waits[0] == FIRST_LOOK and waits[-1] == LAST_LOOK and waits == sorted(waits)
    assert len(waits) < 80
