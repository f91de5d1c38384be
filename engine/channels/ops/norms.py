"""Norms, and the layer with one weight per channel (PReLU).

Batch norms act on each channel by itself and are followed; layer, group and unit norms compute
statistics across channels: they pin, or with ``through_norms`` they are followed although a cut
changes their statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.channels.ops.base import Arrays, Call, Edit, LayerWeights, Notes, Op, Resized, register
from engine.channels.ops.opaque import SEVERAL, UNKNOWN
from engine.channels.provenance import along
from engine.channels.tracer import Tracer


def _single_axis(axis: Any, rank: int) -> int | None:
    """A norm's axis without the batch, None where it has several."""
    listed = list(axis) if isinstance(axis, list | tuple) else [axis]
    if len(listed) != 1 or listed[0] is None:
        return None
    return int(listed[0]) % (rank + 1) - 1


@register("BatchNormalization")
class BatchNorm(Op):
    """A cut channel of a batch norm becomes beta: its gamma counts as zero."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        rank = len(call.sizes())
        axis = _single_axis(call.config.get("axis", -1), rank)
        if axis is None or axis < 0:
            return SEVERAL.trace(t, call, ins)
        for weight in call.layer.weights:
            if len(weight.shape) != 1:
                continue
            atoms = t.follow(ins[0], axis, weight.shape[0])
            if atoms is not None:
                t.bind(call.name, weight.name, 0, atoms, "through")
        return [ins[0]]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        rank = len(call.sizes())
        axis = _single_axis(call.config.get("axis", -1), rank)
        beta = weights.get("beta")
        if axis is None:
            return [np.full((1,) * rank, np.nan)]
        return [np.zeros((1,) * rank) if beta is None else along(beta.astype(float), axis, rank)]


class AcrossNorm(Op):
    """A norm whose statistics span channels."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        if not t.through_norms:
            reason = f"{call.layer.class_name} '{call.name}' computes statistics across channels"
            t.pin(ins[0], reason)
            t.notes.setdefault(call.name, reason)
            return [ins[0]]
        return self.follow(t, call, ins)

    def follow(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        """Tie its weights to the channels."""
        rank = len(call.sizes())
        axis = _single_axis(call.config.get("axis", -1), rank)
        if axis is None or axis < 0:
            return SEVERAL.trace(t, call, ins)
        for weight in call.layer.weights:
            atoms = t.follow(ins[0], axis, weight.shape[0])
            if atoms is not None:
                t.bind(call.name, weight.name, 0, atoms, "through")
        return [ins[0]]


@register("LayerNormalization", "RMSNormalization", "UnitNormalization")
class LayerNorm(AcrossNorm):
    """Layer, RMS and unit norms."""


@register("GroupNormalization")
class GroupNorm(AcrossNorm):
    """One channel a group is an instance norm: each channel by itself, so it is followed."""

    def _groups(self, call: Call) -> tuple[int, int | None]:
        rank = len(call.sizes())
        axis = _single_axis(call.config.get("axis", -1), rank)
        width = None if axis is None else call.sizes()[axis]
        groups = int(call.config.get("groups", 32))
        return (width or 0) if groups == -1 else groups, width

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        groups, width = self._groups(call)
        if width is not None and groups == width:
            return self.follow(t, call, ins)
        return super().trace(t, call, ins)

    def follow(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        groups, width = self._groups(call)
        axis = _single_axis(call.config.get("axis", -1), len(call.sizes()))
        if width is None or axis is None or not groups or width % groups:
            return UNKNOWN.trace(t, call, ins)
        if 1 < groups < width:
            rows = t.read(ins[0], axis, width, f"'{call.name}' norms them").reshape(groups, -1)
            t.tie(rows[1:], rows[:1])
        return super().follow(t, call, ins)

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        rank = len(call.sizes())
        groups, width = self._groups(call)
        axis = _single_axis(call.config.get("axis", -1), rank)
        if groups != width or axis is None:
            return [np.full((1,) * rank, np.nan)]
        beta = weights.get("beta")
        return [np.zeros((1,) * rank) if beta is None else along(beta.astype(float), axis, rank)]

    def resize(self, new: Resized) -> Edit:
        groups, width = self._groups(new.call)
        if groups != width or new.call.config.get("groups") == -1:
            return Edit()
        axis = _single_axis(new.call.config.get("axis", -1), len(new.call.sizes())) or 0
        return Edit(config={"groups": new.new_in_sizes()[axis]})


@register("Normalization")
class Normalization(Op):
    """Mean and variance learnt from data, usually on the model's input."""

    def _axes(self, call: Call) -> list[int]:
        axis = call.config.get("axis", -1)
        listed = [] if axis is None else list(axis) if isinstance(axis, list | tuple) else [axis]
        return [int(a) % len(call.in_shapes[0]) - 1 for a in listed]

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        axes = self._axes(call)
        given = call.config.get("mean") is not None
        if len(axes) > 1 or (given and axes) or call.config.get("invert"):
            t.pin(ins[0], f"Normalization '{call.name}' has its own statistics for each")
            return [ins[0]]
        for weight in call.layer.weights:
            if axes and len(weight.shape) == 1:
                atoms = t.follow(ins[0], axes[0], weight.shape[0])
                if atoms is not None:
                    t.bind(call.name, weight.name, 0, atoms, "through")
        return [ins[0]]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axes, rank = self._axes(call), len(call.sizes())
        if len(axes) != 1 or "mean" not in weights or "variance" not in weights:
            return [np.full((1,) * rank, np.nan)]
        mean = along(weights["mean"].astype(float), axes[0], rank)
        spread = along(np.maximum(np.sqrt(weights["variance"].astype(float)), 1e-7), axes[0], rank)
        return [(ins[0] - mean) / spread]


@register("PReLU")
class PReLU(Op):
    """A slope per channel, or per position."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        alpha = call.weight("alpha")
        if alpha is None:
            return UNKNOWN.trace(t, call, ins)
        for axis, size in enumerate(alpha):
            if size > 1 and ins[0].shape[axis] > 1:
                atoms = t.follow(ins[0], axis, size)
                if atoms is not None:
                    t.bind(call.name, "alpha", axis, atoms, "through")
        return [ins[0]]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        alpha = weights["alpha"].astype(float)
        return [np.where(ins[0] > 0, ins[0], alpha * ins[0])]
