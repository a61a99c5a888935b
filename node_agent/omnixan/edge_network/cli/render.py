"""Prints an outcome for people: tables that fit a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

BAR = 24


def show(console: Console, job: dict[str, Any]) -> None:
    """Print what a finished QuantumJob found, or why it failed."""
    name, status = job["metadata"]["name"], job["status"]
    failure = status.get("failure")
    if failure:
        line = f" (line {failure['line']})" if "line" in failure else ""
        console.print(f"[bold red]{name} failed[/]: {failure['category']}, {failure['reason']}{line}", highlight=False)
        console.print(failure["message"], markup=False, highlight=False)
        return
    summary = status["result"]["summary"]
    unit = "evaluations" if "training" in summary else "steps of its circuit"
    went_on = f", gone on after {status['resumedFromIteration']} {unit}" if "resumedFromIteration" in status else ""
    console.print(f"[bold green]{name} is complete[/]{went_on}", highlight=False)
    if "solution" in summary:
        _show_solution(console, summary)
    if "expectations" in summary:
        _show_expectations(console, summary)
    else:
        _show_outcomes(console, summary)


def _show_expectations(console: Console, summary: dict[str, Any]) -> None:
    shots = f"{summary['shots']} shots" if summary["shots"] else "exact"
    table = Table(title=f"expectation values, {shots}", title_justify="left")
    table.add_column("observable", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("standard error", justify="right")
    for number, found in enumerate(summary["expectations"]):
        table.add_row(found.get("name", f"[{number}]"), f"{found['value']:.6g}", f"{found['standardError']:.2g}")
    console.print(table)


def _show_outcomes(console: Console, summary: dict[str, Any]) -> None:
    table = Table(title=f"{summary['shots']} shots, {summary['distinctOutcomes']} different outcomes", title_justify="left")
    table.add_column("outcome", no_wrap=True)
    table.add_column("shots", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", no_wrap=True)
    most = max((o["count"] for o in summary["top"]), default=1)
    for o in summary["top"]:
        table.add_row(
            o["bitstring"], str(o["count"]), f"{100 * o['probability']:.1f} %", "█" * round(BAR * o["count"] / most)
        )
    console.print(table)


def _show_solution(console: Console, summary: dict[str, Any]) -> None:
    problem, training = summary["problem"], summary["training"]
    table = Table(title=f"{problem['kind']}, {problem['variables']} variables, optimum {problem['optimum']:g}")
    table.title_justify = "left"
    table.add_column("")
    table.add_column("QAOA", justify="right")
    table.add_column("uniform guessing", justify="right")
    ours, luck = summary["solution"], summary["uniform"]
    table.add_row("best value in the sample", f"{ours['value']:g}", f"{luck['value']:g}")
    table.add_row("feasible", *("yes" if s["feasible"] else "no" for s in (ours, luck)))
    table.add_row("approximation ratio", f"{ours['approximationRatio']:.4f}", f"{luck['approximationRatio']:.4f}")
    table.add_row("probability of it in one shot", f"{ours['probability']:.3g}", f"{luck['probability']:.3g}")
    table.add_row("selected", *(" ".join(map(str, s["selected"])) or "none" for s in (ours, luck)))
    console.print(table)
    console.print(
        f"One shot gives this solution {summary['probabilityRatio']:.3g} times as often as one random guess; "
        f"training took {training['evaluations']} evaluations of {training['layers']} layers by "
        f"{training['optimizer']} and {training['shots']} shots.",
        highlight=False,
    )
