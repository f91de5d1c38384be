"""Weights by our own rules: which arrays each layer class has, from config and input shapes.

Owns one rule per layer class: names, shapes and order are Keras 3's ``layer.weights``. A size that
follows from an unknown input size is None and is taken from the file. ``place`` is where the array
lies under the layer's group in a Keras 3 (or Keras 2) ``.keras`` file. It knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from engine.modelfile.graph import Shape
from engine.modelfile.shape_rules import ShapeError, axis_of, divided, listed, product

Config: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An expected weight.

    ``shape`` may have None; ``place`` is such as ``"query_dense/vars/0"``, ``copies`` other places
    that hold the same array. ``gates`` says into how many gates the last axis of a recurrent
    weight is divided; the third is the candidate state, in LSTM and GRU alike.
    """

    name: str
    shape: Shape
    place: str
    trainable: bool = True
    dtype: str | None = None
    gates: int | None = None
    copies: tuple[str, ...] = ()


VariableRule: TypeAlias = Callable[[Config, Sequence[Shape | None]], Sequence[Variable]]

_RULES: dict[str, VariableRule] = {}


def variables(
    class_name: str, config: Config, shapes: Sequence[Shape | None]
) -> tuple[Variable, ...]:
    """The weights that a layer should have, in Keras 3's order; empty for layers without.

    Parameters
    ----------
    class_name
        The layer class.
    config
        Its Keras 3 config, complete.
    shapes
        Shapes of the inputs of its first call; None where unknown.

    Raises
    ------
    ShapeError
        Where the config does not fit the inputs.
    """
    found = _RULES.get(class_name)
    if found is None:
        return ()
    try:
        return tuple(found(config, shapes))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError(f"options that do not fit its inputs: {error}") from None


def _rule(*names: str) -> Callable[[VariableRule], VariableRule]:
    def register(function: VariableRule) -> VariableRule:
        _RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _own(*entries: tuple[str, Shape] | tuple[str, Shape, bool]) -> list[Variable]:
    """Variables that a layer holds itself: ``vars/0``, ``vars/1``, ..."""
    return [
        Variable(
            name=entry[0],
            shape=entry[1],
            place=f"vars/{index}",
            trainable=True if len(entry) == 2 else entry[2],
        )
        for index, entry in enumerate(entries)
    ]


def _channels(config: Config, shape: Shape | None) -> int | None:
    return None if shape is None else divided(config, shape)[1]


def _last(shapes: Sequence[Shape | None], index: int = 0) -> int | None:
    shape = shapes[index] if index < len(shapes) else None
    return shape[-1] if shape else None


def _grouped(channels: int | None, groups: int) -> int | None:
    if channels is None:
        return None
    if groups < 1 or channels % groups:
        raise ShapeError(f"{channels} channels in {groups} groups")
    return channels // groups


def _biased(config: Config, *entries: tuple[str, Shape], bias: int | None) -> list[Variable]:
    return _own(*entries, *([("bias", (bias,))] if config["use_bias"] else []))


def _kernel(config: Config) -> tuple[int, ...]:
    size = config["kernel_size"]
    return tuple(size) if isinstance(size, list | tuple) else (size,)


@_rule("Conv1D", "Conv2D", "Conv3D")
def _conv(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    channels = _grouped(_channels(config, shapes[0]), config["groups"])
    kernel = (*_kernel(config), channels, config["filters"])
    return _biased(config, ("kernel", kernel), bias=config["filters"])


@_rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    kernel = (*_kernel(config), config["filters"], _channels(config, shapes[0]))
    return _biased(config, ("kernel", kernel), bias=config["filters"])


@_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    channels, times = _channels(config, shapes[0]), config["depth_multiplier"]
    out = None if channels is None else channels * times
    return _biased(config, ("kernel", (*_kernel(config), channels, times)), bias=out)


@_rule("SeparableConv1D", "SeparableConv2D")
def _separable(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    channels, times = _channels(config, shapes[0]), config["depth_multiplier"]
    between = None if channels is None else channels * times
    size, filters = _kernel(config), config["filters"]
    return _biased(
        config,
        ("depthwise_kernel", (*size, channels, times)),
        ("pointwise_kernel", (*(1,) * len(size), between, filters)),
        bias=filters,
    )


@_rule("Dense")
def _dense(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    units = config["units"]
    return _biased(config, ("kernel", (_last(shapes), units)), bias=units)


@_rule("Embedding")
def _embedding(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    return _own(("embeddings", (config["input_dim"], config["output_dim"])))


@_rule("ReversibleEmbedding")
def _reversible(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    size = (config["input_dim"], config["output_dim"])
    own: list[tuple[str, Shape]] = [("embeddings", size)]
    if not config["tie_weights"]:
        own.append(("reverse_embeddings", size[::-1]))
    return _own(*own)


def _axes(config: Config, shape: Shape | None) -> Shape:
    axis = config["axis"]
    axes = [axis] if isinstance(axis, int) else list(axis)
    if shape is None:
        return (None,) * len(axes)
    return tuple(shape[axis_of(a, len(shape))] for a in axes)


@_rule("BatchNormalization")
def _batch_norm(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    size = _axes(config, shapes[0])
    return _own(
        *([("gamma", size)] if config["scale"] else []),
        *([("beta", size)] if config["center"] else []),
        ("moving_mean", size, False),
        ("moving_variance", size, False),
        *(
            [(n, size, False) for n in ("moving_stddev", "renorm_mean", "renorm_stddev")]
            if config.get("renorm")
            else []
        ),
    )


@_rule("LayerNormalization", "GroupNormalization")
def _layer_norm(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    size = _axes(config, shapes[0])
    only_scale = bool(config.get("rms_scaling"))
    return _own(
        *([("gamma", size)] if config["scale"] or only_scale else []),
        *([("beta", size)] if config["center"] and not only_scale else []),
    )


@_rule("RMSNormalization")
def _rms_norm(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    return _own(("scale", _axes(config, shapes[0])))


@_rule("Normalization")
def _normalization(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    if config["mean"] is not None:
        return ()
    axis, shape = config["axis"], shapes[0]
    axes = [] if axis is None else [axis] if isinstance(axis, int) else list(axis)
    size: Shape = (None,) * len(axes)
    if shape is not None:
        size = tuple(shape[a] for a in sorted(axis_of(a, len(shape)) for a in axes))
    own = _own(("mean", size, False), ("variance", size, False), ("count", (), False))
    return [*own[:2], replace(own[2], dtype="int32")]


@_rule("PReLU")
def _prelu(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    shape = shapes[0]
    if shape is None:
        raise ShapeError("PReLU after a layer whose output shape is not known")
    shared = config["shared_axes"] or ()
    size = tuple(1 if i in shared else n for i, n in enumerate(shape) if i > 0)
    return _own(("alpha", size))


@_rule("Attention")
def _attention(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    names = ["scale"] if config["use_scale"] else []
    names += ["concat_score_weight"] if config["score_mode"] == "concat" else []
    return _own(*((name, ()) for name in names))


@_rule("AdditiveAttention")
def _additive(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    return _own(("scale", (_last(shapes),))) if config["use_scale"] else ()


def _projection(
    config: Config, name: str, attribute: str, kernel: Shape, bias: Shape
) -> list[Variable]:
    out = [Variable(name=f"{name}/kernel", shape=kernel, place=f"{attribute}/vars/0")]
    if config["use_bias"]:
        out.append(Variable(name=f"{name}/bias", shape=bias, place=f"{attribute}/vars/1"))
    return out


@_rule("MultiHeadAttention")
def _multi_head(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    heads, size = config["num_heads"], config["key_dim"]
    value_size = config["value_dim"] or size
    query, value = _last(shapes), _last(shapes, 1)
    key = _last(shapes, 2) if len(shapes) > 2 else value
    given = config.get("output_shape")
    out: Shape = (query,) if given is None else listed(given, 1)
    parts = [
        _projection(config, "query", "query_dense", (query, heads, size), (heads, size)),
        _projection(config, "key", "key_dense", (key, heads, size), (heads, size)),
        _projection(
            config, "value", "value_dense", (value, heads, value_size), (heads, value_size)
        ),
        _projection(config, "attention_output", "output_dense", (heads, value_size, *out), out),
    ]
    if config.get("use_gate"):
        wide = (heads, value_size)
        parts.insert(2, _projection(config, "gate", "gate_dense", (query, *wide), wide))
    return [variable for part in parts for variable in part]


@_rule("GroupedQueryAttention")
def _grouped_query(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    size, heads, pairs = (
        config["head_dim"], config["num_query_heads"], config["num_key_value_heads"],
    )  # fmt: skip
    query, value = _last(shapes), _last(shapes, 1)
    key = _last(shapes, 2) if len(shapes) > 2 else value
    parts = [
        _projection(config, "query", "query_dense", (query, heads, size), (heads, size)),
        _projection(config, "key", "key_dense", (key, pairs, size), (pairs, size)),
        _projection(config, "value", "value_dense", (value, pairs, size), (pairs, size)),
        _projection(config, "attention_output", "output_dense", (heads, size, query), (query,)),
    ]
    if config.get("use_gate"):
        wide = (heads, size)
        parts.insert(2, _projection(config, "gate", "gate_dense", (query, *wide), wide))
    return [variable for part in parts for variable in part]


@_rule("EinsumDense")
def _einsum_dense(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    inputs, _, result = config["equation"].replace(" ", "").partition("->")
    labels, _, kernel = inputs.partition(",")
    sizes: dict[str, int | None] = {}
    shape = shapes[0]
    if shape is not None and "..." not in labels and len(labels) == len(shape):
        sizes.update(zip(labels, shape, strict=True))
    elif shape is not None and labels.startswith("..."):
        tail = labels[3:]
        sizes.update(zip(tail, shape[len(shape) - len(tail) :], strict=True))
    given = listed(config["output_shape"], 1)
    plain = result.replace("...", "")
    for label, size in zip(plain[len(plain) - len(given) :], given, strict=True):
        if size is not None:
            sizes[label] = size
    own: list[tuple[str, Shape]] = [("kernel", tuple(sizes.get(label) for label in kernel))]
    if config["bias_axes"]:
        first = min(plain.index(label) for label in config["bias_axes"])
        bias: Shape = tuple(
            sizes.get(label) if label in config["bias_axes"] else 1 for label in plain[first:]
        )
        own.append(("bias", bias))
    return _own(*own)


def _cell(own: Sequence[Variable], gates: int) -> list[Variable]:
    return [replace(v, place=f"cell/{v.place}", gates=gates) for v in own]


@_rule("LSTM", "GRU", "SimpleRNN")
def _recurrent(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    units = config["units"]
    gates = 4 if "unit_forget_bias" in config else 3 if "reset_after" in config else 1
    wide = units * gates
    bias: Shape = (2, wide) if config.get("reset_after") else (wide,)
    return _cell(
        _own(
            ("kernel", (_last(shapes), wide)),
            ("recurrent_kernel", (units, wide)),
            *([("bias", bias)] if config["use_bias"] else []),
        ),
        gates,
    )


@_rule("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def _conv_lstm(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    shape = shapes[0]
    channels = None if shape is None else divided(config, (shape[0], *shape[2:]))[1]
    filters, size = config["filters"], _kernel(config)
    return _cell(
        _biased(
            config,
            ("kernel", (*size, channels, 4 * filters)),
            ("recurrent_kernel", (*size, filters, 4 * filters)),
            bias=4 * filters,
        ),
        4,
    )


def _inner(
    config: Config, shapes: Sequence[Shape | None], prefix: str, attribute: str, key: str = "layer"
) -> list[Variable]:
    layer = config[key]
    own = variables(layer["class_name"], layer["config"], shapes)
    return [replace(v, name=f"{prefix}/{v.name}", place=f"{attribute}/{v.place}") for v in own]


@_rule("Bidirectional")
def _bidirectional(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    other = "backward_layer" if config.get("backward_layer") else "layer"
    return [
        *_inner(config, shapes[:1], "forward", "forward_layer"),
        *_inner(config, shapes[:1], "backward", "backward_layer", other),
    ]


@_rule("TimeDistributed")
def _time_distributed(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    shape = shapes[0]
    frame = None if shape is None else (shape[0], *shape[2:])
    return _inner(config, [frame], config["layer"]["config"]["name"], "layer")


@_rule("SpectralNormalization")
def _spectral(config: Config, shapes: Sequence[Shape | None]) -> Sequence[Variable]:
    inner = _inner(config, shapes, config["layer"]["config"]["name"], "layer")
    if not inner:
        return ()
    kernel, *rest = inner  # the wrapper holds the kernel too, and stores it twice
    vector = Variable(name="vector_u", shape=(1, kernel.shape[-1]), place="vars/1", trainable=False)
    return [replace(kernel, place="vars/0", copies=(kernel.place,)), vector, *rest]


def fits(shape: Sequence[int], expected: Shape) -> bool:
    """Whether an array's shape is the expected one; unknown sizes fit any."""
    return len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )


def known(expected: Shape) -> bool:
    """Whether every size is known."""
    return product(expected) is not None
