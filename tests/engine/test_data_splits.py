"""The division of samples: by data alone, stratified, what belongs together together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.hashing import array_hashes, listing_sha256, sample_hash
from engine.data.splits import HALVES, WHOLE, divide, shared_hashes


def hashes_of(count: int, salt: str = "") -> list[str]:
    return [sample_hash(f"{salt}{i}".encode()) for i in range(count)]


def test_that_division_is_stratified_within_one_sample_a_class() -> None:
    strata = np.repeat([0, 1, 2], [101, 33, 7])
    search, report = divide(hashes_of(141), strata, HALVES)
    assert abs(len(search) - len(report)) <= 1
    for label, count in ((0, 101), (1, 33), (2, 7)):
        assert abs(int((strata[search] == label).sum()) - count / 2) <= 1


def test_that_parts_cover_all_samples_once() -> None:
    parts = divide(hashes_of(200), np.arange(200) % 3, WHOLE)
    assert sorted(np.concatenate(parts).tolist()) == list(range(200))
    assert [len(p) for p in parts] == [140, 30, 30]


def test_that_division_follows_the_sample_and_not_its_place() -> None:
    hashes, strata = hashes_of(300), np.arange(300) % 4
    search, _ = divide(hashes, strata, HALVES)
    order = np.random.default_rng(1).permutation(300)
    moved, _ = divide([hashes[i] for i in order], strata[order], HALVES)
    assert {hashes[i] for i in search} == {hashes[order[i]] for i in moved}


def test_that_exact_duplicates_stay_in_one_part() -> None:
    hashes = hashes_of(50) * 3
    search, report = divide(hashes, np.tile(np.arange(50) % 2, 3), HALVES)
    assert not {hashes[i] for i in search} & {hashes[i] for i in report}


def test_that_groups_stay_in_one_part_and_shares_hold() -> None:
    groups = [f"patient{i // 5}" for i in range(500)]
    parts = divide(hashes_of(500), np.arange(500) % 2, WHOLE, groups=groups)
    owners = [{groups[i] for i in part} for part in parts]
    assert not owners[0] & owners[1]
    assert not owners[1] & owners[2]
    assert not owners[0] & owners[2]
    assert len(parts[0]) == pytest.approx(350, abs=10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.sampled_from([HALVES, WHOLE]))
def test_that_every_division_is_a_partition(labels: list[int], shares: tuple[float, ...]) -> None:
    parts = divide(hashes_of(len(labels)), np.asarray(labels), shares)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part, share in zip(parts, shares, strict=True):
        assert abs(len(part) - share * len(labels)) <= 1


def test_that_samples_without_classes_are_divided_too() -> None:
    search, report = divide(hashes_of(11), None, HALVES)
    assert {len(search), len(report)} == {5, 6}


def test_that_array_hashes_tell_images_apart_and_find_copies() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    images[1, 0, 0] = 1
    first, second, third = array_hashes(images)
    assert first == third != second
    assert shared_hashes([first], [second, third, third]) == 2


def test_that_a_listing_hash_ignores_order_and_sees_names() -> None:
    one, two = ("a/1.png", "00"), ("b/2.png", "11")
    assert listing_sha256([one, two]) == listing_sha256([two, one])
    assert listing_sha256([one, two]) != listing_sha256([("a/9.png", "00"), two])
