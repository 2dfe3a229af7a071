"""The cache among processes that die, share, and run out of room: what is read is whole, and the limit holds."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.store.cache import Cache, Full, Lease

ROOT = Path(__file__).resolve().parents[3]
SIZE = 40_000
PRELUDE = """
import hashlib, os, sys, time
from pathlib import Path
from data_prep.store.cache import Cache
def content(name): return (hashlib.sha256(name.encode()).digest() * 1250)
def make(name, pause=0.0, chunk=8000):
    def fill(file):
        data = content(name)
        os.lseek(file, 0, 0)
        for at in range(0, len(data), chunk):
            os.write(file, data[at : at + chunk])
            time.sleep(pause)
    return fill
def read(cache, name, pause=0.0):
    lease = cache.lease(name, 40_000, make(name, pause))
    assert lease.path.read_bytes() == content(name), name
    return lease
"""


def content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 1250


def make(name: str, made: list[str] | None = None) -> Callable[[int], None]:
    def fill(file: int) -> None:
        os.write(file, content(name))
        if made is not None:
            made.append(name)

    return fill


def lease(cache: Cache, name: str, made: list[str] | None = None, room_within_s: float = 0.0) -> Lease:
    return cache.lease(name, SIZE, make(name, made), room_within_s=room_within_s)


def use(cache: Cache, *names: str) -> list[bool]:
    """Whether each was there already."""
    found = []
    for name in names:
        held = lease(cache, name)
        assert held.path.read_bytes() == content(name)
        found.append(held.hit)
        held.close()
        time.sleep(0.005)  # the order of last use is told by the file system's clock
    return found


def there(cache: Cache) -> set[str]:
    return {path.name for path in (cache.folder / "shards").iterdir()}


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    code = PRELUDE + textwrap.dedent(script)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3 * SIZE + 10)
    assert use(cache, "a", "b", "c", "a") == [False, False, False, True]
    assert use(cache, "d") == [False] and there(cache) == {"a", "c", "d"}
    assert use(cache, "e") == [False] and there(cache) == {"a", "d", "e"}
    assert cache.used() == 3 * SIZE


def test_what_is_leased_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 2 * SIZE)
    held = lease(cache, "a")
    use(cache, "b", "c", "d")
    assert there(cache) == {"a", "d"}
    other = lease(Cache(tmp_path, 2 * SIZE), "d")
    with pytest.raises(Full, match=r"all that is in it is being read. Raise CTT_RAY_CACHE_GIB to 0.01 GiB at least"):
        lease(cache, "e", room_within_s=0.05)
    held.close()
    use(cache, "e")
    assert there(cache) == {"d", "e"}
    other.close()


def test_room_that_comes_free_is_waited_for(tmp_path: Path) -> None:
    holder = start(
        """
        cache = Cache(Path(sys.argv[1]), 40_000)
        lease = read(cache, "a")
        print("held", flush=True)
        time.sleep(0.5)
        """,
        tmp_path,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    held = lease(Cache(tmp_path, SIZE), "b", room_within_s=20.0)
    assert not held.hit and there(Cache(tmp_path, SIZE)) == {"b"}
    finished(holder)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    holder = start(
        """
        lease = read(Cache(Path(sys.argv[1]), 40_000), "a")
        print("held", flush=True)
        time.sleep(60)
        """,
        tmp_path,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(Full):
        lease(Cache(tmp_path, SIZE), "b")
    holder.kill()
    holder.wait()
    assert use(Cache(tmp_path, SIZE), "b") == [False]


def test_a_fetch_that_is_killed_anywhere_is_taken_over(tmp_path: Path) -> None:
    """Ten kills, from before the first byte to after the last; after each the file is whole or not there at all."""
    cache = Cache(tmp_path, 2 * SIZE)
    for kill in range(10):
        name = f"a{kill}"
        fetcher = start(
            """
            cache = Cache(Path(sys.argv[1]), 80_000)
            print("begun", flush=True)
            read(cache, sys.argv[2], pause=0.01)
            print("whole", flush=True)
            time.sleep(60)
            """,
            tmp_path,
            name,
        )
        assert fetcher.stdout is not None and fetcher.stdout.readline() == "begun\n"
        time.sleep(0.008 * kill)
        fetcher.send_signal(signal.SIGKILL)
        fetcher.wait()
        found = cache.folder / "shards" / name
        assert not found.exists() or found.read_bytes() == content(name)
        assert len(use(cache, name)) == 1
        assert cache.used() <= cache.limit
        assert list((tmp_path / "partial").iterdir()) == []


def test_one_of_many_fetches_and_the_others_wait(tmp_path: Path) -> None:
    script = """
        cache = Cache(Path(sys.argv[1]), 10**6)
        leases = [cache.lease(name, 40_000, make(name, 0.02)) for name in "abc"]
        assert all(lease.path.read_bytes() == content(name) for lease, name in zip(leases, "abc"))
        print(sum(not lease.hit for lease in leases))
    """
    processes = [start(script, tmp_path) for _ in range(4)]
    assert sum(int(finished(process)) for process in processes) == 3


def test_a_fetcher_that_dies_is_followed_by_one_that_waits(tmp_path: Path) -> None:
    first = start('print("begun", flush=True); read(Cache(Path(sys.argv[1]), 10**6), "a", pause=10)', tmp_path)
    assert first.stdout is not None and first.stdout.readline() == "begun\n"
    while not list(tmp_path.glob("partial/*")):
        time.sleep(0.01)
    second = start('print(read(Cache(Path(sys.argv[1]), 10**6), "a").hit)', tmp_path)
    time.sleep(0.3)
    assert second.poll() is None
    first.kill()
    first.wait()
    assert finished(second) == "False\n"


def test_processes_that_push_each_others_files_out_read_right_bytes_and_keep_the_limit(tmp_path: Path) -> None:
    """Four processes, twelve files, room for five: each reads every file three times in an order of its own."""
    script = """
        import random
        cache, names = Cache(Path(sys.argv[1]), 200_000), [f"f{n}" for n in range(12)] * 3
        random.Random(sys.argv[2]).shuffle(names)
        made, before = 0, None
        for name in names:
            lease = read(cache, name, pause=0.0005)
            assert lease.path.exists() and lease.path.read_bytes() == content(name)  # nobody took it away meanwhile
            made += not lease.hit
            if before: before.close()
            before = lease
            assert cache.used() <= 200_000, cache.used()
        print(made)
    """
    processes = [start(script, tmp_path, number) for number in range(4)]
    made = sum(int(finished(process)) for process in processes)
    assert made > 12  # files were pushed out and came again
    assert Cache(tmp_path, 200_000).used() <= 200_000
    assert list((tmp_path / "partial").iterdir()) == []


def test_what_a_disk_has_cut_comes_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**6)
    use(cache, "a")
    os.truncate(tmp_path / "shards" / "a", SIZE - 1)
    assert use(cache, "a") == [False]


def test_a_make_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**6)

    def fails(file: int) -> None:
        os.write(file, b"half")
        raise DataError("cut")

    with pytest.raises(DataError, match="cut"):
        cache.lease("a", SIZE, fails)
    assert there(cache) == set() and list((tmp_path / "partial").iterdir()) == []
    assert use(cache, "a") == [False]


def test_a_full_disk_is_said_and_nothing_half_is_left(tmp_path: Path) -> None:
    """A process that may write files of so many bytes only meets what a full disk answers."""
    script = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        from data_prep.errors import DataError
        try:
            cache = Cache(Path(sys.argv[1]), 10**6)
            cache.lease("a", 40_000, make("a"), room_within_s=0.0)
        except DataError as error:
            print(error)
    """
    said = finished(start(script, tmp_path))
    assert f"the disk of the cache {tmp_path} is full: 40000 bytes are needed" in said and "CTT_RAY_CACHE" in said
    assert list(tmp_path.rglob("a")) == []


@pytest.mark.parametrize("call", ["posix_fallocate", "write"])
def test_a_full_disk_makes_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The disk holds two files, the limit would allow many; a write that fails all the same leaves nothing."""
    from data_prep.store.fetch import _write

    cache = Cache(tmp_path, 10**6)
    use(cache, "a", "b")
    true = getattr(os, call)

    def full(*arguments: object) -> object:
        if len(there(cache)) >= 2 or call == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return true(*arguments)

    monkeypatch.setattr(os, call, full)
    if call == "write":
        with pytest.raises(Full, match="is full: 40000 bytes are needed"):
            cache.lease("c", SIZE, lambda file: _write(file, content("c")), room_within_s=0.0)
        assert there(cache) == {"a", "b"}
    else:
        assert use(cache, "c") == [False]
        assert there(cache) == {"b", "c"}
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be made.*CTT_RAY_CACHE"):
        Cache(tmp_path / "file" / "cache", 10**6)
