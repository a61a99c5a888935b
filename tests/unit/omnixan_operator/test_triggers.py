"""Which keys a change wakes: enough that nothing is missed, few enough that a heartbeat wakes nobody."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.meta import CLAIM_LABEL, MEMORY_TIER_LABEL
from omnixan_operator import kinds
from omnixan_operator.decide.modules import ENFORCE_LABEL
from omnixan_operator.desired.common import claim_value
from omnixan_operator.keys import CLAIMS, Key, dispatch_key
from omnixan_operator.kinds import Kind
from omnixan_operator.store import Store
from omnixan_operator.triggers import PROGRESS_DELAY, RUNNING_DELAY, Wake, analysed, everything, wakes
from tests.unit.omnixan_operator.operator_makers import Object, cluster_object, job_object, meta

EC = Key("EdgeCluster", "omnixan", "ec")
OWNER = [{"kind": "EdgeCluster", "name": "ec", "uid": "uid-of-ec", "controller": True}]


class World:
    """A store whose changes are asked for what they wake."""

    def __init__(self) -> None:
        self.store = Store()
        self.version = 0

    def wakes(self, kind: Kind, obj: Object) -> set[Wake]:
        self.version += 1
        obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        change = self.store.put(kind, obj)
        return set() if change is None else set(wakes(change, self.store))

    def put(self, kind: Kind, obj: Object) -> set[tuple[Key, float]]:
        return {(wake.key, wake.after) for wake in self.wakes(kind, obj)}

    def keys(self, kind: Kind, obj: Object) -> set[Key]:
        return {wake.key for wake in self.wakes(kind, obj)}

    def remove(self, kind: Kind, obj: Object) -> set[Key]:
        self.version += 1
        metadata = obj["metadata"]
        place = metadata.get("namespace", ""), metadata["name"], metadata["uid"]
        change = self.store.remove(kind, *place, self.version)
        return set() if change is None else {wake.key for wake in wakes(change, self.store)}


def job_key(name: str, namespace: str = "omnixan") -> Key:
    return Key("QuantumJob", namespace, name)


def node_object(claim: str | None = None, **labels: str) -> Object:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    found = labels | ({CLAIM_LABEL: claim} if claim else {})
    return {"metadata": meta("n1", "", labels=found), "spec": {}, "status": ready}


def edge_node(ready: str = "True", qubits: int = 8, drain: bool = False, **status: Any) -> Object:
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "metadata": meta("n1", ownerReferences=OWNER),
        "spec": {"pool": "gateway", "tier": "gateway", "nodeName": "n1", "drain": drain},
        "status": {"qubits": qubits, "conditions": conditions} | status,
    }


def run(job: str = "bell", uid: str = "uid-of-bell", **status: Any) -> Object:
    spec = {"nodeName": "n1", "attempt": 1, "jobRef": {"namespace": "omnixan", "name": job, "uid": uid}}
    return {"metadata": meta(f"{uid}-1"), "spec": spec, "status": status}


def lease(renewed: str, seconds: int = 40) -> Object:
    return {"metadata": meta("n1"), "spec": {"renewTime": renewed, "leaseDurationSeconds": seconds}}


def test_a_new_or_changed_wish_of_a_cluster_wakes_claiming_and_its_open_jobs() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object("waiting"))
    world.put(kinds.QUANTUM_JOB, job_object("elsewhere", clusterRef={"name": "other"}))
    world.put(kinds.QUANTUM_JOB, job_object("over", status={"completionTime": "2026-11-24T21:00:00Z"}))
    assert world.keys(kinds.EDGE_CLUSTER, cluster_object()) == {EC, CLAIMS, job_key("waiting")}
    assert world.keys(kinds.EDGE_CLUSTER, cluster_object(nodes=2)) == {EC, CLAIMS, job_key("waiting")}
    there_and_back = cluster_object(nodes=2)
    there_and_back["metadata"]["generation"] = 9
    assert CLAIMS in world.keys(kinds.EDGE_CLUSTER, there_and_back), "seen only when it was as before again"
    assert world.remove(kinds.EDGE_CLUSTER, cluster_object()) == {EC, CLAIMS, job_key("waiting")}


def test_a_clusters_status_concerns_itself_alone() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object("waiting"))
    world.put(kinds.EDGE_CLUSTER, cluster_object())
    assert world.keys(kinds.EDGE_CLUSTER, cluster_object() | {"status": {"nodes": 1}}) == {EC}


def test_a_claim_on_a_node_wakes_its_cluster() -> None:
    world = World()
    world.put(kinds.EDGE_CLUSTER, cluster_object())
    assert world.keys(kinds.NODE, node_object()) == {CLAIMS}
    claim = claim_value("gateway", "uid-of-ec")
    assert world.keys(kinds.NODE, node_object(claim)) == {CLAIMS, EC}
    assert world.keys(kinds.NODE, node_object(claim, team="x")) == {CLAIMS}
    assert world.keys(kinds.NODE, node_object()) == {CLAIMS, EC}


def test_the_label_of_a_tier_is_put_right_with_the_edge_node() -> None:
    world, own = World(), Key("EdgeNode", "omnixan", "n1")
    world.put(kinds.EDGE_CLUSTER, cluster_object())
    world.put(kinds.EDGE_NODE, edge_node())
    claim = claim_value("gateway", "uid-of-ec")
    assert world.keys(kinds.NODE, node_object(claim)) == {CLAIMS, EC, own}
    assert world.keys(kinds.NODE, node_object(claim, **{MEMORY_TIER_LABEL: "T3-file"})) == {CLAIMS, own}
    assert world.keys(kinds.NODE, node_object(claim, **{MEMORY_TIER_LABEL: "T0-device-dax"})) == {CLAIMS, own}
    assert world.keys(kinds.NODE, node_object(claim)) == {CLAIMS, own}


def test_a_pod_security_level_wakes_the_clusters_of_its_namespace() -> None:
    world = World()
    world.put(kinds.EDGE_CLUSTER, cluster_object())
    world.put(kinds.EDGE_CLUSTER, cluster_object(metadata=meta("other", "elsewhere")))
    restricted = {"metadata": meta("omnixan", "", labels={ENFORCE_LABEL: "restricted"})}
    privileged = {"metadata": meta("omnixan", "", labels={ENFORCE_LABEL: "privileged"})}
    named = {"metadata": meta("omnixan", "", labels={ENFORCE_LABEL: "privileged", "team": "blue"})}
    assert world.keys(kinds.NAMESPACE, restricted) == {EC}
    assert world.keys(kinds.NAMESPACE, privileged) == {EC}
    assert world.keys(kinds.NAMESPACE, named) == set()


def test_labels_of_a_namespace_wake_its_unplaced_jobs() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object("waiting", metadata=meta("waiting", "tenant")))
    world.put(
        kinds.QUANTUM_JOB,
        job_object("placed", metadata=meta("placed", "tenant"), status={"run": {"name": "r", "attempt": 1}}),
    )
    tenant = {"metadata": meta("tenant", "", labels={"a": "b"})}
    assert world.keys(kinds.NAMESPACE, tenant) == {job_key("waiting", "tenant")}


def test_what_a_node_offers_wakes_jobs_that_wait_for_one() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object("waiting"))
    world.put(kinds.QUANTUM_JOB, job_object("placed", status={"run": {"name": "r", "attempt": 1}}))
    queued = {"conditions": [{"type": "Placed", "status": "False", "reason": "Queued"}]}
    world.put(kinds.QUANTUM_JOB, job_object("queued", status=queued))
    own, turn = Key("EdgeNode", "omnixan", "n1"), dispatch_key("omnixan", "ec")
    assert world.keys(kinds.EDGE_NODE, edge_node("False")) == {own, EC, CLAIMS, turn, job_key("waiting")}
    assert world.keys(kinds.EDGE_NODE, edge_node("True")) == {own, EC, turn, job_key("waiting")}
    assert world.keys(kinds.EDGE_NODE, edge_node("True", version="2")) == {own, EC}
    assert world.keys(kinds.EDGE_NODE, edge_node("True", qubits=16)) == {own, EC, turn, job_key("waiting")}
    assert world.keys(kinds.EDGE_NODE, edge_node("True", qubits=16, drain=True)) >= {own, EC, CLAIMS}


def test_a_vanished_node_wakes_the_jobs_that_run_there() -> None:
    world = World()
    world.put(kinds.EDGE_NODE, edge_node())
    world.put(kinds.QUANTUM_RUN, run())
    assert job_key("bell") in world.remove(kinds.EDGE_NODE, edge_node())


def test_a_node_that_falls_silent_or_answers_again_wakes_the_jobs_that_run_there() -> None:
    world = World()
    world.put(kinds.EDGE_NODE, edge_node())
    world.put(kinds.QUANTUM_RUN, run())
    silent = edge_node("False") | {
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "HeartbeatLost"}]}
    }
    assert job_key("bell") in world.keys(kinds.EDGE_NODE, silent)
    assert job_key("bell") in world.keys(kinds.EDGE_NODE, edge_node())
    assert job_key("bell") not in world.keys(kinds.EDGE_NODE, edge_node(version="2"))


def test_a_vanished_node_wakes_the_cluster_that_waits_for_its_name() -> None:
    world = World()
    world.put(kinds.EDGE_CLUSTER, cluster_object("other"))
    world.put(kinds.NODE, node_object(claim_value("gateway", "uid-of-other")))
    world.put(kinds.EDGE_NODE, edge_node())
    assert Key("EdgeCluster", "omnixan", "other") in world.remove(kinds.EDGE_NODE, edge_node())


def test_a_run_wakes_its_job_at_once_when_it_ends_and_later_while_it_runs() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object())
    assert world.put(kinds.QUANTUM_RUN, run()) == {(job_key("bell"), 0.0)}
    assert world.put(kinds.QUANTUM_RUN, run(state="Running")) == {(job_key("bell"), RUNNING_DELAY)}
    progress = {"iteration": 1, "of": 2, "best": 0.5}
    assert world.put(kinds.QUANTUM_RUN, run(state="Running", progress=progress)) == {(job_key("bell"), PROGRESS_DELAY)}
    assert world.put(kinds.QUANTUM_RUN, run(state="Succeeded")) == {(job_key("bell"), 0.0)}
    assert world.remove(kinds.QUANTUM_RUN, run()) == {job_key("bell")}


def test_the_end_of_a_run_gives_its_place_to_the_next_job_and_wakes_no_other() -> None:
    world = World()
    for number in range(50):
        world.put(kinds.QUANTUM_JOB, job_object(f"waiting-{number}"))
    owned = run() | {"metadata": meta("uid-of-bell-1", ownerReferences=OWNER)}
    world.put(kinds.QUANTUM_JOB, job_object())
    world.put(kinds.QUANTUM_RUN, owned)
    over = owned | {"status": {"state": "Succeeded"}}
    assert world.keys(kinds.QUANTUM_RUN, over) == {job_key("bell"), dispatch_key("omnixan", "ec")}


def test_the_end_of_a_run_on_a_draining_node_wakes_claiming() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object())
    world.put(kinds.EDGE_NODE, edge_node(drain=True))
    world.put(kinds.QUANTUM_RUN, run())
    assert CLAIMS in world.keys(kinds.QUANTUM_RUN, run(state="Failed"))


def test_runs_of_a_deleted_or_recreated_job_are_swept() -> None:
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object())
    world.put(kinds.QUANTUM_RUN, run())
    sweep = Key("QuantumRun", "omnixan", "uid-of-bell-1")
    assert world.keys(kinds.QUANTUM_JOB, job_object(metadata=meta("bell", uid="another"))) >= {sweep}
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object())
    world.put(kinds.QUANTUM_RUN, run())
    assert world.remove(kinds.QUANTUM_JOB, job_object()) == {sweep, job_key("bell")}
    assert sweep in World().keys(kinds.QUANTUM_RUN, run()), "a run without a job"


def test_a_heartbeat_of_a_ready_node_wakes_nobody() -> None:
    world = World()
    own = Key("EdgeNode", "omnixan", "n1")
    assert world.keys(kinds.LEASE, lease("1")) == set(), "no EdgeNode"
    world.put(kinds.EDGE_NODE, edge_node("False"))
    assert world.keys(kinds.LEASE, lease("2")) == {own}, "not ready"
    world.put(kinds.EDGE_NODE, edge_node("True"))
    assert world.keys(kinds.LEASE, lease("3")) == set()
    assert world.keys(kinds.LEASE, lease("4", seconds=10)) == {own}, "it ends at another time"
    assert world.remove(kinds.LEASE, lease("4")) == {own}


def test_a_child_wakes_its_owner() -> None:
    daemon_set = {"metadata": meta("d", ownerReferences=OWNER), "spec": {}}
    world = World()
    assert world.keys(kinds.DAEMON_SET, daemon_set) == {EC}
    assert world.remove(kinds.DAEMON_SET, daemon_set) == {EC}
    owner = [{"kind": "QuantumJob", "name": "bell", "uid": "u", "controller": True}]
    result = {"metadata": meta("bell-result", ownerReferences=owner), "data": {}}
    assert world.keys(kinds.CONFIG_MAP, result) == {job_key("bell")}
    assert world.keys(kinds.SERVICE_ACCOUNT, {"metadata": meta("foreign")}) == set()


def test_after_the_start_everything_is_looked_at_once() -> None:
    world = World()
    world.put(kinds.EDGE_CLUSTER, cluster_object())
    world.put(kinds.EDGE_NODE, edge_node())
    world.put(kinds.QUANTUM_JOB, job_object())
    world.put(kinds.QUANTUM_JOB, job_object() | {"metadata": meta("new")})
    world.put(kinds.QUANTUM_RUN, run())
    world.put(kinds.NODE, node_object())
    assert list(everything(world.store)) == [
        Wake(CLAIMS),
        Wake(EC),
        Wake(Key("EdgeNode", "omnixan", "n1")),
        Wake(job_key("bell")),
        Wake(job_key("new"), flow="omnixan"),
        Wake(Key("QuantumRun", "omnixan", "uid-of-bell-1")),
    ]


def test_jobs_that_may_come_in_thousands_wait_behind_those_of_their_namespace_and_what_is_about_one_job_does_not() -> None:
    world, job = World(), job_object()
    in_turn, at_once = Wake(job_key("bell"), flow="omnixan"), Wake(job_key("bell"))
    assert world.wakes(kinds.QUANTUM_JOB, job) == {in_turn}
    assert world.wakes(kinds.QUANTUM_JOB, job | {"status": {"phase": "Pending"}}) == {in_turn}
    under_way = {"phase": "Running", "run": {"attempt": 1}}
    assert world.wakes(kinds.QUANTUM_JOB, job | {"status": under_way}) == {at_once}
    assert world.wakes(kinds.QUANTUM_JOB, job | {"spec": job["spec"] | {"cancel": True}}) == {at_once}
    assert in_turn in world.wakes(kinds.EDGE_CLUSTER, cluster_object())
    assert analysed(job_key("bell")).flow not in (None, in_turn.flow)


def test_a_job_with_a_run_that_is_not_told_or_not_taken_away_is_behind_no_new_job() -> None:
    at_once, in_turn = Wake(job_key("bell")), Wake(job_key("bell"), flow="omnixan")
    over = {"phase": "Failed", "completionTime": "2026-11-29T12:00:00Z"}
    world = World()
    world.put(kinds.QUANTUM_JOB, job_object())
    assert world.wakes(kinds.QUANTUM_RUN, run()) == {at_once}
    assert at_once in everything(world.store), "its start may not be written"
    assert at_once in world.wakes(kinds.EDGE_CLUSTER, cluster_object())
    assert world.wakes(kinds.QUANTUM_JOB, job_object() | {"status": over}) == {at_once}, "its run is still to be deleted"
    assert at_once in everything(world.store)
    world.put(kinds.QUANTUM_RUN, run(state="Succeeded"))
    assert in_turn in everything(world.store)
