"""The verdict on the report split, and how many samples would tell."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.task import Task
from engine.search.measure import Measure, read_verdict
from engine.search.verdict import Target

TASK = Task(
    kind="multiclass", classes=10, outputs=10, activation="softmax", from_logits=False,
    metric="accuracy",
)  # fmt: skip
MEASURE = Measure(name="accuracy", task=TASK)


def rows(count: int, wrong: int) -> np.ndarray:
    """What accuracy counts in so many samples of which the first few are wrong."""
    return np.stack([np.arange(count) >= wrong, np.ones(count)], axis=1).astype(np.float64)


def target(value: float, tolerance: float, *, given: bool = False) -> Target:
    return Target(value=value, tolerance=tolerance, given=given)


def lost(count: int, before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a model that has ``before`` samples wrong, and of one that has others wrong."""
    return rows(count, before), np.roll(rows(count, after), before, axis=0)


def test_that_a_drop_that_few_samples_cannot_tell_says_how_many_would() -> None:
    dense, final = lost(50, 4, 5)
    for searched, slack in ((0.92, 0.01), (0.914, 0.004), (0.95, 0.01)):
        reading = read_verdict(MEASURE, target(0.92, 0.01), dense, final, searched=searched)
        assert not reading.met
        error = MEASURE.drop(dense, final).se
        assert reading.samples_needed == pytest.approx(50 * (2.486 * error / slack) ** 2, rel=0.01)


def test_that_a_miss_never_asks_for_as_many_samples_as_there_are() -> None:
    dense, final = lost(1000, 40, 72)
    reading = read_verdict(MEASURE, target(0.96, 0.03), dense, final, searched=0.96)
    error = MEASURE.drop(dense, final).se
    assert not reading.met
    assert 1.6 * error > 0.032 - 0.03, "the miss is one that these samples cannot tell"
    assert 1000 * (2.486 * error / 0.03) ** 2 < 1000
    assert reading.samples_needed is None


def test_that_a_drop_that_is_clearly_too_large_asks_for_no_more_samples() -> None:
    dense, final = lost(5000, 100, 700)
    reading = read_verdict(MEASURE, target(0.98, 0.01), dense, final, searched=0.97)
    assert not reading.met
    assert reading.samples_needed is None


def test_that_what_is_met_and_not_confirmed_says_how_many_samples_would_confirm_it() -> None:
    dense, final = lost(400, 20, 22)
    reading = read_verdict(MEASURE, target(0.95, 0.01), dense, final, searched=0.95)
    assert (reading.met, reading.confirmed) == (True, False)
    assert reading.samples_needed is not None
    assert reading.samples_needed > 400


def test_that_what_is_confirmed_needs_no_more() -> None:
    dense = rows(5000, 100)
    reading = read_verdict(MEASURE, target(0.98, 0.01), dense, dense, searched=0.98)
    assert (reading.met, reading.confirmed, reading.samples_needed) == (True, True, None)


def test_that_a_given_target_is_read_alike() -> None:
    dense, final = lost(50, 4, 5)
    reading = read_verdict(MEASURE, target(0.92, 0.01, given=True), dense, final, searched=0.92)
    assert not reading.met
    assert reading.samples_needed is not None
