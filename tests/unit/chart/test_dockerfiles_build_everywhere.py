"""Dockerfiles keep to what Docker's legacy builder, BuildKit and buildah have in common."""

from __future__ import annotations

import pytest

from tests.cases.chart import ROOT

DOCKERFILES = {"operator": "omnixan-operator", "node_agent": "omnixan-agent"}


def instructions(folder: str) -> list[str]:
    """Instructions, each on one line."""
    text = (ROOT / folder / "Dockerfile").read_text()
    assert "# syntax=" not in text
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_no_builder_is_left_out(folder: str) -> None:
    lines = instructions(folder)
    assert lines[0] == "ARG BASE=debian:bookworm-slim"
    assert not [line for line in lines if "--mount" in line or "--link" in line or "<<" in line]


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_the_image_runs_a_program_of_ours_as_nobody(folder: str) -> None:
    final = instructions(folder)
    final = final[max(i for i, line in enumerate(final) if line.startswith("FROM ")) :]
    assert final[0] == "FROM base"
    assert "USER 65532:65532" in final
    assert final[-1] == f'ENTRYPOINT ["{DOCKERFILES[folder]}"]'
    assert f"\n{DOCKERFILES[folder]} = " in (ROOT / "pyproject.toml").read_text()
    assert not [line for line in final if line.startswith("RUN ")]


@pytest.mark.parametrize("folder", DOCKERFILES)
def test_dependencies_are_locked_and_in_a_layer_below_ours(folder: str) -> None:
    lines = instructions(folder)
    (third_party,) = (line for line in lines if "--requirement" in line)
    for option in ("--no-index", "--require-hashes", "--no-deps"):
        assert option in third_party
    copies = [line for line in lines if line.startswith("COPY --from=")]
    assert copies == ["COPY --from=dependencies /opt/omnixan /opt/omnixan", "COPY --from=own /own /opt/omnixan"]
