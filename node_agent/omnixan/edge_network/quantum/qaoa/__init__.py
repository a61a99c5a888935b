"""QAOA: quantum approximate optimisation of knapsack, MaxCut and QUBO problems, and an honest account of the result."""

from __future__ import annotations

from omnixan.edge_network.quantum.qaoa.loop import Evaluation
from omnixan.edge_network.quantum.qaoa.solver import solve

__all__ = ["Evaluation", "solve"]
