"""`make test`: every part is run whatever became of the others, and one that fails fails the whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from e2e import suite
from e2e.suite import Suite

PARTS = ("lint", "test-unit", "test-api", "test-operator", "test-agent", "test-guest", "test-e2e", "test-faults")


@pytest.fixture(params=[True, False], ids=["warm", "cold"])
def played(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suite with programs that only note their arguments; one whose arguments have the word in `fails` fails."""
    (tmp_path / "fails").write_text("nothing")
    program = tmp_path / "note.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nhere = Path(__file__).parent\nsaid = ' '.join(sys.argv[1:])\n"
        "with (here / 'said').open('a') as log:\n    log.write(said + '\\n')\n"
        "sys.exit((here / 'fails').read_text() in said)\n"
    )

    def raised(suite_: Suite) -> None:
        suite_.add("cluster", 0.0, (tmp_path / "fails").read_text() != "cluster")

    monkeypatch.setattr(suite, "_python", lambda *arguments: [sys.executable, str(program), *arguments])
    monkeypatch.setattr(suite, "BIN", tmp_path)
    (tmp_path / "lint-imports").symlink_to("/bin/true")
    monkeypatch.setattr(suite, "_raise_cluster", raised)
    monkeypatch.setattr(suite, "_programs_are_built", lambda: request.param)
    monkeypatch.setattr(suite, "_wait_for_the_api_server", lambda: None)
    return tmp_path


def outcome(capsys: pytest.CaptureFixture[str]) -> tuple[object, dict[str, str]]:
    """Exit status, and how each part ended as the table at the end says it."""
    with pytest.raises(SystemExit) as ended:
        suite.main()
    table = capsys.readouterr().out.rpartition("══ minutes")[2].split("\n")
    return ended.value.code, {line.split()[0]: line.split()[2] for line in table if line.strip()}


def test_all_is_run_once(played: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, parts = outcome(capsys)
    assert status == 0 and parts == dict.fromkeys((*PARTS, "cluster", "all"), "ok")
    said = (played / "said").read_text().splitlines()
    for tests in (
        "tests/unit",
        "tests/api -q",
        "tests/api/omnixan_operator -q",
        "tests/api/agent -q",
        "tests/guest",
        "tests/faults",
        "e2e/scenarios",
    ):
        assert sum(line.startswith(f"pytest {tests}") for line in said) == 1, tests


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("mypy", "lint"),
        ("tests/unit", "test-unit"),
        ("tests/api/agent -q", "test-agent"),
        ("tests/faults", "test-faults"),
        ("cluster", "cluster"),
    ],
)
def test_what_fails_is_named_and_the_rest_is_run(
    played: Path, capsys: pytest.CaptureFixture[str], word: str, part: str
) -> None:
    (played / "fails").write_text(word)
    status, parts = outcome(capsys)
    assert status == 1
    assert parts == dict.fromkeys((*PARTS, "cluster"), "ok") | {part: "FAILED", "all": "FAILED"}
