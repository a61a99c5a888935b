"""QAOA: quantum approximate optimisation of knapsack, MaxCut and QUBO problems, and an honest account of the result."""

from __future__ import annotations

from omnixan.edge_network.quantum.qaoa.loop import Evaluation, LogMismatch
from omnixan.edge_network.quantum.qaoa.solver import shots_each, solve

__all__ = ["Evaluation", "LogMismatch", "shots_each", "solve"]
