"""GTA-Seg: an assistant learns from pseudo-labels and hands its feature extractor on, so that they never touch the student's
mask predictor."""

from ctt_ray.plan import CLASSIFIER, Buffers, Follow, Mixer, Plan, PlanError, Route, Stage

PREDICTOR = (
    "head.decoder",
    CLASSIFIER,
)  # what comes after the concatenation in DeepLabV3+; DeepLabV2 has the classifier alone


def plan(
    *,
    lambda_ct: float = 1.0,
    keep_share: float = 0.8,
    ema_decay: float = 0.999,
    ema_buffers: Buffers = "average",
    mixer: Mixer = "cutmix",
    warmup: float = 0.0125,
    joint_forward: bool = True,
) -> Plan:
    """Jin et al., Semi-supervised semantic segmentation via gentle teaching assistant (NeurIPS 2022, arXiv 2301.07340).

    Stage 0, one of 80 epochs: the student `s` on labels. Then teacher `t` and assistant `a` start as its copies, and each step
    `a` learns from t's labels (CutMix with p 0.5, the surest 80 % weighted by 1 + confidence), s follows a but for the mask
    predictor, s learns from labels, t follows s. All [R]; equations in docs/equations.md#gta.
    Simplified: values are copied where the released code makes the three share storage; `a` has the schedule too; BatchNorm
    statistics are averaged and t is in eval mode throughout; each image draws whether it is mixed, where the released code
    draws once a batch, and a box covers a quarter to half of the image, not exactly half. Raises PlanError for a warmup of 0.
    """
    if warmup == 0:
        raise PlanError(
            "GTA-Seg's teacher and assistant are copies of a student that has learnt from labels: warmup > 0"
        )
    return Plan(
        method="gta_seg",
        students=("s", "a"),
        teachers=("t",),
        supervised=("s",),
        routes=(Route(learner="a", source="t", weight=lambda_ct, gate="reweight", keep=keep_share),),
        follows=(
            Follow(follower="t", leader="s", decay=ema_decay, buffers=ema_buffers, since=1),
            Follow(follower="a", leader="s", when="stage", since=1),
            Follow(follower="s", leader="a", decay=ema_decay, buffers=ema_buffers, skip=PREDICTOR, since=1),
        ),
        stages=(Stage(share=warmup, labels_only=True), Stage(share=1 - warmup)),
        turns=(("a",), ("s",)),
        mixer=mixer,
        mix_p=0.5,
        colour=False,
        joint_forward=joint_forward,
    )
