"""A profile: one command for all targets, and mistakes named with their place."""

from pathlib import Path

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.deploy.profile import Profile, read

SMALL = {
    "name": "a",
    "image": "i:1",
    "ray": "2.60.0",
    "command": "python -m ctt_ray.tune --space voc",
    "storage": {"folder": "/mnt/x"},
}


def test_the_command_gets_storage_and_address() -> None:
    job = "python -m ctt_ray.tune --space voc --storage /mnt/x/campaigns --address auto"
    assert Profile.model_validate(SMALL).job == job
    train = Profile.model_validate(SMALL | {"command": "python -m ctt_ray.train  --data\n /mnt/x/d --workers 4"})
    assert train.job == "python -m ctt_ray.train --data /mnt/x/d --workers 4 --storage /mnt/x/runs --address auto"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Voc_1"}, "small letters"),
        ({"name": "a" * 41}, "at most 40"),
        ({"command": "bash -c true"}, "python -m ctt_ray.tune or ctt_ray.train"),
        ({"command": "python -m ctt_ray.tune --address auto"}, "--address comes from"),
        ({"command": "python -m ctt_ray.tune --storage=/x"}, "--storage=/x comes from"),
        ({"storage": {"folder": "campaigns"}}, "storage.folder: .*absolute path"),
        ({"storage": {"folder": "s3://bucket"}}, "absolute path"),
        ({"workers": {"min": 4, "max": 2}}, "workers: .*below min 4"),
        ({"workers": {"min": 0}}, "workers.min"),
        ({"workers": {"gpuz": 1}}, "workers.gpuz: Extra inputs"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], said: str, tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(SMALL | change))
    with pytest.raises(ConfigError, match=said):
        read(path)


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no profile"):
        read(tmp_path / "none.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read(path)
    path.write_text("just text")
    with pytest.raises(ConfigError, match="profile: "):
        read(path)
