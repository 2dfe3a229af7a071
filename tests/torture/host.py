"""A Ray cluster of several nodes on this machine, for campaigns that join one: python host.py CPUS CPUS ...

One node a number, the first is the head. Prints its address, then the process ids of the other nodes' raylets; the line
`add` on stdin adds a node of one CPU and prints its raylet's, the end of stdin ends the cluster.
"""

from __future__ import annotations

import json
import sys

from ray.cluster_utils import Cluster

STORE = 100 * 2**20


def main(cpus: list[int]) -> None:
    head, *others = cpus
    options = {"object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": head, "include_dashboard": False, **options})
    raylets = [_raylet(cluster.add_node(num_cpus=count, **options)) for count in others]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"raylet": _raylet(cluster.add_node(num_cpus=1, **options))}), flush=True)
    cluster.shutdown()


def _raylet(node: object) -> int:
    return int(node.all_processes["raylet"][0].process.pid)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
