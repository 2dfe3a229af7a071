"""Configuration: unique names, values in range, messages that help."""

import pytest
from pydantic import BaseModel, ValidationError

from ctt_ray import cli
from ctt_ray.config import PROFILES, ConfigError, RunConfig, from_tree, with_values


def all_names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        names += all_names(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else [name]
    return names


def test_every_field_has_a_name_of_its_own() -> None:
    names = all_names(RunConfig)
    assert len(names) == len(set(names)), "flags and spaces go by bare names, so two fields cannot share one"


def test_with_values_reaches_any_depth_and_leaves_the_rest() -> None:
    config = with_values(RunConfig(), {"lambda_ct": 0.5, "lr": 0.01, "seed": 4, "crop": (64, 96)})
    assert (config.params.lambda_ct, config.optim.lr, config.seed, config.stream.crop) == (0.5, 0.01, 4, (64, 96))
    assert config.net == RunConfig().net


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda_hx": 1.0}, "did you mean 'lambda_h"),
        ({"phi": 1.7}, "phi: .*less than or equal to 1, found 1.7"),
        ({"n_q": 0}, "n_q: .*greater than or equal to 1, found 0"),
        ({"ema_decay": 1.0}, "ema_decay: .*less than 1, found 1.0"),
    ],
)
def test_bad_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_values(RunConfig(), values)


def test_a_file_with_several_mistakes_names_them_all() -> None:
    with pytest.raises(ConfigError) as error:
        from_tree({"params": {"phi": 1.7, "lr": 3}, "optimm": {}})
    assert "params.phi" in str(error.value)
    assert "'lr' belongs at 'optim.lr'" in str(error.value)
    assert "did you mean 'optim'" in str(error.value)


def test_yaml_round_trip_keeps_everything(tmp_path: object) -> None:
    config = with_values(
        RunConfig(), {"lambda_ct": 0.3, "init": ("imagenet", "none"), "clip_norm": 1.0, "crop": (64, 96)}
    )
    path = tmp_path / "a.yaml"  # type: ignore[operator]
    path.write_text(cli.to_yaml(config))
    assert cli.read_config(path) == config
    assert cli.read_config(path).hash() == config.hash()


def test_a_partial_file_lies_over_the_profile(tmp_path: object) -> None:
    path = tmp_path / "a.yaml"  # type: ignore[operator]
    path.write_text("params: {n_q: 64}\n")
    config = cli.base_config(["--profile", "released", "--config", str(path)])
    assert (config.params.n_q, config.params.ct_gate) == (64, "batch_fraction")


def test_profiles_hold_known_values() -> None:
    for values in PROFILES.values():
        with_values(RunConfig(), values)
    assert with_values(RunConfig(), PROFILES["paper"]) == RunConfig()


def test_hash_changes_with_any_value_and_only_then() -> None:
    assert RunConfig().hash() == RunConfig().hash()
    assert with_values(RunConfig(), {"tau_lc": 0.4}).hash() != RunConfig().hash()


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().seed = 3  # type: ignore[misc]
