"""How angles are trained: one frozen recipe for exact states, one for shots, whatever the instance.

Neither objective nor any selection knows the optimum; both see the benefit of sampled or simulated outcomes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from omnixan.edge_network.quantum.qaoa.engine import FloatArray
from omnixan.edge_network.quantum.qaoa.loop import Evaluation, Loop, Method

#: Share of outcomes the objective looks at. The mean over all of them is dominated by outcomes nobody will use; the
#: best tenth is what a sample is searched for. It also caps what training strives for: about a tenth of the shots.
ALPHA = 0.1

#: (lambda1, lambda2) of the knapsack phase. No pair is good for every instance; the objective picks. The pairs with a
#: large lambda2 matter most where only shots are seen: there a plain ramp is already good, on instances of all kinds.
PENALTIES = ((0.5, 0.5), (1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (2.0, 4.0), (2.0, 8.0), (3.0, 8.0))


@dataclass(frozen=True)
class Recipe:
    """What a training does: look at ramps, refine the best of them, pick one of the results.

    `gammas` and `betas` are the slopes of the ramps that are looked at, in radians; `jitter` the deviation of what is
    added to every angle of a start; `step` the first step of COBYLA; `finalists` and `repeats` how many results get how
    many fresh evaluations each before one is picked (0: values are exact, the lowest is taken as it is).
    """

    method: Method
    gammas: tuple[float, ...]
    betas: tuple[float, ...]
    jitter: float
    step: float
    refined: int
    finalists: int
    repeats: int

    def starts(self, phases: int) -> int:
        """Return how many ramps are looked at."""
        return phases * len(self.gammas) * len(self.betas)

    def kept(self, phases: int, qubits: int) -> int:
        """Return how many starts are refined: fewer on wide circuits, where an evaluation costs seconds."""
        share = self.refined if qubits <= 10 else max(1, self.refined // 4) if qubits <= 14 else max(1, self.refined // 12)
        return min(share, self.starts(phases))

    def most_evaluations(self, phases: int, qubits: int, budget: int) -> int:
        """Return a bound on the evaluations of a training with `budget` evaluations a start."""
        kept = self.kept(phases, qubits)
        looks = self.starts(phases) if kept < self.starts(phases) else 0
        return looks + kept * budget + min(self.finalists, 2 * kept) * self.repeats


#: Exact states: the gradient makes every start good, so all are refined; both signs, because each finds maxima that the
#: other one misses.
EXACT = Recipe(
    method="L-BFGS-B", gammas=(-1.5, 0.8), betas=(0.4, 0.8), jitter=0.05, step=0.0, refined=32, finalists=0, repeats=0
)

#: Shots: starts are cheap compared with a noisy refinement, so many are looked at, steep ones too, of the sign that
#: follows the ground state. The lowest of many noisy values is lucky as often as good, so the finalists are measured
#: again before one is picked.
SHOTS = Recipe(
    method="COBYLA",
    gammas=(-3.0, -2.4, -1.8, -1.2, -0.6),
    betas=(0.3, 0.5, 0.8),
    jitter=0.02,
    step=0.25,
    refined=8,
    finalists=8,
    repeats=8,
)


@dataclass(frozen=True)
class Trained:
    """The result of a training: phase and angles of the circuit, and the (negated) objective there."""

    phase: int
    angles: FloatArray
    value: float


def ramp(layers: int, gamma: float, beta: float) -> FloatArray:
    """Return angles that fade the phase in and the mixer out: gamma_l rises to `gamma`, beta_l falls from `beta`.

    The schedule of quantum annealing; with gamma < 0 < beta (or both negated) it follows the ground state of the phase,
    with equal signs the highest state, which a short circuit can come back from.
    """
    share = (np.arange(layers) + 0.5) / layers
    return np.concatenate([gamma * share, beta * (1.0 - share)])


def train(
    loop: Loop, recipe: Recipe, phases: int, qubits: int, layers: int, budget: int, random: np.random.Generator
) -> Trained:
    """Return trained angles for the best of `phases` phases. `random` draws the jitter of the starts only."""
    starts: list[tuple[int, FloatArray]] = []
    for phase, gamma, beta in product(range(phases), recipe.gammas, recipe.betas):
        angles = ramp(layers, gamma, beta)
        starts.append((phase, angles + recipe.jitter * random.standard_normal(2 * layers)))
    kept = recipe.kept(phases, qubits)
    if kept < len(starts):
        looks = [loop.at(phase, angles).value for phase, angles in starts]
        starts = [starts[i] for i in np.argsort(looks, kind="stable")[:kept]]
    ends: list[Evaluation] = []
    for phase, angles in starts:
        trail = loop.minimize(recipe.method, phase, angles, budget, recipe.step)
        ends.append(min(trail, key=lambda evaluation: evaluation.value))
        if recipe.repeats and trail[-1] is not ends[-1]:
            ends.append(trail[-1])
    ends.sort(key=lambda evaluation: evaluation.value)
    if not recipe.repeats:
        return _trained(ends[0], ends[0].value)
    means = []
    for end in ends[: recipe.finalists]:
        fresh = [loop.at(end.phase, np.array(end.angles)).value for _ in range(recipe.repeats)]
        means.append(float(np.mean(fresh)))
    winner = int(np.argmin(means))
    return _trained(ends[winner], means[winner])


def _trained(end: Evaluation, value: float) -> Trained:
    return Trained(end.phase, np.array(end.angles), value)
