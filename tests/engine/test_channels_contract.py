"""One contract for every op kind of the registry, run in Keras.

Each op stands between two convolutions. It either lets channels through, and then a cut equals
its reference and a shifted one does not; or it pins them with a reason that a person can read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from engine.channels.cost import cost
from engine.channels.ops import registered
from engine.channels.oracle import REL_DIFF_LIMIT, reference, rel_diff, shifted
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.classes import OPERATIONS
from engine.modelfile.graph import LayerGraph
from engine.modelfile.layer_defaults import layer_defaults
from engine.modelfile.rebuild import build
from engine.modelfile.shapes import reshape_graph
from tests.engine.sketch import Sketch, ref

WIDTH, SIZE, BATCH = 6, 8, 5
Make = Callable[[Sketch, int, int], int]


@dataclass(frozen=True)
class Case:
    """How an op is called on one or two tensors of ``WIDTH`` channels, and what it must do."""

    make: Make
    rank: int = 2
    pins: bool = False


def layer(kind: str, pins: bool = False, rank: int = 2, **config: object) -> Case:
    return Case(lambda s, x, y: s.layer(kind, x, **config), rank, pins)


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


SLICE = [{"class_name": "__ellipsis__", "config": {}},
         {"class_name": "__slice__", "config": {"start": 1, "stop": 5, "step": None}}]  # fmt: skip

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
    "ops.GetItem": op("GetItem", SLICE),
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
}  # fmt: skip

OPENED_UP = ("TimeDistributed", "SpectralNormalization", "Bidirectional")
"""Wrappers hold another layer's config; the reader's own tests hold them."""


def _case(key: str) -> Case:
    if key in CASES:
        return CASES[key]
    return op(key[4:]) if key.startswith("ops.") else layer(key)


def _keys() -> list[str]:
    skipped = {k for k in registered() if k.startswith("Random") or k in _AUGMENTATION}
    there = {f"ops.{name}" for name in OPERATIONS} | set(layer_defaults()) | {"InputLayer"}
    return sorted((set(registered()) & there) - skipped - set(OPENED_UP))


_AUGMENTATION = {
    "AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization",
    "RandAugment", "Solarization",
}  # fmt: skip


@cache
def _sketched(key: str) -> Sketch:
    """image -> two convolutions -> the op -> a convolution or dense layer -> 3 numbers."""
    case = _case(key)
    s = Sketch(seed=3)
    size = {1: 16, 2: SIZE, 3: 4}[case.rank]
    image = s.input(*[size] * case.rank, 3)
    made = [
        s.layer(
            f"Conv{case.rank}D", image, filters=WIDTH, kernel_size=[3] * case.rank,
            strides=[1] * case.rank, padding="same", name=name,
        )
        for name in ("first", "second")
    ]  # fmt: skip
    out = case.make(s, *made)
    if s.tensors[out].shape is None:
        s.result = out  # type: ignore[attr-defined]
        return s
    if s.tensors[out].dtype != "float32":
        (out,) = s.op("Cast", ref(out), dtype="float32")
    if len(s.shape(out)) == 3:
        out = s.layer("Conv2D", out, filters=4, kernel_size=[1, 1], activation="tanh")
    out = s.layer("Flatten", out) if len(s.shape(out)) > 1 else out
    s.result = s.layer("Dense", out, units=3, name="logits")  # type: ignore[attr-defined]
    return s


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("key", _keys())
def test_that_each_op_follows_or_pins(key: str) -> None:
    case, s = _case(key), _sketched(key)
    graph = s.graph([s.result])  # type: ignore[attr-defined]
    weights = {
        name: {w: a.astype("float32") for w, a in s.weights[name].items()} for name in graph.layers
    }
    channels = trace(graph)
    if any(s.tensors[i].shape is None for node in graph.nodes for i in node.outputs):
        assert "a shape that is not known" in (channels.layer_reason("first") or "")
        return
    if case.pins:
        reason = channels.layer_reason("first")
        assert reason is not None
        assert "is not known to" not in reason
        assert not channels.group("g1").prunable
        return
    producer = channels.groups[0].producers[0]
    assert channels.layer_reason(producer) is None
    plan = plan_uniform(channels, score("random", graph, weights, channels, seed=1), 0.5)
    made = cut(graph, weights, channels, plan)
    assert reshape_graph(made.graph).tensors == made.graph.tensors
    inputs = _inputs(s, graph)
    model = build(made.graph, made.weights)
    assert model.count_params() == cost(made.graph).params
    ours = np.asarray(model(inputs))
    wanted = np.asarray(build(*reference(graph, weights, channels, plan))(inputs))
    assert rel_diff(ours, wanted)[1] <= REL_DIFF_LIMIT
    other = shifted(plan, channels)
    assert other is not None
    wrong = cut(graph, weights, channels, other)
    apart = rel_diff(np.asarray(build(wrong.graph, wrong.weights)(inputs)), wanted)[1]
    if key not in CONSTANT:
        assert apart > REL_DIFF_LIMIT


CONSTANT = (
    "ops.ZerosLike",
    "ops.OnesLike",
    "ops.FullLike",
    "ops.Isfinite",
    "ops.Isinf",
    "ops.Isnan",
)
"""Ops after which nothing of the input is left."""


def _inputs(s: Sketch, graph: LayerGraph) -> list[np.ndarray]:
    """Noise for images, whole numbers for the rows that an embedding reads."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(BATCH, *s.shape(i)))
            if len(s.shape(i)) > 1
            else rng.integers(0, 9, (BATCH, *s.shape(i)))
        ).astype("float32")
        for i in graph.inputs
    ]


def test_that_every_op_has_a_case_of_its_own_or_the_plain_one() -> None:
    unknown = set(CASES) - set(registered())
    assert not unknown
