"""The metric of a search: outputs and labels in, value, interval and comparison out.

Owns nothing but the binding of :mod:`engine.data.metrics` to one task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np

from engine import data as rooms
from engine.search.verdict import Target


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One metric on one task. ``rows`` are what it counts in each sample, see ``per_sample``."""

    name: str
    task: rooms.Task
    ignore_label: int | None = None

    @cached_property
    def higher_is_better(self) -> bool:
        """Which way is better."""
        return rooms.metric_named(self.name).higher_is_better

    @property
    def sign(self) -> int:
        """+1 where higher is better, else -1."""
        return 1 if self.higher_is_better else -1

    def rows(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What counts in each sample."""
        return rooms.per_sample(
            self.name, outputs, labels, self.task, ignore_label=self.ignore_label
        )

    def value(self, rows: np.ndarray) -> float:
        """The metric's value."""
        return rooms.value(self.name, rows)

    def every(self, outputs: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """What each metric of the task counts in each sample, this one among them."""
        names = dict.fromkeys((self.name, *rooms.metrics_for(self.task)))
        return {name: replace(self, name=name).rows(outputs, labels) for name in names}

    def interval(self, rows: np.ndarray, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of the value."""
        return rooms.interval(self.name, rows, level)

    def drop(self, before: np.ndarray, after: np.ndarray, level: float = 0.95) -> rooms.Drop:
        """How much worse ``after`` is, on the same samples."""
        return rooms.paired_drop(self.name, before, after, level)

    def standard_error(self, target: Target, before: np.ndarray, after: np.ndarray) -> float:
        """Of what a verdict rests on: the paired drop, or the value where a target was given."""
        if target.given:
            return rooms.standard_error(self.name, after)
        return self.drop(before, after).se


def values(rows: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Values of metrics by name, to be read side by side; what is no number is left out."""
    found = {name: rooms.value(name, counted) for name, counted in rows.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The verdict on the report split: point value, one-sided bound, samples that would do.

    ``samples_needed`` would confirm what met the floor. Where it was missed by less than the
    samples can tell, so many would confirm a model that is as far above it as the search found this
    one to be, and no better than the baseline; None where those that are there would have done.
    """

    floor: float
    met: bool
    confirmed: bool
    samples_needed: int | None


def read_verdict(
    measure: Measure, target: Target, before: np.ndarray, after: np.ndarray, *, searched: float,
    level: float = 0.95,
) -> Reading:  # fmt: skip
    """Judge the final model on the report split.

    Against the baseline on the same samples (paired) where the target is the baseline's own
    value, else the value alone against the given target.

    Parameters
    ----------
    before, after
        Rows of the baseline and of the final model.
    searched
        The final model's value on the search split.
    """
    sign, tolerance = measure.sign, target.tolerance
    if target.given:
        value = measure.value(after)
        slack = sign * (value - target.floor)
        bound = sign * (rooms.lower_bound(measure.name, after, level) - target.floor)
        floor, error = target.floor, rooms.standard_error(measure.name, after)
    else:
        drop = measure.drop(before, after)
        slack = tolerance - drop.value
        bound = tolerance - rooms.one_sided_bound(measure.name, before, after, level)
        floor, error = measure.value(before) - sign * tolerance, drop.se
    met = slack >= -1e-12
    confirmed = met and bound >= -1e-12
    needed = None
    within_noise = slack + NormalDist().inv_cdf(level) * error > 0
    if within_noise and not confirmed:
        to_tell = slack if met else min(tolerance, sign * (searched - target.floor))
        needed = rooms.samples_by_se(error, len(after), to_tell, level=level)
        if not met and needed is not None and needed <= len(after):
            needed = None
    return Reading(floor=floor, met=met, confirmed=confirmed, samples_needed=needed)
