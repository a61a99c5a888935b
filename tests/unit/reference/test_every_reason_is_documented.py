"""Every reason has a place, a runbook and a line in the reference; nothing is left of reasons that are gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.reference.pages import CONDITIONS, ROOT, RUNBOOKS, files, places, runbook_file, sections
from e2e.reference.places import OF_AGENTS, OF_MODULES, PLACES, UNSEEN, documented, documented_event
from e2e.reference.scan import _category, _named_with_category, failures
from omnixan.edge_network.agent import storage
from omnixan.edge_network.agent.modules import POOL_OPEN
from omnixan.edge_network.memory_pooling.errors import PoolError
from omnixan.edge_network.persistent_memory import MediumError
from omnixan_operator.reasons import Reason

PARTS = ("- **Meaning** ", "- **Impact** ", "- **Diagnose** ", "- **Mend** ")


def test_every_reason_of_the_operator_has_a_place() -> None:
    missing = sorted(set(map(str, Reason)) - PLACES.keys())
    assert not missing, (
        "tell in PLACES of e2e/reference/places.py where each new reason appears, for example\n"
        + "".join(f'    "{reason}": (Place(JOB, ("Placed", "Reconciling"), "Warning"),),\n' for reason in missing)
        + "then add its runbook if it is on a condition (the next test says where) and run `make generate`"
    )
    stale = sorted(PLACES.keys() - set(map(str, Reason)))
    assert not stale, f"remove from PLACES of e2e/reference/places.py: {stale}"


@pytest.mark.parametrize("kind", sorted(CONDITIONS))
def test_every_reason_on_a_condition_has_a_runbook(kind: str) -> None:
    file = RUNBOOKS / runbook_file(kind)
    written = sections(file.read_text())
    wanted = {reason for reason, found in places().items() for p in found if p.kind == kind and p.conditions}
    missing = sorted(wanted - written.keys())
    assert not missing, f"add to docs/runbooks/{file.name}, and run `make generate`:\n" + "".join(
        f"\n## {reason}\n" + "".join(f"{part}…\n" for part in PARTS) for reason in missing
    )
    assert not written.keys() - wanted, f"remove from docs/runbooks/{file.name}: {sorted(written.keys() - wanted)}"
    for reason, text in written.items():
        for part in PARTS:
            said = re.search(rf"^{re.escape(part)}(.+)$", text, re.MULTILINE)
            assert said and said[1].strip() != "…", f"{file.name}, {reason}: {part}is missing or empty"


def test_every_failure_of_a_run_has_a_runbook_under_its_category() -> None:
    text = (RUNBOOKS / "failures.md").read_text()
    written = {
        (category, reason)
        for category, section in _categories(text).items()
        for reason in re.findall(r"^### (\w+)$", section, re.MULTILINE)
    }
    wanted = {(category, reason) for reason, categories in failures().items() for category in categories}
    missing = sorted(wanted - written)
    assert not missing, "add to docs/runbooks/failures.md, and run `make generate`:\n" + "".join(
        f"\nunder ## {category}\n### {reason}\n- **Meaning** …\n- **Mend** …\n" for category, reason in missing
    )
    assert not written - wanted, f"remove from docs/runbooks/failures.md: {sorted(written - wanted)}"
    for category, section in _categories(text).items():
        head = section.split("###")[0]
        assert all(part[2:] in head for part in PARTS[1:]), f"failures.md, {category}: a part of {PARTS[1:]} is missing"
        for reason in section.split("### ")[1:]:
            assert re.search(r"^- \*\*Meaning\*\* [^…]+$", reason, re.M) and re.search(
                r"^- \*\*Mend\*\* [^…]+$", reason, re.M
            )


def _categories(text: str) -> dict[str, str]:
    parts = re.split(r"^## (?=[A-Z_]+$)", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def test_every_place_names_a_condition_that_the_kind_has() -> None:
    for reason, found in places().items():
        for place in found:
            assert set(place.conditions) <= CONDITIONS.get(place.kind, {}).keys(), reason
            assert place.conditions or place.event, reason


def test_reasons_of_the_agent_are_in_its_sources() -> None:
    text = "".join(path.read_text() for path in (ROOT / "node_agent/omnixan/edge_network/agent").glob("*.py"))
    said = set(re.findall(r'(?:twin\.say\(\s*\w+,|events\.warn\(\s*[\w.]+,)\s*"(\w+)"', text))
    assert said <= OF_AGENTS.keys(), f"add to OF_AGENTS of e2e/reference/places.py: {sorted(said - OF_AGENTS.keys())}"
    assert said >= OF_AGENTS.keys(), f"remove from OF_AGENTS of e2e/reference/places.py: {sorted(OF_AGENTS.keys() - said)}"


def test_reasons_of_the_modules_are_those_of_their_errors() -> None:
    errors = {kind.reason for root in (MediumError, PoolError) for kind in (root, *_below(root))}
    own = {storage.READY, storage.EMULATION, "Opening", POOL_OPEN}
    text = (ROOT / "node_agent/omnixan/edge_network/agent/storage.py").read_text()
    own |= set(re.findall(r'MemoryReport\(\w+, "(\w+)"', text))
    missing = sorted((errors | own) - OF_MODULES.keys() - UNSEEN)
    assert not missing, f"add to OF_MODULES (or, if no condition can carry it, to UNSEEN) of places.py: {missing}"
    assert not (OF_MODULES.keys() | UNSEEN) - errors - own, "remove them from OF_MODULES or UNSEEN of places.py"


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


@pytest.mark.parametrize("path", sorted(files()), ids=str)
def test_the_pages_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text() == files()[path], "run `make generate`"  # type: ignore[index]


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in files():
        for target, anchor in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", (ROOT / page).read_text()):
            file = (ROOT / page).parent / target
            assert file.is_file(), f"{page}: {target}"
            headings = {h.lower() for h in re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)}
            assert not anchor or anchor in headings, f"{page}: {target}#{anchor}"


def test_known_and_unknown_reasons_are_told_apart() -> None:
    names = frozenset(failures())
    assert documented("QuantumJob", "Failed", "SyntaxError", names)
    assert documented("EdgeNode", "AgentReady", "WorkerWarm", names)
    assert not documented("EdgeNode", "Ready", "SyntaxError", names)
    assert not documented("QuantumJob", "Placed", "Succeeded", names)
    assert documented_event("Node", "Normal", "NodeClaimed") and not documented_event("Node", "Warning", "NodeClaimed")


def test_the_scan_finds_every_way_to_name_a_failure() -> None:
    tree = ast.parse(
        'raise ProgramError("TIMEOUT", "TooSlow", "x")\nfailed(record, Category.TIMEOUT, "Late", m)\nx = "TIMEOUT", "Ends"'
    )
    assert set(_named_with_category(tree)) == {("TIMEOUT", "TooSlow"), ("TIMEOUT", "Late"), ("TIMEOUT", "Ends")}
    chosen = '{"category": (Category.TIMEOUT if a else Category.RUN_LOST).value, "reason": "One" if a else "Two"}'
    assert set(_named_with_category(ast.parse(chosen))) == {("TIMEOUT", "One"), ("RUN_LOST", "Two")}
    assert _category(ast.Constant("ELSE")) == ""
