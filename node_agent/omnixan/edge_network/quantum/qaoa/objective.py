"""The training objective: the mean benefit of the best share of outcomes (CVaR)."""

from __future__ import annotations

import numpy as np

from omnixan.edge_network.quantum.qaoa.engine import FloatArray


class TailMean:
    """CVaR of a benefit: its mean over the best `alpha` of the probability (Barkoutsos et al., arXiv:1907.04769).

    Probabilities may be exact or counts over shots: the same estimator serves both.
    """

    def __init__(self, benefit: FloatArray, alpha: float) -> None:
        """Sort the benefit once. ValueError if `alpha` is not in (0, 1]."""
        if not 0.0 < alpha <= 1.0:
            raise ValueError(f"alpha: {alpha} is not allowed, it must be over 0 and at most 1")
        self._alpha = alpha
        # Stable: equal benefits keep the order of their index, so that sums do not depend on the sorting algorithm.
        self._order = np.argsort(-benefit, kind="stable")
        self._sorted = benefit[self._order]

    def value(self, probabilities: FloatArray) -> float:
        """Return the tail's mean, in units of the benefit."""
        return self.value_and_derivative(probabilities)[0]

    def value_and_derivative(self, probabilities: FloatArray) -> tuple[float, FloatArray]:
        """Return the tail's mean and its derivative by each probability, shape of `probabilities`.

        With b_q the benefit at the tail's edge, CVaR = b_q + sum over the tail of p_i * (b_i - b_q) / alpha. The edge
        itself moves only where the terms it multiplies vanish, hence the derivative (b_i - b_q) / alpha.
        """
        mass = np.cumsum(probabilities[self._order])
        edge = min(int(np.searchsorted(mass, self._alpha)), len(mass) - 1)
        lift = np.zeros_like(probabilities)
        lift[self._order[:edge]] = (self._sorted[:edge] - self._sorted[edge]) / self._alpha
        return float(self._sorted[edge] + lift @ probabilities), lift
