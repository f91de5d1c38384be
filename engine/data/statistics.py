"""How sure a figure is: intervals, paired drops, bounds, and how many samples would do.

Owns the statistics of metric values over samples: closed forms for shares of samples (Wilson;
Tango's score interval for paired differences), a bootstrap over samples for all else. The image is
always the unit. It knows nothing of models and data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.data.metrics import Metric, metric_named

RESAMPLES = 2000
_CHUNK = 1 << 22
_SEED = 20220731  # fixed: the same rows give the same interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How much worse ``b`` is than ``a`` on the same samples; above 0 is worse.

    Attributes
    ----------
    value
        The difference in the metric's unit, signed so that a loss is positive.
    interval
        Two-sided, at ``level``.
    method
        ``tango`` (score interval for paired shares) or ``bootstrap`` (percentiles, paired).
    se
        Standard error of the difference.
    samples
        Number of samples compared.
    discordant
        Samples that just one of the two has right; None where that has no meaning.
    """

    value: float
    interval: tuple[float, float]
    level: float
    method: str
    se: float
    samples: int
    discordant: int | None = None


def wilson(right: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (J. Am. Stat. Assoc. 22, 1927).

    Parameters
    ----------
    right, count
        ``right`` out of ``count`` samples.
    """
    if count <= 0:
        return 0.0, 1.0
    z = _z(level)
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    low = 0.0 if right <= 0 else max(0.0, middle - half)
    high = 1.0 if right >= count else min(1.0, middle + half)
    return low, high


def interval(metric: str, rows: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a metric over rows of ``per_sample``.

    Wilson for shares of samples, else percentiles of a bootstrap over samples.
    """
    chosen = metric_named(metric)
    if chosen.share:
        right, count = rows.sum(axis=0)
        return wilson(float(right), float(count), level)
    return _percentiles(_bootstrap(rows, chosen.finish), level)


def standard_error(metric: str, rows: np.ndarray) -> float:
    """Standard error of a metric's value over samples."""
    chosen = metric_named(metric)
    if chosen.share:
        right, count = rows.sum(axis=0)
        share = (right + 1) / (count + 2)  # never 0: no errors seen is no proof of none
        return math.sqrt(share * (1 - share) / (count + 2))
    return _spread(_bootstrap(rows, chosen.finish))


def lower_bound(metric: str, rows: np.ndarray, level: float = 0.95) -> float:
    """One-sided bound of a value on its bad side: with ``level`` it is not worse than this."""
    low, high = interval(metric, rows, 2 * level - 1)
    return low if metric_named(metric).higher_is_better else high


def paired_drop(metric: str, before: np.ndarray, after: np.ndarray, level: float = 0.95) -> Drop:
    """How much worse ``after`` is than ``before``, sample by sample.

    Parameters
    ----------
    before, after
        Rows of ``per_sample`` of the same metric over the same samples in the same order.
    """
    if before.shape != after.shape:
        raise ValueError(f"a pair needs the same samples: {before.shape} and {after.shape}")
    chosen = metric_named(metric)
    if chosen.share:
        return _share_drop(before, after, level)
    sign = 1.0 if chosen.higher_is_better else -1.0
    width = before.shape[1]
    both = np.concatenate([before, after], axis=1)

    def difference(sums: np.ndarray) -> np.ndarray:
        gap = chosen.finish(sums[..., :width]) - chosen.finish(sums[..., width:])
        return np.asarray(sign * gap)

    draws = _bootstrap(both, difference)
    return Drop(
        value=float(difference(both.sum(axis=0))),
        interval=_percentiles(draws, level),
        level=level,
        method="bootstrap",
        se=_spread(draws),
        samples=len(before),
    )


def one_sided_bound(
    metric: str, before: np.ndarray, after: np.ndarray, level: float = 0.95
) -> float:
    """Upper bound of the drop: with ``level`` it is not larger than this."""
    return paired_drop(metric, before, after, 2 * level - 1).interval[1]


def _share_drop(before: np.ndarray, after: np.ndarray, level: float) -> Drop:
    counted = (before[:, 1] > 0) & (after[:, 1] > 0)
    first, second = before[counted, 0] > 0, after[counted, 0] > 0
    count = int(counted.sum())
    lost, gained = int((first & ~second).sum()), int((~first & second).sum())
    return Drop(
        value=(lost - gained) / count if count else 0.0,
        interval=tango(lost, gained, count, level),
        level=level,
        method="tango",
        se=paired_se(lost, gained, count),
        samples=count,
        discordant=lost + gained,
    )


def paired_se(lost: int, gained: int, count: int) -> float:
    """Standard error of a paired difference of shares, half a sample added to each cell.

    Agresti and Min (Stat. Med. 24, 2005): without it no change seen would mean no error at all.
    """
    total = count + 2.0
    difference = (lost - gained) / total
    return math.sqrt(max((lost + gained + 1) / total - difference**2, 0.0) / total)


def tango(lost: int, gained: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a paired difference of shares, (lost - gained) / count.

    Tango, Stat. Med. 17:891-908, 1998.
    """
    from scipy.optimize import brentq

    if count <= 0:
        return -1.0, 1.0
    z = _z(level)
    observed = (lost - gained) / count

    def excess(difference: float, sign: float) -> float:
        return _tango_score(lost, gained, count, difference) - sign * z

    edge = 1 - 1e-12
    low = -1.0 if observed <= -1 else float(brentq(excess, -edge, observed, args=(1.0,)))
    high = 1.0 if observed >= 1 else float(brentq(excess, observed, edge, args=(-1.0,)))
    return low, high


def _tango_score(lost: int, gained: int, count: int, difference: float) -> float:
    """Score statistic of the hypothesis that the true difference is this one."""
    a = 2.0 * count
    b = -lost - gained + (2.0 * count - lost + gained) * difference
    c = -gained * difference * (1.0 - difference)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = count * (2 * share + difference * (1 - difference))
    gap = lost - gained - count * difference
    if variance <= 0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def samples_needed(
    discordant_rate: float,
    tolerance: float,
    drop: float,
    *,
    level: float = 0.95,
    power: float = 0.8,
) -> int | None:
    """Samples with which a drop like this one would be confirmed to be within the tolerance.

    Parameters
    ----------
    discordant_rate
        Share of samples that just one of the two models has right.
    drop
        The drop to expect, in the metric's unit.
    power
        Chance that the one-sided bound at ``level`` then lies within the tolerance.

    Returns
    -------
    int or None
        None where no number would do, because the drop is not below the tolerance.
    """
    slack = tolerance - drop
    if slack <= 0:
        return None
    z = NormalDist().inv_cdf(level) + NormalDist().inv_cdf(power)
    variance = max(discordant_rate - drop * drop, 0.0)
    return max(1, math.ceil(z * z * variance / slack**2))


def samples_for_share(
    share: float, floor: float, *, level: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples with which a share like this one would be confirmed to be above a floor."""
    if share <= floor:
        return None
    z = NormalDist().inv_cdf(level) + NormalDist().inv_cdf(power)
    return max(1, math.ceil(z * z * share * (1 - share) / (share - floor) ** 2))


def samples_by_se(
    se: float, samples: int, slack: float, *, level: float = 0.95, power: float = 0.8
) -> int | None:
    """Samples with which a slack (tolerance less drop) would be confirmed, from a standard error.

    For any metric: the error shrinks with the square root of the number of samples.
    """
    if slack <= 0:
        return None
    z = NormalDist().inv_cdf(level) + NormalDist().inv_cdf(power)
    return max(1, math.ceil(samples * (z * se / slack) ** 2))


def _z(level: float) -> float:
    """Normal quantile of a two-sided level."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def _bootstrap(rows: np.ndarray, finish: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Values of :data:`RESAMPLES` draws of as many samples with replacement."""
    count = len(rows)
    rng = np.random.default_rng(_SEED)
    chunk = max(1, min(RESAMPLES, _CHUNK // max(count, 1)))
    sums = []
    for start in range(0, RESAMPLES, chunk):
        draws = min(chunk, RESAMPLES - start)
        picks = rng.integers(0, count, (draws, count))
        picks += np.arange(draws)[:, np.newaxis] * count
        weights = np.bincount(picks.ravel(), minlength=draws * count).reshape(draws, count)
        sums.append(weights @ rows)
    return finish(np.concatenate(sums))


def _percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _spread(draws: np.ndarray) -> float:
    known = draws[~np.isnan(draws)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan


def guess_rate(chosen: Metric, classes: int) -> float:
    """Value that blind guessing reaches, roughly; 0 where that says nothing."""
    if chosen.name in ("accuracy", "balanced_accuracy", "macro_f1") and classes > 1:
        return 1.0 / classes
    return 0.0
