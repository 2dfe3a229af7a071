"""The order is a function: every epoch a permutation, the same for any number of workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctt_ray.stream.order import WINDOW_SHARDS, permutation, row_at, sample_key, worker_numbers

seeds = st.integers(0, 2**63 - 1)
shard_sizes = st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any).map(tuple)


@given(seeds, st.integers(0, 1), st.integers(0, 10**9), shard_sizes)
def test_every_epoch_is_a_permutation(seed: int, stream: int, epoch: int, shards: tuple[int, ...]) -> None:
    size = sum(shards)
    rows = [row_at(seed, stream, epoch * size + place, shards) for place in range(size)]
    assert sorted(rows) == list(range(size))


@given(seeds, st.integers(0, 1), shard_sizes, st.integers(0, 50), st.integers(5, 12), st.integers(1, 5))
def test_workers_together_see_the_single_workers_order(
    seed: int, stream: int, shards: tuple[int, ...], counter: int, batch: int, world: int
) -> None:
    shares = [list(worker_numbers(counter, batch, rank, world)) for rank in range(world)]
    assert sorted(number for share in shares for number in share) == list(range(counter, counter + batch))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    alone = [row_at(seed, stream, number, shards) for number in range(counter, counter + batch)]
    together = {number: row_at(seed, stream, number, shards) for share in shares for number in share}
    assert [together[number] for number in sorted(together)] == alone


@given(seeds, st.integers(0, 100))
def test_a_pass_needs_a_window_of_shards_at_a_time(seed: int, epoch: int) -> None:
    shards = (3, 5, 2, 4, 6, 1, 2, 3, 4)
    shard_of = np.repeat(np.arange(len(shards)), shards)
    visited = shard_of[permutation(seed, 0, epoch, shards)]
    first = {shard: int(np.flatnonzero(visited == shard)[0]) for shard in range(len(shards))}
    last = {shard: int(np.flatnonzero(visited == shard)[-1]) for shard in range(len(shards))}
    for place in range(len(visited)):
        assert sum(first[shard] <= place <= last[shard] for shard in first) <= WINDOW_SHARDS


def test_epochs_streams_and_seeds_differ() -> None:
    base = permutation(0, 0, 0, (50, 50)).tolist()
    others = [permutation(*arguments, (50, 50)).tolist() for arguments in [(0, 0, 1), (0, 1, 0), (1, 0, 0)]]
    assert all(other != base for other in others)


def test_shards_and_rows_both_move() -> None:
    """Over many epochs every row is found first about equally often: neither shards nor rows keep a favourite."""
    shards = (2,) * 10
    firsts = np.bincount([permutation(3, 0, epoch, shards)[0] for epoch in range(2000)], minlength=20)
    assert firsts.min() > 60
    assert firsts.max() < 150


def test_order_stays_what_it_was() -> None:
    """Checkpoints hold counters only: another order after an update would show a resumed run some images twice."""
    assert permutation(7, 1, 2, (3, 0, 4)).tolist() == [6, 4, 5, 1, 2, 0, 3]
    assert sample_key(7, 1, 2) == 377987872283692004


def test_the_permutation_cannot_be_changed_by_a_reader() -> None:
    with pytest.raises(ValueError, match="read-only"):
        permutation(0, 0, 0, (4,))[0] = 1


@given(seeds, st.integers(0, 1), st.integers(0, 2**40))
def test_keys_are_63_bit_and_fixed(seed: int, stream: int, number: int) -> None:
    key = sample_key(seed, stream, number)
    assert 0 <= key < 2**63
    assert key == sample_key(seed, stream, number)


def test_keys_do_not_repeat() -> None:
    keys = {sample_key(seed, stream, number) for seed in range(4) for stream in range(2) for number in range(500)}
    assert len(keys) == 4 * 2 * 500


def test_a_sample_and_an_epoch_of_the_same_number_draw_apart() -> None:
    of_epoch = np.random.SeedSequence([7, 1, 2]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    assert sample_key(7, 1, 2) != int(of_epoch)
