"""Other programs: their errors are shown, none outlives a killed run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from e2e.cluster.cli import run_to_its_end
from e2e.cluster.process import CommandError, complaints, is_alive, run, succeeds


def test_what_a_program_prints_is_returned():
    assert run(["cat"], text_input="grüße") == "grüße"


def test_a_program_gets_no_input_it_could_wait_for():
    assert run(["cat"], timeout=10) == ""


def test_complaints_are_found_above_a_stack_trace():
    output = "Creating\nERROR: failed to init node\nI fine\n  error: timed out after 4m\nmain.go:25\nruntime/proc.go:290\n"
    assert complaints(output) == ["ERROR: failed to init node", "error: timed out after 4m"]
    assert complaints("main.go:25\n") == ["it does not say why"]


def test_an_error_shows_the_status_and_the_last_lines():
    script = "import sys; [print(f'line {i}') for i in range(100)]; sys.exit('the reason')"
    with pytest.raises(CommandError, match="status 1") as failed:
        run([sys.executable, "-c", script])
    assert failed.value.status == 1
    assert "the reason" in str(failed.value) and "line 99" in str(failed.value) and "line 5\n" not in str(failed.value)


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(CommandError, match="no end after"):
        run(["sleep", "60"], timeout=0.2)


def test_a_missing_program_is_an_error_like_another():
    assert not succeeds(["there-is-no-such-program"])


def test_the_environment_is_added_to_ours(monkeypatch):
    monkeypatch.setenv("OURS", "1")
    assert run(["sh", "-c", "echo $OURS $THEIRS"], env={"THEIRS": "2"}) == "1 2\n"


def test_nothing_outlives_a_killed_run(request, tmp_path):
    script = f"from e2e.cluster.process import run; run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'])"
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=request.config.rootpath)
    note = tmp_path / "pid"
    wait_until(lambda: note.exists() and note.read_text().strip())
    child = int(note.read_text())
    assert is_alive(child)
    killed.kill()
    killed.wait()
    wait_until(lambda: not is_alive(child))


class TestRunToItsEnd:
    """Used by `locked`: the lock must not be free while the command still cleans up."""

    def test_the_status_is_the_programs(self):
        assert run_to_its_end(["sh", "-c", "exit 7"]) == 7
        assert run_to_its_end(["sh", "-c", "kill -KILL $$"]) == 128 + signal.SIGKILL

    def test_told_to_stop_it_waits_until_the_program_has_cleaned_up(self, request, tmp_path):
        command = [
            "sh",
            "-c",
            f"trap 'echo done > {tmp_path}/end; exit 9' TERM; echo > {tmp_path}/begin; while :; do sleep 0.05; done",
        ]
        script = f"import sys; from e2e.cluster.cli import run_to_its_end; sys.exit(run_to_its_end({command!r}))"
        outer = subprocess.Popen([sys.executable, "-c", script], cwd=request.config.rootpath)
        wait_until((tmp_path / "begin").exists)
        outer.send_signal(signal.SIGTERM)
        assert outer.wait(20) == 9
        assert (tmp_path / "end").read_text() == "done\n"

    def test_handlers_are_ours_again_afterwards(self):
        before = (
            signal.getsignal(signal.SIGTERM),
            signal.getsignal(signal.SIGINT),
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
        )
        run_to_its_end(["true"])
        after = (
            signal.getsignal(signal.SIGTERM),
            signal.getsignal(signal.SIGINT),
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
        )
        assert after == before


def test_a_zombie_is_dead():
    child = os.fork()
    if child == 0:
        os._exit(0)
    wait_until(lambda: not is_alive(child))
    os.waitpid(child, 0)


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
