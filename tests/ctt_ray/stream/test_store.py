"""The same batches from a store as from a folder, whatever happens on the way, and never a wrong one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path

import pytest
import stores
import torch
from stores import Fault, Proxy

from ctt_ray.batch import Batch
from ctt_ray.stream import EvalSet, SegStream
from ctt_ray.stream.reader import ShardReader
from data_prep.schema import DataError, load_labelled_split, load_manifest
from data_prep.store import columns

BUCKET = "bucket"
VIEW = {"crop": (24, 20), "scale": (0.5, 2.0), "flip": 0.5, "rotation": 0.0, "seed": 3}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with stores.s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def uploaded(server: str, dataset: Path) -> str:
    return stores.upload(dataset, server, BUCKET)


@pytest.fixture
def proxy(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with stores.way_to(server, monkeypatch, tmp_path / "cache") as proxy:
        yield proxy


def stream(data: str | Path, **changes: object) -> SegStream:
    usual = {"labelled": "few", "batch_labelled": 4, "batch_unlabelled": 6, **VIEW}
    return SegStream(data, **{**usual, **changes})  # type: ignore[arg-type]


def same(one: Batch, two: Batch) -> bool:
    halves = [(one.labelled, two.labelled), (one.unlabelled, two.unlabelled)]
    return all(torch.equal(a, b) for x, y in halves for a, b in zip(astuple(x), astuple(y), strict=True))


def same_batches(one: SegStream, two: SegStream, batches: int) -> bool:
    return all(same(a, b) for a, b in islice(zip(one, two, strict=False), batches))


def scored(data: str | Path) -> list[tuple[str, bytes, bytes]]:
    return [(id_, image.numpy().tobytes(), mask.numpy().tobytes()) for id_, image, mask in EvalSet(data, "val")]


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "shards").iterdir())


def test_batches_and_states_are_those_of_the_folder(dataset: Path, uploaded: str, proxy: Proxy) -> None:
    near, far = stream(dataset), stream(uploaded)
    assert same_batches(near, far, 15)  # more than two epochs of either half
    assert near.state() == far.state()
    assert torch.equal(near.labelled_pixels_K, far.labelled_pixels_K)
    assert near.labelled_images_per_class == far.labelled_images_per_class
    later = stream(uploaded, seed=9)
    later.load_state(near.state())
    assert same_batches(near, later, 3)
    assert scored(uploaded) == scored(dataset)


def test_loader_processes_find_the_files(dataset: Path, uploaded: str, proxy: Proxy) -> None:
    assert same_batches(stream(dataset), stream(uploaded, loaders=2), 8)


def test_a_warm_cache_asks_for_manifest_and_split_alone(dataset: Path, uploaded: str, proxy: Proxy) -> None:
    assert same_batches(stream(dataset), stream(uploaded), 10)
    proxy.seen.clear()
    assert same_batches(stream(dataset), stream(uploaded), 10)
    assert {path.rpartition("/")[2] for _, path in proxy.seen} == {"manifest.json", "few.json"}


def test_each_shard_comes_once_whoever_asks(uploaded: str, proxy: Proxy, tmp_path: Path) -> None:
    """Two ranks and an evaluation at once, with prefetching beside each of them."""
    sources = [stream(uploaded, rank=rank, world=2) for rank in range(2)]
    threads = [threading.Thread(target=lambda source=source: list(islice(source, 8))) for source in sources]
    threads.append(threading.Thread(target=lambda: list(EvalSet(uploaded, "val"))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manifest = load_manifest(uploaded)
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    assert cached(tmp_path) == sorted({shard.sha256 for shard in shards})
    assert sum(source._reader.files.fetched for source in sources) == sum(
        s.bytes for s in manifest.splits["train"].shards
    )


def test_looking_at_a_data_set_fetches_no_picture(server: str, proxy: Proxy, small_data, row, tmp_path: Path) -> None:
    rows = [replace(row(f"a{n}", n, masked=n % 2 == 0), image=bytes(60_000)) for n in range(40)]
    folder = small_data(rows)
    url = stores.upload(folder, server, "heavy")
    reader = ShardReader(url, "train")
    assert reader.masked().tolist() == [n % 2 == 0 for n in range(40)] and reader.column("id")[7] == "a7"
    assert reader.column("height") == ShardReader(folder, "train").column("height")
    assert cached(tmp_path) == []
    assert proxy.sent < 0.02 * (folder / "train-00000.arrow").stat().st_size


def test_the_next_window_is_fetched_while_this_one_is_read(uploaded: str, proxy: Proxy, tmp_path: Path) -> None:
    source = stream(uploaded, batch_unlabelled=0, labelled="all", batch_labelled=1)
    next(iter(source))
    wanted = {shard.sha256 for shard in source.manifest.splits["train"].shards}
    until = time.monotonic() + 10
    while set(cached(tmp_path)) < wanted and time.monotonic() < until:
        time.sleep(0.01)
    assert set(cached(tmp_path)) == wanted  # four are a window, the fifth is of the next one


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503),
        Fault(status=429),
        Fault(cut=100),
        Fault(cut=3000),
        Fault(wrong=2000),
        Fault(pause_s=0.2),
    ],
    ids=str,
)
def test_what_passes_by_is_waited_for(dataset: Path, uploaded: str, proxy: Proxy, fault: Fault) -> None:
    """Every object and every kind of request fails the first time it is asked for."""
    proxy.fault = lambda method, path, before: fault if before == 0 and path.endswith(".arrow") else stores.NONE
    assert same_batches(stream(dataset), stream(uploaded), 8)
    assert scored(uploaded) == scored(dataset)


def test_a_store_that_fails_now_and_then_is_put_up_with(dataset: Path, uploaded: str, proxy: Proxy) -> None:
    proxy.fault = lambda method, path, before: Fault(status=503) if before % 4 == 1 else stores.NONE
    assert same_batches(stream(dataset), stream(uploaded), 8)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut=100)], ids=str)
def test_a_store_that_stays_away_is_said_with_url_tries_and_cause(
    uploaded: str, proxy: Proxy, tmp_path: Path, fault: Fault
) -> None:
    source = stream(uploaded)
    proxy.fault = lambda method, path, before: fault if path.endswith(".arrow") else stores.NONE
    with pytest.raises(
        DataError, match=rf"{uploaded}/train-0000\d.arrow could not be read in 4 tries: OSError"
    ) as said:
        next(iter(source))
    assert said.match("CTT_RAY_STORE_WAIT_S")
    assert cached(tmp_path) == []


def test_wrong_bytes_are_never_read(uploaded: str, proxy: Proxy, tmp_path: Path) -> None:
    reader = ShardReader(uploaded, "train")
    proxy.fault = lambda method, path, before: Fault(wrong=1500) if path.endswith(".arrow") else stores.NONE
    with pytest.raises(DataError, match=r"has sha256 .* the manifest says .* twice"):
        reader.read(0)
    assert cached(tmp_path) == [] and list((tmp_path / "cache" / "partial").iterdir()) == []


def test_wrong_light_columns_are_found_out(uploaded: str, proxy: Proxy, dataset: Path, tmp_path: Path) -> None:
    """Ranges have no hash; the whole shard has one."""
    reader = ShardReader(uploaded, "train")
    shard = reader.shards[3]
    forged = tmp_path / "forged.arrow"
    forged.write_bytes((dataset / shard.file).read_bytes().replace(b"train20", b"train99"))
    columns.keep(tmp_path / "cache", shard, columns.of_file(forged))
    assert "train99" in reader.column("id")
    with pytest.raises(DataError, match=r"other bytes for parts of train-00003.arrow"):
        reader.read(15)
    assert ShardReader(uploaded, "train").column("id") == [f"train{number}" for number in range(38)]


def test_masks_are_counted_before_rows_are_chosen(uploaded: str, proxy: Proxy, tmp_path: Path, small_data, row) -> None:
    reader = ShardReader(uploaded, "train")
    bare = small_data([row(f"train{number}", number, masked=False) for number in range(4)])
    columns.keep(tmp_path / "cache", reader.shards[0], columns.of_file(bare / "train-00000.arrow"))
    with pytest.raises(DataError, match=r"has 29 masks, the manifest says 32: the store gave wrong bytes"):
        reader.masked()


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut=100), Fault(pause_s=0.1)], ids=str)
def test_a_web_server_that_fails_is_put_up_with(
    fault: Fault, dataset: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stores.web_server(dataset) as url, Proxy(url) as web:
        web.fault = lambda method, path, before: fault if before < 2 else stores.NONE
        assert same_batches(stream(dataset), stream(web.url), 8)


def test_what_a_web_server_refuses_fails_at_once(dataset: Path, proxy: Proxy) -> None:
    with stores.web_server(dataset) as url, Proxy(url) as web:
        web.fault = lambda method, path, before: Fault(status=403)
        with pytest.raises(DataError, match=r"the store denies access"):
            load_manifest(web.url)
        assert web.count("GET") == 1
        web.fault = lambda method, path, before: Fault(status=404) if path.endswith(".json") else stores.NONE
        with pytest.raises(DataError, match=r"no manifest.json in"):
            load_manifest(web.url)


def test_an_evaluation_of_other_data_than_the_run_trains_on_is_refused(uploaded: str, proxy: Proxy) -> None:
    assert len(EvalSet(uploaded, "val", content_hash="abc")) == 5
    with pytest.raises(DataError, match=r"changed under the run: it began with content before"):
        EvalSet(uploaded, "val", content_hash="before")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, r"the store denies access .*AWS_ACCESS_KEY_ID.*anonymous=true"),
        (404, r"no manifest.json in s3://.*not a prepared data set"),
        (301, r"refuses the request .*Check the URL, its region"),
    ],
)
def test_what_no_try_can_mend_fails_at_once(uploaded: str, proxy: Proxy, status: int, message: str) -> None:
    proxy.fault = lambda method, path, before: Fault(status=status)
    with pytest.raises(DataError, match=message):
        ShardReader(uploaded, "train")
    assert proxy.count("HEAD") == 1


def test_unknown_buckets_and_splits_are_named(uploaded: str, proxy: Proxy) -> None:
    with pytest.raises(DataError, match=r"no manifest.json in s3://nowhere/data"):
        load_manifest("s3://nowhere/data")
    with pytest.raises(DataError, match=r"no labelled split 'many' in .*there are: .*few"):
        load_labelled_split(uploaded, "many")


def test_no_credentials_in_a_url() -> None:
    with pytest.raises(DataError, match=r"holds credentials") as said:
        load_manifest("s3://key:verysecret@bucket/data")
    assert "verysecret" not in str(said.value)


def test_a_hung_server_is_noticed(uploaded: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    monkeypatch.setattr("data_prep.store.place.SILENT_S", 1.0)
    proxy.fault = lambda method, path, before: (
        Fault(pause_s=4.0) if before == 0 and path.endswith("manifest.json") else stores.NONE
    )
    begun = time.monotonic()
    assert load_manifest(uploaded) == load_manifest(dataset)
    assert time.monotonic() - begun < 3.5


def test_a_data_set_that_changed_under_a_run_is_said(server: str, proxy: Proxy, dataset: Path, tmp_path: Path) -> None:
    url = stores.upload(dataset, server, "changing")
    source = stream(url)
    shards = sorted(dataset.glob("train-*.arrow"))
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    for shard, successor in zip(shards, shards[1:] + shards[:1], strict=True):
        shutil.copy(successor, other / shard.name)
    stores.upload(other, server, "changing")
    with pytest.raises(DataError, match=r"changed since its manifest was read"):
        next(iter(source))


def test_a_cache_smaller_than_what_is_shuffled_together_is_refused(
    uploaded: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, dataset: Path
) -> None:
    needed = sum(path.stat().st_size for path in dataset.glob("train-*.arrow"))
    monkeypatch.setenv("CTT_RAY_CACHE_GIB", str((needed - 1) / 2**30))
    with pytest.raises(DataError, match=r"Set CTT_RAY_CACHE_GIB to 0.01 or more"):
        stream(uploaded)
    monkeypatch.setenv("CTT_RAY_CACHE_GIB", "much")
    with pytest.raises(DataError, match=r"CTT_RAY_CACHE_GIB=much: needed is a number"):
        stream(uploaded)


@pytest.mark.parametrize("kind", ["http", "ranges", "file", "memory"])
def test_other_stores(kind: str, dataset: Path, server: str, uploaded: str, proxy: Proxy, tmp_path: Path) -> None:
    """A web server without ranges and one with them, a folder by its URL, and what fsspec reads."""
    if kind == "file":
        assert same_batches(stream(dataset), stream(dataset.as_uri()), 8)
        assert scored(dataset.as_uri()) == scored(dataset)
        return
    if kind == "ranges":
        url = f"{server}/{BUCKET}/data"
        assert ShardReader(url, "train").masked().sum() == 32 and cached(tmp_path) == []
        assert same_batches(stream(dataset), stream(url), 8)
        return
    if kind == "memory":
        import fsspec

        fsspec.filesystem("memory").put(str(dataset), "/held", recursive=True)
        assert same_batches(stream(dataset), stream("memory://held"), 8)
        return
    with stores.web_server(dataset) as url:
        assert same_batches(stream(dataset), stream(url), 8)
        assert scored(url) == scored(dataset)
        with pytest.raises(DataError, match=r"no manifest.json in"):
            load_manifest(f"{url}/elsewhere")
