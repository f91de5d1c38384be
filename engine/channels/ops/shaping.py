"""Ops that only move positions about: reshape, permute, split, slice, concat, tile, shuffle.

Owns that each is the same numpy operation on atoms and on constants (:meth:`Move.move`), and how
its config follows a cut. Where a size is unknown and matters, the op is opaque.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    default_atoms,
    option,
    register,
)
from engine.channels.ops.opaque import MOVED, UNKNOWN
from engine.channels.provenance import Sizes, along, full, known, squeeze, varying
from engine.channels.tracer import Tracer


class Move(Op):
    """An op given by one function on arrays; None from it means: cannot be followed."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        """Outputs for inputs, whatever the numbers mean; axes of size 1 stay 1 where possible."""
        raise NotImplementedError

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        outs = self.move(call, ins)
        if outs is None:
            return MOVED.trace(t, call, ins)
        return [squeeze(out) for out in outs]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        outs = self.move(call, ins)
        return super().constants(call, ins, weights, notes) if outs is None else outs


def reshape(array: np.ndarray, sizes: Sizes, new: Sizes) -> np.ndarray | None:
    """Reshape an array over ``sizes`` to one over ``new``; None where that is not possible."""
    axes = varying(array)
    if not axes:
        return array.reshape((1,) * len(new)) if len(new) else array.ravel()[0]
    last = len(sizes) - 1
    if axes == (last,) and new and new[-1] == sizes[-1]:
        return along(array.ravel(), len(new) - 1, len(new))
    if not known(sizes) or not known(new):
        return None
    spread = full(array, sizes)
    if spread.size != int(np.prod([n or 1 for n in new], dtype=np.int64)):
        return None
    return spread.reshape([n or 1 for n in new])


@register("Flatten")
class Flatten(Move):
    """All positions in one row, channels last inside."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        array, sizes = ins[0], call.sizes()
        if not sizes:
            return [array.reshape(1)]
        if call.config.get("data_format") == "channels_first" and len(sizes) > 1:
            array = np.moveaxis(array, 0, -1)
            sizes = (*sizes[1:], sizes[0])
        if not known(sizes):
            return None if varying(array) else [array.reshape(1)]
        out = reshape(array, sizes, call.out_sizes())
        return None if out is None else [out]


@register("Reshape", "ops.Reshape")
class Reshape(Move):
    """The layer (``target_shape``) and the operation (``newshape``, with the batch).

    Calls of a shared layer have one target: their channels go together.
    """

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        outs = super().trace(t, call, ins)
        first = t.shared.setdefault(call.name, outs[0])
        if first is not outs[0]:
            t.tie(first, outs[0])
        return outs

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        out = reshape(ins[0], call.sizes(), call.out_sizes())
        return None if out is None else [out]

    def resize(self, new: Resized) -> Edit:
        config, kwargs = new.call.config, new.call.node.kwargs
        for key, batch in (("target_shape", 0), ("newshape", 1)):
            given = config.get(key, kwargs.get(key))
            if given is None and key == "newshape" and len(new.call.node.args) > 1:
                given = new.call.node.args[1]
            if given is None:
                continue
            shape = list(given) if isinstance(given, list | tuple) else [given]
            for axis, mask in enumerate(new.keep_out[0]):
                if mask is not None and shape[axis + batch] != -1:
                    shape[axis + batch] = int(mask.sum())
            if key in config:
                return Edit(config={key: shape})
            if key in kwargs:
                return Edit(kwargs={**kwargs, key: shape})
            args = new.call.node.args
            return Edit(args=(args[0], shape, *args[2:]))
        return Edit()


@register("Permute", "ops.Transpose", "ops.Swapaxes", "ops.Moveaxis")
class Permute(Move):
    """Axes in another order; the batch stays first or it cannot be followed."""

    def _order(self, call: Call) -> list[int] | None:
        rank = len(call.in_shapes[0])
        order = np.arange(rank).reshape((1,) * 0 + (rank,))
        if "dims" in call.config:
            return [int(d) - 1 for d in call.config["dims"]]
        probe = np.empty(tuple(range(2, rank + 2)), dtype=np.bool_)
        kind = call.layer.class_name
        if kind == "Transpose":
            axes = option(call, "axes", 1)
            order = np.asarray(range(rank)[::-1] if axes is None else axes) % rank
        elif kind == "Swapaxes":
            moved = np.swapaxes(probe, option(call, "axis1", 1), option(call, "axis2", 2))
            order = np.asarray(moved.shape) - 2
        else:
            moved = np.moveaxis(probe, option(call, "source", 1), option(call, "destination", 2))
            order = np.asarray(moved.shape) - 2
        return None if order[0] != 0 else [int(a) - 1 for a in order[1:]]

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        order = self._order(call)
        return None if order is None else [ins[0].transpose(order)]


@register("RepeatVector")
class RepeatVector(Move):
    """A new axis before the channels."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        return [ins[0][None, :]]


@register("ops.ExpandDims")
class ExpandDims(Move):
    """New axes of size 1."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        axis = option(call, "axis", 1)
        listed = list(axis) if isinstance(axis, list | tuple) else [axis]
        rank = len(call.out_shapes[0])
        axes = [int(a) % rank for a in listed]
        return None if 0 in axes else [np.expand_dims(ins[0], tuple(a - 1 for a in axes))]


@register("ops.Squeeze")
class Squeeze(Move):
    """Axes of size 1 dropped."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        axis = option(call, "axis", 1)
        axes = axes_of(axis, len(call.in_shapes[0]))
        if axes is None and axis is None:
            axes = [a for a, n in enumerate(call.sizes()) if n == 1]
        return None if axes is None else [ins[0].squeeze(tuple(axes))]


@register("Concatenate", "ops.Concatenate")
class Concatenate(Op):
    """Channels after channels; over another axis the channels of all go together."""

    def _axis(self, call: Call) -> int:
        axis = int(option(call, "axis", 1, -1))
        return axis % len(call.in_shapes[0]) - 1

    def _beside(self, ins: Arrays, axis: int) -> bool:
        return all(a.shape[axis] == 1 for a in ins) and any(varying(a) for a in ins)

    def _append(self, call: Call, ins: Arrays, axis: int) -> np.ndarray | None:
        if any(call.sizes(i)[axis] is None for i in range(len(ins))):
            return None
        parts = [full(a, call.sizes(i), [axis]) for i, a in enumerate(ins)]
        shape = list(np.broadcast_shapes(*(p[_front(p, axis)].shape for p in parts)))
        spread = []
        for part in parts:
            shape[axis] = part.shape[axis]
            spread.append(np.broadcast_to(part, shape))
        return np.concatenate(spread, axis)

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        axis = self._axis(call)
        if axis < 0:
            return UNKNOWN.trace(t, call, ins)
        if self._beside(ins, axis):
            shape = np.broadcast_shapes(*(a.shape for a in ins))
            first = next((a for a in ins if a.shape == shape), np.broadcast_to(ins[0], shape))
            for array in ins:
                t.tie(first, array)
            return [first]
        out = self._append(call, ins, axis)
        return UNKNOWN.trace(t, call, ins) if out is None else [squeeze(out)]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axis = self._axis(call)
        out = None if axis < 0 else self._append(call, ins, axis)
        return super().constants(call, ins, weights, notes) if out is None else [out]


def _front(array: np.ndarray, axis: int) -> tuple[slice, ...]:
    return tuple(slice(0, 1) if a == axis else slice(None) for a in range(array.ndim))


@register("ops.Stack")
class Stack(Move):
    """Tensors beside each other along a new axis."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        axis = int(option(call, "axis", 1, 0)) % len(call.out_shapes[0]) - 1
        return None if axis < 0 else [np.stack(np.broadcast_arrays(*ins), axis)]


@register("ops.Unstack")
class Unstack(Move):
    """One tensor for each position of an axis."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        axis = int(option(call, "axis", 2, 0)) % len(call.in_shapes[0]) - 1
        if axis < 0:
            return None
        size, count = ins[0].shape[axis], len(call.out_shapes)
        if size not in (1, count):
            return None
        return [ins[0].take(0 if size == 1 else i, axis) for i in range(count)]


@register("ops.Split")
class Split(Move):
    """Parts of an axis, one after the other."""

    def _axis(self, call: Call) -> int:
        return int(option(call, "axis", 2, 0)) % len(call.in_shapes[0]) - 1

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        axis = self._axis(call)
        if axis < 0:
            return None
        if ins[0].shape[axis] == 1:
            return [ins[0]] * len(call.out_shapes)
        ends = np.cumsum([call.out_sizes(i)[axis] or 0 for i in range(len(call.out_shapes))])
        if ends[-1] != ins[0].shape[axis]:
            return None
        return list(np.split(ins[0], ends[:-1], axis))

    def resize(self, new: Resized) -> Edit:
        axis = self._axis(new.call)
        widths = [new.new_sizes(i)[axis] or 0 for i in range(len(new.keep_out))]
        given = option(new.call, "indices_or_sections", 1)
        if isinstance(given, int) and len(set(widths)) == 1:
            return Edit()
        ends = [int(n) for n in np.cumsum(widths)[:-1]]
        if "indices_or_sections" in new.call.config:
            return Edit(config={"indices_or_sections": ends})
        args = new.call.node.args
        return Edit(args=(args[0], ends, *args[2:]))


@register("ops.GetItem")
class GetItem(Move):
    """``x[:, a:b, ::2, ::-1, ..., None]``.

    A step over channels goes on as it is where those that it passes over go with those it takes.
    """

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        for axis, item in enumerate(v for v in self._index(call) or [] if v is not None):
            size = ins[0].shape[axis]
            if _steps(item) and size > 1 and size % item.step == 0:
                rows = np.moveaxis(ins[0], axis, 0).reshape(size // item.step, item.step, -1)
                t.tie(rows[:, 1:], rows[:, :1])
        return super().trace(t, call, ins)

    def _index(self, call: Call) -> list[Any] | None:
        key = option(call, "key", 1)
        if isinstance(key, Mapping) and "tensor" in key:
            return None
        items = [_item(v) for v in (key if isinstance(key, list | tuple) else [key])]
        if any(v is NotImplemented for v in items):
            return None
        rank = len(call.in_shapes[0])
        taken = sum(1 for v in items if v is not None and v is not Ellipsis)
        if Ellipsis in items:
            at = items.index(Ellipsis)
            items[at : at + 1] = [slice(None)] * (rank - taken)
        else:
            items += [slice(None)] * (rank - taken)
        if not items or items[0] != slice(None):
            return None
        return items[1:]

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        items = self._index(call)
        if items is None:
            return None
        array, axis, index = ins[0], 0, list[Any]()
        for item in items:
            if item is None:
                index.append(None)
                continue
            size = array.shape[axis]
            if size == 1:
                index.append(0 if isinstance(item, int) else slice(None))
            elif isinstance(item, slice) and not _keeps_place(item, size):
                return None
            else:
                index.append(item)
            axis += 1
        return [array[tuple(index)]]

    def resize(self, new: Resized) -> Edit:
        items = self._index(new.call)
        masks = new.keep_in[0]
        if items is None:
            return Edit()
        out: list[Any] = [_plain(slice(None))]
        axis = 0
        for item in items:
            if item is None:
                out.append(None)
                continue
            mask = masks[axis]
            out.append(_plain(item if mask is None else _shifted(item, mask)))
            axis += 1
        args = new.call.node.args
        return Edit(args=(args[0], out, *args[2:]))


def _item(value: Any) -> Any:
    """One part of an index from JSON; NotImplemented for what is not known."""
    if value is None or isinstance(value, int | slice) or value is Ellipsis:
        return value
    if isinstance(value, Mapping):
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
        if value.get("class_name") == "__slice__":
            c = value["config"]
            return slice(c.get("start"), c.get("stop"), c.get("step"))
    return NotImplemented


def _steps(item: Any) -> bool:
    """Whether it passes over positions, in their order."""
    return isinstance(item, slice) and isinstance(item.step, int) and item.step > 1


def _keeps_place(item: slice, size: int) -> bool:
    """Whether a slice over channels can be written for those left by a cut."""
    if item.step in (None, 1):
        return True
    whole = item.stop is None
    if item.step == -1:
        return whole and item.start is None
    return whole and item.step > 1 and size % item.step == 0 and 0 <= (item.start or 0) < item.step


def _plain(value: Any) -> Any:
    if isinstance(value, slice):
        parts = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": parts}
    return value


def _shifted(item: Any, mask: np.ndarray) -> Any:
    """An index over kept positions that picks what ``item`` picked."""
    if isinstance(item, slice) and item.step not in (None, 1):
        return item
    before = np.concatenate([[0], np.cumsum(mask)])
    if isinstance(item, int):
        return int(before[item % mask.size])
    start, stop, _ = item.indices(mask.size)
    return slice(int(before[start]), int(before[stop]), None)


@register("ops.Tile", "ops.Repeat")
class Tile(Move):
    """An axis repeated as a whole, or each position of it."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        repeats, array = option(call, "repeats", 1), ins[0]
        if call.layer.class_name == "Tile":
            listed = list(repeats) if isinstance(repeats, list | tuple) else [repeats]
            listed = [1] * (array.ndim + 1 - len(listed)) + listed
            if len(listed) != array.ndim + 1 or listed[0] != 1:
                return None
            wide = [n if array.shape[a] > 1 else 1 for a, n in enumerate(listed[1:])]
            return [np.tile(array, wide)]
        axes = axes_of(option(call, "axis", 2), len(call.in_shapes[0]))
        if axes is None or not isinstance(repeats, int):
            return None
        (axis,) = axes
        return [np.repeat(array, repeats, axis) if array.shape[axis] > 1 else array]


@register("ops.Flip", "ops.Roll")
class Flip(Move):
    """Positions reversed, or rolled along an axis without channels."""

    def move(self, call: Call, ins: Arrays) -> Arrays | None:
        rolled = call.layer.class_name == "Roll"
        axes = axes_of(option(call, "axis", 2 if rolled else 1), len(call.in_shapes[0]))
        if axes is None:
            return None
        mixed = [a for a in axes if ins[0].shape[a] > 1]
        if rolled:
            return None if mixed else [ins[0]]
        return [np.flip(ins[0], tuple(mixed))] if mixed else [ins[0]]


@register("ops.DepthToSpace", "ops.SpaceToDepth")
class Shuffle(Op):
    """Pixel shuffle: the channels that make one pixel's neighbours go together."""

    def _pieces(self, call: Call) -> int:
        return int(option(call, "block_size", 1)) ** 2

    def _axis(self, call: Call) -> int:
        return 0 if option(call, "data_format", 2) == "channels_first" else len(call.sizes()) - 1

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        axis, rank = self._axis(call), len(call.sizes())
        width = call.sizes()[axis]
        if width is None:
            return UNKNOWN.trace(t, call, ins)
        atoms = t.read(ins[0], axis, width, f"'{call.name}' reads them as positions")
        if call.layer.class_name == "SpaceToDepth":
            return [along(np.tile(atoms, self._pieces(call)), axis, rank)]
        rows = atoms.reshape(self._pieces(call), -1)
        t.tie(rows[1:], rows[:1])
        return [along(rows[0], axis, rank)]

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        axis, rank = self._axis(call), len(call.sizes())
        if ins[0].shape[axis] == 1:
            return super().constants(call, ins, weights, notes)
        values = ins[0].max(axis=tuple(a for a in range(rank) if a != axis))
        if call.layer.class_name == "SpaceToDepth":
            return [along(np.tile(values, self._pieces(call)), axis, rank)]
        rows = values.reshape(self._pieces(call), -1)
        steady = (rows == rows[:1]).all(axis=0)
        return [along(np.where(steady, rows[0], np.nan), axis, rank)]


@register("InputLayer")
class Input(Op):
    """What the model is given: no channel of it can go."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        outs = [default_atoms(t, shape) for shape in call.out_shapes]
        for atoms in outs:
            t.pin(atoms, f"is tied to the model input '{call.name}'")
        return outs
