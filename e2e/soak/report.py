"""The rounds of one part: progress lines while they run, JSON in the end."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from typing import Any

from e2e.bench.figures import OUT, machine

FOLDER = OUT / "soak"
REASON_CHARACTERS = 2000
GROUND_LINES = 60


class Report:
    """What happened in each round of a part; with `resume` after the rounds that are written down already."""

    def __init__(self, name: str, what: str, rounds: int, *, resume: bool = False) -> None:
        self.name = name
        self.what = what
        self.rounds_wanted = rounds
        written = FOLDER / f"{name}.json"
        resumed = resume and written.exists()
        self.rounds: list[dict[str, Any]] = json.loads(written.read_text())["rounds"][:rounds] if resumed else []

    def round(
        self,
        number: int,
        run: Callable[[], dict[str, Any]],
        why: Callable[[], list[str]] = lambda: [],
        evidence: dict[str, Any] | None = None,
    ) -> bool:
        """One round; whether it passed. What it raises is noted as its failure, with what `why` says about it then.

        What is in `evidence` then, which `run` may fill, is written down however the round ends.
        """
        evidence = {} if evidence is None else evidence
        evidence.clear()
        print(f"══ {self.name}: round {number + 1} of {self.rounds_wanted}", flush=True)
        begin = time.monotonic()
        entry: dict[str, Any]
        try:
            found = run()
            entry = {"passed": True} | evidence | found
        except Exception as error:  # the soak goes on: a part that fails now and then is what it is looking for
            traceback.print_exc()
            entry = {"passed": False, "reason": f"{type(error).__name__}: {error}"[:REASON_CHARACTERS]} | evidence
            if said := why():
                entry["ground"] = said[:GROUND_LINES]
        entry["seconds"] = round(time.monotonic() - begin, 1)
        print(f"   {json.dumps(entry)}", flush=True)
        self.rounds.append(entry)
        self.write()  # what was found is kept if the machine stops in the next round
        return bool(entry["passed"])

    def write(self) -> bool:
        """docs/figures/soak/NAME.json; whether every round passed and none is missing."""
        passed = sum(1 for entry in self.rounds if entry["passed"])
        FOLDER.mkdir(parents=True, exist_ok=True)
        document = {
            "what": self.what,
            "machine": machine(),
            "roundsWanted": self.rounds_wanted,
            "roundsDone": len(self.rounds),
            "roundsPassed": passed,
            "rounds": self.rounds,
        }
        (FOLDER / f"{self.name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return passed == len(self.rounds) == self.rounds_wanted
