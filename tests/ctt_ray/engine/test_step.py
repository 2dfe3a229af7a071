"""The step's own promises: order of updates, gates, views, denominators, buffers, schedule, resume (docs/equations.md)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import make_batch, make_engine, make_samples, open_gate, parameters, same_state
from torch import nn

from ctt_ray.batch import Batch
from ctt_ray.config import ConfigError, RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.engine.terms import rows
from ctt_ray.engine.views import Target, mix_mask, mixed, strong_view, teach, weak_view
from ctt_ray.maths import mix
from ctt_ray.plan import Plan


def gradients_of_one_step(engine: Engine, batch: Batch) -> dict[str, torch.Tensor]:
    """Parameter changes of each student in one plain SGD step: proportional to the gradient."""
    before = parameters(engine)
    engine.step(batch)
    after = parameters(engine)
    return {name: after[name] - before[name] for name in engine.students}


def test_rule_04_cross_routing() -> None:
    """With n = 2 and only lambda_ct, another teacher 0 changes student 1's step and not student 0's."""

    def run(disturb: bool) -> dict[str, torch.Tensor]:
        engine = make_engine(lambda_sup=0.0, lambda_hc=0.0, lambda_lc=0.0, weight_decay=0.0, dropout=0.0)
        if disturb:
            with torch.no_grad():
                engine.teachers["t0"].head.classifier.bias[1] += 5.0  # type: ignore[union-attr, operator, index]
        return gradients_of_one_step(engine, make_batch(0))

    plain, disturbed = run(False), run(True)
    assert torch.equal(plain["s0"], disturbed["s0"])
    assert not torch.equal(plain["s1"], disturbed["s1"])


def test_rule_04_three_pairs_average_two_cross_entropies() -> None:
    """mean: the step of s0 is that of the half-weighted sum of its two routes."""

    def keep(*sources: str, weight: float) -> Any:
        def change(plan: Plan) -> Plan:
            routes = tuple(replace(r, weight=weight) for r in plan.routes if r.learner == "s0" and r.source in sources)
            return replace(plan, routes=routes, terms=(), supervised_weight=0.0)

        return change

    def step(change: Any) -> torch.Tensor:
        engine = make_engine(change=change, pairs=3, weight_decay=0.0, dropout=0.0, momentum=0.0)
        return gradients_of_one_step(engine, make_batch(0))["s0"]

    both = step(
        lambda p: replace(p, routes=tuple(r for r in p.routes if r.learner == "s0"), terms=(), supervised_weight=0.0)
    )
    apart = step(keep("t1", weight=1.0)), step(keep("t2", weight=1.0))
    torch.testing.assert_close(both, (apart[0] + apart[1]) / 2, rtol=1e-4, atol=1e-7)


def test_rule_05_targets_come_from_the_weights_at_step_start() -> None:
    """Pairs may be named and updated in any order: swapping them permutes the result and changes nothing else."""
    swapped = {"s0": "s1", "s1": "s0", "t0": "t1", "t1": "t0"}
    one, other = make_engine(dropout=0.0), make_engine(dropout=0.0)  # dropout draws in the order of the networks
    for a, b in swapped.items():
        other.networks[a].load_state_dict(one.networks[b].state_dict())
    for t in range(3):
        one.step(make_batch(t))
        other.step(make_batch(t))
    ours, theirs = parameters(one), parameters(other)
    for a, b in swapped.items():
        assert torch.equal(ours[a], theirs[b])


def test_rule_08_phi_switches_one_loss_off() -> None:
    """phi = 0 leaves no low-level pixel, phi = 1 no high-level one: the term is 0 and so is its effect."""
    for phi, silent, loud in ((0.0, "contrast_low", "contrast_high"), (1.0, "contrast_high", "contrast_low")):
        engine = make_engine(phi=phi, lc_directional=False)
        open_gate(engine)
        engine.step(make_batch(0))
        seen = engine.meter.read()
        assert seen[f"s0/{silent}"] == 0.0
        assert seen[f"s0/{loud}"] > 0.0


def test_rule_09_every_teachers_target_has_the_images_layout() -> None:
    """The same mask moves image, label and confidence: where the image shows the neighbour, so do all targets."""
    samples = make_samples(3, 4)
    plan = make_engine(mixer="cutmix").plan
    code = torch.arange(4, dtype=torch.uint8)[:, None, None].expand(4, 32, 32)  # which image a pixel comes from
    targets = {name: Target(code, code.float()) for name in ("t0", "t1")}
    mask = mix_mask(plan, samples, targets, torch.Generator().manual_seed(0))
    image = code[:, None].expand(4, 3, 32, 32).float()
    assert mask is not None
    shown = mix.mix(image, mask)[:, 0].to(torch.uint8)
    for target in targets.values():
        assert torch.equal(mixed(target, mask).label_BHW, shown)
        assert torch.equal(mixed(target, mask).conf_BHW, shown.float())
    assert not torch.equal(shown, code), "nothing was mixed, so nothing was compared"


def test_rule_11_gate_stays_shut_then_stays_open(tmp_path: Path) -> None:
    """While it is shut CTT and CT take identical steps; once open it is open after a resume too."""
    full, ct = make_engine(), make_engine(lambda_hc=0.0, lambda_lc=0.0)
    for t in range(3):
        full.step(make_batch(t))
        ct.step(make_batch(t))
    assert not full.banks.open
    for name, vector in parameters(ct).items():
        assert torch.equal(vector, parameters(full)[name])
    open_gate(full)
    full.save(tmp_path / "a", {})
    again = make_engine()
    again.load(tmp_path / "a")
    assert again.banks.open
    assert again.banks.opened_at == full.banks.opened_at


def test_rule_11_present_classes_open_without_the_missing_class() -> None:
    engine = make_engine(bank_gate="present_classes")
    for queue in engine.banks.by_teacher.values():
        rows = torch.nn.functional.normalize(torch.randn(3, 4, 8), dim=2)
        valid = torch.ones(3, 4, dtype=torch.bool)
        valid[2] = False
        queue.push(rows, valid)
    engine.banks.push({}, 0)
    assert engine.banks.open
    assert engine.banks.present_K is not None
    assert engine.banks.present_K.tolist() == [True, True, False]


def test_rule_12_padding_keeps_its_code_and_is_never_a_label() -> None:
    samples = make_samples(1, 2, padding=True)
    target = teach(torch.randn(2, 3, 8, 8), samples.label_BHW == 254)
    assert (target.label_BHW[:, :3] == 254).all()
    assert (target.label_BHW[:, 3:] < 3).all()


def test_rule_19_every_parameter_follows_poly_in_exactly_one_group() -> None:
    engine = make_engine(iterations=10, lr=0.02)
    for name, optimiser in engine.optimisers.items():
        ids = [id(p) for group in optimiser.param_groups for p in group["params"]]
        assert sorted(ids) == sorted(id(p) for p in engine.students[name].parameters())
    for t, factor in ((0, 1.0), (5, 0.5**0.9), (9, 0.1**0.9)):
        engine.iteration = t
        engine.step(make_batch(t))
        for optimiser in engine.optimisers.values():
            rates = [group["lr"] for group in optimiser.param_groups]
            assert rates == pytest.approx([0.02 * factor, 0.2 * factor])


def test_rule_24_the_views_differ_in_colour_and_share_geometry() -> None:
    samples = make_samples(5, 4)
    view = with_values(RunConfig(), {"colour_p": 1.0, "blur_p": 0.0, "colour_strength": 0.05}).view
    weak, strong = weak_view(samples), strong_view(samples, view)
    assert not torch.equal(weak, strong)
    for a, b in zip(weak.flatten(1), strong.flatten(1), strict=True):  # edges stay where they were
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.7


def test_the_configured_hue_strength_reaches_the_strong_view() -> None:
    samples, only_hue = make_samples(5, 4), {"colour_p": 1.0, "blur_p": 0.0, "colour_strength": 0.0}
    turned = strong_view(samples, with_values(RunConfig(), {**only_hue, "hue_strength": 0.2}).view)
    assert torch.equal(strong_view(samples, with_values(RunConfig(), only_hue).view), weak_view(samples))
    assert not torch.equal(turned, weak_view(samples))


def test_a_samples_strong_view_does_not_depend_on_its_neighbours() -> None:
    samples, view = make_samples(5, 4), RunConfig().view
    alone = replace(samples, image_B3HW=samples.image_B3HW[2:3], key_B=samples.key_B[2:3])
    assert torch.equal(strong_view(samples, view)[2:3], strong_view(alone, view))


@pytest.mark.parametrize("policy", ["average", "copy", "own"])
def test_teacher_buffers_follow_the_named_policy(policy: str) -> None:
    engine = make_engine(ema_buffers=policy, ema_decay=0.5, lambda_hc=0.0, lambda_lc=0.0)
    engine.step(make_batch(0))
    start = {k: v.clone() for k, v in engine.teachers["t0"].state_dict().items() if "running_mean" in k}
    engine.step(make_batch(1))
    student = engine.students["s0"].state_dict()
    key = next(k for k in start if k.startswith("head"))
    now = engine.teachers["t0"].state_dict()[key]
    if policy == "average":
        torch.testing.assert_close(now, (start[key] + student[key]) / 2)
    elif policy == "copy":
        assert torch.equal(now, student[key])
    else:  # its own statistics, made by its own forward pass in train mode
        assert not torch.equal(now, student[key])
        assert not torch.equal(now, start[key])


def test_own_buffers_put_the_teachers_batchnorm_in_train_mode_and_others_not() -> None:
    for policy, training in (("own", True), ("average", False)):
        engine = make_engine(ema_buffers=policy)
        engine.step(make_batch(0))
        norms = [m for m in engine.teachers["t0"].modules() if isinstance(m, nn.BatchNorm2d)]
        assert {m.training for m in norms} == {training}
        assert not engine.teachers["t0"].training


def test_frozen_batchnorm_keeps_its_statistics() -> None:
    engine = make_engine(freeze_bn=True)
    before = {k: v.clone() for k, v in engine.students["s0"].state_dict().items() if "running" in k}
    engine.step(make_batch(0))
    after = engine.students["s0"].state_dict()
    assert before
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_rule_18_joint_and_split_forward_are_different_on_purpose() -> None:
    split, joint = make_engine(dropout=0.0), make_engine(dropout=0.0, joint_forward=True)
    split.step(make_batch(0))
    joint.step(make_batch(0))
    assert not torch.equal(parameters(split)["s0"], parameters(joint)["s0"])


def test_bank_teacher_at_step_start_feeds_the_rows_of_the_old_weights() -> None:
    """Before the first step teacher and student are equal, so the rows are those of the untouched network."""
    engine = make_engine(bank_teacher="step_start", bank_add=4)
    batch = make_batch(0)
    with torch.no_grad():
        engine.teachers["t0"].eval()
        before = rows(engine.teachers["t0"](weak_view(batch.labelled)).feat_BDhw)
    engine.step(batch)
    queue = engine.banks.by_teacher["t0"]
    held = torch.cat([queue.rows_KND[k, : queue.fill_K[k]] for k in range(3)])
    assert len(held)
    for row in held:
        assert (before - row).abs().sum(1).min() < 1e-5


def test_contrast_off_runs_no_bank_pass() -> None:
    """lambda_hc = lambda_lc = 0 skips the labelled teacher pass: each teacher is called once a step, not twice."""
    for values, calls in (({"lambda_hc": 0.0, "lambda_lc": 0.0}, 1), ({}, 2)):
        engine = make_engine(**values)
        seen: list[int] = []
        engine.teachers["t0"].register_forward_hook(lambda *_, seen=seen: seen.append(1))
        engine.step(make_batch(0))
        assert len(seen) == calls


def test_rule_20_resume_is_bitwise(tmp_path: Path) -> None:
    """Six steps = three, save, a new engine, load, three; the gate opening in between."""
    whole, first = make_engine(mixer="classmix", seed=3), make_engine(mixer="classmix", seed=3)
    for engine in (whole, first):
        open_gate(engine)
    for t in range(6):
        whole.step(make_batch(t))
    for t in range(3):
        first.step(make_batch(t))
    first.save(tmp_path / "a", {})
    second = make_engine(mixer="classmix", seed=3)
    second.load(tmp_path / "a")
    torch.manual_seed(12345)  # the resumed process has another generator state; the step must not care
    for t in range(3, 6):
        second.step(make_batch(t))
    assert same_state(whole, second)


def test_supervised_class_weights_and_ohem_change_the_step() -> None:
    plain = make_engine("supervised", dropout=0.0)
    hard = make_engine("supervised", dropout=0.0, ohem_keep=0.2, ohem_threshold=0.1)
    for engine in (plain, hard):
        engine.step(make_batch(0, unlabelled=False))
    assert not torch.equal(parameters(plain)["s0"], parameters(hard)["s0"])


def test_the_meter_averages_over_steps_and_starts_anew() -> None:
    engine = make_engine("supervised")
    values = []
    for t in range(3):
        engine.step(make_batch(t, unlabelled=False))
        values.append(engine.meter.read()["s0/sup"])
    again = make_engine("supervised")
    for t in range(3):
        again.step(make_batch(t, unlabelled=False))
    assert again.meter.read()["s0/sup"] == pytest.approx(sum(values) / 3)
    assert again.meter.read() == {}


def test_warm_up_is_supervised_training_with_followers_and_then_ends() -> None:
    """Half of 8 steps: student 0 walks the supervised run's path bit for bit, teachers follow, banks fill; then it leaves it."""
    values: dict[str, Any] = {"iterations": 8, "bank_gate": "present_classes"}
    warm, plain = make_engine(warmup=0.5, **values), make_engine("supervised", **values)
    for number in range(4):
        warm.step(make_batch(number))
        plain.step(make_batch(number))
    assert torch.equal(parameters(warm)["s0"], parameters(plain)["s0"])
    assert not torch.equal(parameters(warm)["t0"], parameters(make_engine(**values))["t0"])
    assert sum(map(sum, warm.banks.fill().values())) > 0
    assert not [key for key in warm.meter.read() if "ct" in key or "pseudo" in key]
    for number in range(4, 6):
        warm.step(make_batch(number))
        plain.step(make_batch(number))
    assert not torch.equal(parameters(warm)["s0"], parameters(plain)["s0"])
    assert {"s0<-t1/ct", "s1<-t0/ct"} <= warm.meter.read().keys()


def test_running_statistics_of_the_labelled_passes_alone() -> None:
    """A step of CTT leaves student 0 with a supervised step's statistics, though it learnt from unlabelled images too."""

    def statistics(engine: Engine) -> dict[str, torch.Tensor]:
        engine.step(make_batch(0))
        return {name: value for name, value in engine.students["s0"].named_buffers() if "running" in name}

    plain = statistics(make_engine("supervised"))
    labelled, both = statistics(make_engine(bn_statistics="labelled")), statistics(make_engine())
    assert all(torch.equal(labelled[name], plain[name]) for name in plain)
    assert not all(torch.equal(both[name], plain[name]) for name in plain)
    with pytest.raises(ConfigError, match="two forward passes"):
        make_engine(bn_statistics="labelled", joint_forward=True)


def test_batchnorm_over_workers_is_refused_without_gpus() -> None:
    with pytest.raises(ConfigError, match="sync_bn needs GPUs"):
        make_engine(sync_bn=True)
