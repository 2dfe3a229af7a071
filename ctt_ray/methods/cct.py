"""CCT: auxiliary decoders on perturbed features have to agree with the main decoder.

Ouali, Hudelot and Tami, Semi-Supervised Semantic Segmentation with Cross-Consistency Training, CVPR 2020, arXiv 2003.09005.
Defaults: lambda_aux 30 on a squared distance that is a mean over classes [R], its ramp over the first tenth of the run [R],
the perturbations' strengths [R] (ctt_ray/nets/auxiliary/auxiliary_decoders.py), aux_lr [O].

Simplified: one decoder a perturbation, where the code has 2 or 6: their mean is what counts, and thirty are costly · decoders
are two 1x1 convolutions at the size of the features, as the main classifier is one there, without the paper's upsampling by
sub-pixel convolutions · guided cutout takes a box a predicted class, not a contour · the decoders' Adam is on the run's schedule,
not the student's SGD. Left out: the annealed supervised loss, weak labels and the pair-wise loss, which are options there.
Class 0 is the background that the object masks need; without one (Cityscapes) class 0 plays its part.
"""

from ctt_ray.plan import Auxiliary, Plan, Term


def plan(
    *,
    lambda_sup: float = 1.0,
    lambda_aux: float = 30.0,
    aux_lr: float = 1e-3,
    warmup: float = 0.0,
    joint_forward: bool = False,
) -> Plan:
    """L = lambda_sup L_sup + lambda_aux · ramp · mean of the decoders' squared distances, on unlabelled weak views."""
    return Plan(
        method="cct",
        students=("s0",),
        supervised_weight=lambda_sup,
        auxiliaries=(Auxiliary(name="decoders", kind="auxiliary_decoders", learner="s0", lr=aux_lr),),
        terms=(
            Term(
                name="auxiliary_decoders",
                learner="s0",
                weight=lambda_aux,
                view="weak",
                aux="decoders",
                options={"ramp": 0.1},
            ),
        ),
        warmup=warmup,
        joint_forward=joint_forward,
    )
