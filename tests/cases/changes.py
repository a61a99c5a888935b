"""What may not be written over a live object, each beside what may."""

from __future__ import annotations

from tests.cases import good
from tests.cases.case import Change
from tests.cases.edit import DELETE, edited

OPEN_JOB = edited(good.JOB_PROGRAM, {"status.completionTime": DELETE, "status.result": DELETE, "status.failure": DELETE})
ENDED_JOB = edited(good.JOB_PROGRAM, {"status.phase": "Complete"})
ENDED_RUN = edited(good.RUN_PROGRAM, {"status.state": "Succeeded"})
CANCELLED_JOB = edited(good.JOB_PROGRAM, {"spec.cancel": True})
OVER = "a job that is over stays as it ended: completionTime, phase, run, attempts and failure cannot be changed"
FROZEN = "spec cannot be changed, but for priority, suspend, cancel, ttlSecondsAfterFinished"
BACKWARDS = "an assignment cannot move backwards"
SECOND = edited(OPEN_JOB, {"status.run.attempt": 2, "status.run.name": f"{good.UID}-2"})
NEXT = {"status.run.attempt": 3, "status.run.name": f"{good.UID}-3", "status.run.node": "worker-9"}
CHANGES: tuple[Change, ...] = (
    Change(
        "other shots for a job",
        good.JOB_PROGRAM,
        {"spec.primitive.sampler.shots": 2},
        {"metadata.labels": {"team": "blue"}, "spec.priority": -5, "spec.ttlSecondsAfterFinished": DELETE},
        FROZEN,
        "spec",
    ),
    Change(
        "another cluster for a job",
        good.JOB_KNAPSACK,
        {"spec.clusterRef.name": "elsewhere"},
        {},
        FROZEN,
        "spec",
    ),
    Change(
        "another program for a job",
        good.JOB_CONFIG_MAP,
        {"spec.program.configMapRef.key": "other.qasm"},
        {"spec.suspend": True},
        FROZEN,
        "spec",
    ),
    Change("a pin for a job that had none", good.JOB_CONFIG_MAP, {"spec.program.sha256": "0f" * 32}, {}, FROZEN, "spec"),
    Change("more attempts for a job", good.JOB_QUBO, {"spec.backoffLimit": 4}, {"spec.cancel": True}, FROZEN, "spec"),
    Change(
        "a cancelled job that shall run after all",
        CANCELLED_JOB,
        {"spec.cancel": False},
        {"spec.suspend": True},
        "a job that was cancelled stays so",
        "spec",
    ),
    Change(
        "a cancelled job without a word about it",
        CANCELLED_JOB,
        {"spec.cancel": DELETE},
        {"spec.suspend": DELETE},
        "a job that was cancelled stays so",
        "spec",
    ),
    Change(
        "another node for a run",
        good.RUN_PROGRAM,
        {"spec.nodeName": "worker-2"},
        {"metadata.labels": {"seen": "yes"}},
        "spec is immutable",
        "spec",
    ),
    Change(
        "another phase after the end",
        ENDED_JOB,
        {"status.phase": "Running"},
        {"status.observedGeneration": 2},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "another completion time",
        ENDED_JOB,
        {"status.completionTime": "2027-01-01T00:00:00Z"},
        {"status.conditions": [good.condition("Complete"), good.condition("Paused")]},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "no completion time any more",
        ENDED_JOB,
        {"status.completionTime": DELETE},
        {},
        OVER,
        "status",
        status=True,
    ),
    Change(
        "another result after the end",
        ENDED_JOB,
        {"status.result.summary.shots": 1},
        {},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "no result any more",
        ENDED_JOB,
        {"status.result": DELETE},
        {},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "another run after the end",
        ENDED_JOB,
        {"status.run": edited(ENDED_JOB, NEXT)["status"]["run"]},
        {},
        OVER,
        "status",
        status=True,
    ),
    Change("no failure any more", ENDED_JOB, {"status.failure": DELETE}, {}, OVER, "status", status=True),
    Change(
        "a result for a job that failed",
        edited(ENDED_JOB, {"status.result": DELETE}),
        {"status.result": good.JOB_STATUS["result"]},
        {"status.observedGeneration": 3},
        "the result of a job that is over cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "a job that completed and now did not",
        edited(ENDED_JOB, {"status.conditions": [good.condition("Complete"), good.condition("Failed", "False")]}),
        {"status.conditions.0.status": "False"},
        {"status.conditions": [good.condition("Failed", "False"), good.condition("Complete")]},
        "its conditions Complete and Failed cannot be changed",
        "status",
        status=True,
    ),
    Change(
        "a job that completed and says nothing of it any more",
        edited(ENDED_JOB, {"status.conditions": [good.condition("Complete")]}),
        {"status.conditions": DELETE},
        {"status.conditions": [good.condition("Paused"), good.condition("Complete")]},
        "its conditions Complete and Failed cannot be changed",
        "status",
        status=True,
    ),
    Change("an earlier attempt", SECOND, {"status.run.attempt": 1}, NEXT, BACKWARDS, "status", status=True),
    Change(
        "the run of an earlier attempt",
        SECOND,
        {"status.run.attempt": 1, "status.run.name": f"{good.UID}-1", "status.run.node": "worker-2"},
        {"status.run.state": "Running"},
        BACKWARDS,
        "status",
        status=True,
    ),
    Change(
        "another node for the same attempt", SECOND, {"status.run.node": "worker-2"}, {}, BACKWARDS, "status", status=True
    ),
    Change(
        "another run for the same attempt",
        SECOND,
        {"status.run.name": f"{good.UID}-3"},
        {},
        BACKWARDS,
        "status",
        status=True,
    ),
    Change("no assignment any more", SECOND, {"status.run": DELETE}, {}, BACKWARDS, "status", status=True),
    Change(
        "the analysis of another program",
        OPEN_JOB,
        {"status.analysis.sha256": "0f" * 32},
        {"status.analysis.depth": 4},
        "the program that was analysed cannot become another one",
        "status",
        status=True,
    ),
    Change(
        "no analysis any more",
        OPEN_JOB,
        {"status.analysis": DELETE},
        {"status.analysis.gates": DELETE},
        "the program that was analysed cannot become another one",
        "status",
        status=True,
    ),
    Change(
        "a run that starts again",
        ENDED_RUN,
        {"status.state": "Running"},
        {"status.usage.shots": 2048},
        "a run that is over stays as it ended",
        "status",
        status=True,
    ),
    Change(
        "a run that failed after it succeeded",
        ENDED_RUN,
        {"status.state": "Failed"},
        {},
        "a run that is over stays as it ended",
        "status",
        status=True,
    ),
)
