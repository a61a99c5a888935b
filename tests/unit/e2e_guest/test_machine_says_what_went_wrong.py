"""The machine's side of the line, with a program in QEMU's place that prints what a guest would."""

import os
import stat
import sys
from pathlib import Path

import pytest

from e2e.guest import machine as module
from e2e.guest.build import Guest
from e2e.guest.machine import GuestFailed, Hardware, Machine


@pytest.fixture
def boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a machine whose emulator is the given Python."""

    def make(program: str) -> Machine:
        emulator = tmp_path / "emulator"
        emulator.write_text(
            f"#!{sys.executable} -IS\nimport os, sys, signal\ndef say(line): print(line, flush=True)\n{program}\n"
        )
        emulator.chmod(emulator.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(module, "QEMU", str(emulator))
        (tmp_path / "base").write_bytes(b"")
        return Machine(Guest(tmp_path / "kernel", tmp_path / "base", "6.1"), Hardware(tmp_path), [])

    return make


def test_a_record_is_waited_for_and_later_ones_before_the_cut_count(boots, tmp_path: Path) -> None:
    with boots("[say(f'ACK {n}') for n in range(9)]; say('ACK'); signal.pause()") as machine:
        assert machine.acknowledged(4) == 4
        while machine._lines.qsize() < 5:
            pass
        assert machine.cut_power() == 8
        assert machine.seconds_per_record >= 0
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_a_guest_says_until_it_is_done_is_kept(boots) -> None:
    with boots("""say('SAYS {"what": "device", "path": "/x"}'); say('SAYS {"what": "done"}')""") as machine:
        assert [fact["what"] for fact in machine.finish()] == ["device", "done"]


def test_an_error_in_the_guest_is_told_with_its_trace(boots) -> None:
    failed = """say('SAYS {"what": "failed", "error": "OSError: no space", "trace": "line 7"}'); signal.pause()"""
    with boots(failed) as machine:
        with pytest.raises(GuestFailed, match=r"no space\nline 7"):
            machine.acknowledged(0)


def test_a_guest_that_stops_is_told_with_the_end_of_its_kernels_messages(boots) -> None:
    stopping = "console = [a for a in sys.argv if a.startswith('file:')][0][5:]; open(console, 'w').write('Kernel panic')"
    with boots(stopping) as machine:
        with pytest.raises(GuestFailed, match=r"stopped before the end of its steps(?s:.*)Kernel panic"):
            machine.finish()


def test_a_silent_guest_is_given_up(boots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.2)
    with boots("signal.pause()") as machine:
        with pytest.raises(GuestFailed, match="is silent or late: waited for the acknowledgement of record 3"):
            machine.acknowledged(3)


def test_the_emulator_is_gone_when_the_body_raises(boots) -> None:
    with pytest.raises(ZeroDivisionError), boots('say(\'SAYS {"what": "x"}\'); signal.pause()') as machine:
        process = machine._process
        raise ZeroDivisionError
    assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_an_emulator_that_refuses_its_options_is_quoted(boots) -> None:
    with boots("print('-machine q35: no such machine', file=sys.stderr); sys.exit(1)") as machine:
        with pytest.raises(GuestFailed, match=r"stopped before(?s:.*)-machine q35: no such machine"):
            machine.acknowledged(0)


def test_a_missing_emulator_is_named(boots) -> None:
    machine = boots("")
    machine._command[0] = "no-such-emulator"
    with pytest.raises(GuestFailed, match="no-such-emulator is not installed; `make setup` installs it"), machine:
        pass
