"""How each op kind is called in its contract test, and whether it must follow or pin.

``CASES`` has one entry for each key of the registry, ``VARIANTS`` other ways to call some.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.engine.sketch import Sketch, ref

WIDTH, SIZE, BATCH = 6, 8, 5
Make = Callable[[Sketch, int, int], int]


@dataclass(frozen=True)
class Case:
    """How an op is called on one or two tensors of ``WIDTH`` channels, and what it must do."""

    make: Make
    rank: int = 2
    pins: bool = False
    through_norms: bool = False


def layer(kind: str, pins: bool = False, rank: int = 2, **config: object) -> Case:
    return Case(lambda s, x, y: s.layer(kind, x, **config), rank, pins)


def through(kind: str, **config: object) -> Case:
    return Case(lambda s, x, y: s.layer(kind, x, **config), through_norms=True)


def two(kind: str, pins: bool = False, **config: object) -> Case:
    return Case(lambda s, x, y: s.layer(kind, [x, y], **config), pins=pins)


def op(kind: str, *args: object, pins: bool = False, **config: object) -> Case:
    return Case(lambda s, x, y: s.op(kind, ref(x), *args, **config)[0], pins=pins)


def op_two(kind: str, pins: bool = False, listed: bool = False, **config: object) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        args = [[ref(x), ref(y)]] if listed else [ref(x), ref(y)]
        return s.op(kind, *args, **config)[0]

    return Case(make, pins=pins)


def _split(s: Sketch, x: int, y: int) -> int:
    a, b = s.op("Split", ref(x), outputs=2, indices_or_sections=[2], axis=-1)
    return s.layer("Concatenate", [b, a])


def _unstack(s: Sketch, x: int, y: int) -> int:
    (stacked,) = s.op("Stack", [ref(x), ref(y)], axis=1)
    return s.op("Unstack", ref(stacked), outputs=2, num=2, axis=1)[1]


def _where(s: Sketch, x: int, y: int) -> int:
    (mask,) = s.op("Greater", ref(x), 0.1)
    return s.op("Where", ref(mask), ref(x), ref(y))[0]


def _compared(kind: str, *more: object) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        (mask,) = s.op(kind, ref(x), *(more or (ref(y),)))
        return s.op("Where", ref(mask), ref(x), ref(y))[0]

    return Case(make)


def _logical(kind: str) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        (a,) = s.op("Greater", ref(x), 0.0)
        args = [ref(a)]
        if kind != "LogicalNot":
            args.append(ref(s.op("Greater", ref(y), 0.0)[0]))
        return s.op("Where", ref(s.op(kind, *args)[0]), ref(x), ref(y))[0]

    return Case(make)


def _of_positive(kind: str) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        (bounded,) = s.op("Sigmoid", ref(x))
        if kind == "Arccosh":
            (bounded,) = s.op("Add", ref(bounded), 1.5)
        return s.op(kind, ref(bounded))[0]

    return Case(make)


def _ratio(kind: str) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        (a,), (b,) = s.op("Sigmoid", ref(x)), s.op("Sigmoid", ref(y))
        return s.op(kind, ref(a), ref(s.op("Add", ref(b), 0.5)[0]))[0]

    return Case(make)


def _embedding(s: Sketch, x: int, y: int) -> int:
    numbers = s.input(7)
    wide = s.layer("Embedding", numbers, input_dim=9, output_dim=WIDTH)
    return s.layer("Conv1D", wide, filters=WIDTH, kernel_size=[3], strides=[1])


def _rows(s: Sketch, x: int) -> int:
    return s.layer("Reshape", x, target_shape=[-1, WIDTH])


def _on_rows(kind: str, listed: bool = True, **config: object) -> Case:
    def make(s: Sketch, x: int, y: int) -> int:
        a, b = _rows(s, x), _rows(s, y)
        return s.layer(kind, [a, b] if listed else a, **config)

    return Case(make, pins=True)


def _vector(s: Sketch, x: int) -> int:
    return s.layer("GlobalAveragePooling2D", x)


def _pixel_shuffle(s: Sketch, x: int, y: int) -> int:
    wide = s.layer("Conv2D", s.layer("Concatenate", [x, y]), filters=12, kernel_size=[1, 1])
    rows = s.layer("Reshape", wide, target_shape=[SIZE, SIZE, 2, 2, 3])
    rows = s.layer("Permute", rows, dims=[1, 3, 2, 4, 5])
    return s.layer("Reshape", rows, target_shape=[2 * SIZE, 2 * SIZE, 3])


def _channel_shuffle(s: Sketch, x: int, y: int) -> int:
    rows = s.layer("Reshape", x, target_shape=[SIZE, SIZE, 2, 3])
    rows = s.layer("Permute", rows, dims=[1, 2, 4, 3])
    rows = s.layer("Reshape", rows, target_shape=[SIZE, SIZE, WIDTH])
    return s.layer("Add", [rows, y])


def _split_in_three(s: Sketch, x: int, y: int) -> int:
    a, b, c = s.op("Split", ref(x), outputs=3, indices_or_sections=3, axis=-1)
    return s.layer("Concatenate", [c, a, b])


def _unstack_channels(s: Sketch, x: int, y: int) -> int:
    parts = s.op("Unstack", ref(x), outputs=WIDTH, num=WIDTH, axis=-1)
    return s.layer("Add", [parts[1], parts[4]])


ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}


def piece(start: int | None = None, stop: int | None = None, step: int | None = None) -> object:
    """A slice as Keras writes it."""
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def part(start: int | None = None, stop: int | None = None, step: int | None = None) -> object:
    """An index over channels."""
    return [ELLIPSIS, piece(start, stop, step)]


INNER = {
    "class_name": "Dense", "module": "keras.layers", "registered_name": None,
    "config": {"name": "inner", "units": 6, "activation": "linear", "use_bias": True},
}  # fmt: skip
INNER_GRU = {
    "class_name": "GRU", "module": "keras.layers", "registered_name": None,
    "config": {
        "name": "inner", "units": 3, "reset_after": True, "use_bias": True,
        "return_sequences": False, "return_state": False,
    },
}  # fmt: skip

CASES: dict[str, Case] = {
    "InputLayer": layer("Activation", activation="relu"),
    "Conv1D": layer("Conv1D", rank=1, filters=6, kernel_size=[3], strides=[1], groups=2),
    "Conv2D": layer("Conv2D", filters=6, kernel_size=[3, 3], strides=[2, 2], groups=3),
    "Conv3D": layer("Conv3D", rank=3, filters=5, kernel_size=[2, 2, 2], strides=[1, 1, 1]),
    "Conv1DTranspose": layer(
        "Conv1DTranspose", rank=1, filters=5, kernel_size=[3], strides=[2], padding="same"
    ),
    "Conv2DTranspose": layer(
        "Conv2DTranspose", filters=5, kernel_size=[3, 3], strides=[2, 2], activation="relu"
    ),
    "Conv3DTranspose": layer(
        "Conv3DTranspose", rank=3, filters=5, kernel_size=[2, 2, 2], strides=[2, 2, 2]
    ),
    "DepthwiseConv1D": layer("DepthwiseConv1D", rank=1, kernel_size=[3], strides=[1]),
    "DepthwiseConv2D": layer("DepthwiseConv2D", kernel_size=[3, 3], depth_multiplier=2),
    "SeparableConv1D": layer("SeparableConv1D", rank=1, filters=5, kernel_size=[3], strides=[1]),
    "SeparableConv2D": layer("SeparableConv2D", filters=5, kernel_size=[3, 3]),
    "Dense": layer("Dense", units=5, activation="elu"),
    "Embedding": Case(_embedding),
    "BatchNormalization": layer("BatchNormalization"),
    "LayerNormalization": layer("LayerNormalization", pins=True),
    "RMSNormalization": layer("RMSNormalization", pins=True),
    "UnitNormalization": layer("UnitNormalization", pins=True),
    "GroupNormalization": layer("GroupNormalization", pins=True, groups=2),
    "Normalization": layer("Normalization"),
    "PReLU": layer("PReLU", shared_axes=[1, 2]),
    "Activation": layer("Activation", activation="silu"),
    "Softmax": layer("Softmax", pins=True),
    "Rescaling": layer("Rescaling", scale=0.5, offset=0.3),
    "Flatten": layer("Flatten"),
    "Reshape": layer("Reshape", target_shape=[4, 16, 3, 2]),
    "Permute": layer("Permute", dims=[2, 1, 3]),
    "RepeatVector": Case(lambda s, x, y: s.layer("RepeatVector", _vector(s, x), n=3)),
    "Concatenate": two("Concatenate"),
    "Add": two("Add"),
    "Subtract": two("Subtract"),
    "Multiply": two("Multiply"),
    "Average": two("Average"),
    "Maximum": two("Maximum"),
    "Minimum": two("Minimum"),
    "Dot": _on_rows("Dot", axes=[1, 1], normalize=False),
    "Attention": _on_rows("Attention"),
    "AdditiveAttention": _on_rows("AdditiveAttention"),
    "MultiHeadAttention": _on_rows("MultiHeadAttention", num_heads=2, key_dim=3),
    "GroupedQueryAttention": _on_rows(
        "GroupedQueryAttention", head_dim=3, num_query_heads=2, num_key_value_heads=1
    ),
    "EinsumDense": layer(
        "EinsumDense", pins=True, equation="abcd,de->abce", output_shape=[8, 8, 5]
    ),
    **{k: _on_rows(k, listed=False, units=4) for k in ("LSTM", "GRU", "SimpleRNN")},
    "ops.Softmax": op("Softmax", pins=True, axis=-1),
    "ops.LogSoftmax": op("LogSoftmax", pins=True, axis=-1),
    "ops.Sparsemax": op("Sparsemax", pins=True, axis=-1),
    "ops.Clip": op("Clip", x_min=-0.5, x_max=0.5),
    "ops.Reshape": op("Reshape", newshape=[-1, 8, 8, 3, 2]),
    "ops.Transpose": op("Transpose", axes=[0, 2, 1, 3]),
    "ops.Swapaxes": op("Swapaxes", axis1=1, axis2=2),
    "ops.Moveaxis": op("Moveaxis", source=1, destination=2),
    "ops.ExpandDims": op("ExpandDims", axis=3),
    "ops.Squeeze": Case(
        lambda s, x, y: s.op("Squeeze", ref(s.op("ExpandDims", ref(x), axis=2)[0]), axis=2)[0]
    ),
    "ops.Concatenate": op_two("Concatenate", listed=True, axis=-1),
    "ops.Stack": op_two("Stack", listed=True, axis=-1),
    "ops.Unstack": Case(_unstack),
    "ops.Split": Case(_split),
    "ops.GetItem": op("GetItem", part(1, 5)),
    "ops.Tile": op("Tile", repeats=[1, 1, 1, 2]),
    "ops.Repeat": op("Repeat", repeats=2, axis=-1),
    "ops.Flip": op("Flip", axis=-1),
    "ops.Roll": op("Roll", shift=1, axis=1),
    "ops.DepthToSpace": Case(
        lambda s, x, y: s.op(
            "DepthToSpace", ref(s.layer("Concatenate", [x, x, y, y])), block_size=2
        )[0]
    ),
    "ops.SpaceToDepth": op("SpaceToDepth", block_size=2),
    "ops.Pad": op("Pad", pad_width=[[0, 0], [1, 1], [1, 1], [2, 1]], mode="constant"),
    **{
        f"ops.{k}": op(k, axis=[1, 2], keepdims=True)
        for k in ("Mean", "Max", "Min", "Amax", "Amin", "Sum", "Prod", "Var", "Std")
    },
    "ops.Average": op("Average", axis=1),
    "ops.Median": op("Median", axis=[1, 2], keepdims=True),
    "ops.MaxPool": op("MaxPool", pool_size=2, padding="valid", data_format="channels_last"),
    "ops.AveragePool": op("AveragePool", pool_size=2, padding="valid", data_format="channels_last"),
    "ops.AdaptiveAveragePool": op("AdaptiveAveragePool", output_size=4),
    "ops.AdaptiveMaxPool": op("AdaptiveMaxPool", output_size=4),
    "ops.Resize": op("Resize", size=[4, 4]),
    "ops.Cast": op("Cast", dtype="float32"),
    "ops.SaturateCast": op("SaturateCast", dtype="float32"),
    "ops.Where": Case(_where),
    "ops.Power": op("Power", 2),
    "ops.Mod": op("Mod", 0.7),
    "ops.FloorDivide": op("FloorDivide", 0.3),
    **{f"ops.{k}": _ratio(k) for k in ("Divide", "TrueDivide", "DivideNoNan")},
    **{
        f"ops.{k}": op_two(k)
        for k in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Arctan2", "Logaddexp")
    },
    **{
        f"ops.{k}": _compared(k)
        for k in ("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "Isclose")
    },
    **{f"ops.{k}": _logical(k) for k in ("LogicalAnd", "LogicalOr", "LogicalXor", "LogicalNot")},
    **{
        f"ops.{k}": _of_positive(k)
        for k in ("Sqrt", "Rsqrt", "Log", "Log2", "Log10", "Log1p", "Reciprocal", "Arcsin",
                  "Arccos", "Arctanh", "Arccosh")
    },
    "ops.FullLike": op("FullLike", 2.0),
    "ops.Matmul": Case(
        lambda s, x, y: s.op(
            "Matmul", ref(x), ref(s.op("Swapaxes", ref(y), axis1=2, axis2=3)[0])
        )[0],
        pins=True,
    ),
    "ops.Threshold": op("Threshold", threshold=0.1, default_value=0.05),
    **{
        f"ConvLSTM{n}D": Case(
            lambda s, x, y, n=n: s.layer(
                f"ConvLSTM{n}D",
                s.layer("Reshape", x, target_shape=[2, *s.shape(x)[:-1], WIDTH // 2]),
                filters=3, kernel_size=[2] * n,
            ),
            n,
            pins=True,
        )
        for n in (1, 2, 3)
    },
    "ops.Dot": Case(
        lambda s, x, y: s.op("Dot", ref(_vector(s, x)), 2.0)[0], pins=True
    ),
    "ops.Einsum": Case(
        lambda s, x, y: s.op("Einsum", ref(x), ref(y), subscripts="abcd,abcd->abc")[0], pins=True
    ),
    "ops.Tensordot": op_two("Tensordot", pins=True, axes=[[1, 2, 3], [1, 2, 3]]),
    "ops.DotProductAttention": Case(
        lambda s, x, y: s.op("DotProductAttention", ref(x), ref(y), ref(y))[0], pins=True
    ),
    "ops.Sort": op("Sort", pins=True, axis=-1),
    "ops.Argsort": op("Argsort", pins=True, axis=-1),
    "ops.TopK": op("TopK", pins=True, k=2),
    "ops.Argmax": op("Argmax", pins=True, axis=-1),
    "ops.Argmin": op("Argmin", pins=True, axis=-1),
    "ops.Cumsum": op("Cumsum", pins=True, axis=-1),
    "ops.Cumprod": op("Cumprod", pins=True, axis=-1),
    "ops.OneHot": op("OneHot", pins=True, num_classes=3),
    "ops.Logsumexp": op("Logsumexp", pins=True, axis=-1),
    "ops.Norm": op("Norm", pins=True, axis=-1),
    **{
        k: layer(k, rate=0.2)
        for k in ("Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout")
    },
    "SpatialDropout1D": layer("SpatialDropout1D", rank=1, rate=0.2),
    "SpatialDropout3D": layer("SpatialDropout3D", rank=3, rate=0.2),
    "GaussianNoise": layer("GaussianNoise", stddev=0.2),
    "Resizing": layer("Resizing", height=5, width=5),
    "CenterCrop": layer("CenterCrop", height=5, width=5),
    "Cropping1D": layer("Cropping1D", rank=1, cropping=[1, 1]),
    "Cropping2D": layer("Cropping2D", cropping=[[1, 1], [1, 0]]),
    "Cropping3D": layer("Cropping3D", rank=3, cropping=[[1, 1], [1, 0], [0, 1]]),
    "UpSampling1D": layer("UpSampling1D", rank=1, size=2),
    "UpSampling2D": layer("UpSampling2D", size=[2, 2]),
    "UpSampling3D": layer("UpSampling3D", rank=3, size=[2, 2, 2]),
    "ZeroPadding1D": layer("ZeroPadding1D", rank=1, padding=[1, 1]),
    "ZeroPadding2D": layer("ZeroPadding2D", padding=[[1, 1], [0, 1]]),
    "ZeroPadding3D": layer("ZeroPadding3D", rank=3, padding=[[1, 1], [0, 1], [1, 0]]),
    **{
        f"{kind}Pooling{n}D": layer(f"{kind}Pooling{n}D", rank=n, pool_size=[2] * n)
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    },
    **{
        f"Adaptive{kind}Pooling{n}D": layer(
            f"Adaptive{kind}Pooling{n}D", rank=n, output_size=[2] * n
        )
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    },
    **{
        f"Global{kind}Pooling{n}D": layer(f"Global{kind}Pooling{n}D", rank=n)
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    },
    **{
        k: layer(k)
        for k in ("ActivityRegularization", "ELU", "Identity", "LeakyReLU", "ReLU")
    },
    **{
        f"ops.{k}": op(k)
        for k in (
        "Abs", "Absolute", "Arcsinh", "Arctan", "Ceil", "Celu", "ConvertToTensor", "Copy",
        "Cos", "Cosh", "Elu", "Erf", "Exp", "Expm1", "Floor", "Gelu", "HardShrink",
        "HardSigmoid", "HardSilu", "HardTanh", "Isfinite", "Isinf", "Isnan", "LeakyRelu",
        "LogSigmoid", "NanToNum", "Negative", "OnesLike", "Relu", "Relu6", "Round", "Selu",
        "Sigmoid", "Sign", "Silu", "Sin", "Sinh", "SoftShrink", "Softplus", "Softsign",
        "SparsePlus", "Square", "Squareplus", "StopGradient", "Tan", "Tanh", "TanhShrink",
        "Trunc", "ZerosLike",
        )
    },
    **{
        k: layer(k, pins=True)
        for k in (
        "AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization",
        "Equalization", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
        "RandomColorJitter", "RandomContrast", "RandomElasticTransform",
        "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue",
        "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
        "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom",
        "Solarization",
        )
    },
    "RandomCrop": layer("RandomCrop", pins=True, height=5, width=5),
    "TimeDistributed": layer("TimeDistributed", pins=True, layer=INNER),
    "SpectralNormalization": layer("SpectralNormalization", pins=True, layer=INNER),
    "Bidirectional": _on_rows("Bidirectional", listed=False, layer=INNER_GRU),
}  # fmt: skip
"""Every registered op kind by its key."""

VARIANTS: dict[str, Case] = {
    "Conv2D depthwise by groups": layer("Conv2D", filters=12, kernel_size=[3, 3], groups=6),
    "Conv2D dilated": layer("Conv2D", filters=5, kernel_size=[3, 3], dilation_rate=[2, 2]),
    "Conv2D softmax": layer("Conv2D", filters=5, kernel_size=[1, 1], activation="softmax"),
    "Conv1D causal": layer("Conv1D", rank=1, filters=5, kernel_size=[3], padding="causal"),
    "Conv2DTranspose same": layer(
        "Conv2DTranspose", filters=5, kernel_size=[3, 3], padding="same", use_bias=False
    ),
    "DepthwiseConv1D multiplier": layer(
        "DepthwiseConv1D", rank=1, kernel_size=[3], depth_multiplier=3, activation="tanh"
    ),
    "SeparableConv2D multiplier": layer(
        "SeparableConv2D", filters=5, kernel_size=[3, 3], depth_multiplier=2
    ),
    "BatchNormalization without gamma": layer("BatchNormalization", scale=False),
    "BatchNormalization without beta": layer("BatchNormalization", center=False),
    "BatchNormalization synchronized": layer("BatchNormalization", synchronized=True),
    "BatchNormalization of rows": layer("BatchNormalization", pins=True, axis=[1, 2]),
    "GroupNormalization of instances": layer("GroupNormalization", groups=-1),
    "LayerNormalization through": through("LayerNormalization"),
    "LayerNormalization of rows": layer("LayerNormalization", pins=True, axis=[1, 2]),
    "RMSNormalization through": through("RMSNormalization"),
    "UnitNormalization through": through("UnitNormalization"),
    "GroupNormalization through": through("GroupNormalization", groups=2),
    "GroupNormalization of all through": through("GroupNormalization", groups=1),
    "PReLU per position": layer("PReLU"),
    "PReLU per column": layer("PReLU", shared_axes=[1]),
    "Softmax over rows": layer("Softmax", axis=1),
    "Rescaling with a list": layer("Rescaling", pins=True, scale=[1.0, 2.0, 1.0, 1.0, 3.0, 1.0]),
    "Normalization of all": layer("Normalization", axis=None),
    "Multiply by a vector": Case(lambda s, x, y: s.layer("Multiply", [x, _vector(s, y)])),
    "Multiply by 1x1xC": Case(
        lambda s, x, y: s.layer(
            "Multiply", [s.layer("GlobalMaxPooling2D", y, keepdims=True), x]
        )
    ),
    "Add HxWx1": Case(
        lambda s, x, y: s.layer(
            "Add", [x, s.layer("Conv2D", y, filters=1, kernel_size=[1, 1], name="one")]
        )
    ),
    "Add of three": Case(lambda s, x, y: s.layer("Add", [x, y, x])),
    "ops.Subtract from a number": Case(lambda s, x, y: s.op("Subtract", 1.0, ref(x))[0]),
    "ops.Multiply by a number": op("Multiply", 0.5),
    "ops.Add a list": op("Add", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], pins=True),
    "Concatenate rows": two("Concatenate", axis=1),
    "Reshape to two axes": layer("Reshape", target_shape=[8, 8, 2, 3]),
    "Permute channels first": layer("Permute", dims=[3, 1, 2], pins=True),
    "Pixel shuffle by reshapes": Case(_pixel_shuffle),
    "Channel shuffle": Case(_channel_shuffle),
    "ops.Split in three": Case(_split_in_three),
    "ops.Unstack channels": Case(_unstack_channels, pins=True),
    "ops.GetItem every second channel": op("GetItem", part(step=2)),
    "ops.GetItem every third channel from the second": op("GetItem", part(start=1, step=3)),
    "ops.GetItem channels reversed": op("GetItem", part(step=-1)),
    "ops.GetItem every fourth of six": op("GetItem", part(step=4), pins=True),
    "ops.GetItem every second but the last": op("GetItem", part(stop=5, step=2), pins=True),
    "ops.GetItem one channel": op("GetItem", [ELLIPSIS, 2]),
    "ops.GetItem every second row": op("GetItem", [piece(), piece(step=2)]),
    "ops.GetItem with a new axis": op("GetItem", [piece(), None, piece(stop=4)]),
    "MaxPooling2D same": layer("MaxPooling2D", padding="same", pool_size=[3, 3], strides=[1, 1]),
    "AveragePooling2D same": layer("AveragePooling2D", padding="same", pool_size=[3, 3]),
    "UpSampling2D bilinear": layer("UpSampling2D", size=[2, 2], interpolation="bilinear"),
    "Resizing nearest": layer("Resizing", height=12, width=4, interpolation="nearest"),
    "Dropout with a shape": layer("Dropout", rate=0.5, noise_shape=[None, 1, 1, 6]),
    "ops.Mean over channels": op("Mean", axis=-1, keepdims=True, pins=True),
    "ops.Max of all": op("Max", axis=None, pins=True),
}  # fmt: skip
"""Other ways to call some of them."""
