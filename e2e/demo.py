"""`make demo`: a cluster, the product on it, and jobs of public problem sets, told step by step."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from e2e import install, manifests
from e2e.cluster import open_cluster
from e2e.cluster.golang import program
from e2e.cluster.images import ensure_images
from e2e.cluster.pypi import helm
from e2e.kubectl import Kubectl, is_true

TENANT = "demo"
JOBS = ("circuits/ghz.yaml", "knapsack/p01.yaml", "knapsack/p02.yaml", "maxcut/octahedron.yaml")


class Story:
    """Prints what is done, the command a user would type for it, and what that command answers."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    @staticmethod
    def tell(text: str) -> None:
        """A sentence."""
        print(f"\n── {text}", flush=True)

    def show(self, *args: str) -> None:
        """Run kubectl and print command and answer."""
        print(f"$ kubectl {' '.join(args)}", flush=True)
        print(self._kubectl.run(*args, timeout=300), end="", flush=True)


def main() -> None:
    """Raise everything and run the demonstration; --down takes the cluster away at the end."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="take the cluster down at the end")
    down: bool = parser.parse_args().down
    begin = time.monotonic()
    cluster = open_cluster()
    cluster.up()
    images = ensure_images(cluster)
    kubectl = Kubectl(program("kubectl"), cluster.kubeconfig)
    story = Story(kubectl)

    story.tell("The product is a Helm chart: operator and analyzer in omnixan-system, room for agents in omnixan.")
    workers = install.label_workers(kubectl)
    install.Release(kubectl, helm(), images.operator, images.agent).install()
    story.show("get", "pods", "-n", install.SYSTEM_NAMESPACE)

    story.tell(f"The platform team applies one EdgeCluster: three nodes in two pools, out of {', '.join(workers)}.")
    story.show("apply", "-f", "examples/edgecluster.yaml")
    name = "omnixan-edge-cluster"
    kubectl.until("edgecluster", name, manifests.CLUSTER_NAMESPACE, is_true("Ready"), 180)
    story.show("get", "ec,en", "-n", manifests.CLUSTER_NAMESPACE)

    story.tell("A tenant applies quantum jobs: a circuit, two knapsacks of a public set, a maximum cut.")
    install.make_tenant(kubectl, TENANT)
    names = [_apply_again(kubectl, path) for path in JOBS]
    story.show("wait", "--for=condition=Complete", *(f"qj/{n}" for n in names), "-n", TENANT, "--timeout=180s")
    story.show("get", "qj", "-n", TENANT, "-o", "wide")

    for job in (kubectl.get("quantumjob", n, TENANT) for n in names):
        assert job is not None
        _explain(job)

    story.tell(f"All of this took {time.monotonic() - begin:.0f} s. What you can do now:")
    print(f"  export KUBECONFIG={cluster.kubeconfig}\n  kubectl get ec,en,qj -A\n  make cluster-down")
    if down:
        cluster.down()


def _apply_again(kubectl: Kubectl, path: str) -> str:
    document = manifests.load(manifests.EXAMPLES / path)
    document["metadata"]["namespace"] = TENANT
    name: str = document["metadata"]["name"]
    kubectl.delete("quantumjob", name, namespace=TENANT)  # a job's spec is immutable: the demo may be run again
    print(f"$ kubectl apply -n {TENANT} -f examples/{path}")
    kubectl.apply(document)
    return name


def _explain(job: dict[str, Any]) -> None:
    status = job["status"]
    summary = status["result"]["summary"]
    print(f"\n{job['metadata']['name']} ran on {status['placement']['reason']}")  # the reason begins with the node
    if "solution" not in summary:
        for outcome in summary["top"][:2]:
            print(f"  {outcome['bitstring']}  {100 * outcome['probability']:5.1f} % of {summary['shots']} shots")
        return
    ours, problem = summary["solution"], summary["problem"]
    print(f"  best value {ours['value']:g} of at most {problem['optimum']:g}, selected {ours['selected']}")
    print(
        f"  one shot gives it with probability {ours['probability']:.3g}, "
        f"{summary['probabilityRatio']:.3g} times as often as one random guess"
    )


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, RuntimeError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
