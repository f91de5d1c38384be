"""Which weights are to become sparse, how much and how fast: frozen plain data.

Owns the request and the planning of the schedule's steps. It imports neither Keras nor TF-MOT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

WeightKey: TypeAlias = tuple[str, str]
"""Layer name as in the layer graph, and weight name: ``("block/conv", "kernel")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsitySettings:
    """Final share of zeros by weight, 0..1 without 1, and the ramp that leads there.

    Each weight starts from the zeros it has. A target that is not above them means: keep the
    zeros there are. ``ramp_share`` is the share of all steps after which the targets are
    reached; in the rest the masks stand still. ``updates`` is the number of mask updates.
    """

    targets: Mapping[WeightKey, float] = field(default_factory=dict)
    ramp_share: float = 0.6
    updates: int = 24
    power: float = 3.0

    def __post_init__(self) -> None:
        bad = {key: value for key, value in self.targets.items() if not 0.0 <= value < 1.0}
        if bad:
            raise ValueError(f"sparsity must be at least 0 and below 1: {bad}")
        if not 0.0 <= self.ramp_share <= 1.0 or self.updates < 1:
            raise ValueError(f"ramp_share is 0..1 and updates at least 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """Steps of the schedule, counted from 1; masks change at begin, begin + frequency ... end."""

    begin: int
    end: int
    frequency: int

    def updates_at(self, step: int) -> bool:
        """Whether masks change in this step."""
        return self.begin <= step <= self.end and (step - self.begin) % self.frequency == 0


def plan_ramp(steps: int, settings: SparsitySettings) -> Ramp:
    """The ramp for a planned number of steps: its last update is exactly at its end.

    A frequency that does not fit the steps would silently end below the target (TF-MOT's
    default of 100 leaves a run of 99 steps without a single zero).
    """
    length = max(0, min(steps, round(steps * settings.ramp_share)) - 1)
    frequency = max(1, length // settings.updates)
    return Ramp(begin=1, end=1 + length // frequency * frequency, frequency=frequency)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachedSparsity:
    """Zeros counted in a weight after training: how many of how many."""

    zeros: int
    size: int

    @property
    def share(self) -> float:
        """Zeros over size."""
        return self.zeros / self.size
