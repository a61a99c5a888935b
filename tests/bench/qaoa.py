"""QAOA beside luck on the public knapsack instances: how likely one shot is the optimum after training.

Both recipes on P01 to P06, 3 layers, 1,024 shots, seeds 0 to 3, and on twelve random knapsacks. The recipes were tuned on
P01 to P06; the random ones were drawn afterwards. Writes qaoa.json, qaoa.md and qaoa.png. The optimum is
used here, to judge; training and selection do not know it.
"""

from __future__ import annotations

import json
import math
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from omnixan.edge_network.quantum.qaoa.problem import Landscape, Problem, from_spec, landscape
from omnixan.edge_network.quantum.qaoa.recipe import EXACT, SHOTS, Recipe
from omnixan.edge_network.quantum.qaoa.solver import DEFAULT_ITERATIONS, fit

PROBLEMS = Path(__file__).parents[2] / "examples" / "problems.json"
LAYERS, SHOTS_EACH, SEEDS = 3, 1024, (0, 1, 2, 3)
RECIPES = {"exact": EXACT, "shots": SHOTS}
HELD_OUT = 12


def run(out_dir: Path) -> None:
    """Measure, and write qaoa.json, qaoa.md and qaoa.png into `out_dir`; about a minute of CPU."""
    rows = []
    for name, data in json.loads(PROBLEMS.read_text())["knapsack"].items():
        rows.append(_measure(name, data))
        exact, shots = rows[-1]["exact"], rows[-1]["shots"]
        print(
            f"   {name}: worst of {len(SEEDS)} seeds {exact['worst']:.2f}x exact, {shots['worst']:.2f}x on shots", flush=True
        )
    held_out = [_measure(f"H{number + 1:02d}", _random_knapsack(number)) for number in range(HELD_OUT)]
    data = {
        "layers": LAYERS,
        "shots": SHOTS_EACH,
        "seeds": list(SEEDS),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "instances": rows,
        "heldOut": held_out,
        "verdicts": _verdicts(rows),
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "qaoa.json").write_text(json.dumps(data, indent=1) + "\n")
    (out_dir / "qaoa.md").write_text(_markdown(data))
    _plot(rows, out_dir / "qaoa.png")
    print(_markdown(data))


def _random_knapsack(number: int) -> dict[str, Any]:
    """Return one of three kinds in turn, 5 to 10 items: values independent of weights, near them, or 10 above them."""
    random = np.random.default_rng([number, 2026])
    items = int(random.integers(5, 11))
    weights = random.integers(5, 60, items)
    if number % 3 == 0:
        values = random.integers(5, 60, items)
    elif number % 3 == 1:
        values = (weights + random.integers(-5, 6, items)).clip(1)
    else:
        values = weights + 10
    capacity = int(weights.sum() * random.uniform(0.3, 0.7))
    return {"values": values.tolist(), "weights": weights.tolist(), "capacity": capacity}


def _measure(name: str, data: dict[str, Any]) -> dict[str, Any]:
    task = from_spec({"knapsack": data})
    scene = landscape(task)
    optimal = scene.feasible & (scene.value == scene.optimum())
    assert scene.optimum() == data.get("optimum", scene.optimum()), f"{name}: the optimum on file is wrong"
    row: dict[str, Any] = {
        "instance": name,
        "items": scene.variables,
        "optimum": scene.optimum(),
        "uniformProbability": float(optimal.mean()),
        # Guessing among feasible strings only: a stronger opponent, which a device cannot sample from for free.
        "feasibleProbability": float(optimal.sum() / scene.feasible.sum()),
    }
    for label, recipe in RECIPES.items():
        runs = [_train(task, scene, recipe, seed, optimal) for seed in SEEDS]
        ratios = [run["probability"] / row["uniformProbability"] for run in runs]
        over_feasible = min(run["probability"] for run in runs) / row["feasibleProbability"]
        row[label] = {
            "ratios": [round(ratio, 3) for ratio in ratios],
            "worst": round(min(ratios), 3),
            "worstOverFeasible": round(over_feasible, 3),
            "probabilities": [round(run["probability"], 6) for run in runs],
            "evaluations": [run["evaluations"] for run in runs],
            "trainingShots": [run["shots"] for run in runs],
            "cpuSeconds": [round(run["cpuSeconds"], 2) for run in runs],
        }
    return row


def _train(task: Problem, scene: Landscape, recipe: Recipe, seed: int, optimal: np.ndarray[Any, Any]) -> dict[str, Any]:
    begin = time.process_time()
    done = fit(task, scene, recipe, LAYERS, SHOTS_EACH, seed, DEFAULT_ITERATIONS, None, [])
    return {
        "probability": float(done.probabilities[optimal].sum()),
        "evaluations": done.evaluations,
        "shots": done.evaluations * SHOTS_EACH if recipe.method == "COBYLA" else 0,
        "cpuSeconds": time.process_time() - begin,
    }


def _verdicts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    exact, shots = [row["exact"]["worst"] for row in rows], [row["shots"]["worst"] for row in rows]
    aims = [
        ("exact states: least ratio of the six", min(exact), 3),
        ("exact states: geometric mean of the ratios", round(_geometric_mean(exact), 2), 6),
        ("shots alone: least ratio of the six", min(shots), 1.5),
        ("shots alone: instances at 2 or more", sum(ratio >= 2 for ratio in shots), 4),
    ]
    return [{"figure": f, "measured": measured, "aim": aim, "met": measured >= aim} for f, measured, aim in aims]


def _geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _markdown(data: dict[str, Any]) -> str:
    lines = [
        f"Worst of seeds {', '.join(map(str, data['seeds']))}; {data['layers']} layers; {data['shots']} shots an estimate.",
        "",
        "| instance | items | P(optimum) of a random string | of a random feasible string | exact: ratio (over feasible) "
        "| CPU s | shots: ratio (over feasible) | training shots | CPU s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in data["instances"]:
        exact, shots = row["exact"], row["shots"]
        lines.append(
            f"| {row['instance']} | {row['items']} | {row['uniformProbability']:.5f} | {row['feasibleProbability']:.5f} "
            f"| **{exact['worst']:.2f}** ({exact['worstOverFeasible']:.2f}) | {np.mean(exact['cpuSeconds']):.1f} "
            f"| **{shots['worst']:.2f}** ({shots['worstOverFeasible']:.2f}) | {np.mean(shots['trainingShots']):,.0f} "
            f"| {np.mean(shots['cpuSeconds']):.1f} |"
        )
    lines += ["", f"{HELD_OUT} random knapsacks of 5 to 10 items, worst of the same seeds:", ""]
    lines += ["| recipe | least ratio | geometric mean | instances at 2 or more |", "| --- | ---: | ---: | ---: |"]
    for label in RECIPES:
        worst = [row[label]["worst"] for row in data["heldOut"]]
        least, several = min(worst), sum(ratio >= 2 for ratio in worst)
        lines.append(f"| {label} | {least:.2f} | {_geometric_mean(worst):.2f} | {several} of {HELD_OUT} |")
    lines += ["", "| figure | measured | aim | met |", "| --- | ---: | ---: | --- |"]
    for verdict in data["verdicts"]:
        met = "yes" if verdict["met"] else "no"
        lines.append(f"| {verdict['figure']} | {verdict['measured']:g} | ≥ {verdict['aim']:g} | {met} |")
    return "\n".join(lines) + "\n"


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.4), dpi=110)
    for offset, (label, text) in enumerate(
        [("exact", "trained on exact states"), ("shots", "trained on 1,024-shot estimates")]
    ):
        positions = np.arange(len(rows)) + (offset - 0.5) * 0.38
        axes.bar(positions, [row[label]["worst"] for row in rows], width=0.36, label=text)
        for position, row in zip(positions, rows, strict=True):
            axes.plot([position] * len(SEEDS), row[label]["ratios"], "k_", markersize=7)
    feasible = [row["feasibleProbability"] / row["uniformProbability"] for row in rows]
    axes.plot(np.arange(len(rows)), feasible, "D", color="tab:red", markersize=5, label="random feasible string")
    axes.axhline(1, color="grey", linewidth=1, linestyle="--", label="random string")
    axes.set_yscale("log")
    axes.set_xticks(np.arange(len(rows)), [row["instance"] for row in rows])
    axes.set_ylabel("P(optimum) over a random string's")
    axes.set_title("Bars: worst of four seeds; ticks: each seed", fontsize=9)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
