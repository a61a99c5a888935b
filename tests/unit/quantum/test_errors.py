import json

import pytest

from omnixan.edge_network.quantum.errors import MAX_MESSAGE, ProgramError


def test_an_error_survives_json():
    error = ProgramError("INVALID_PROGRAM", "SyntaxError", "wrong", 7)
    again = ProgramError.from_dict(json.loads(json.dumps(error.to_dict())))
    assert (again.category, again.reason, again.message, again.line) == ("INVALID_PROGRAM", "SyntaxError", "wrong", 7)
    assert str(again) == "wrong"


@pytest.mark.parametrize("data", [None, [], {}, {"category": "NO_SUCH", "reason": "a", "message": "b"}, {"category": []}])
def test_what_is_no_error_report_is_the_backends_fault(data):
    assert ProgramError.from_dict(data).reason == "BadAnswer"


def test_messages_are_cut():
    assert len(str(ProgramError("TIMEOUT", "Timeout", "x" * 10_000))) == MAX_MESSAGE
