"""What a cluster without an image registry is made of, built in an order that keeps processors and network busy.

Compiling takes all processors and minutes; Debian trees and wheels wait for the network. So those are made in a thread
of their own while the compiler runs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from e2e.cluster import engine, golang
from e2e.cluster.debian import NODE_PACKAGES, SLIM_PACKAGES, tree
from e2e.cluster.docker import Docker
from e2e.cluster.node_image import ensure_node_image
from e2e.cluster.pypi import wheelhouse
from e2e.cluster.steps import Steps
from e2e.cluster.versions import HERE


def own_node_image(steps: Steps) -> tuple[Docker, str]:
    """The private engine, running, and the tag of the node image in it."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        node_tree = beside.submit(tree, "node", NODE_PACKAGES, steps)
        # for the application images, which are built later; what fails here is tried again there, and told
        beside.submit(tree, "slim", SLIM_PACKAGES, steps)
        for part, folder in (("operator", "operator"), ("node-agent", "node_agent")):
            beside.submit(wheelhouse, part, HERE.parent.parent / folder / "requirements.txt", steps)
        docker = engine.start(steps)
        docker.prune()
        golang.build_all(steps)
        node_tree.result()
        return docker, ensure_node_image(docker, steps)
