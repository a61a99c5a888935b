"""Named bad manifests, each with a passing twin next to the border, and the changes that a live object refuses.

The same tables are tried on a real API server (tests/api/kinds) and on the models (tests/unit/api): a manifest that the
cluster refuses must not run locally either.
"""

from __future__ import annotations

from tests.cases import good
from tests.cases.bad_edgeclusters import CLUSTER_CASES
from tests.cases.bad_edgenodes import NODE_CASES
from tests.cases.bad_quantumjobs import JOB_CASES
from tests.cases.bad_workloads import workload_cases
from tests.cases.case import Case, Change
from tests.cases.changes import CHANGES

__all__ = ["CASES", "CHANGES", "Case", "Change"]

CASES: tuple[Case, ...] = (
    *CLUSTER_CASES,
    *NODE_CASES,
    *JOB_CASES,
    *workload_cases(good.JOB_PROGRAM, good.JOB_KNAPSACK, good.JOB_MAXCUT, good.JOB_QUBO),
    *workload_cases(good.RUN_PROGRAM, good.RUN_KNAPSACK, good.RUN_MAXCUT, good.RUN_QUBO),
)
