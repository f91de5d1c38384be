"""Ask and tell: the one shape that every search strategy has.

A strategy is a generator that yields :class:`Ask` and is sent a :class:`Told` for each. It decides
and does nothing else: no clock, no files, no Keras. So thousands of cases run in seconds with a
fake trainer, and a run resumes by telling a fresh strategy what the journal holds.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.events import Step, Why

AS_SMALL = 1.01
"""Sizes within this ratio are the same: gzip of other weights differs that much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A trial that a strategy wants.

    ``keep`` is the share of all removable channels to keep, ``sparsity`` the share of prunable
    weights to be zero; both of the whole model, 0..1. ``parent`` is the trial whose weights it
    starts from, None for the baseline. ``gamma_l1`` is network slimming's lambda, 0 without it.
    ``theta`` asks for training with filter skeletons: the factor of their thresholds, 0 without.
    ``sweep`` asks for the parent without its dead channels, which is the same function: the one
    trial without training that can be accepted, but for ``trim``, the parent with more weights
    zeroed, to ``sparsity``, and ``weight_values``, the parent with each filter's weights rounded
    to so many different ones, 0 as they are. ``quantized`` asks for the
    parent again, judged as the file that it is exported as. ``early`` says that a fine-tune may end
    before its last epoch (:mod:`engine.search.early`). ``widths`` are the channels to leave by
    group, where the strategy shares them out itself; together they are ``keep``. ``scales`` asks
    for importance weights, trained beside the model's own and folded into them.
    """

    kind: Literal["probe", "fine_tune"]
    step: Step
    keep: float
    sparsity: float = 0.0
    parent: int | None = None
    gamma_l1: float = 0.0
    theta: float = 0.0
    sweep: bool = False
    trim: bool = False
    weight_values: int = 0
    quantized: bool = False
    early: bool = False
    widths: Mapping[str, int] | None = None
    scales: bool = False
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of an :class:`Ask`.

    ``margin`` is how far the value lies above floor plus guard, in the metric's unit and turned
    so that positive is good; ``drop`` how far below the target. ``keep`` and ``sparsity`` are what
    was reached; ``objective`` is what the goal minimises. ``rise`` is by how much less would have
    been lost after the epochs that were left out, as far as whole fine-tunes tell. ``kept`` says
    that its weights are at hand to go on from, accepted or not. A failed trial has no value.
    ``strengths`` have, by group that can be cut, what its channels score over their mean, the
    weakest first; after a fine-tune with importance weights.
    """

    trial: int
    keep: float
    sparsity: float
    value: float | None
    drop: float | None
    margin: float | None
    passed: bool
    objective: float | None
    rise: float = 0.0
    kept: bool = False
    strengths: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def better(told: Told, best: Told) -> bool:
    """Whether an accepted trial is to be preferred: smaller, or as small with more in reserve."""
    new = math.inf if told.objective is None else told.objective
    old = math.inf if best.objective is None else best.objective
    if new < old / AS_SMALL:
        return True
    reserve = (told.margin or 0.0) > (best.margin or 0.0)
    return new <= old * AS_SMALL and reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a strategy may spend and what it starts from.

    ``fine_tunes`` is the most it may ask for, ``steps`` the length of each; ``smallest_keep`` the
    share of channels that the per-group floors leave; ``objective`` that of the baseline;
    ``has_channels``/``has_weights``
    whether there is anything of the kind to remove; ``has_gamma`` whether an L1 phase on gamma
    would have something to act on; ``l1_phase`` whether one was asked for. ``path`` pairs keep
    ratios, falling from 1, with the share that a cut along the allocation's path leaves there of
    what a reduction is of: parameters, or multiply-adds where the goal is those or time. ``known``
    are fine-tunes of an earlier goal, judged by this one. ``channels`` counts those that can be
    removed, ``floors`` has the fewest to leave of each group. ``packed`` says that the goal is the
    size of a compressed file, which few values a filter make smaller.
    """

    fine_tunes: int
    tolerance: float
    steps: int = 1000
    smallest_keep: float = 0.02
    objective: float = float("inf")
    has_channels: bool = True
    has_weights: bool = True
    has_gamma: bool = True
    l1_phase: bool = False
    path: tuple[tuple[float, float], ...] = ()
    known: tuple[Told, ...] = ()
    channels: int = 0
    floors: Mapping[str, int] = field(default_factory=dict)
    packed: bool = False

    def keep_at(self, share: float) -> float:
        """The keep ratio at which at most this share (0..1) is left; of what, see ``path``.

        Along the allocation's path where there is one; else as if every layer shrank alike, which
        takes parameters and multiply-adds down by the square.
        """
        if not self.path:
            return max(self.smallest_keep, math.sqrt(max(share, 0.0)))
        return next((keep for keep, left in self.path if left <= share), self.path[-1][0])

    def share_at(self, keep: float) -> float:
        """The share that is left at a keep ratio; of what, see ``path``."""
        if not self.path:
            return keep * keep
        return next((left for at, left in self.path if at <= keep + 1e-9), self.path[-1][1])


Asking: TypeAlias = Generator[Ask, Told, None]
"""A strategy at work."""
