"""Notice that a machine is to be taken away: from Ray, which hears it from the cloud, the scheduler or `ray drain-node`."""

from __future__ import annotations

from ray.exceptions import RayActorError


class NodeTaken(RayActorError):
    """What a worker raises that has saved and left after a notice. Ray Train takes it for a death with the node: it counts
    it apart from failures and starts the workers anew at once, without waiting for the notice's deadline."""

    def __init__(self, said: str) -> None:
        super().__init__(error_msg=f"the node was preempted: {said}", preempted=True)
        self._said = said

    def __reduce__(self) -> tuple[type[NodeTaken], tuple[str]]:
        return type(self), (self._said,)


def draining() -> set[str]:
    """Ids of the nodes that are being drained. None where this release of Ray does not tell: it has no public call."""
    try:
        from ray._private.state import state

        return set(state.get_draining_nodes())
    except (ImportError, AttributeError):
        return set()


def noticed() -> bool:
    """In a Ray Train worker: whether any worker's node has been told so. No other worker is waited for, as
    ray.train.get_preemption_info does; it reads the same note, which Ray leaves with every worker."""
    try:
        from ray.train.v2._internal.execution.context import get_train_context

        return get_train_context().preemption_context.preemption_info is not None
    except (ImportError, AttributeError):
        return False
