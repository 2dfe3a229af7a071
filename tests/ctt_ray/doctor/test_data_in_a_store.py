"""What the doctor says of a data set in a store, and of the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stores
from tiny_scenes import make_scenes

from ctt_ray.doctor import data
from data_prep.schema import load_manifest


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """A server, the URL of a data set there, and its folder."""
    folder = make_scenes(tmp_path_factory.mktemp("data"))
    with stores.s3_server() as server:
        yield server, stores.upload(folder, server, "doctor"), folder


def test_a_store_is_asked_for_manifest_and_one_shard(
    there: tuple[str, str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url, folder = there
    size = sum(path.stat().st_size for path in folder.glob("*.arrow"))
    with stores.way_to(server, monkeypatch, tmp_path / "cache") as proxy:
        store, cache = data.check(url)
        assert (store.state, cache.state) == ("ok", "ok")
        assert f"{url}: 12 images in 8 shards" in store.said and "MiB/s" in store.said
        assert f"{tmp_path / 'cache'} may hold 50 GiB" in cache.said
        assert proxy.count("GET", ".arrow") == 1 and not (tmp_path / "cache").exists()
        monkeypatch.setenv("CTT_RAY_CACHE_GIB", str((size - 1) / 2**30))
        assert [finding.state for finding in data.check(url)] == ["ok", "fail"]  # a run has up to ten shards at hand
        monkeypatch.setattr(data, "ROOM", 7)
        assert [finding.state for finding in data.check(url)] == ["ok", "warn"]
        monkeypatch.setenv("CTT_RAY_CACHE_GIB", "0.000001")
        assert [finding.state for finding in data.check(url)] == ["ok", "fail"]


def test_what_is_wrong_with_a_store_is_said(
    there: tuple[str, str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url, _ = there
    shards = [shard for split in load_manifest(there[2]).splits.values() for shard in split.shards]
    largest = max(shards, key=lambda shard: shard.bytes).file
    with stores.way_to(server, monkeypatch, tmp_path / "cache", wait_s=0.3) as proxy:
        for fault, ending, said in [
            (stores.Fault(status=403), "manifest.json", "denies access"),
            (stores.Fault(status=404), "manifest.json", "not a prepared data set"),
            (stores.Fault(status=503), "manifest.json", "could not be read in 2 tries"),
            (stores.Fault(status=404), largest, "the manifest names it"),
        ]:
            proxy.fault = lambda method, path, before, f=fault, e=ending: f if path.endswith(e) else stores.NONE
            (finding,) = data.check(url)
            assert finding.state == "fail" and said in finding.said
