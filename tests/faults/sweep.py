"""A short story (tales.py), and after each step of an operator in it a branch in which that one dies there.

A step of the loop ends at awaits, so this is death at every await between a job's arrival and its end; steps in which only
others act make no other death. The story is played once; each branch is a fork of the process that plays it.

`python -m tests.faults.sweep --tale retry` plays all branches of a story, with `--only 57 --trace` it tells of one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from tests.faults.__main__ import told
from tests.faults.cluster import SYSTEM
from tests.faults.episode import SETTLES_WITHIN, Episode, Story
from tests.faults.play import ROOT, Outcome
from tests.faults.replayable import become_replayable
from tests.faults.settled import unsettled
from tests.faults.tales import NODES, TALES
from tests.faults.virtualtime import CLIENT

SEED = 7
"""Of the story; branches differ in nothing but when the operator dies."""
BACK_AGAIN = 5.0
"""Virtual seconds in which who was frozen acts on what it had in mind, and finds out."""
RUN_SECONDS = 0.3
"""Of a run, at most."""


class Sweep(Episode):
    """A ready EdgeCluster gets jobs; then, in one branch per step, the operator is killed."""

    def __init__(self, most: int, only: int | None = None, tale: str = "jobs") -> None:
        """No branch after step `most`, counted from the jobs' arrival; or `only` this one, in this very process."""
        self.tale = TALES[tale]
        super().__init__(SEED, Story(actions=0, jobs=0, nodes=NODES, deaths=0, replicas=self.tale.replicas, calm=True))
        self._most = most
        self._only = only
        self._arrival: int | None = None
        self._alive: set[int] = set()
        self._ran: set[str] = set()
        """The operators that act in the step that begins now."""
        self.branch: int | None = None
        """The step at which the operator died; None in the story without a death."""

    async def _trouble(self) -> None:
        self.weather.calm = True
        self.agents.longest = RUN_SECONDS
        await self._settle()
        self._arrival = self.loop.steps
        await self.tale.script(self)
        await self._settle()
        self._arrival = None
        if self.branch is not None and self.tale.frozen:
            await asyncio.sleep(self.tale.frozen + BACK_AGAIN)

    async def _settle(self) -> None:
        end = self.loop.now + SETTLES_WITHIN
        while left := unsettled(self.cluster):
            if self.loop.now > end:
                self.invariants.violated("everything comes to its end", "; ".join(left[:4]))
            await asyncio.sleep(0.1)

    async def _quiet(self) -> None:
        """Silence after convergence is shown by longer stories."""

    async def _peace(self) -> None:
        await super()._peace()
        for wrong in self.tale.wrong(self):
            self.invariants.violated("the tale ends as it must", wrong)
        if self.branch is None:
            self._wait_for_branches(0)
        self._finish()
        self.tell()
        if self.branch is not None and self._only is None:
            os._exit(0)  # what a clean end takes away is the story's

    def _on_step(self) -> None:
        super()._on_step()
        ran, self._ran = self._ran, self._who_runs()
        if self._arrival is None or self.branch is not None or not ran:
            return
        step = self.loop.steps - self._arrival
        if step > self._most or (self._only is not None and step != self._only):
            return
        if self._only is None:
            self._wait_for_branches(len(os.sched_getaffinity(0)) - 1)
            if child := os.fork():
                self._alive.add(child)
                return
            asyncio._set_running_loop(self.loop)  # it is known by the process that began to run it
        self.branch = step
        victim = self._leader() if self._leader() in ran else min(ran)
        if self.tale.frozen:
            self.operators.freeze(victim)
            self.loop.call_later(self.tale.frozen, self._back, victim)
        else:
            self.operators.kill(victim)
            self.operators.start()

    def _leader(self) -> str:
        lease = self.cluster.api.find("Lease", SYSTEM, "omnixan-operator")
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "").partition("_")[0]

    def _who_runs(self) -> set[str]:
        """The operators of which something is ready, or is what the loop waits for."""
        ready, timers = list(self.loop._ready), self.loop._scheduled  # type: ignore[attr-defined]
        if timers:
            due = max(timers[0].when(), self.loop.now) if not ready else self.loop.now
            ready += [timer for timer in timers if timer.when() <= due]
        return {handle._context.get(CLIENT, "") for handle in ready} & set(self.operators.running)

    def _wait_for_branches(self, at_most: int) -> None:
        while len(self._alive) > at_most:
            child, status = os.wait()
            self._alive.discard(child)
            if status:
                self.invariants.violated("a branch is told to its end", f"it ended with status {status}")

    def tell(self) -> None:
        """One line of JSON about this branch, or about the story itself."""
        report = self.report
        violations = [str(violation) for violation in report.violations]
        found: dict[str, Any] = {"step": self.branch, "violations": violations, "crashes": report.crashes}
        line = json.dumps(found | {"jobs": report.jobs, "digest": report.digest}) + "\n"
        os.write(sys.stdout.fileno(), line.encode())  # at once and as one: several branches may tell at the same time


def sweep(most: int, tale: str = "jobs", seconds: float = 600.0) -> tuple[Outcome, list[Outcome]]:
    """What came of the story without a death, and of its branches in their order."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("operator", "node_agent", "."))}
    command = [sys.executable, "-m", "tests.faults.sweep", "--most", str(most), "--tale", tale]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds, check=True)
    outcomes: list[Outcome] = [json.loads(line) for line in done.stdout.splitlines()]
    (story,) = (outcome for outcome in outcomes if outcome["step"] is None)
    return story, sorted((o for o in outcomes if o["step"] is not None), key=lambda outcome: outcome["step"])


def main() -> None:
    """The exit status says nothing about what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.sweep", description=__doc__)
    parser.add_argument("--most", type=int, default=1000, help="no branch after this step (1000)")
    parser.add_argument("--only", type=int, help="the branch at this step only")
    parser.add_argument("--trace", action="store_true", help="tell everything that happens")
    parser.add_argument("--tale", choices=sorted(TALES), default="jobs", help="the story (jobs)")
    given = parser.parse_args()
    become_replayable("tests.faults.sweep")
    episode = Sweep(given.most, given.only, given.tale)
    if given.trace:
        told(episode)
    episode.play()


if __name__ == "__main__":
    main()
