"""Our own layer graph: a Keras model as plain data, without Keras.

Owns the frozen values that every other room reads: layers with their configs and weights,
tensors with shapes, the calls (nodes) in topological order. Nested models are flattened: their
layers are called ``"outer/inner"``. It knows nothing of files and of Keras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int | None, ...]
"""A shape with the batch axis first (None); None elsewhere is an unknown size."""

Weights: TypeAlias = dict[str, dict[str, np.ndarray]]
"""Arrays by layer name, then by weight name (``kernel``, ``bias``, ``gamma``, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSpec:
    """A weight of a layer: Keras 3's own variable name, shape and type.

    ``trainable`` is whether it is trained where its layer is not frozen (statistics never are).
    ``zeros`` is the count of exact zeros where the arrays were read, else None. The order of a
    layer's weights is that of Keras 3's ``layer.weights``. Weights of sub-layers that stay
    inside one layer (attention, wrappers) are named by their path, ``"query/kernel"``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    trainable: bool = True
    zeros: int | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its class, its Keras 3 config (JSON) and its weights.

    ``opaque`` is None for a layer that we know; else the reason, for people, why its inside is
    not known to us (it is carried along and pins what it touches).
    """

    name: str
    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[WeightSpec, ...] = ()
    module: str = "keras.layers"
    registered_name: str | None = None
    opaque: str | None = None

    @property
    def params(self) -> int:
        """Number of parameters, norm statistics included."""
        return sum(w.size for w in self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A value that flows between calls. ``shape`` None means: not known to our own rules."""

    shape: Shape | None
    dtype: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One call of a layer.

    ``args`` and ``kwargs`` are JSON in which a tensor is ``{"tensor": id}``; ``inputs`` are the
    same tensor ids in order of appearance (args first). Operator nodes (``x * y``, ``keras.ops``)
    are layers whose class is the operation's name and which have no weights.
    """

    layer: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGraph:
    """A whole model. ``nodes`` are in topological order; tensor ids index ``tensors``.

    ``InputLayer`` appears in ``layers`` and as a node with no inputs. ``sequential`` says only
    how the model was written; ``input_structure``/``output_structure`` are JSON with
    ``{"tensor": id}`` leaves (a lone tensor, a list, or a dict by name).
    """

    name: str
    layers: Mapping[str, Layer]
    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_structure: Any = None
    output_structure: Any = None

    @property
    def params(self) -> int:
        """Keras's count of parameters: norm statistics in, shared layers once."""
        return sum(layer.params for layer in self.layers.values())

    def calls(self, layer: str) -> Iterator[Node]:
        """The calls of one layer, in order."""
        return (node for node in self.nodes if node.layer == layer)

    def readers(self, tensor: int) -> Iterator[Node]:
        """The calls that take this tensor, in order."""
        return (node for node in self.nodes if tensor in node.inputs)

    def shape(self, tensor: int) -> Shape | None:
        """Shape of a tensor, the batch axis first."""
        return self.tensors[tensor].shape


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A constant tensor of a TensorFlow Lite file. ``zeros`` is None where they are not countable.

    ``bytes`` is its size in the file, which for a ``sparse`` one is less than its shape says.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    zeros: int | None
    sparse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What reading a model file gives: no code has run, no Keras was needed.

    ``compile_config`` is the file's own compile section as data (None without one);
    ``written_by`` such as ``"keras 3.15.0"``; ``sha256`` of the file's bytes; ``tensors`` are those
    of a TensorFlow Lite file.
    """

    path: str
    format: str
    written_by: str | None
    graph: LayerGraph
    compile_config: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    sha256: str | None = None
    tensors: tuple[StoredTensor, ...] = ()


def with_option(config: Any, option: str, old: tuple[Any, ...], new: Any) -> Any:
    """A config in which an option with one of the ``old`` values has the new one, at any depth:
    wrappers hold the config of their layer.
    """
    if isinstance(config, Mapping):
        return {
            key: new if key == option and inner in old else with_option(inner, option, old, new)
            for key, inner in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(with_option(inner, option, old, new) for inner in config)
    return config
