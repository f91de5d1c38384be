"""How a cut is shared out among channel groups: from probed curves to one path of widths.

Owns the trade between what a narrower group costs (its measured sensitivity) and what it saves, and
the path that follows from it: a single parameter from the whole model down to the floors, in which
every model is part of the one before. Pure: no Keras, no files, no clock.

Layer ratios from one-shot sensitivities are SPDY's (Frantar and Alistarh, ICML 2022). Its dynamic
program needs costs that add up over layers; the parameters of a convolution are a product of two
widths, so the path is built by the best next step at the costs of the moment, which for convex
curves is the same solution of the Lagrangian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.channels.groups import Channels
from engine.channels.price import WidthCost, Widths
from engine.events import SensitivityMeasured

STEP_SHARE = 0.04
"""Share of a group that one step of the path takes."""

MACS_SHARE = 0.5
"""What halving the multiply-adds is worth where the goal is size, beside halving parameters."""

FINE = 4
"""Multiples of widths are no coarser than one in so many, where they may be finer."""

EVENNESS = 0.15
"""Loss in nats added for each e-fold that a group is narrowed by. A probe cannot see what training
would repair, so among groups that probe alike the cut is spread. After one fine-tune 0.2 was better
than 0.02, 0.5 and equal shares on a VGG and a ResNet, 0.1 better than 0.036 and 0.3 on a U-Net."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What narrowing one group costs: ``losses`` in nats at ``kept`` channels, falling widths.

    They rise ever faster over the logarithm of the width, see :func:`convex`.
    """

    group: str
    kept: tuple[int, ...]
    losses: tuple[float, ...]

    def loss(self, width: int) -> float:
        """Loss at a width, between the probed ones by interpolation over the logarithm."""
        logs = np.log(np.asarray(self.kept, np.float64))
        if width < self.kept[-1]:
            return self.losses[-1] * self.kept[-1] / max(width, 1)
        return float(np.interp(math.log(width), logs[::-1], self.losses[::-1]))


def convex(kept: Sequence[int], losses: Sequence[float]) -> tuple[float, ...]:
    """The losses raised to where none rises slower, over the logarithm of the width, than before.

    A probe that is a ruin cannot lose more, so that its curve flattens and the narrowest widths
    look free; they are what training cannot repair. A loss below that at a larger width is noise.
    """
    steps = -np.diff(np.log(kept))
    rises = np.diff(np.maximum.accumulate(losses))
    steepest = np.maximum.accumulate(rises / steps)
    return (losses[0], *(losses[0] + np.cumsum(steepest * steps)).tolist())


def curves_of(measured: Sequence[SensitivityMeasured], channels: Channels) -> tuple[Curve, ...]:
    """Curves from what a run's journal holds, one a group that was probed."""
    found: dict[str, dict[int, float]] = {}
    for point in measured:
        found.setdefault(point.group, {})[point.kept] = point.loss
    curves = []
    for group_id, points in found.items():
        widths = sorted(points, reverse=True)
        kept = (channels.group(group_id).channels, *widths)
        losses = convex(kept, (0.0, *(points[width] for width in widths)))
        curves.append(Curve(group=group_id, kept=kept, losses=losses))
    return tuple(curves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model of a path: widths by group, and shares of the whole model's channels and costs."""

    widths: dict[str, int]
    keep: float
    params: float
    macs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Models from the whole one to the floors, each part of the one before."""

    points: tuple[Point, ...]

    def at_keep(self, keep: float) -> Point:
        """The widest model with at most this share of the removable channels."""
        return next((p for p in self.points if p.keep <= keep + 1e-9), self.points[-1])


def narrower(width: int, step: int, multiple: int, *, finer: bool = False) -> int:
    """The next width at least ``step`` below this one that is a multiple of ``multiple``.

    No less than ``multiple`` itself, unless ``finer``: then below four times that multiples of its
    half are allowed, below twice that of its quarter, and so on. A runtime that works on 8 or 16
    channels at a time pays for those it has not, but a layer of 16 has little choice among
    multiples of 8, and its readers get faster with each channel that they need not read.
    """
    least = 1 if finer else multiple
    to = max(least, width - step)
    while finer and multiple > 1 and to < FINE * multiple:
        multiple //= 2
    return max(least, to // multiple * multiple)


def allocate(
    curves: Sequence[Curve],
    price: WidthCost,
    floors: Widths,
    *,
    macs_share: float = MACS_SHARE,
    params_share: float = 1.0,
    multiple: int = 1,
    finer: bool = False,
) -> Path:
    """The path that loses least for what it saves.

    Each step narrows the group with the smallest rise of its loss over the relative saving of the
    whole model, ``params_share`` times that of parameters plus ``macs_share`` times that of
    multiply-adds.

    Parameters
    ----------
    curves
        One for each group that may be cut.
    floors
        The fewest channels to leave, by group.
    multiple, finer
        Widths are rounded as :func:`narrower` does.
    """
    whole = {curve.group: curve.kept[0] for curve in curves}
    widths = dict(whole)
    total = max(1, sum(whole.values()))
    params, macs = first = price(widths)
    points = [Point(widths=dict(widths), keep=1.0, params=1.0, macs=1.0)]
    while True:
        best: tuple[float, str, int] | None = None
        for curve in curves:
            now, floor = widths[curve.group], floors.get(curve.group, 1)
            if now <= floor:
                continue
            step = max(1, round(STEP_SHARE * whole[curve.group]))
            then = max(floor, narrower(now, step, multiple, finer=finer))
            if then >= now:
                continue
            less_params, less_macs = price({**widths, curve.group: then})
            saved = params_share * (params - less_params) / params
            saved += macs_share * (macs - less_macs) / max(macs, 1.0)
            rise = curve.loss(then) - curve.loss(now) + EVENNESS * math.log(now / then)
            ratio = rise / max(saved, 1e-12)
            if best is None or ratio < best[0]:
                best = (ratio, curve.group, then)
        if best is None:
            return Path(points=tuple(points))
        widths[best[1]] = best[2]
        params, macs = price(widths)
        points.append(
            Point(
                widths=dict(widths),
                keep=sum(widths.values()) / total,
                params=params / first[0],
                macs=macs / max(first[1], 1.0),
            )
        )
