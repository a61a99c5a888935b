"""What the parent does with a child's answer, and the form for callers without an event loop."""

import pytest

from omnixan.edge_network.quantum import frames, sandbox
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.openqasm import parse
from omnixan.edge_network.quantum.sandbox import BlockingSandbox


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0\0", b"\0\0\0\5{}", frames.encode({}), frames.encode({"analysis": 1}),
     frames.encode({"analysis": {}, "circuit": {"qubits": 10**9}})],
)  # fmt: skip
def test_an_answer_of_a_child_gone_wrong_is_refused(answer):
    with pytest.raises(ProgramError) as error:
        sandbox._decode(answer)
    assert error.value.reason == "BadAnswer"


def test_the_blocking_form_works_without_a_loop(bell_text):
    with BlockingSandbox() as blocking:
        assert blocking.parse(bell_text).circuit == parse(bell_text)
        with pytest.raises(ProgramError):
            blocking.parse("nonsense")
