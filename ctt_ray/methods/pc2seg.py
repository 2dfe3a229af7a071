"""PC2Seg (PSeg): weak and strong views agree in label space, and pixels are contrasted with debiased negatives.

Zhong, Yuan, Wu, Yuan, Peng and Wang, Pixel Contrastive-Consistent Semi-Supervised Semantic Segmentation, ICCV 2021,
arXiv 2108.09025. No released code found. Defaults: L2 in label space [P], the weak view as target †; negatives of other images,
by the probability of another class †; tau 0.07 and 200 negatives †; lambda_ct, lambda_aux, the rows drawn and aux_lr [O].

Simplified: negatives are not drawn one by one, their sum is replaced by its expectation over 1024 pixels of the batch · 1024
pixels are anchors in a step, drawn evenly · the weak view's features are keys without gradient · strong is this project's
jitter and blur, never mixed, since a pixel has to be the same in both views · a batch of one image on a worker has no negatives.
"""

from ctt_ray.plan import Auxiliary, Plan, Route, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_ct: float = 1.0,
    lambda_aux: float = 0.1,
    tau_aux: float = 0.07,
    aux_lr: float = 1e-3,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_ct L_consistency + lambda_aux L_contrast."""
    return Plan(
        method="pc2seg",
        students=("s0",),
        supervised_weight=lambda_sup,
        routes=(Route(learner="s0", source="s0", weight=lambda_ct, loss="mse"),),
        auxiliaries=(Auxiliary(name="projection", kind="projection", learner="s0", lr=aux_lr),),
        terms=(
            Term(
                name="debiased_contrast",
                learner="s0",
                weight=lambda_aux,
                aux="projection",
                options={"tau": tau_aux, "negatives": 200, "queries": 1024, "pool": 1024},
            ),
        ),
        warmup=warmup,
        joint_forward=joint_forward,
    )
