"""A small interpreter of layer graphs in numpy, written apart from the engine: an oracle.

It runs the configs and arrays it is given, so that a wrong filter count, shape or slice shows as
an error. Channels last only. ``settle`` sets every batch norm's statistics from the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.modelfile.graph import Layer, LayerGraph, Weights

Run = Callable[[Mapping[str, Any], Mapping[str, np.ndarray], list[Any]], Any]
_RUN: dict[str, Run] = {}


def _op(*names: str) -> Callable[[Run], Run]:
    def register(function: Run) -> Run:
        for name in names:
            _RUN[name] = function
        return function

    return register


def run(
    graph: LayerGraph, weights: Weights, inputs: list[np.ndarray], *, settle: bool = False
) -> list[np.ndarray]:
    """Outputs of a graph in double precision; checks each shape against the graph's."""
    values: dict[int, np.ndarray] = {}
    feed = iter(inputs)
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        if layer.class_name == "InputLayer":
            values[node.outputs[0]] = np.asarray(next(feed), np.float64)
            continue
        args = [_fill(arg, values) for arg in node.args]
        arrays = weights.setdefault(node.layer, {})
        for spec in layer.weights:
            assert arrays[spec.name].shape == spec.shape, (node.layer, spec.name)
        if settle and layer.class_name == "BatchNormalization":
            axes = tuple(range(args[0].ndim - 1))
            arrays["moving_mean"] = args[0].mean(axes)
            arrays["moving_variance"] = args[0].var(axes) + 0.05
        key = layer.class_name if "ops" not in layer.module else f"ops.{layer.class_name}"
        out = _RUN[key]({**layer.config, **node.kwargs}, arrays, args)
        for tensor, value in zip(
            node.outputs, out if isinstance(out, list) else [out], strict=True
        ):
            shape = graph.shape(tensor)
            assert shape is not None
            assert value.shape[1:] == tuple(
                n or m for n, m in zip(shape[1:], value.shape[1:], strict=True)
            ), (
                node.layer,
                value.shape,
                shape,
            )
            values[tensor] = value
    return [values[i] for i in graph.outputs]


def _fill(value: Any, values: Mapping[int, np.ndarray]) -> Any:
    if isinstance(value, Mapping):
        if "tensor" in value:
            return values[value["tensor"]]
        if value.get("class_name") == "__slice__":
            return slice(*(value["config"][k] for k in ("start", "stop", "step")))
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
    if isinstance(value, list | tuple):
        return [_fill(v, values) for v in value]
    return value


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "gelu": np.vectorize(lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)), otypes=[float]),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}


def _finish(
    config: Mapping[str, Any], arrays: Mapping[str, np.ndarray], x: np.ndarray
) -> np.ndarray:
    if config.get("use_bias"):
        x = x + arrays["bias"]
    return ACTIVATIONS[config.get("activation") or "linear"](x)


def _pad(x: np.ndarray, size: int, stride: int, padding: str, value: float = 0.0) -> np.ndarray:
    if padding == "valid":
        return x
    wide = [(0, 0)]
    for n in x.shape[1:3]:
        total = max((math.ceil(n / stride) - 1) * stride + size - n, 0)
        wide.append((total // 2, total - total // 2))
    return np.pad(x, [*wide, (0, 0)], constant_values=value)


def _windows(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return views[:, ::stride, ::stride]


def _settings(config: Mapping[str, Any]) -> tuple[int, int, str]:
    return config["kernel_size"][0], config["strides"][0], config["padding"]


@_op("Conv2D")
def _conv(config: Any, arrays: Any, args: Any) -> np.ndarray:
    size, stride, padding = _settings(config)
    kernel, groups = arrays["kernel"], config["groups"]
    assert kernel.shape[-1] == config["filters"]
    assert args[0].shape[-1] == kernel.shape[2] * groups
    windows = _windows(_pad(args[0], size, stride, padding), size, stride)
    outs = [
        np.einsum("bhwcij,ijco->bhwo", w, k)
        for w, k in zip(np.split(windows, groups, 3), np.split(kernel, groups, -1), strict=True)
    ]
    return _finish(config, arrays, np.concatenate(outs, -1))


@_op("DepthwiseConv2D")
def _depthwise(config: Any, arrays: Any, args: Any) -> np.ndarray:
    size, stride, padding = _settings(config)
    kernel = arrays["kernel"]
    assert kernel.shape[2] == args[0].shape[-1]
    assert kernel.shape[3] == config["depth_multiplier"]
    windows = _windows(_pad(args[0], size, stride, padding), size, stride)
    out = np.einsum("bhwcij,ijcm->bhwcm", windows, kernel)
    return _finish(config, arrays, out.reshape(*out.shape[:3], -1))


@_op("SeparableConv2D")
def _separable(config: Any, arrays: Any, args: Any) -> np.ndarray:
    deep = {"kernel": arrays["depthwise_kernel"]}
    middle = _depthwise({**config, "use_bias": False, "activation": "linear"}, deep, args)
    assert arrays["pointwise_kernel"].shape[-1] == config["filters"]
    return _finish(config, arrays, middle @ arrays["pointwise_kernel"][0, 0])


@_op("Conv2DTranspose")
def _transpose(config: Any, arrays: Any, args: Any) -> np.ndarray:
    x, kernel, stride = args[0], arrays["kernel"], config["strides"][0]
    assert config["padding"] == "valid"
    assert kernel.shape[2] == config["filters"]
    size, (batch, high, wide, _) = kernel.shape[0], x.shape
    span = max(size - stride, 0)
    out = np.zeros((batch, high * stride + span, wide * stride + span, kernel.shape[2]))
    for i in range(high):
        for j in range(wide):
            part = np.einsum("bc,ijoc->bijo", x[:, i, j], kernel)
            out[:, i * stride : i * stride + size, j * stride : j * stride + size] += part
    return _finish(config, arrays, out)


@_op("Dense")
def _dense(config: Any, arrays: Any, args: Any) -> np.ndarray:
    assert arrays["kernel"].shape[1] == config["units"]
    return _finish(config, arrays, args[0] @ arrays["kernel"])


@_op("BatchNormalization")
def _batch_norm(config: Any, arrays: Any, args: Any) -> np.ndarray:
    x = (args[0] - arrays["moving_mean"]) / np.sqrt(arrays["moving_variance"] + config["epsilon"])
    return x * arrays.get("gamma", 1.0) + arrays.get("beta", 0.0)


@_op("LayerNormalization")
def _layer_norm(config: Any, arrays: Any, args: Any) -> np.ndarray:
    x = args[0]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + config["epsilon"])
    return x * arrays.get("gamma", 1.0) + arrays.get("beta", 0.0)


@_op("GroupNormalization")
def _group_norm(config: Any, arrays: Any, args: Any) -> np.ndarray:
    x = args[0]
    groups = x.shape[-1] if config["groups"] == -1 else config["groups"]
    parts = x.reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    mean, var = parts.mean(axes, keepdims=True), parts.var(axes, keepdims=True)
    x = ((parts - mean) / np.sqrt(var + config["epsilon"])).reshape(x.shape)
    return x * arrays.get("gamma", 1.0) + arrays.get("beta", 0.0)


@_op("PReLU")
def _prelu(config: Any, arrays: Any, args: Any) -> np.ndarray:
    return np.where(args[0] > 0, args[0], arrays["alpha"] * args[0])


@_op("Activation")
def _activation(config: Any, arrays: Any, args: Any) -> np.ndarray:
    return ACTIVATIONS[config["activation"]](args[0])


_op("ReLU", "ops.Relu")(lambda c, a, args: np.maximum(args[0], 0))
_op("Dropout")(lambda c, a, args: args[0])
_op("Add")(lambda c, a, args: sum(args[0]))
_op("Multiply")(lambda c, a, args: np.prod(np.stack(np.broadcast_arrays(*args[0])), axis=0))
_op("Average")(lambda c, a, args: sum(args[0]) / len(args[0]))
_op("Maximum")(lambda c, a, args: np.maximum(*args[0]))
_op("Subtract")(lambda c, a, args: args[0][0] - args[0][1])
_op("ops.Add")(lambda c, a, args: args[0] + args[1])
_op("ops.Multiply")(lambda c, a, args: args[0] * args[1])
_op("Concatenate")(lambda c, a, args: np.concatenate(args[0], c["axis"]))
_op("Flatten")(lambda c, a, args: args[0].reshape(len(args[0]), -1))
_op("Reshape")(lambda c, a, args: args[0].reshape(len(args[0]), *c["target_shape"]))
_op("Permute")(lambda c, a, args: args[0].transpose(0, *c["dims"]))
_op("GlobalAveragePooling2D")(lambda c, a, args: args[0].mean((1, 2), keepdims=c["keepdims"]))
_op("ops.Split")(lambda c, a, args: np.split(args[0], c["indices_or_sections"], c["axis"]))
_op("ops.GetItem")(lambda c, a, args: args[0][tuple(args[1])])
_op("ops.Pad")(lambda c, a, args: np.pad(args[0], c["pad_width"]))
_op("ops.Tile")(lambda c, a, args: np.tile(args[0], c["repeats"]))
_op("ops.Repeat")(lambda c, a, args: np.repeat(args[0], c["repeats"], c["axis"]))
_op("ops.Flip")(lambda c, a, args: np.flip(args[0], c["axis"]))
_op("ops.Stack")(lambda c, a, args: np.stack(args[0], c["axis"]))
_op("ops.Mean")(lambda c, a, args: args[0].mean(tuple(c["axis"]), keepdims=c["keepdims"]))


@_op("MaxPooling2D", "AveragePooling2D")
def _pool(config: Any, arrays: Any, args: Any) -> np.ndarray:
    high, wide = config["pool_size"]
    views = np.lib.stride_tricks.sliding_window_view(args[0], (high, wide), axis=(1, 2))
    windows = views[:, ::high, ::wide]
    return windows.max((-2, -1)) if "max" in config["name"] else windows.mean((-2, -1))


@_op("ZeroPadding2D")
def _zero_pad(config: Any, arrays: Any, args: Any) -> np.ndarray:
    return np.pad(args[0], [(0, 0), *map(tuple, config["padding"]), (0, 0)])


@_op("UpSampling2D")
def _up(config: Any, arrays: Any, args: Any) -> np.ndarray:
    x = args[0]
    for axis, times in zip((1, 2), config["size"], strict=True):
        x = np.repeat(x, times, axis)
    return x


def knows(layer: Layer) -> bool:
    """Whether the interpreter runs that class."""
    key = layer.class_name if "ops" not in layer.module else f"ops.{layer.class_name}"
    return key in _RUN or layer.class_name == "InputLayer"
