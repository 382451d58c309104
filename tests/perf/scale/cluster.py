"""A Ray cluster on one machine: several nodes with pretended GPUs, of which some come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

OBJECTS = 96 * 2**20
"""Size of each node's object store in bytes; it holds the configurations of the runs."""


class Nodes:
    """The nodes that execute runs; the head of the cluster executes none."""

    def __init__(self, cluster: Any, places: int) -> None:
        """cluster: a ``ray.cluster_utils.Cluster``. places: runs at the same time on one node, as many as its GPUs."""
        self._cluster, self._places = cluster, places
        self._nodes: list[Any] = []

    @property
    def places(self) -> int:
        """How many runs the cluster executes at the same time."""
        return self._places * len(self._nodes)

    @property
    def address(self) -> str:
        """What RAY_ADDRESS has to be."""
        return str(self._cluster.address)

    def join(self) -> None:
        """Add a node."""
        resources = {"num_cpus": self._places, "num_gpus": self._places}
        self._nodes.append(self._cluster.add_node(**resources, object_store_memory=OBJECTS))

    def leave(self) -> None:
        """Let the oldest node leave as ``ray stop`` does: it tells the cluster, and its runs are cut off."""
        self._cluster.remove_node(self._nodes.pop(0), allow_graceful=True)

    def lose(self) -> None:
        """Kill the oldest node with all its workers, which have no chance to say anything."""
        raylet = self._nodes.pop(0).all_processes["raylet"][0].process.pid
        for pid in (raylet, *_children(raylet)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def simulated(nodes: int, places: int) -> Iterator[Nodes]:
    """Start a head and ``nodes`` nodes with ``places`` CPUs and GPUs each; end all of them with the block."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": OBJECTS}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        found = Nodes(cluster, places)
        for _ in range(nodes):
            found.join()
        yield found
    finally:
        cluster.shutdown()


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found
