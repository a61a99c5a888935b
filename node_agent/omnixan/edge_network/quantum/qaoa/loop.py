"""The training loop as a log of evaluations: it can stop anywhere and go on as if it had not.

Optimisers are deterministic functions of the values they are given. So nothing of their state is kept: to resume, a
fresh run is answered from the log until it ends, and continues with new evaluations. Randomness is drawn from a
generator of (seed, number of the evaluation), never from a running one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from omnixan.edge_network.quantum.qaoa.engine import FloatArray

Method = Literal["L-BFGS-B", "COBYLA"]


@dataclass(frozen=True)
class Evaluation:
    """One value of the objective, less is better: of which phase, at which angles, with a gradient if there is one."""

    phase: int
    angles: tuple[float, ...]
    value: float
    gradient: tuple[float, ...] | None = None


#: (number of the evaluation, phase, angles) to (value, gradient or None).
Evaluate = Callable[[int, int, FloatArray], tuple[float, FloatArray | None]]


class LogMismatch(ValueError):
    """A log has another evaluation than this run makes in its place: it belongs to another problem, recipe or seed."""


class _Spent(Exception):
    """The evaluations of a start are used up."""


class Loop:
    """Evaluates, and keeps the log. `log` is extended in place; entries it has already are replayed, not computed."""

    def __init__(
        self,
        evaluate: Evaluate,
        log: list[Evaluation],
        on_evaluation: Callable[[int, float], None] = lambda number, best: None,
        on_computed: Callable[[Evaluation], None] = lambda evaluation: None,
    ) -> None:
        """`on_computed` gets each evaluation that was not in the log; `on_evaluation` after that, and for those in the log
        too, (evaluations done, lowest value so far)."""
        self._evaluate = evaluate
        self._log = log
        self._on_evaluation = on_evaluation
        self._on_computed = on_computed
        self._best = np.inf
        self.done = 0

    def at(self, phase: int, angles: FloatArray) -> Evaluation:
        """Return the next evaluation, from the log if it is there.

        LogMismatch if the log has another one in its place.
        """
        point = tuple(angles.tolist())
        if self.done < len(self._log):
            found = self._log[self.done]
            if (found.phase, found.angles) != (phase, point):
                raise LogMismatch(
                    f"log: evaluation {self.done} is at phase {found.phase} and angles {found.angles}, this run makes it "
                    f"at phase {phase} and {point}: resume with the problem, settings and seed that the log was made with"
                )
        else:
            value, gradient = self._evaluate(self.done, phase, angles)
            found = Evaluation(phase, point, value, None if gradient is None else tuple(gradient.tolist()))
            self._log.append(found)
            self._on_computed(found)
        self.done += 1
        self._best = min(self._best, found.value)
        self._on_evaluation(self.done, self._best)
        return found

    def minimize(self, method: Method, phase: int, start: FloatArray, budget: int, step: float) -> list[Evaluation]:
        """Run one optimiser from `start` with at most `budget` evaluations and return them in order.

        `step` is COBYLA's first step in radians; L-BFGS-B needs gradients and ignores it.
        """
        from scipy.optimize import minimize  # slow to import, and only needed here

        trail: list[Evaluation] = []

        def value(angles: FloatArray) -> Any:
            if len(trail) == budget:
                raise _Spent
            trail.append(self.at(phase, np.array(angles, dtype=np.float64)))
            found = trail[-1]
            return (found.value, np.array(found.gradient)) if method == "L-BFGS-B" else found.value

        # The budget is ours: the optimisers' own limits count iterations, or refuse to start with few evaluations.
        ample = max(budget, len(start) + 2)
        try:
            if method == "L-BFGS-B":
                minimize(value, start, jac=True, method=method, options={"maxiter": ample, "maxfun": ample, "ftol": 1e-7})
            else:
                minimize(value, start, method=method, options={"maxiter": ample, "rhobeg": step, "tol": step / 30})
        except _Spent:
            pass
        return trail
