"""Intervals and paired comparisons against SciPy, likelihoods found by brute force, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from engine.data import statistics as our
from engine.data.metrics import per_sample, value
from engine.data.task import Task

TASK = Task(
    kind="classification", classes=4, outputs=4, activation="softmax", from_logits=False,
    metric="accuracy",
)  # fmt: skip


def rows(right: np.ndarray) -> np.ndarray:
    return np.stack([right, np.ones(len(right))], axis=1).astype(float)


def pair(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, lost, gained, neither]
    return rows(np.repeat([1, 1, 0, 0], counts)), rows(np.repeat([1, 0, 1, 0], counts))


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (3, 7), (9317, 10000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_that_wilson_agrees_with_scipy(right: int, count: int, level: float) -> None:
    expected = stats.binomtest(right, count).proportion_ci(level, "wilson")
    assert our.wilson(right, count, level) == pytest.approx((expected.low, expected.high))
    wanted = rows(np.arange(count) < right)
    assert our.interval("accuracy", wanted, level) == pytest.approx((expected.low, expected.high))


def log_likelihood(cells: tuple[int, int, int], difference: float, gained: float) -> float:
    """Of the cells (lost, gained, rest) where P(gained) = gained, P(lost) = gained + difference."""
    shares = (gained + difference, gained, 1 - 2 * gained - difference)
    return sum(n * math.log(max(p, 1e-300)) for n, p in zip(cells, shares, strict=True) if n)


@pytest.mark.parametrize("cells", [(12, 2, 36), (5, 5, 90), (30, 1, 69), (3, 9, 400)])
def test_that_the_score_interval_ends_where_the_score_statistic_is_z(
    cells: tuple[int, int, int],
) -> None:
    """The restricted likelihood is maximised numerically here, without Tango's formula."""
    lost, gained, rest = cells
    count = lost + gained + rest
    for edge in our.tango(lost, gained, count, 0.95):
        low, high = max(0.0, -edge), (1 - edge) / 2
        best = optimize.minimize_scalar(
            lambda q, d=edge: -log_likelihood(cells, d, q),
            bounds=(low + 1e-9, high - 1e-9), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        variance = (2 * best.x + edge - edge**2) / count
        statistic = ((lost - gained) / count - edge) / math.sqrt(variance)
        assert abs(statistic) == pytest.approx(stats.norm.ppf(0.975), rel=1e-4)


def test_that_the_score_interval_is_that_of_the_literature() -> None:
    """Airway data of Bentur et al. 2009, table (1, 1; 7, 12), in Fagerland et al. 2017, ch. 8."""
    assert our.tango(1, 7, 21, 0.95) == pytest.approx((-0.5173, -0.0260), abs=2e-4)


def test_that_no_change_still_has_an_interval_and_an_error() -> None:
    drop = our.paired_drop("accuracy", *pair(90, 0, 0, 10))
    assert drop.value == 0
    assert drop.interval[0] < 0 < drop.interval[1]
    assert drop.se > 0
    assert our.paired_drop("accuracy", *pair(0, 10, 0, 0)).value == 1.0
    assert our.paired_drop("accuracy", *pair(0, 0, 10, 0)).interval[0] == -1.0


def test_that_paired_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    shares = [0.9, 0.04, 0.02, 0.04]
    hits = bound_hits = 0
    for _ in range(400):
        before, after = pair(*rng.multinomial(300, shares))
        low, high = our.paired_drop("accuracy", before, after).interval
        hits += low <= 0.02 <= high
        bound_hits += our.one_sided_bound("accuracy", before, after) >= 0.02
    assert hits / 400 == pytest.approx(0.95, abs=0.03)
    assert bound_hits / 400 == pytest.approx(0.95, abs=0.03)


def test_that_pairing_is_worth_more_than_two_single_values() -> None:
    before, after = pair(880, 20, 10, 90)
    single = our.standard_error("accuracy", before)
    assert our.paired_drop("accuracy", before, after).se < 0.6 * math.hypot(single, single)


def test_that_the_bootstrap_agrees_with_the_closed_form() -> None:
    """On balanced labels balanced accuracy is accuracy, and a mean's error is known."""
    rng = np.random.default_rng(5)
    errors = rng.random((400, 1))
    what = Task(
        kind="regression", classes=0, outputs=1, activation="linear", from_logits=False,
        metric="mae", higher_is_better=False,
    )  # fmt: skip
    counted = per_sample("mae", errors, np.zeros((400, 1), np.float32), what)
    expected = errors.std(ddof=1) / 20
    assert our.standard_error("mae", counted) == pytest.approx(expected, rel=0.08)
    low, high = our.interval("mae", counted)
    assert (high - low) / 2 == pytest.approx(1.96 * expected, rel=0.08)
    assert our.lower_bound("mae", counted) == pytest.approx(
        value("mae", counted) + 1.645 * expected, rel=0.02
    )


def test_that_a_one_sided_bound_leaves_out_one_side_only() -> None:
    """scipy's one-sided Wilson limit is the two-sided one at 90 %."""
    counted = rows(np.arange(500) < 450)
    expected = stats.binomtest(450, 500).proportion_ci(0.9, "wilson")
    assert our.lower_bound("accuracy", counted) == pytest.approx(expected.low)


def test_that_a_paired_bootstrap_sees_the_pairs_and_the_sign() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 4, 500)
    first = np.eye(4)[labels] + 0.8 * rng.random((500, 4))
    second = first.copy()
    second[:25] = np.roll(np.eye(4)[labels[:25]], 1, axis=1)
    before = per_sample("macro_f1", first, labels, TASK)
    after = per_sample("macro_f1", second, labels, TASK)
    drop = our.paired_drop("macro_f1", before, after)
    assert drop.method == "bootstrap"
    assert drop.value == pytest.approx(value("macro_f1", before) - value("macro_f1", after))
    assert 0.03 < drop.interval[0] < drop.value < drop.interval[1] < 0.08
    assert our.paired_drop("macro_f1", after, before).value == pytest.approx(-drop.value)
    assert our.paired_drop("macro_f1", before, before).interval == (0.0, 0.0)


def test_that_a_lower_error_is_no_loss() -> None:
    worse, better = np.tile([2.0, 1.0], (50, 1)), np.tile([1.5, 1.0], (50, 1))
    assert our.paired_drop("mae", better, worse).value == pytest.approx(0.5)
    assert our.paired_drop("mae", worse, better).value == pytest.approx(-0.5)


def test_that_the_same_rows_give_the_same_interval() -> None:
    counted = np.random.default_rng(1).random((60, 2)) + np.array([0, 1])
    assert our.interval("iou", counted) == our.interval("iou", counted)


def test_that_the_samples_said_to_be_needed_do() -> None:
    """With that many samples the bound lies within the tolerance about as often as promised."""
    rng = np.random.default_rng(8)
    needed = our.samples_needed(0.06, 0.02, 0.005, power=0.8)
    assert needed is not None
    shares = [0.9, 0.0325, 0.0275, 0.04]
    confirmed = 0
    for _ in range(300):
        before, after = pair(*rng.multinomial(needed, shares))
        confirmed += our.one_sided_bound("accuracy", before, after) <= 0.02
    assert confirmed / 300 == pytest.approx(0.8, abs=0.07)


def test_that_no_number_of_samples_confirms_a_drop_beyond_the_tolerance() -> None:
    assert our.samples_needed(0.1, 0.01, 0.01) is None
    assert our.samples_for_share(0.9, 0.9) is None
    assert our.samples_by_se(0.01, 100, 0.0) is None
    assert our.samples_for_share(0.93, 0.92) == pytest.approx(4025, rel=0.01)
    by_se = our.samples_by_se(math.sqrt(0.06 / 1000), 1000, 0.02)
    assert by_se == pytest.approx(our.samples_needed(0.06, 0.02, 0.0), rel=0.01)
