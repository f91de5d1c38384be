"""How samples are divided into train, search and report parts.

Owns the rule: parts that the data bring are kept; what must be divided is divided by a hash of
each sample, class by class, so that the division depends on the data alone and never on a seed.
It knows nothing of files and pixels: hashes and class ids come in, indices go out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

HALVES = (0.5, 0.5)
"""Shares of search and report where only one of val and test is there."""

WHOLE = (0.70, 0.15, 0.15)
"""Shares of train, search and report where the data bring no parts."""


def divide(
    hashes: Sequence[str],
    strata: np.ndarray | None,
    shares: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
) -> tuple[np.ndarray, ...]:
    """Divide samples into parts, stratified, by their hashes alone.

    Samples with one hash (exact duplicates) or one group always land in the same part. The
    answer does not depend on the order in which samples come.

    Parameters
    ----------
    hashes
        One hash a sample.
    strata
        Integer class of each sample, ``(n,)``; None where there are none (masks, values).
    shares
        Share of each part; they sum to 1.
    groups
        What must stay together (a patient, a video); None: only exact duplicates do.

    Returns
    -------
    tuple of int64 arrays
        Indices of each part, ascending.
    """
    count = len(hashes)
    keys = np.asarray(_unit_keys(hashes, groups), dtype=object)
    classes = np.zeros(count, dtype=np.int64) if strata is None else np.asarray(strata)
    owner = np.empty(count, dtype=np.int64)
    wanted = np.asarray(shares, dtype=np.float64)
    given = np.zeros(len(wanted), dtype=np.int64)
    for _, stratum in itertools.groupby(_units(keys, classes), key=lambda unit: unit[0]):
        units = [members for _, _, members in stratum]
        quota = _quota(sum(map(len, units)), wanted, given)
        given += quota
        bounds = np.cumsum(quota)
        done = 0
        for members in units:
            middle = done + len(members) / 2
            part = int(np.searchsorted(bounds, middle, side="left"))
            owner[members] = min(part, len(wanted) - 1)
            done += len(members)
    return tuple(np.flatnonzero(owner == part) for part in range(len(shares)))


def _quota(size: int, shares: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Samples of one class for each part: within one of its share, in the class and in all so far.

    What is left after rounding down goes to the parts that are furthest behind.
    """
    quota = np.floor(size * shares + 1e-9).astype(np.int64)
    behind = shares * (given.sum() + size) - (given + quota)
    for part in np.argsort(-behind, kind="stable")[: size - int(quota.sum())]:
        quota[part] += 1
    return quota


def _unit_keys(hashes: Sequence[str], groups: Sequence[str] | None) -> list[str]:
    """A key for each sample; samples with one key stay together."""
    if groups is None:
        return list(hashes)
    from engine.data.hashing import sample_hash

    return [sample_hash(group.encode()) for group in groups]


def _units(keys: np.ndarray, classes: np.ndarray) -> list[tuple[int, str, list[int]]]:
    """(class, key, members) of what stays together, sorted by class, then key.

    A unit's class is its members' most frequent one (the smallest of equals).
    """
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(str(key), []).append(index)
    units = []
    for key, indices in members.items():
        values, counts = np.unique(classes[indices], return_counts=True)
        units.append((int(values[np.argmax(counts)]), key, indices))
    units.sort(key=lambda unit: (unit[0], unit[1]))
    return units


def shared_hashes(first: Sequence[str], second: Sequence[str]) -> int:
    """How many samples of ``second`` are exact duplicates of a sample of ``first``."""
    known = set(first)
    return sum(1 for item in second if item in known)
