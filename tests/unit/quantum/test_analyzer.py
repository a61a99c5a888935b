"""The analyzer as the operator meets it: a process behind a Unix socket."""

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import pytest_asyncio

from omnixan.edge_network.quantum import analyzer, frames

COMMAND = [sys.executable, "-m", "omnixan.edge_network.quantum.analyzer"]


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def check(path):
    return subprocess.run(
        [*COMMAND, "--check", "--socket", str(path)], capture_output=True, text=True, env=environment(), check=False
    )


def log_of(path):
    """The file with all that the analyzer on this socket logs."""
    return path.with_name("log")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Path of a running analyzer's socket."""
    path = tmp_path_factory.mktemp("analyzer") / "analyzer.sock"
    assert check(path).returncode == 1  # nobody there yet
    with (
        log_of(path).open("wb") as log,
        subprocess.Popen([*COMMAND, "--socket", str(path)], env=environment(), stderr=log) as process,
    ):
        deadline = time.monotonic() + 60
        while not path.exists() or check(path).returncode:
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield path
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not path.exists()
    sys.stderr.write(log_of(path).read_text())  # pytest shows it with a failure


@pytest_asyncio.fixture
async def ask(served):
    """A function that asks over one connection."""
    reader, writer = await asyncio.open_unix_connection(str(served))

    async def asking(**request):
        writer.write(frames.encode(request))
        return await frames.read(reader)

    yield asking
    writer.close()


def test_it_is_ready_once_it_listens(served):
    assert check(served).returncode == 0
    assert served.stat().st_mode & 0o777 == 0o660


async def test_one_connection_takes_many_requests(ask, bell_text):
    digest = hashlib.sha256(bell_text.encode()).hexdigest()
    analysis = {
        "qubits": 2,
        "depth": 3,
        "twoQubitGates": 1,
        "twoQubitDepth": 1,
        "lineSwaps": 0,
        "measured": 2,
        "gates": {"h": 1, "cx": 1},
        "sha256": digest,
    }
    for _ in range(3):
        assert await ask(format="openqasm3", data=bell_text) == {"analysis": analysis}
    assert await ask(format="openqasm3", data=bell_text, sha256=digest) == {"analysis": analysis}
    assert await ask(format="openqasm3", data=bell_text, sha256=None) == {"analysis": analysis}


async def test_bad_programs_are_answered_with_category_reason_and_line(ask, bell_text):
    error = (await ask(format="openqasm3", data="OPENQASM 3.0;\nqubit q\nbit c;"))["error"]
    assert (error["category"], error["reason"], error["line"]) == ("INVALID_PROGRAM", "SyntaxError", 3)
    error = (await ask(format="openqasm3", data=bell_text, sha256="0" * 64))["error"]
    assert (error["category"], error["reason"]) == ("PAYLOAD_REJECTED", "DigestMismatch")
    error = (await ask(format="openqasm3", data="//" + "x" * 131072))["error"]
    assert (error["category"], error["reason"]) == ("PAYLOAD_REJECTED", "ProgramTooLarge")


@pytest.mark.parametrize(
    "request_",
    [{}, {"format": "qpy", "data": "x"}, {"format": "openqasm3"}, {"format": "openqasm3", "data": 1},
     {"format": "openqasm3", "data": "x", "sha256": 1}],
)  # fmt: skip
async def test_what_is_no_request_is_answered_and_the_connection_lives(ask, bell_text, request_):
    assert "error" in await ask(**request_)
    assert "analysis" in await ask(format="openqasm3", data=bell_text)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xffxxxx", b"\0\0\0\2[]", b"\0\0\0\3{{{"])
def test_what_is_no_frame_is_answered_and_the_connection_closed(served, data):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(served))
        connection.sendall(data)
        answer = frames.receive(connection)
        assert answer["error"]["reason"] == "BadRequest"
        assert frames.receive(connection) is None
    assert check(served).returncode == 0


async def test_a_bomb_is_killed_remembered_and_holds_nobody_up(served, ask, cpu_bomb, bell_text):
    async def asked(data):
        reader, writer = await asyncio.open_unix_connection(str(served))
        writer.write(frames.encode({"format": "openqasm3", "data": data}))
        answer = await frames.read(reader)
        writer.close()
        return answer

    bombs = [asyncio.create_task(asked(cpu_bomb)) for _ in range(3)]
    fresh = 0
    while not all(bomb.done() for bomb in bombs):
        assert "analysis" in await ask(format="openqasm3", data=bell_text + f"// {fresh}")
        fresh += 1
    assert fresh >= 10
    assert {(await bomb)["error"]["reason"] for bomb in bombs} == {"ParserKilled"}
    assert (await asked(cpu_bomb))["error"]["reason"] == "ParserKilled"
    digest = hashlib.sha256(cpu_bomb.encode()).hexdigest()
    # one line for each reading that was stopped: the three were read once for all, and never again
    assert log_of(served).read_text().count(f"program {digest}: ") == 1


class Counting:
    """Stands in for a sandbox that is out of order: what must not be remembered."""

    def __init__(self, category):
        self.category = category
        self.asked = 0

    async def analyze(self, text):
        self.asked += 1
        raise analyzer.ProgramError(self.category, "Some", "some")


@pytest.mark.parametrize(("category", "asked"), [("BACKEND_ERROR", 2), ("INVALID_PROGRAM", 1)])
async def test_only_answers_about_the_program_are_kept(category, asked):
    sandbox = Counting(category)
    subject = analyzer.Analyzer(sandbox)
    for _ in range(2):
        answer = await subject.answer({"format": "openqasm3", "data": "x"})
        assert answer["error"]["category"] == category
    assert sandbox.asked == asked
