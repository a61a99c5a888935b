"""Packed objects: equal to what they were, found by every look-up, small."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnixan_operator import kinds
from omnixan_operator.packing import is_settled, pack, unpack
from omnixan_operator.store import JOBS_BY_PHASE, OPEN_JOBS_BY_NAMESPACE, Store
from tests.unit.omnixan_operator.operator_makers import job_object, meta

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20)
OBJECTS = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_size=6,
)


@given(OBJECTS)
def test_what_is_unpacked_is_what_was_packed(spec: dict[str, object]) -> None:
    obj = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "12"}, "spec": spec}
    packed = pack(obj)
    assert unpack(packed) == obj and (packed.uid, packed.version) == ("u", 12)


def over(name: str, version: int) -> dict[str, object]:
    status = {"completionTime": "2026-01-01T00:00:00Z", "phase": "Complete"}
    return job_object(name, metadata=meta(name, version=version), status=status)


def test_a_job_that_is_over_is_kept_packed_and_found_as_before() -> None:
    store = Store()
    store.put(kinds.QUANTUM_JOB, job_object("bell", metadata=meta("bell", version=1)))
    assert store.count_by(JOBS_BY_PHASE, "Pending") == 1 and len(store.find(OPEN_JOBS_BY_NAMESPACE, "omnixan")) == 1
    change = store.put(kinds.QUANTUM_JOB, over("bell", 2))
    assert change is not None and is_settled(kinds.QUANTUM_JOB, change.object)
    live = store.get(kinds.QUANTUM_JOB, "omnixan", "bell")
    assert live is not None and live["status"]["phase"] == "Complete" and list(store.all(kinds.QUANTUM_JOB)) == [live]
    assert store.find(JOBS_BY_PHASE, "Complete") == [live] and not store.count_by(JOBS_BY_PHASE, "Pending")
    assert not store.find(OPEN_JOBS_BY_NAMESPACE, "omnixan")
    uid = live["metadata"]["uid"]
    assert store.has(kinds.QUANTUM_JOB, "omnixan", "bell", uid) and store.versions(kinds.QUANTUM_JOB) == [
        ("omnixan", "bell", uid, 2)
    ]
    assert store.put(kinds.QUANTUM_JOB, over("bell", 2)) is None, "no newer version"
    assert store.put(kinds.QUANTUM_JOB, over("bell", 3)) is None, "newer, and nothing changed"
    assert store.versions(kinds.QUANTUM_JOB)[0][3] == 3
    assert store.remove(kinds.QUANTUM_JOB, "omnixan", "bell", uid, 4) is not None
    assert store.count(kinds.QUANTUM_JOB) == 0 == store.count_by(JOBS_BY_PHASE, "Complete")
