"""Self-training: a network learns from labels, then labels the rest once for a fresh one."""

from ctt_ray.plan import Follow, Gate, Mixer, Plan, Route, Stage


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    ct_gate: Gate = "none",
    ct_threshold: float = 0.968,
    mixer: Mixer = "none",
    rounds: int = 1,
) -> Plan:
    """A row of the CTT paper's Table 5: stage 1 on labels; then the network is frozen and labels for a fresh one.

    Every stage has an equal share of the run, fresh weights and a learning-rate schedule of its own; with `rounds` above 1 the
    last student labels for the next. The authors released no code for this row: views, lengths and thresholds are ours [O].
    Simplified: the frozen network labels each crop as it comes, where the original writes the labels of whole images down
    once: the same labels but for what the crop cuts away.
    """
    shares = [1 / (rounds + 1)] * (rounds + 1)
    return Plan(
        method="self_training",
        students=("s0",),
        teachers=("t0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="t0", weight=lambda_ct, gate=ct_gate, threshold=ct_threshold),),
        follows=(Follow(follower="t0", leader="s0", when="stage", since=1),),
        stages=tuple(Stage(share=share, labels_only=n == 0, restart=n > 0) for n, share in enumerate(shares)),
        mixer=mixer,
    )
