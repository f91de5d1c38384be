"""Layer graphs written by hand, without Keras: for tests of cuts on random nets.

A :class:`Sketch` grows call by call; shapes come from the engine's own rules, configs are
complete Keras 3 configs, arrays are random and live.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.modelfile.graph import Layer, LayerGraph, Node, Tensor, Weights, WeightSpec
from engine.modelfile.layer_defaults import REQUIRED, layer_defaults
from engine.modelfile.shapes import infer_outputs
from engine.modelfile.weight_specs import variables


class Sketch:
    """A growing graph; methods return tensor ids."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.layers: dict[str, Layer] = {}
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []
        self.inputs: list[int] = []
        self.weights: Weights = {}

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Sizes without the batch axis."""
        shape = self.tensors[tensor].shape
        assert shape is not None
        return tuple(n or 0 for n in shape[1:])

    def input(self, *sizes: int) -> int:
        """A model input."""
        name = f"input_{len(self.inputs)}"
        config = {"batch_shape": [None, *sizes], "dtype": "float32", "name": name}
        self.layers[name] = Layer(name=name, class_name="InputLayer", config=config)
        (out,) = self._call(name, [])
        self.inputs.append(out)
        return out

    def layer(self, kind: str, inputs: int | list[int], name: str = "", **config: Any) -> int:
        """A new layer and its first call."""
        name = name or f"{kind.lower()}_{len(self.layers)}"
        full = {k: v for k, v in layer_defaults()[kind].items() if v is not REQUIRED}
        self.layers[name] = Layer(
            name=name, class_name=kind, config={"name": name, "trainable": True, **full, **config}
        )
        (out,) = self._call(name, [_refs(inputs)])
        return out

    def again(self, name: str, inputs: int | list[int]) -> int:
        """One more call of a layer."""
        (out,) = self._call(name, [_refs(inputs)])
        return out

    def op(self, kind: str, *args: Any, outputs: int = 1, **config: Any) -> list[int]:
        """A call of ``keras.ops``; tensors in ``args`` are ``{"tensor": id}``."""
        name = f"op_{kind.lower()}_{len(self.layers)}"
        self.layers[name] = Layer(
            name=name,
            class_name=kind,
            config={"name": name, **config},
            module="keras.src.ops.numpy",
            registered_name=kind,
        )
        return self._call(name, list(args), outputs)

    def _call(self, name: str, args: list[Any], outputs: int = 1) -> list[int]:
        layer = self.layers[name]
        ids = [i for arg in args for i in _ids(arg)]
        found = infer_outputs(layer, args, {}, lambda i: self.tensors[i], outputs)
        first = len(self.tensors)
        self.tensors.extend(found)
        made = list(range(first, first + len(found)))
        self.nodes.append(
            Node(layer=name, inputs=tuple(ids), outputs=tuple(made), args=tuple(args))
        )
        if name not in self.weights:
            self._add_weights(layer, [self.tensors[i].shape for i in ids])
        return made

    def _add_weights(self, layer: Layer, shapes: list[Any]) -> None:
        arrays = {}
        specs = []
        for variable in variables(layer.class_name, layer.config, shapes):
            shape = tuple(n or 0 for n in variable.shape)
            specs.append(WeightSpec(name=variable.name, shape=shape, trainable=variable.trainable))
            arrays[variable.name] = self._values(variable.name, shape)
        self.weights[layer.name] = arrays
        self.layers[layer.name] = Layer(
            name=layer.name, class_name=layer.class_name, config=layer.config,
            weights=tuple(specs), module=layer.module,
        )  # fmt: skip

    def _values(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name in ("gamma", "moving_variance", "variance"):
            return self.rng.uniform(0.5, 1.5, shape)
        if len(shape) < 2 or name == "alpha":
            return self.rng.normal(0, 0.4, shape)
        return self.rng.normal(0, (2 / max(1, np.prod(shape[:-1]))) ** 0.5, shape)

    def graph(self, outputs: list[int]) -> LayerGraph:
        """The graph that leads to ``outputs``; calls that nothing needs are left out."""
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                needed.update(node.inputs)
                nodes.append(node)
        layers = {node.layer for node in nodes}
        inputs = [i for i in self.inputs if i in needed]
        return LayerGraph(
            name="sketch", layers={n: v for n, v in self.layers.items() if n in layers},
            nodes=tuple(reversed(nodes)), tensors=tuple(self.tensors), inputs=tuple(inputs),
            outputs=tuple(outputs), input_structure=[{"tensor": i} for i in inputs],
            output_structure=[{"tensor": i} for i in outputs],
        )  # fmt: skip


def ref(tensor: int) -> dict[str, int]:
    """A tensor among arguments."""
    return {"tensor": tensor}


def _refs(inputs: int | list[int]) -> Any:
    return ref(inputs) if isinstance(inputs, int) else [ref(i) for i in inputs]


def _ids(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [value["tensor"]] if "tensor" in value else []
    return [i for v in value for i in _ids(v)] if isinstance(value, list) else []
