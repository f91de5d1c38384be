"""Pooling, padding, cropping, upsampling and reductions: they move over space, not channels.

Owns that each of them leaves the channel axis alone, and pins where what varies lies along the
axes it mixes. Zero padding around a constant is named as a border effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.channels.ops.base import (
    Arrays,
    Call,
    Edit,
    LayerWeights,
    Notes,
    Op,
    Resized,
    axes_of,
    option,
    register,
    register_op,
)
from engine.channels.ops.kernels import level
from engine.channels.ops.opaque import UNKNOWN
from engine.channels.provenance import along, full
from engine.channels.tracer import Tracer


class Spatial(Op):
    """Mixes the spatial axes and keeps them; ``zeros`` says that it adds zeros around."""

    def __init__(self, *, zeros: bool = False) -> None:
        self.zeros = zeros

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        reason = f"'{call.name}' ({call.layer.class_name}) mixes them as positions"
        return [t.sweep(ins[0], call.spatial_axes(), reason)]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axis, rank = call.channel_axis(), len(call.sizes())
        values = level(ins[0], axis, ins[0].shape[axis])
        if self.zeros and np.nan_to_num(values).any():
            notes.add(
                f"layer '{call.name}' pads with 0 where the folded constant is not 0, "
                "so the border differs"
            )
        return [along(values, axis, rank)]


register_op(
    Spatial(),
    "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D",
    "AveragePooling3D",     "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D", "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D",
    "UpSampling2D", "UpSampling3D",
    "Resizing", "CenterCrop", "ops.MaxPool", "ops.AveragePool", "ops.Resize",
    "ops.AdaptiveAveragePool", "ops.AdaptiveMaxPool",
)  # fmt: skip
register_op(Spatial(zeros=True), "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")


@register(
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",     )  # fmt: skip
class GlobalPool(Op):
    """One number a channel."""

    def _out(self, call: Call, array: np.ndarray) -> np.ndarray:
        axes = tuple(call.spatial_axes())
        return array if call.config.get("keepdims") else array.squeeze(axes)

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        reason = f"'{call.name}' ({call.layer.class_name}) mixes them as positions"
        return [self._out(call, t.sweep(ins[0], call.spatial_axes(), reason))]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axis, rank = call.channel_axis(), len(call.sizes())
        values = level(ins[0], axis, ins[0].shape[axis])
        return [self._out(call, along(values, axis, rank))]


class Reduce(Op):
    """``keras.ops`` reductions; over channels they pin. A mean of equal values is that value."""

    def __init__(self, *, keeps_constant: bool) -> None:
        self.keeps_constant = keeps_constant

    def _axes(self, call: Call) -> list[int] | None:
        return axes_of(option(call, "axis", 1), len(call.in_shapes[0]))

    def _out(self, call: Call, array: np.ndarray, axes: list[int]) -> np.ndarray:
        return array if option(call, "keepdims", 2, False) else array.squeeze(tuple(axes))

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        axes = self._axes(call)
        if axes is None:
            return UNKNOWN.trace(t, call, ins)
        reason = f"'{call.name}' ({call.layer.class_name}) reads across channels"
        return [self._out(call, t.sweep(ins[0], axes, reason), axes)]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axes = self._axes(call)
        if axes is None or not self.keeps_constant:
            return super().constants(call, ins, weights, notes)
        array = ins[0]
        for axis in axes:
            first = array.take([0], axis)
            steady = ((array == first) | np.isnan(array) & np.isnan(first)).all(axis, keepdims=True)
            array = np.where(steady, first, np.nan)
        return [self._out(call, array, axes)]


register_op(
    Reduce(keeps_constant=True), "ops.Mean", "ops.Max", "ops.Min", "ops.Amax", "ops.Amin",
    "ops.Average", "ops.Median",
)  # fmt: skip
register_op(Reduce(keeps_constant=False), "ops.Sum", "ops.Prod", "ops.Var", "ops.Std")


def _varies(array: np.ndarray, axis: int, size: int | None) -> bool:
    """Whether channels lie along that axis (a lone channel lies along the last)."""
    return array.shape[axis] > 1 or (size == 1 and axis == array.ndim - 1)


@register("ops.Pad")
class Pad(Op):
    """``keras.ops.pad``: new positions along channels are zeros that go with what they meet."""

    def _widths(self, call: Call) -> list[tuple[int, int]] | None:
        widths = option(call, "pad_width", 1)
        rank = len(call.in_shapes[0])
        if isinstance(widths, int):
            pairs = [(widths, widths)] * rank
        elif isinstance(widths, list | tuple) and all(isinstance(w, int) for w in widths):
            pairs = [(int(widths[0]), int(widths[-1]))] * rank
        elif isinstance(widths, list | tuple):
            pairs = [(int(w[0]), int(w[-1])) for w in widths]
            pairs = pairs * rank if len(pairs) == 1 else pairs
        else:
            return None
        return None if len(pairs) != rank or pairs[0] != (0, 0) else pairs[1:]

    def _zero(self, call: Call) -> bool:
        return option(call, "mode", 2, "constant") == "constant" and not np.any(
            option(call, "constant_values", 3) or 0
        )

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        widths, sizes = self._widths(call), call.sizes()
        if widths is None:
            return UNKNOWN.trace(t, call, ins)
        changed = [a for a, w in enumerate(widths) if w != (0, 0)]
        deep = [a for a in changed if _varies(ins[0], a, sizes[a])]
        if not deep:
            return [ins[0]]
        if len(deep) > 1 or sizes[deep[0]] is None or not self._zero(call):
            return UNKNOWN.trace(t, call, ins)
        axis = deep[0]
        before, after = widths[axis]
        inside = t.tie_over(ins[0], [a for a in range(ins[0].ndim) if a != axis])
        rank = inside.ndim
        parts = [along(t.fresh(before), axis, rank), inside, along(t.fresh(after), axis, rank)]
        return [np.concatenate(parts, axis)]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        widths = self._widths(call)
        if widths is None or not self._zero(call):
            return super().constants(call, ins, weights, notes)
        values = ins[0]
        for axis, (before, after) in enumerate(widths):
            if (before, after) == (0, 0):
                continue
            if call.sizes()[axis] is None:
                return super().constants(call, ins, weights, notes)
            if not _varies(values, axis, call.sizes()[axis]):
                if np.nan_to_num(values).any():
                    notes.add(f"'{call.name}' pads with 0 where the folded constant is not 0")
                continue
            values = full(values, call.sizes(), [axis])
            spread = [(0, 0)] * values.ndim
            spread[axis] = (before, after)
            values = np.pad(values, spread)
        return [values]

    def resize(self, new: Resized) -> Edit:
        widths = self._widths(new.call)
        if widths is None:
            return Edit()
        pairs: list[list[int]] = [[0, 0]]
        for axis, (before, after) in enumerate(widths):
            mask: Any = new.keep_out[0][axis]
            if mask is not None:
                before = int(mask[:before].sum())
                after = int(mask[mask.size - after :].sum())
            pairs.append([before, after])
        return Edit(config={"pad_width": pairs})
