"""Moves the scales of batch norms into the kernels before them; the function stays the same.

A TFLite converter multiplies every output channel of a convolution by the scale of the norm behind
it. A kernel that was clustered before that would have as many values as channels afterwards; one
that already holds the scale keeps its few. It needs only numpy and the layer graph.
"""

from __future__ import annotations

import numpy as np

from engine.modelfile.graph import LayerGraph, Node, Weights

_LINEAR = frozenset(
    (
        "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
        "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "Dense",
    )
)  # fmt: skip
_DEFAULT_EPSILON = 1e-3


def fold_norm_scales(graph: LayerGraph, weights: Weights) -> Weights:
    """The weights with norms whose scale over their deviation is 1, wherever that can be.

    Only a norm over the channels of a linear layer that nothing else reads is touched, where both
    are called once.
    """
    made: Weights = {layer: dict(arrays) for layer, arrays in weights.items()}
    makers = {tensor: node for node in graph.nodes for tensor in node.outputs}
    for node in graph.nodes:
        maker = makers.get(node.inputs[0]) if node.inputs else None
        if maker is not None and _foldable(graph, node, maker):
            _fold(graph, made, node.layer, maker.layer)
    return made


def _foldable(graph: LayerGraph, norm: Node, maker: Node) -> bool:
    layer, before = graph.layers[norm.layer], graph.layers[maker.layer]
    tensor = norm.inputs[0]
    rank = len(graph.shape(tensor) or ())
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) else axis
    return (
        layer.class_name == "BatchNormalization"
        and before.class_name in _LINEAR
        and before.config.get("activation", "linear") in (None, "linear")
        and before.config.get("data_format") != "channels_first"
        and axis in (-1, rank - 1)
        and tensor not in graph.outputs
        and len(list(graph.readers(tensor))) == 1
        and len(list(graph.calls(norm.layer))) == len(list(graph.calls(maker.layer))) == 1
    )


def _fold(graph: LayerGraph, weights: Weights, norm: str, maker: str) -> None:
    own, before = weights[norm], weights[maker]
    epsilon = float(graph.layers[norm].config.get("epsilon", _DEFAULT_EPSILON))
    spread = np.sqrt(own["moving_variance"].astype(np.float64) + epsilon)
    scale = own.get("gamma", np.ones(())).astype(np.float64) / spread
    name = _output_kernel(before)
    before[name] = _scaled(graph.layers[maker].class_name, name, before[name], scale)
    if "bias" in before:
        before["bias"] = _like(before["bias"], before["bias"] * scale)
    own["moving_mean"] = _like(own["moving_mean"], own["moving_mean"] * scale)
    own["moving_variance"] = np.full_like(own["moving_variance"], 1 - epsilon)
    if "gamma" in own:
        own["gamma"] = np.ones_like(own["gamma"])


def _output_kernel(arrays: dict[str, np.ndarray]) -> str:
    """The kernel whose channels are the layer's."""
    return "pointwise_kernel" if "pointwise_kernel" in arrays else next(
        name for name in arrays if name.endswith("kernel")
    )  # fmt: skip


def _scaled(kind: str, name: str, kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if kind.endswith("Transpose"):
        return _like(kernel, kernel * scale[:, None])
    if kind.startswith("Depthwise") and name != "pointwise_kernel":
        return _like(kernel, kernel * scale.reshape(kernel.shape[-2:]))
    return _like(kernel, kernel * scale)


def _like(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(values, array.dtype)
