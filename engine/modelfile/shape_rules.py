"""Shapes by our own rules: what each layer class makes of the shapes of its inputs.

Owns one rule per layer class: (Keras 3 config, shapes of the inputs) -> shapes of the outputs.
Shapes have the batch axis first; None is an unknown size, and a rule that meets a whole unknown
shape is not asked. Formulas are Keras 3's (``compute_output_shape`` of each layer). It knows
nothing of files, weights or Keras.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from engine.modelfile.graph import Shape

Config: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Config, Sequence[Shape]], Sequence[Shape]]


class ShapeError(ValueError):
    """Shapes that do not fit together; the message says which."""


RULES: dict[str, Rule] = {}
"""Layer class -> rule."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for these layer classes."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def listed(value: object, rank: int) -> tuple[int, ...]:
    """An option that may be one number or one per axis."""
    if isinstance(value, list | tuple):
        if len(value) == 1 and rank > 1:
            return tuple(value) * rank
        return tuple(value)
    if isinstance(value, int):
        return (value,) * rank
    raise ShapeError(f"an option should be a number or {rank} numbers, not {value!r}")


def channels_first(config: Config) -> bool:
    """Whether the channel axis is axis 1."""
    return config.get("data_format") == "channels_first"


def divided(config: Config, shape: Shape) -> tuple[Shape, int | None]:
    """Spatial sizes and channels of a batch of images."""
    if len(shape) < 2:
        raise ShapeError(f"a layer with channels was given the shape {shape}")
    if channels_first(config):
        return shape[2:], shape[1]
    return shape[1:-1], shape[-1]


def joined(config: Config, batch: int | None, spatial: Shape, channels: int | None) -> Shape:
    """The inverse of :func:`divided`."""
    if channels_first(config):
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def broadcast(first: Shape, second: Shape) -> Shape:
    """Shape of an elementwise operation of two tensors, numpy's rule with unknown sizes."""
    if len(first) < len(second):
        first, second = second, first
    tail = first[len(first) - len(second) :]
    return first[: len(first) - len(second)] + tuple(
        _broadcast_size(a, b) for a, b in zip(tail, second, strict=True)
    )


def _broadcast_size(a: int | None, b: int | None) -> int | None:
    if a == 1:
        return b
    if b == 1:
        return a
    if a is None or b is None:
        return a if b is None else b
    if a != b:
        raise ShapeError(f"sizes {a} and {b} do not go together")
    return a


def product(sizes: Sequence[int | None]) -> int | None:
    """Product of sizes; None where one is unknown."""
    total = 1
    for size in sizes:
        if size is None:
            return None
        total *= size
    return total


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


def window(size: int | None, kernel: int, stride: int, padding: str, dilation: int) -> int | None:
    """Output size of a sliding window along one axis (Keras's padding modes)."""
    if size is None:
        return None
    reach = (kernel - 1) * dilation + 1
    if stride < 1:
        raise ShapeError(f"a stride of {stride}")
    if padding in ("same", "causal"):
        return -(-size // stride)
    out = (size - reach) // stride + 1
    if out < 1:
        raise ShapeError(f"a window of {reach} does not fit into {size}")
    return out


@rule(
    "Activation", "ActivityRegularization", "AlphaDropout", "AugMix", "AutoContrast",
    "BatchNormalization", "ContrastLimitedAdaptiveHistogramEqualization", "Dropout", "ELU",
    "Equalization", "GaussianDropout", "GaussianNoise", "GroupNormalization", "Identity",
    "LayerNormalization", "LeakyReLU", "Masking", "Normalization", "PReLU", "RMSNormalization",
    "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomZoom", "ReLU", "Rescaling", "Softmax", "Solarization",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "UnitNormalization",
)  # fmt: skip
def _same(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return shapes[:1]


@rule("Conv1D", "Conv2D", "Conv3D")
def _conv(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return (joined(config, shapes[0][0], _windows(config, shapes[0]), config["filters"]),)


@rule("SeparableConv1D", "SeparableConv2D")
def _separable(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return _conv(config, shapes)


@rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    channels = divided(config, shapes[0])[1]
    out = None if channels is None else channels * config["depth_multiplier"]
    return (joined(config, shapes[0][0], _windows(config, shapes[0]), out),)


def _windows(config: Config, shape: Shape) -> Shape:
    spatial, _ = divided(config, shape)
    rank = len(spatial)
    kernel = listed(config["kernel_size"], rank)
    strides = listed(config["strides"], rank)
    dilation = listed(config["dilation_rate"], rank)
    if not len(kernel) == len(strides) == len(dilation) == rank:
        raise ShapeError(f"a kernel of {len(kernel)} axes on a tensor of shape {shape}")
    return tuple(
        window(n, k, s, config["padding"], d)
        for n, k, s, d in zip(spatial, kernel, strides, dilation, strict=True)
    )


@rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, _ = divided(config, shapes[0])
    rank = len(spatial)
    extra = config["output_padding"]
    extras = (None,) * rank if extra is None else listed(extra, rank)
    sizes = zip(
        spatial,
        listed(config["kernel_size"], rank),
        listed(config["strides"], rank),
        listed(config["dilation_rate"], rank),
        extras,
        strict=True,
    )
    out = tuple(_transposed_size(n, k, s, d, x, config["padding"]) for n, k, s, d, x in sizes)
    return (joined(config, shapes[0][0], out, config["filters"]),)


def _transposed_size(
    size: int | None, kernel: int, stride: int, dilation: int, extra: int | None, padding: str
) -> int | None:
    if size is None:
        return None
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return (
            (size - 1) * stride + reach + (max(reach, stride) - reach if extra is None else extra)
        )
    if extra is None:
        return size * stride
    return (size - 1) * stride + reach % 2 + extra


@rule(
    "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D",
)  # fmt: skip
def _pooling(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    rank = len(spatial)
    pool = listed(config["pool_size"], rank)
    strides = pool if config.get("strides") is None else listed(config["strides"], rank)
    sizes = zip(spatial, pool, strides, strict=True)
    out = tuple(window(n, k, s, config["padding"], 1) for n, k, s in sizes)
    return (joined(config, shapes[0][0], out, channels),)


@rule(
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D",
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
)  # fmt: skip
def _adaptive(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    out = listed(config["output_size"], len(spatial))
    return (joined(config, shapes[0][0], out, channels),)


@rule(
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
)  # fmt: skip
def _global_pooling(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    if config.get("keepdims"):
        return (joined(config, shapes[0][0], (1,) * len(spatial), channels),)
    return ((shapes[0][0], channels),)


@rule("Dense")
def _dense(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return ((*shapes[0][:-1], config["units"]),)


@rule("Embedding")
def _embedding(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return ((*shapes[0], config["output_dim"]),)


@rule("CategoryEncoding")
def _category(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    if config.get("output_mode") == "one_hot":
        kept = shapes[0][:-1] if shapes[0] and shapes[0][-1] == 1 else shapes[0]
        return ((*kept, config["num_tokens"]),)
    return ((*shapes[0][:-1], config["num_tokens"]),)


@rule("Flatten")
def _flatten(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return ((shapes[0][0], product(shapes[0][1:])),)


@rule("Reshape")
def _reshape(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return ((shapes[0][0], *reshaped(shapes[0][1:], config["target_shape"])),)


def reshaped(shape: Shape, target: Sequence[int | None]) -> Shape:
    """A shape after ``reshape``, with one -1 resolved where the sizes are known."""
    known = product([size for size in target if size not in (-1, None)])
    total = product(shape)
    assert known is not None
    if -1 in target or None in target:
        if total is not None and (known == 0 or total % known):
            raise ShapeError(f"{shape} cannot be reshaped to {tuple(target)}")
        rest = None if total is None else total // known
        return tuple(rest if size in (-1, None) else size for size in target)
    if total is not None and total != known:
        raise ShapeError(f"{shape} cannot be reshaped to {tuple(target)}")
    return tuple(target)


@rule("Permute")
def _permute(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    dims = config["dims"]
    if sorted(dims) != list(range(1, len(shapes[0]))):
        raise ShapeError(f"axes {list(dims)} of a tensor of shape {shapes[0]}")
    return ((shapes[0][0], *(shapes[0][axis] for axis in dims)),)


@rule("RepeatVector")
def _repeat(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return ((shapes[0][0], config["n"], *shapes[0][1:]),)


@rule("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    pads = pairs(config["padding"], len(spatial))
    out = tuple(None if n is None else n + a + b for n, (a, b) in zip(spatial, pads, strict=True))
    return (joined(config, shapes[0][0], out, channels),)


@rule("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    crops = pairs(config["cropping"], len(spatial))
    out = tuple(None if n is None else n - a - b for n, (a, b) in zip(spatial, crops, strict=True))
    if any(n is not None and n < 1 for n in out):
        raise ShapeError(f"{crops} cannot be cropped from {spatial}")
    return (joined(config, shapes[0][0], out, channels),)


def pairs(value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for each spatial axis, from any of Keras's spellings."""
    if isinstance(value, int):
        return ((value, value),) * rank
    if rank == 1 and len(value) == 2 and all(isinstance(n, int) for n in value):
        return ((value[0], value[1]),)
    out = tuple((v, v) if isinstance(v, int) else (v[0], v[1]) for v in value)
    if len(out) != rank:
        raise ShapeError(f"{value!r} should have one entry for each of {rank} axes")
    return out


@rule("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _upsampling(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    spatial, channels = divided(config, shapes[0])
    sizes = listed(config["size"], len(spatial))
    out = tuple(None if n is None else n * s for n, s in zip(spatial, sizes, strict=True))
    return (joined(config, shapes[0][0], out, channels),)


@rule("Resizing", "CenterCrop", "RandomCrop")
def _resizing(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    size = (config["height"], config["width"])
    if len(shapes[0]) == 3:
        return ((shapes[0][0], *size) if channels_first(config) else (*size, shapes[0][-1]),)
    _, channels = divided(config, shapes[0])
    return (joined(config, shapes[0][0], size, channels),)


@rule("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def _merge(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    rank = max(len(shape) for shape in shapes)
    even = [(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes]
    return (functools.reduce(broadcast, even),)


@rule("Concatenate")
def _concatenate(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    return (concatenated(shapes, config["axis"]),)


def concatenated(shapes: Sequence[Shape], axis: int) -> Shape:
    """Shape of tensors put one after another along an axis."""
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes):
        raise ShapeError(f"tensors of different rank cannot be joined: {list(shapes)}")
    place = axis_of(axis, rank)
    out: list[int | None] = []
    for position in range(rank):
        sizes = [shape[position] for shape in shapes]
        if position == place:
            out.append(None if None in sizes else sum(n for n in sizes if n is not None))
            continue
        known = {n for n in sizes if n is not None}
        if len(known) > 1:
            raise ShapeError(f"tensors of shapes {list(shapes)} cannot be joined on axis {axis}")
        out.append(known.pop() if known else None)
    return tuple(out)


@rule("Dot")
def _dot(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    axes = config["axes"]
    first, second = (axes, axes) if isinstance(axes, int) else axes
    a, b = list(shapes[0]), list(shapes[1])
    a.pop(axis_of(first, len(a)))
    b.pop(axis_of(second, len(b)))
    out = (*a, *b[1:])
    return ((*out, 1) if len(out) == 1 else out,)


@rule("LSTM", "GRU", "SimpleRNN")
def _recurrent(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    batch, steps = shapes[0][0], shapes[0][1]
    units = config["units"]
    out: Shape = (batch, steps, units) if config["return_sequences"] else (batch, units)
    return (out, *[(batch, units)] * _states(config))


def _states(config: Config) -> int:
    if not config.get("return_state"):
        return 0
    return 2 if "unit_forget_bias" in config else 1


@rule("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def _conv_lstm(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    batch, steps = shapes[0][0], shapes[0][1]
    (frame,) = _conv(config, [(batch, *shapes[0][2:])])
    out: Shape = (batch, steps, *frame[1:]) if config["return_sequences"] else frame
    return (out, *[frame] * (2 if config.get("return_state") else 0))


@rule("Bidirectional")
def _bidirectional(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    inner = config["layer"]
    one = RULES[inner["class_name"]](inner["config"], shapes)
    out, states = one[0], one[1:]
    mode = config["merge_mode"]
    if mode is None:
        return (out, out, *states, *states)
    if mode == "concat":
        out = (*out[:-1], None if out[-1] is None else 2 * out[-1])
    return (out, *states, *states)


@rule("TimeDistributed")
def _time_distributed(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    inner = config["layer"]
    found = RULES.get(inner["class_name"])
    if found is None:
        return ()
    batch, steps = shapes[0][0], shapes[0][1]
    (out,) = found(inner["config"], [(batch, *shapes[0][2:])])[:1]
    return ((batch, steps, *out[1:]),)


@rule("SpectralNormalization")
def _spectral(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    inner = config["layer"]
    found = RULES.get(inner["class_name"])
    return () if found is None else found(inner["config"], shapes)


@rule("MultiHeadAttention", "GroupedQueryAttention")
def _attention_heads(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    given = config.get("output_shape")
    if given is None:
        return (shapes[0],)
    return ((*shapes[0][:-1], *listed(given, 1)),)


@rule("Attention", "AdditiveAttention")
def _attention(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    value = shapes[1] if len(shapes) > 1 else shapes[0]
    return ((*shapes[0][:-1], value[-1]),)


@rule("EinsumDense")
def _einsum_dense(config: Config, shapes: Sequence[Shape]) -> Sequence[Shape]:
    equation = config["equation"].replace(" ", "")
    inputs, _, result = equation.partition("->")
    labels = inputs.partition(",")[0]
    if "..." in equation or len(labels) != len(shapes[0]):
        return ()
    sizes = dict(zip(labels, shapes[0], strict=True))
    given = listed(config["output_shape"], 1)
    if len(given) != len(result) - 1:
        return ()
    return (
        (
            sizes.get(result[0]),
            *(
                sizes.get(label) if size is None else size
                for label, size in zip(result[1:], given, strict=True)
            ),
        ),
    )
