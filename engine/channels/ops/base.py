"""What an op kind must tell: how channels pass, what constants become, how it shrinks, its MACs.

Owns the contract (:class:`Op`), the value a call is seen through (:class:`Call`) and the registry
by class name. Operations of ``keras.ops`` are registered as ``"ops.Name"``. An op that is not in
the registry is opaque: it pins what reaches it, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from engine.channels.provenance import along
from engine.channels.tracer import Tracer
from engine.modelfile.graph import Layer, LayerGraph, Node, Shape

Arrays = list[np.ndarray]
LayerWeights = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a layer, with the shapes around it."""

    graph: LayerGraph
    layer: Layer
    node: Node
    in_shapes: tuple[Shape, ...]
    out_shapes: tuple[Shape, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's config."""
        return self.layer.config

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    def sizes(self, index: int = 0) -> tuple[int | None, ...]:
        """Sizes of an input without the batch axis."""
        return self.in_shapes[index][1:]

    def out_sizes(self, index: int = 0) -> tuple[int | None, ...]:
        """Sizes of an output without the batch axis."""
        return self.out_shapes[index][1:]

    def channel_axis(self) -> int:
        """Axis of the channels (batch not counted) by the layer's ``data_format``."""
        rank = len(self.in_shapes[0]) - 1
        return 0 if self.config.get("data_format") == "channels_first" else rank - 1

    def spatial_axes(self) -> list[int]:
        """The other axes."""
        channel = self.channel_axis()
        return [axis for axis in range(len(self.in_shapes[0]) - 1) if axis != channel]

    def weight(self, name: str) -> tuple[int, ...] | None:
        """Shape of a weight, None where the layer has none of that name."""
        return next((w.shape for w in self.layer.weights if w.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resized:
    """What a call looks like after a cut, for the op to adapt its config.

    ``keep_in``/``keep_out``: per tensor, per non-batch axis, a mask over its positions (None
    where nothing along it is removed). ``weights`` are the layer's new arrays.
    """

    call: Call
    keep_in: tuple[tuple[np.ndarray | None, ...], ...]
    keep_out: tuple[tuple[np.ndarray | None, ...], ...]
    weights: LayerWeights

    def new_sizes(self, index: int = 0) -> tuple[int | None, ...]:
        """Sizes of an output after the cut, without the batch axis."""
        return self._shrink(self.call.out_sizes(index), self.keep_out[index])

    def new_in_sizes(self, index: int = 0) -> tuple[int | None, ...]:
        """Sizes of an input after the cut, without the batch axis."""
        return self._shrink(self.call.sizes(index), self.keep_in[index])

    @staticmethod
    def _shrink(
        sizes: tuple[int | None, ...], keep: tuple[np.ndarray | None, ...]
    ) -> tuple[int | None, ...]:
        return tuple(
            n if mask is None else int(mask.sum()) for n, mask in zip(sizes, keep, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Changes of a layer's config, and of the call's own arguments (None: as they were)."""

    config: Mapping[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] | None = None


class Notes:
    """Sentences about constants that could not be folded exactly, in order, each once."""

    def __init__(self) -> None:
        self.sentences: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        """Note it."""
        self.sentences[sentence] = None


class Op:
    """The contract of an op kind; the default follows nothing: see each method."""

    reads = False
    """Whether it has a kernel that reads channels, into whose bias constants can be folded."""

    def trace(self, t: Tracer, call: Call, ins: Arrays) -> Arrays:
        """Atoms of the outputs; ties, pins and bindings go to ``t``."""
        raise NotImplementedError

    def constants(self, call: Call, ins: Arrays, weights: LayerWeights, notes: Notes) -> Arrays:
        """What the outputs are where their channels are cut; NaN is unknown.

        ``ins`` are the constants of the inputs, NaN where a channel is kept.
        """
        del ins, weights, notes
        return [np.full((1,) * (len(shape) - 1), np.nan) for shape in call.out_shapes]

    def fold(
        self, call: Call, constant: np.ndarray, weights: LayerWeights, notes: Notes
    ) -> np.ndarray | None:
        """What the constants of the cut input channels add to each of its own channels."""
        del call, constant, weights, notes
        return None

    def resize(self, new: Resized) -> Edit:
        """How the config changes with the cut."""
        del new
        return Edit()

    def macs(self, call: Call) -> int | None:
        """Multiply-adds of one call for one sample; None where a size is unknown."""
        del call
        return 0


_OPS: dict[str, Op] = {}

T = TypeVar("T", bound=Op)


def register(*class_names: str) -> Callable[[type[T]], type[T]]:
    """Register one instance of an op kind under its class names."""

    def decorate(kind: type[T]) -> type[T]:
        op = kind()
        for name in class_names:
            if name in _OPS:
                raise ValueError(f"{name} is registered twice")
            _OPS[name] = op
        return kind

    return decorate


def register_op(op: Op, *class_names: str) -> None:
    """Register an instance."""
    for name in class_names:
        if name in _OPS:
            raise ValueError(f"{name} is registered twice")
        _OPS[name] = op


def registered() -> Mapping[str, Op]:
    """All ops by key."""
    return _OPS


def key_of(layer: Layer) -> str:
    """The registry key of a layer: its class name, ``"ops."`` before an operation's."""
    parts = layer.module.split(".")
    operation = "ops" in parts or parts[-1:] == ["operation"]
    return f"ops.{layer.class_name}" if operation else layer.class_name


def place(atoms: np.ndarray, axis: int, shape: Shape) -> np.ndarray:
    """A vector of atoms as the provenance of an output of that shape."""
    return along(atoms, axis, len(shape) - 1)


def default_atoms(t: Tracer, shape: Shape) -> np.ndarray:
    """New atoms along the last axis of a tensor."""
    rank = len(shape) - 1
    if rank == 0:
        return t.fresh(1).reshape(())
    return place(t.fresh(shape[-1] or 1), rank - 1, shape)


def constant_args(node: Node) -> Iterator[Any]:
    """The plain values (numbers, lists) among the arguments of a call, tensors left out."""

    def walk(value: Any) -> Iterator[Any]:
        if isinstance(value, Mapping):
            if "tensor" in value:
                return
            inner = value.get("config")
            if isinstance(inner, Mapping) and "value" in inner:
                yield inner["value"]
            return
        if isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
            for item in value:
                yield from walk(item)
            return
        if value is not None:
            yield value

    for arg in node.args:
        yield from walk(arg)
    for arg in node.kwargs.values():
        yield from walk(arg)


def option(call: Call, name: str, position: int, default: Any = None) -> Any:
    """An operation's setting: from its config, else a keyword, else a positional argument.

    ``position`` counts the call's arguments; tensors among them count too.
    """
    if name in call.config:
        return call.config[name]
    if name in call.node.kwargs:
        return call.node.kwargs[name]
    if len(call.node.args) > position:
        return call.node.args[position]
    return default


def axes_of(axis: Any, rank_with_batch: int) -> list[int] | None:
    """Axes (counted with the batch) as non-batch axes; None where the batch axis is among them."""
    if axis is None:
        return None
    listed = list(axis) if isinstance(axis, Sequence) else [axis]
    positive = [int(a) % rank_with_batch for a in listed]
    return None if 0 in positive else [a - 1 for a in positive]
