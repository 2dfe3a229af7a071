"""A plan that cannot be trained is refused at construction, with the remedy."""

from typing import Any

import pytest

from ctt_ray import methods
from ctt_ray.plan import Auxiliary, Bank, Follow, Plan, PlanError, Route, Term


def test_teacher_without_leader_is_refused() -> None:
    with pytest.raises(PlanError, match=r"teacher 't0' has 0 leaders.*add Follow\(follower='t0'"):
        Plan(method="m", students=("s0",), teachers=("t0",))


def test_nobody_labels_a_teacher() -> None:
    follow = Follow(follower="t0", leader="s0", decay=0.9)
    with pytest.raises(PlanError, match="learner 't0'"):
        Plan(
            method="m",
            students=("s0",),
            teachers=("t0",),
            follows=(follow,),
            routes=(Route(learner="t0", source="t0"),),
        )


@pytest.mark.parametrize(
    ("route", "turns", "remedy"),
    [
        (Route(learner="s0", source="t0", source_view="same"), (), "use source_view weak"),
        (Route(learner="s0", source="s1", source_view="same"), (("s0",), ("s1",)), "use source_view weak"),
        (Route(learner="s0", source="t0", on="all"), (), "use on unlabelled"),
        (Route(learner="s0", source="s1", on="all"), (("s0",), ("s1",)), "use on unlabelled"),
        (Route(learner="s0", source="s1", gate="reweight"), (), "use another gate"),
        (Route(learner="s0", source="s1", gate="class_share", source_view="same"), (), "use source_view weak"),
    ],
)
def test_a_route_that_no_step_can_follow_is_refused(
    route: Route, turns: tuple[tuple[str, ...], ...], remedy: str
) -> None:
    follow = Follow(follower="t0", leader="s0", decay=0.9)
    kept: dict[str, Any] = {"method": "m", "students": ("s0", "s1"), "teachers": ("t0",), "follows": (follow,)}
    with pytest.raises(PlanError, match=f"route of 's0'.*{remedy}"):
        Plan(routes=(route,), turns=turns, **kept)
    Plan(routes=(Route(learner="s0", source="s1", source_view="same", on="all"),), **kept)
    Plan(routes=(Route(learner="s0", source="s1"), Route(learner="s1", source="t0", gate="reweight")), **kept)


def test_labelled_images_are_not_learnt_from_by_who_does_not_see_them() -> None:
    with pytest.raises(PlanError, match="use on unlabelled"):
        Plan(
            method="m",
            students=("s0", "s1"),
            supervised=("s0",),
            routes=(Route(learner="s0", source="s1", source_view="same", on="all"),),
        )


def test_what_learns_last_needs_the_last_turn() -> None:
    aux = Auxiliary(name="critic", kind="pixel_critic", learner="s0", lr=1e-4)
    with pytest.raises(PlanError, match=r"'critic'.*into the last turn"):
        Plan(method="m", students=("s0", "s1"), turns=(("s0",), ("s1",)), auxiliaries=(aux,))
    Plan(method="m", students=("s0", "s1"), turns=(("s1",), ("s0",)), auxiliaries=(aux,))


def test_term_needs_its_banks() -> None:
    follow = Follow(follower="t0", leader="s0", decay=0.9)
    term = Term(name="contrast_high", learner="s0", teacher="t0", peers=(("s0", "t0"),), weight=1.0)
    with pytest.raises(PlanError, match=r"add Bank\(teacher='t0'"):
        Plan(method="m", students=("s0",), teachers=("t0",), follows=(follow,), terms=(term,))


def test_bank_cannot_take_more_than_it_holds() -> None:
    follow = Follow(follower="t0", leader="s0", decay=0.9)
    with pytest.raises(PlanError, match="take 5 rows a step into 4 slots"):
        Plan(
            method="m",
            students=("s0",),
            teachers=("t0",),
            follows=(follow,),
            banks=(Bank(teacher="t0", slots=4, take=5),),
        )


def test_unknown_method_names_the_nearest() -> None:
    with pytest.raises(PlanError, match="did you mean 'mean_teacher'"):
        methods.build("mean_teachr", {})


def test_one_pair_has_no_low_level_loss() -> None:
    with pytest.raises(PlanError, match="set lambda_lc to 0"):
        methods.build("ctt", {"pairs": 1})


@pytest.mark.parametrize("n", [2, 3, 5])
def test_ctt_routes_cross_and_weigh_one_in_total(n: int) -> None:
    """Students are labelled by the other pairs' teachers only; `mean` gives every student the same total weight for any n."""
    plan = methods.build("ctt", {"pairs": n, "lambda_ct": 0.7})
    for i, row in enumerate(plan.label_matrix()):
        assert row[i] == 0.0
        assert sum(row) == pytest.approx(0.7)
        assert all(weight > 0 for j, weight in enumerate(row) if j != i)


def test_sum_combines_without_the_mean() -> None:
    plan = methods.build("ctt", {"pairs": 3, "ct_combine": "sum"})
    assert plan.label_matrix() == [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]


def test_zero_contrast_builds_no_bank() -> None:
    plan = methods.build("ctt", {"lambda_hc": 0.0, "lambda_lc": 0.0})
    assert plan.banks == plan.terms == ()


def test_show_plan_prints_matrix_and_follows() -> None:
    text = methods.build("ctt", {}).describe()
    assert "follow  t0 <- s0" in text
    assert "contrast_low" in text
