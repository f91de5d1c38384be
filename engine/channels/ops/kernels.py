"""Convolutions of every kind and dense layers: they read channels and make new ones.

Owns how the axes of their kernels map to channels, how constants fold into their biases, how
filters and groups shrink, and their MACs. Keras 3's kernel layouts: convolution
``(*k, in / groups, out)``, transposed ``(*k, out, in)``, depthwise ``(*k, in, multiplier)``,
separable one of each, dense ``(in, out)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.channels.ops import activations
from engine.channels.ops.base import (
    Arrays,
    Call,
    Edit,
    LayerWeights,
    Notes,
    Op,
    Resized,
    place,
    register,
)
from engine.channels.ops.opaque import UNKNOWN
from engine.channels.provenance import along
from engine.channels.tracer import Tracer


def activate(t: Tracer, call: Call, outs: Arrays) -> Arrays:
    """Pin the outputs where the layer's own activation is not known to act on each by itself."""
    name, _ = activations.describe(call.config.get("activation"))
    if not activations.elementwise(name):
        why = (
            f"'{name}' in layer '{call.name}' reads across channels"
            if name in activations.ACROSS
            else f"activation '{name}' of layer '{call.name}' is not known to Secateur"
        )
        for atoms in outs:
            t.pin(atoms, why)
    return outs


def activated(call: Call, constant: np.ndarray) -> np.ndarray:
    """The layer's own activation on constants; NaN where it has no formula."""
    function = activations.function(*activations.describe(call.config.get("activation")))
    return np.full_like(constant, np.nan) if function is None else function(constant)


def level(constant: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Constants along ``axis``: NaN where they differ over the other axes."""
    others = tuple(a for a in range(constant.ndim) if a != axis)
    first = constant.take([0], others[0]) if others else constant
    for a in others[1:]:
        first = first.take([0], a)
    steady = ((constant == first) | (np.isnan(constant) & np.isnan(first))).all(axis=others)
    values: np.ndarray = np.where(steady, first.reshape(steady.shape), np.nan)
    return np.broadcast_to(values, (size,))


def read_constant(constant: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Constants along ``axis`` for a kernel, 0 where unknown or kept."""
    values: np.ndarray = np.nan_to_num(level(constant, axis, size), nan=0.0)
    return values


def own_constant(call: Call, weights: LayerWeights, width: int, axis: int, rank: int) -> np.ndarray:
    """What a producer's cut channel becomes: its bias (its kernel counts as zero), activated."""
    bias = weights.get("bias")
    values = np.zeros(width) if bias is None else np.asarray(bias, dtype=np.float64)
    return activated(call, along(values, axis, rank))


def _product(sizes: tuple[int | None, ...]) -> int | None:
    total = 1
    for size in sizes:
        if size is None:
            return None
        total *= size
    return total


def _times(count: int | None, each: int) -> int | None:
    return None if count is None else count * each


def _positions(sizes: tuple[int | None, ...], axis: int) -> int | None:
    return _product(tuple(n for a, n in enumerate(sizes) if a != axis))


def note_border(call: Call, kernel: tuple[int, ...], folded: np.ndarray, notes: Notes) -> None:
    """Name the border where a kernel wider than 1 reads padding beside a nonzero constant."""
    if call.config.get("padding") in ("same", "causal") and max(kernel) > 1 and folded.any():
        notes.add(
            f"layer '{call.name}': its '{call.config['padding']}' padding is 0 where the folded "
            f"constant is not, so the border of its output differs"
        )


@register("Conv1D", "Conv2D", "Conv3D")
class Conv(Op):
    """Convolution. Groups: the i-th channels of all groups go together; one channel a group is
    a depthwise convolution, whose groups go one by one."""

    reads = True

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        kernel = call.weight("kernel")
        axis = call.channel_axis()
        width = call.sizes()[axis]
        if kernel is None or width is None:
            return UNKNOWN.trace(t, call, ins)
        last = len(kernel) - 1
        atoms = t.read(ins[0], axis, width, f"layer '{call.name}' reads them as positions")
        groups = int(call.config.get("groups", 1) or 1)
        if groups > 1 and groups == width:
            out = np.repeat(atoms, kernel[-1] // groups)
            t.bind(call.name, "kernel", last, out, "through")
        else:
            rows = atoms.reshape(groups, -1)
            if groups > 1:
                t.tie(rows[1:], rows[:1])
            t.bind(call.name, "kernel", last - 1, rows[0], "in")
            out = t.produce(call.name, "kernel", last, kernel[-1])
            if groups > 1:
                columns = out.reshape(groups, -1)
                t.tie(columns[1:], columns[:1])
        if call.weight("bias") is not None:
            t.bind(call.name, "bias", 0, out, "through")
        return activate(t, call, [place(out, axis, call.out_shapes[0])])

    def _depthwise(self, call: Call) -> bool:
        groups = int(call.config.get("groups", 1) or 1)
        return groups > 1 and groups == call.sizes()[call.channel_axis()]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        kernel = weights["kernel"]
        axis, rank = call.channel_axis(), len(call.sizes())
        if not self._depthwise(call):
            return [own_constant(call, weights, kernel.shape[-1], axis, rank)]
        width = call.sizes()[axis] or 1
        each = kernel.shape[-1] // width
        value = np.repeat(level(ins[0], axis, width), each)
        return [swept(call, value, kernel[..., 0, :], weights, axis, rank, notes)]

    def fold(
        self, call: Call, constant: np.ndarray, weights: LayerWeights, notes: Notes
    ) -> np.ndarray | None:
        if self._depthwise(call):
            return None
        axis = call.channel_axis()
        values = read_constant(constant, axis, call.sizes()[axis] or 1)
        kernel = weights["kernel"]
        note_border(call, kernel.shape[:-2], values, notes)
        groups = int(call.config.get("groups", 1) or 1)
        summed = kernel.sum(axis=tuple(range(kernel.ndim - 2)), dtype=np.float64)
        parts = summed.reshape(summed.shape[0], groups, -1)
        added: np.ndarray = np.einsum("gi,igo->go", values.reshape(groups, -1), parts).ravel()
        return added

    def resize(self, new: Resized) -> Edit:
        changes: dict[str, Any] = {"filters": new.weights["kernel"].shape[-1]}
        if self._depthwise(new.call):
            changes["groups"] = new.new_in_sizes()[new.call.channel_axis()]
        return Edit(config=changes)

    def macs(self, call: Call) -> int | None:
        kernel = call.weight("kernel")
        if kernel is None:
            return 0
        places = _positions(call.out_sizes(), call.channel_axis())
        return _times(places, int(np.prod(kernel, dtype=np.int64)))


def swept(
    call: Call,
    value: np.ndarray,
    kernel: np.ndarray,
    weights: LayerWeights,
    axis: int,
    rank: int,
    notes: Notes,
) -> np.ndarray:
    """A depthwise kernel on constants ``value`` (one per output channel), activated."""
    taps = kernel.reshape(-1, value.size).sum(axis=0, dtype=np.float64)
    out = np.where(value == 0.0, 0.0, value * taps)
    note_border(call, kernel.shape[:-1], np.nan_to_num(value), notes)
    if "bias" in weights:
        out = out + weights["bias"]
    return activated(call, along(out, axis, rank))


@register("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
class ConvTranspose(Op):
    """Transposed convolution; its constant is folded as a mean over the output's phases."""

    reads = True

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        kernel = call.weight("kernel")
        axis = call.channel_axis()
        width = call.sizes()[axis]
        if kernel is None or width is None or int(call.config.get("groups", 1) or 1) != 1:
            return UNKNOWN.trace(t, call, ins)
        last = len(kernel) - 1
        atoms = t.read(ins[0], axis, width, f"layer '{call.name}' reads them as positions")
        t.bind(call.name, "kernel", last, atoms, "in")
        out = t.produce(call.name, "kernel", last - 1, kernel[-2])
        if call.weight("bias") is not None:
            t.bind(call.name, "bias", 0, out, "through")
        return activate(t, call, [place(out, axis, call.out_shapes[0])])

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        width = weights["kernel"].shape[-2]
        return [own_constant(call, weights, width, call.channel_axis(), len(call.sizes()))]

    def fold(
        self, call: Call, constant: np.ndarray, weights: LayerWeights, notes: Notes
    ) -> np.ndarray | None:
        axis = call.channel_axis()
        values = read_constant(constant, axis, call.sizes()[axis] or 1)
        kernel = weights["kernel"]
        strides = call.config.get("strides", 1)
        phases = (
            int(np.prod(strides))
            if isinstance(strides, list | tuple)
            else int(strides ** (kernel.ndim - 2))
        )
        if values.any() and int(np.prod(kernel.shape[:-2])) > 1:
            notes.add(
                f"layer '{call.name}': a transposed convolution spreads a constant unevenly; "
                "its mean was folded"
            )
        summed = kernel.sum(axis=tuple(range(kernel.ndim - 2)), dtype=np.float64)
        added: np.ndarray = summed @ values / phases
        return added

    def resize(self, new: Resized) -> Edit:
        return Edit(config={"filters": new.weights["kernel"].shape[-2]})

    def macs(self, call: Call) -> int | None:
        kernel = call.weight("kernel")
        if kernel is None:
            return 0
        places = _positions(call.sizes(), call.channel_axis())
        return _times(places, int(np.prod(kernel, dtype=np.int64)))


@register("DepthwiseConv1D", "DepthwiseConv2D")
class Depthwise(Op):
    """Depthwise convolution: goes along with its input, repeated by the multiplier."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        kernel = call.weight("kernel")
        axis = call.channel_axis()
        width = call.sizes()[axis]
        if kernel is None or width is None:
            return UNKNOWN.trace(t, call, ins)
        atoms = t.read(ins[0], axis, width, f"layer '{call.name}' reads them as positions")
        t.bind(call.name, "kernel", len(kernel) - 2, atoms, "through")
        out = np.repeat(atoms, kernel[-1])
        if call.weight("bias") is not None:
            t.bind(call.name, "bias", 0, out, "through")
        return activate(t, call, [place(out, axis, call.out_shapes[0])])

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        kernel = weights["kernel"]
        axis = call.channel_axis()
        value = np.repeat(level(ins[0], axis, kernel.shape[-2]), kernel.shape[-1])
        flat = kernel.reshape(*kernel.shape[:-2], -1)
        return [swept(call, value, flat, weights, axis, len(call.sizes()), notes)]

    def macs(self, call: Call) -> int | None:
        kernel = call.weight("kernel")
        if kernel is None:
            return 0
        places = _positions(call.out_sizes(), call.channel_axis())
        return _times(places, int(np.prod(kernel, dtype=np.int64)))


@register("SeparableConv1D", "SeparableConv2D")
class Separable(Op):
    """A depthwise convolution and a pointwise one in one layer."""

    reads = True

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        deep, point = call.weight("depthwise_kernel"), call.weight("pointwise_kernel")
        axis = call.channel_axis()
        width = call.sizes()[axis]
        if deep is None or point is None or width is None:
            return UNKNOWN.trace(t, call, ins)
        atoms = t.read(ins[0], axis, width, f"layer '{call.name}' reads them as positions")
        last = len(deep) - 1
        t.bind(call.name, "depthwise_kernel", last - 1, atoms, "through")
        t.bind(call.name, "pointwise_kernel", last - 1, np.repeat(atoms, deep[-1]), "in")
        out = t.produce(call.name, "pointwise_kernel", last, point[-1])
        if call.weight("bias") is not None:
            t.bind(call.name, "bias", 0, out, "through")
        return activate(t, call, [place(out, axis, call.out_shapes[0])])

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        width = weights["pointwise_kernel"].shape[-1]
        return [own_constant(call, weights, width, call.channel_axis(), len(call.sizes()))]

    def fold(
        self, call: Call, constant: np.ndarray, weights: LayerWeights, notes: Notes
    ) -> np.ndarray | None:
        deep, point = weights["depthwise_kernel"], weights["pointwise_kernel"]
        axis = call.channel_axis()
        values = read_constant(constant, axis, deep.shape[-2])
        note_border(call, deep.shape[:-2], values, notes)
        taps = deep.sum(axis=tuple(range(deep.ndim - 2)), dtype=np.float64)
        middle = (values[:, None] * taps).ravel()
        added: np.ndarray = middle @ point.reshape(-1, point.shape[-1]).astype(np.float64)
        return added

    def resize(self, new: Resized) -> Edit:
        return Edit(config={"filters": new.weights["pointwise_kernel"].shape[-1]})

    def macs(self, call: Call) -> int | None:
        deep, point = call.weight("depthwise_kernel"), call.weight("pointwise_kernel")
        if deep is None or point is None:
            return 0
        places = _positions(call.out_sizes(), call.channel_axis())
        each = int(np.prod(deep, dtype=np.int64)) + int(np.prod(point, dtype=np.int64))
        return _times(places, each)


@register("Dense")
class Dense(Op):
    """A dense layer on the last axis; on a 4-D input it is a pointwise convolution."""

    reads = True

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        kernel = call.weight("kernel")
        if kernel is None or call.weight("lora_kernel_a") is not None:
            return UNKNOWN.trace(t, call, ins)
        axis = len(call.sizes()) - 1
        reason = f"layer '{call.name}' reads along another axis"
        t.bind(call.name, "kernel", 0, t.read(ins[0], axis, kernel[0], reason), "in")
        out = t.produce(call.name, "kernel", 1, kernel[1])
        if call.weight("bias") is not None:
            t.bind(call.name, "bias", 0, out, "through")
        return activate(t, call, [place(out, axis, call.out_shapes[0])])

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        rank = len(call.sizes())
        return [own_constant(call, weights, weights["kernel"].shape[1], rank - 1, rank)]

    def fold(
        self, call: Call, constant: np.ndarray, weights: LayerWeights, notes: Notes
    ) -> np.ndarray | None:
        kernel = weights["kernel"]
        values = read_constant(constant, constant.ndim - 1, kernel.shape[0])
        added: np.ndarray = values @ kernel.astype(np.float64)
        return added

    def resize(self, new: Resized) -> Edit:
        return Edit(config={"units": new.weights["kernel"].shape[1]})

    def macs(self, call: Call) -> int | None:
        kernel = call.weight("kernel")
        if kernel is None:
            return 0
        return _times(_product(call.out_sizes()[:-1]), kernel[0] * kernel[1])


@register("Embedding")
class Embedding(Op):
    """A table of vectors: their length is channels."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        table = call.weight("embeddings")
        if table is None or call.config.get("mask_zero"):
            return UNKNOWN.trace(t, call, ins)
        t.pin(ins[0], f"layer '{call.name}' reads them as indices")
        out = t.produce(call.name, "embeddings", 1, table[1])
        return [place(out, len(call.out_sizes()) - 1, call.out_shapes[0])]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        return [np.zeros((1,) * len(call.out_sizes()))]

    def resize(self, new: Resized) -> Edit:
        return Edit(config={"output_dim": new.weights["embeddings"].shape[1]})
