"""The tables that the placement benchmark's results are told in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from e2e.bench import figures
from e2e.bench.esp import account

Results = Sequence[Mapping[str, Any]]
"""What each seed of one kind of fleet gave."""
OURS, THEIRS, ALONE = "esp", "static-best", "success-alone"
FLOORS = {
    "missedByTruth": "the agent's ESP",
    "missedByTruthSeen": "of it, the errors that a readout sees",
    "missedByTruthSeenOfMeasured": "the same of those that were measured",
    "missedByMeasured": "measured, up to 7 qubits",
}


def over_seeds(results: Results) -> dict[str, Any]:
    """Mean, median and range of the gains, and how much of the possible one is reached, with and without the best seed."""
    top = max(result["gainPercent"] for result in results)
    others = [result for result in results if result["gainPercent"] < top]
    return {
        "gainPercent": account.seeds([result["gainPercent"] for result in results]),
        "gainOfSuccessAlonePercent": account.seeds([result["gainOfSuccessAlonePercent"] for result in results]),
        "reachedPercent": _reached(results),
        "reachedPercentWithoutTheBestSeed": _reached(others) if others else None,
    }


def rows(fleet: str, results: Results, jobs: int) -> list[dict[str, Any]]:
    """The rows of one kind of fleet in the table of figures and aims."""
    over = over_seeds(results)
    gain, without = over["gainPercent"], over["reachedPercentWithoutTheBestSeed"]
    what = f"{fleet}: success over static-best, {jobs} jobs, mean of {len(results)} seeds"
    possible = round(fmean(result["possiblePercent"] for result in results), 1)
    ratio = max(result["p95WaitRatio"] for result in results)
    against, *truths = (_floors(results, OURS, key) for key in ("placedAgainstPrediction", *FLOORS))
    notes = {
        "the same, median of the seeds": (gain["median"], "%"),
        "the same, least of the seeds": (gain["least"], "%"),
        "the same, most of the seeds": (gain["most"], "%"),
        "the same if each job had its truly best device, and no queue": (possible, "%"),
        "of that gain, reached": (over["reachedPercent"], "%"),
        "of that gain, reached without the seed that gains most": (without, "%"),
    }
    return [
        figures.at_least(what, round(gain["mean"], 1), 15, "%"),
        *(figures.noted(f"{fleet}: {note}", *value) for note, value in notes.items() if value[0] is not None),
        figures.verdict(f"{fleet}: p95 wait over static-best's, worst seed", ratio, 2, "×"),
        figures.noted(f"{fleet}: jobs never placed", _never(results, OURS), ""),
        figures.verdict(f"{fleet}: floors placed against the prediction, by construction", against["jobs"], 0, ""),
        *(
            figures.verdict(f"{fleet}: floors missed by the truth: {name}", truth["percent"], 0, "%")
            for name, truth in zip(FLOORS.values(), truths, strict=True)
        ),
    ]


def by_policy(fleets: Mapping[str, Results]) -> str:
    """A Markdown table of waits and floors, with a column for each policy in each kind of fleet."""
    columns = [(fleet, policy) for fleet in fleets for policy in (OURS, THEIRS, ALONE)]
    lines = ["| all seeds | " + " | ".join(f"{fleet.split()[0]}: {policy}" for fleet, policy in columns) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    cells = [_policy(fleets[fleet], policy) for fleet, policy in columns]
    lines += [f"| {what} | {' | '.join(cell[what] for cell in cells)} |" for what in cells[0]]
    return "\n".join(lines) + "\n"


def _policy(results: Results, policy: str) -> dict[str, str]:
    waits = [result[policy]["waitSeconds"] for result in results]
    held, others = ([one[group] for one in waits] for group in ("heldForFloor", "others"))
    cells = {
        "success, mean": f"{fmean(result[policy]['success'] for result in results):.4f}",
        "mean wait": f"{account.mean_wait(waits):.1f} s",
        "mean wait of the worst seed": f"{max(one['mean'] for one in waits):.1f} s",
        "longest wait": f"{max(one['max'] for one in waits):.0f} s",
        "jobs held until a device reached their floor": f"{sum(one['count'] for one in held):g}",
        "mean wait of those": f"{account.mean_wait(held):.0f} s" if any(one["count"] for one in held) else "–",
        "mean wait of all others": f"{account.mean_wait(others):.1f} s",
        "longest wait of all others": f"{max(one.get('max', 0.0) for one in others):.0f} s",
        "jobs never placed": f"{_never(results, policy)}",
        "floors placed against the prediction": _short(_floors(results, policy, "placedAgainstPrediction")),
    }
    return cells | {f"floors missed: {name}": _short(_floors(results, policy, key)) for key, name in FLOORS.items()}


def by_seed(fleets: Mapping[str, Results]) -> str:
    """A Markdown table with a line for each world: gains, waits and where the gain comes from."""
    lines = [
        "| devices, seed | gain | possible | p95 wait | success alone: gain | its p95 wait "
        "| choice | closed form | queue | drift | moment |",
        "| --- |" + " ---: |" * 10,
    ]
    for results in fleets.values():
        lines += [f"| {' | '.join(_seed(result))} |" for result in results]
    return "\n".join(lines) + "\n"


def _seed(result: Mapping[str, Any]) -> list[str]:
    parts = result["gainInPartsPercent"]
    return [
        f"{len(result['devices'])}, {result['seed']}",
        f"{result['gainPercent']} %",
        f"{result['possiblePercent']} %",
        f"{result['p95WaitRatio']:.2f} ×",
        f"{result['gainOfSuccessAlonePercent']} %",
        f"{result['p95WaitRatioOfSuccessAlone']:.2f} ×",
        *(f"{parts[name] + 0.0:.2f}" for name in ("choice", "closedForm", "queue", "drift", "moment")),
    ]


def _short(found: Mapping[str, float]) -> str:
    """How many floors were missed, and by how much."""
    share = f"{found['jobs']} of {found['of']}"
    if not found["jobs"]:
        return share
    return f"{share}, {found['percent']} %: by {found['meanShort']:.3f}, {found['mostShort']:.3f} at most"


def _floors(results: Results, policy: str, key: str) -> dict[str, float]:
    return account.together([result[policy]["floors"][key] for result in results])


def _never(results: Results, policy: str) -> int:
    return sum(len(result[policy]["neverPlaced"]) for result in results)


def _reached(results: Results) -> float:
    return account.reached(
        [result[OURS]["success"] for result in results],
        [result[THEIRS]["success"] for result in results],
        [result["best"] for result in results],
    )
