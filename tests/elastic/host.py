"""A Ray cluster of several nodes on this machine: python host.py HEALTH_MS CPUS CPUS ... The first node is the head, which
looks every HEALTH_MS whether a node lives; five misses are its death (Ray's default: 3000).

Prints its address and nodes as a line of JSON; then each line of JSON on stdin is done and answered by one:
["add", cpus] → id of the new node · ["kill", id]: SIGKILL of its raylet · ["drain", id, seconds]: notice with a deadline, as a
cloud gives it. The end of stdin ends the cluster.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2

OPTIONS = {"object_store_memory": 80 * 2**20}
PREEMPTION = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")


def main(health_ms: int, head: int, *others: int) -> None:
    system = {"_system_config": {"health_check_period_ms": health_ms}}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": head, "include_dashboard": False, **OPTIONS, **system}
    )
    nodes = {node.node_id: node for node in (cluster.add_node(num_cpus=count, **OPTIONS) for count in others)}
    _say({"address": cluster.address, "nodes": list(nodes)})
    for line in sys.stdin:
        what, *rest = json.loads(line)
        _say(_do(cluster, nodes, what, rest))
    cluster.shutdown()


def _do(cluster: Cluster, nodes: dict[str, Any], what: str, rest: list[Any]) -> object:
    if what == "add":
        node = cluster.add_node(num_cpus=rest[0], **OPTIONS)
        nodes[node.node_id] = node
        return node.node_id
    if what == "kill":
        raylet = nodes[rest[0]].all_processes["raylet"][0].process
        raylet.kill()
        raylet.wait()  # unreaped it would still have its process id, and Ray's workers on it would take it for living
        return "killed"
    deadline = int(1000 * (time.time() + rest[1]))
    return GcsClient(address=cluster.address).drain_node(rest[0], PREEMPTION, "", deadline)


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
