"""Networks out of a checkpoint equal those that were saved, without what only training needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_scenes import make_scenes, save_checkpoint

from ctt_ray.config import ConfigError
from ctt_ray.restored import autocast, open_run, restore

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=2, val=1)


def test_every_network_comes_back_bitwise_ready_to_be_used(data: Path, tmp_path: Path) -> None:
    engine = save_checkpoint(tmp_path, data)
    with torch.no_grad():
        for number, net in enumerate(engine.networks.values()):
            for tensor in net.state_dict().values():
                tensor.add_(number + 1)
    engine.save(
        tmp_path, {"metrics": {}, "data": {"classes": ["a"] * 10, "palette": [[0, 0, 0]] * 10, "content_hash": ""}}
    )
    checkpoint = open_run(tmp_path)
    nets = restore(checkpoint, ("t1", "s0"), CPU)
    assert list(nets) == ["t1", "s0"]
    for name, net in nets.items():
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
        saved = engine.networks[name].state_dict()
        assert saved.keys() == net.state_dict().keys()
        assert all(torch.equal(value, saved[key]) for key, value in net.state_dict().items())


def test_initial_weights_and_data_need_not_be_there(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, data)
    content = json.loads((tmp_path / "state.json").read_text())
    content["config"]["net"]["init"] = ["/gone/weights.pth"]
    content["config"]["data"] = "/gone/data"
    (tmp_path / "state.json").write_text(json.dumps(content))
    checkpoint = open_run(tmp_path)
    assert checkpoint.config.net.init == ("/gone/weights.pth",)
    restore(checkpoint, checkpoint.networks, CPU)


def test_what_stands_in_it(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, data, iteration=7, metrics={"miou/s0": 3.0, "miou/s1": 4.0, "miou/t0": 9.0})
    checkpoint = open_run(tmp_path)
    assert (checkpoint.iteration, checkpoint.config.data, len(checkpoint.classes)) == (7, str(data), 10)
    assert checkpoint.offered == ("s0", "s1", "t0", "t1", "ensemble")
    assert checkpoint.members("ensemble") == ("s0", "s1") and checkpoint.members("t0") == ("t0",)
    assert checkpoint.best_student == "s1", "by score, and no teacher"


def test_one_student_alone_offers_no_ensemble_and_no_scores_mean_the_first(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", data, method="supervised")
    assert open_run(tmp_path / "a").offered == ("s0",)
    save_checkpoint(tmp_path / "b", data)
    assert open_run(tmp_path / "b").best_student == "s0"


def test_what_does_not_fit_is_said(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, data)
    checkpoint = open_run(tmp_path)
    with pytest.raises(ConfigError, match=r"no network 'x9' in .*; there are: s0, s1, t0, t1, ensemble"):
        checkpoint.check_offered(("s0", "x9"))
    save_file({"a": torch.zeros(1)}, tmp_path / "s1.safetensors")
    with pytest.raises(
        ConfigError, match=r"s1.safetensors does not fit this release .*Use the release it was trained with"
    ):
        restore(checkpoint, ("s1",), CPU)
    path = tmp_path / "state.json"
    path.write_text(path.read_text().replace('"palette"', '"colours"'))
    with pytest.raises(ConfigError, match=r"does not fit this release \(KeyError: 'palette'\)"):
        open_run(tmp_path)


def test_the_runs_precision_is_used(data: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, data)
    config = open_run(tmp_path).config
    a = torch.ones(2, 2)
    for precision, kind in (("no", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float32)):
        with autocast(config.model_copy(update={"precision": precision}), CPU):
            assert (a @ a).dtype == kind
