"""A zoo of small nets, one for each way in which channels can be tied, and how to make one alive.

Each builder returns an untrained Keras model of a few thousand parameters. ``live`` gives it
random norms and biases and statistics that fit, since an untrained net may be a constant
function on which any wrong cut passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as kl
from keras import ops

Builder = Callable[[], keras.Model]

_ZOO: dict[str, Builder] = {}


def _net(builder: Builder) -> Builder:
    _ZOO[builder.__name__] = builder
    return builder


def names() -> tuple[str, ...]:
    """All nets of the zoo."""
    return tuple(_ZOO)


def build(name: str) -> keras.Model:
    """A fresh model by name; layer names are the same each time."""
    keras.utils.clear_session(free_memory=False)
    model = _ZOO[name]()
    model.name = name
    return model


def live(model: keras.Model, seed: int = 0, batch: int = 16) -> keras.Model:
    """Give random values to every weight, and moving statistics that fit them."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if layer._layers and not isinstance(layer, kl.Wrapper):
            continue
        for variable in layer.variables:
            value = _random(variable, rng)
            if value is not None:
                variable.assign(value)
        if isinstance(layer, kl.Normalization):
            layer.finalize_state()
    settle(model, random_inputs(model, seed + 1, batch))
    return model


def _random(variable: Any, rng: np.random.Generator) -> np.ndarray | None:
    name, shape = variable.name, tuple(variable.shape)
    if "seed" in name or not str(variable.dtype).startswith("float"):
        return None
    if name in ("moving_variance", "variance"):
        return rng.uniform(0.5, 1.5, shape)
    if name == "gamma":
        return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape, p=[0.2, 0.8])
    if len(shape) < 2:
        return rng.normal(0.0, 0.4, shape)
    deep = "depthwise" in variable.path or shape[-2] == 1
    fan_in = int(np.prod(shape[:-2] if deep else shape[:-1]))
    return rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)


def settle(model: keras.Model, inputs: Any) -> None:
    """Moving statistics of every batch norm from one batch, layer by layer as data flow.

    Dropout is off meanwhile: these are the statistics that inference sees.
    """
    layers = list(model._flatten_layers(include_self=False, recursive=True))
    changed = [(n, "momentum") for n in layers if isinstance(n, kl.BatchNormalization)]
    if not changed:
        return
    changed += [(n, "rate") for n in layers if hasattr(n, "rate")]
    before = [getattr(layer, name) for layer, name in changed]
    for layer, name in changed:
        setattr(layer, name, 0.0)
    model(inputs, training=True)
    for (layer, name), value in zip(changed, before, strict=True):
        setattr(layer, name, value)


def random_inputs(model: keras.Model, seed: int = 0, batch: int = 16) -> Any:
    """Normal noise in the shape of the model's inputs (one array, or a list).

    A model that scales bytes itself gets it in their range.
    """
    rng = np.random.default_rng(seed)
    spread, middle = (64.0, 128.0) if any(_scales_bytes(n) for n in model.layers) else (1.0, 0.0)
    arrays = [
        (middle + spread * rng.normal(size=(batch, *(n or 12 for n in tensor.shape[1:])))).astype(
            "float32"
        )
        for tensor in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def _scales_bytes(layer: Any) -> bool:
    if isinstance(layer, kl.Rescaling):
        return bool(np.max(layer.scale) < 0.05)
    return isinstance(layer, kl.Normalization) and np.max(layer.input_mean or 0.0) > 10.0


def _conv_bn(x: Any, filters: int, size: int = 3, name: str = "", **kwargs: Any) -> Any:
    kwargs.setdefault("padding", "same")
    x = kl.Conv2D(filters, size, use_bias=False, name=f"{name}_conv", **kwargs)(x)
    return kl.BatchNormalization(name=f"{name}_bn")(x)


def _head(x: Any, classes: int = 5) -> Any:
    x = kl.GlobalAveragePooling2D(name="pool")(x)
    return kl.Dense(classes, name="logits")(x)


def _image(channels: int = 3, size: int = 12) -> Any:
    return keras.Input((size, size, channels), name="image")


@_net
def chain() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 8, name="a"))
    x = kl.MaxPooling2D(name="max")(x)
    x = kl.Conv2D(12, 3, activation="swish", name="b_conv")(x)
    return keras.Model(inputs, _head(x))


@_net
def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((10, 10, 3), name="image"),
            kl.Rescaling(1 / 2.0, name="scale"),
            kl.Conv2D(8, 3, activation="relu", name="a_conv"),
            kl.SpatialDropout2D(0.2, name="drop"),
            kl.Conv2D(8, 3, activation="gelu", name="b_conv"),
            kl.AveragePooling2D(2, name="avg"),
            kl.Flatten(name="flat"),
            kl.Dense(16, activation="tanh", name="hidden"),
            kl.Dense(4, name="logits"),
        ]
    )


@_net
def residual() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 8, name="a"))
    for i in range(2):
        y = kl.ReLU(name=f"r{i}_relu")(_conv_bn(x, 6, name=f"r{i}a"))
        y = _conv_bn(y, 8, name=f"r{i}b")
        x = kl.ReLU(name=f"r{i}_out")(kl.Add(name=f"r{i}_add")([x, y]))
    y = _conv_bn(x, 12, 1, name="project", strides=2)
    x = _conv_bn(x, 12, 3, name="down", strides=2)
    return keras.Model(inputs, _head(kl.Add(name="add")([x, y])))


@_net
def dense_concat() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    for i in range(3):
        y = kl.Activation("relu", name=f"d{i}_relu")(kl.BatchNormalization(name=f"d{i}_bn")(x))
        y = kl.Conv2D(6, 3, padding="same", use_bias=False, name=f"d{i}_conv")(y)
        x = kl.Concatenate(name=f"d{i}_cat")([x, y])
    return keras.Model(inputs, _head(kl.BatchNormalization(name="last_bn")(x)))


@_net
def depthwise() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(6.0, name="a_relu")(_conv_bn(x, 8, name="a"))
    x = kl.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="dw")(x)
    x = kl.ReLU(6.0, name="dw_relu")(kl.BatchNormalization(name="dw_bn")(x))
    x = kl.Activation("hard_silu", name="p_act")(_conv_bn(x, 12, 1, name="p"))
    x = kl.ZeroPadding2D(1, name="pad")(x)
    x = kl.DepthwiseConv2D(3, strides=2, activation="relu", name="dw2")(x)
    return keras.Model(inputs, _head(x))


@_net
def separable() -> keras.Model:
    x = inputs = _image()
    x = kl.SeparableConv2D(8, 3, depth_multiplier=2, activation="relu", name="a_sep")(x)
    x = kl.SeparableConv2D(10, 3, use_bias=False, padding="same", name="b_sep")(x)
    x = kl.ReLU(name="b_relu")(kl.BatchNormalization(scale=False, name="b_bn")(x))
    x = kl.SeparableConv2D(10, 3, use_bias=False, name="c_sep")(x)
    return keras.Model(inputs, _head(x))


@_net
def flatten_dense() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, strides=2, activation="elu", name="a_conv")(x)
    x = kl.Dropout(0.3, name="drop")(kl.Flatten(name="flat")(x))
    x = kl.Dense(20, activation="softplus", name="hidden")(x)
    x = kl.BatchNormalization(name="hidden_bn")(x)
    return keras.Model(inputs, kl.Dense(5, name="logits")(x))


@_net
def shared_layer() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    shared = kl.Conv2D(8, 3, padding="same", name="shared")
    relu = kl.ReLU(name="relu")
    x = relu(shared(relu(shared(x))))
    return keras.Model(inputs, _head(x))


@_net
def siamese() -> keras.Model:
    left, right = keras.Input((10, 10, 2), name="left"), keras.Input((10, 10, 2), name="right")
    conv, norm = kl.Conv2D(8, 3, name="conv"), kl.BatchNormalization(name="bn")
    pool = kl.GlobalMaxPooling2D(name="max")
    a, b = (pool(kl.ReLU()(norm(conv(x)))) for x in (left, right))
    x = kl.Concatenate(name="cat")([a, b, kl.Subtract(name="sub")([a, b])])
    return keras.Model([left, right], kl.Dense(4, name="logits")(x))


@_net
def nested() -> keras.Model:
    inner_in = keras.Input((12, 12, 6), name="inner_image")
    y = kl.ReLU(name="i_relu")(_conv_bn(inner_in, 8, name="i"))
    inner = keras.Model(inner_in, kl.Conv2D(6, 1, name="i_out")(y), name="inner")
    x = inputs = _image()
    x = kl.Conv2D(6, 3, padding="same", activation="relu", name="stem")(x)
    x = kl.Add(name="add")([x, inner(x)])
    tail = keras.Sequential([kl.Conv2D(8, 3, activation="relu", name="t_conv")], name="tail")
    return keras.Model(inputs, _head(tail(x)))


@_net
def two_outputs() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 8, name="a"))
    mask = kl.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    x = kl.ReLU(name="b_relu")(_conv_bn(x, 10, name="b"))
    return keras.Model(inputs, [_head(x), mask])


@_net
def grouped() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 12, name="a"))
    x = kl.Conv2D(18, 3, groups=3, padding="same", activation="relu", name="three")(x)
    x = kl.Conv2D(18, 3, groups=18, use_bias=False, name="each")(x)
    x = kl.ReLU(name="e_relu")(kl.BatchNormalization(name="e_bn")(x))
    x = kl.Conv2D(10, 1, groups=2, name="two")(x)
    return keras.Model(inputs, _head(x))


@_net
def squeeze_excite() -> keras.Model:
    x = inputs = _image()
    x = kl.Activation("swish", name="a_act")(_conv_bn(x, 12, name="a"))
    s = kl.GlobalAveragePooling2D(name="se_pool")(x)
    s = kl.Reshape((1, 1, 12), name="se_shape")(s)
    s = kl.Conv2D(4, 1, activation="relu", name="se_reduce")(s)
    s = kl.Conv2D(12, 1, activation="sigmoid", name="se_expand")(s)
    x = kl.Multiply(name="se")([x, s])
    gate = kl.Conv2D(1, 3, padding="same", activation="sigmoid", name="gate")(x)
    return keras.Model(inputs, _head(kl.Multiply(name="spatial")([x, gate])))


@_net
def unet() -> keras.Model:
    x = inputs = _image()
    a = kl.Conv2D(6, 3, padding="same", activation="relu", name="a_conv")(x)
    b = kl.MaxPooling2D(name="down")(a)
    b = kl.Conv2D(8, 3, padding="same", activation="relu", name="b_conv")(b)
    u = kl.Conv2DTranspose(6, 2, strides=2, name="up")(b)
    v = kl.UpSampling2D(interpolation="bilinear", name="wide")(b)
    c = kl.Concatenate(name="skip")([u, a, v])
    c = kl.Conv2D(6, 3, padding="same", activation="leaky_relu", name="c_conv")(c)
    return keras.Model(inputs, kl.Conv2D(1, 1, name="mask")(c))


@_net
def decoder() -> keras.Model:
    x = inputs = keras.Input((6,), name="code")
    x = kl.Dense(3 * 3 * 8, activation="relu", name="spread")(x)
    x = kl.Reshape((3, 3, 8), name="shape")(x)
    x = kl.Conv2DTranspose(6, 3, strides=2, padding="same", use_bias=False, name="up")(x)
    x = kl.ReLU(name="relu")(kl.BatchNormalization(name="bn")(x))
    return keras.Model(inputs, kl.Conv2D(2, 3, name="picture")(x))


@_net
def channel_shuffle() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 12, name="a"))
    x = kl.Conv2D(16, 1, groups=2, name="g1")(x)
    x = kl.Reshape((12, 12, 2, 8), name="to_groups")(x)
    x = kl.Permute((1, 2, 4, 3), name="swap")(x)
    x = kl.Reshape((12, 12, 16), name="back")(x)
    x = kl.DepthwiseConv2D(3, padding="same", name="dw")(x)
    return keras.Model(inputs, _head(kl.Conv2D(12, 1, groups=2, name="g2")(x)))


@_net
def shuffle_split() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 12, name="a"))
    left, right = ops.split(x, [5], axis=-1)
    right = kl.ReLU(name="r_relu")(_conv_bn(right, 6, 1, name="r"))
    first = x[..., 2:9]
    x = ops.concatenate([right, left, first], axis=-1)
    return keras.Model(inputs, _head(kl.Conv2D(8, 1, name="mix")(x)))


@_net
def pixel_shuffle() -> keras.Model:
    x = inputs = _image(size=6)
    x = kl.Conv2D(24, 3, padding="same", activation="relu", name="a_conv")(x)
    x = kl.Reshape((6, 6, 2, 2, 6), name="apart")(x)
    x = kl.Permute((1, 3, 2, 4, 5), name="weave")(x)
    x = kl.Reshape((12, 12, 6), name="wide")(x)
    x = kl.Conv2D(8, 3, padding="same", activation="relu", name="b_conv")(x)
    return keras.Model(inputs, kl.Conv2D(2, 1, name="picture")(x))


@_net
def padded_shortcut() -> keras.Model:
    x = inputs = _image()
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 6, name="a"))
    short = ops.pad(x, [[0, 0], [0, 0], [0, 0], [2, 4]])
    y = _conv_bn(x, 12, name="b")
    return keras.Model(inputs, _head(kl.ReLU(name="out")(kl.Add(name="add")([short, y]))))


@_net
def arithmetic() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, name="a_conv")(x)
    x = x * ops.relu6(x + 3.0) / 6.0
    y = kl.Conv2D(8, 1, use_bias=False, name="b_conv")(x)
    x = ops.maximum(x, y) - 0.5 * ops.mean(y, axis=(1, 2), keepdims=True)
    x = 1.0 - ops.tanh(x)
    return keras.Model(inputs, _head(x))


@_net
def merges() -> keras.Model:
    x = inputs = _image()
    branches = [
        kl.Conv2D(8, 3, padding="same", activation=a, name=f"{a}_conv")(x)
        for a in ("relu", "sigmoid", "selu", "mish")
    ]
    a = kl.Average(name="average")(branches[:3])
    b = kl.Maximum(name="maximum")(branches[1:])
    c = kl.Minimum(name="minimum")([branches[0], branches[3]])
    x = kl.Concatenate(axis=-1, name="cat")([a, b])
    y = kl.Concatenate(axis=1, name="below")([c, a])
    y = kl.Cropping2D(((6, 6), (0, 0)), name="crop")(y)
    return keras.Model(inputs, _head(kl.Concatenate(name="all")([x, y])))


@_net
def prelu_and_instance_norm() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, name="a_conv")(x)
    x = kl.PReLU(shared_axes=[1, 2], name="slope")(x)
    x = kl.GroupNormalization(groups=-1, name="instance")(x)
    x = kl.Conv2D(8, 3, name="b_conv")(x)
    x = kl.PReLU(name="slopes")(x)
    return keras.Model(inputs, _head(x))


@_net
def layer_norm() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 4, strides=4, name="patch")(x)
    y = kl.LayerNormalization(name="ln")(x)
    y = kl.Dense(24, activation="gelu", name="wide")(y)
    y = kl.Dense(8, name="narrow")(y)
    x = kl.Add(name="add")([x, y])
    x = kl.LayerNormalization(name="last_ln")(kl.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, kl.Dense(5, name="logits")(x))


@_net
def one_dimension() -> keras.Model:
    x = inputs = keras.Input((20, 4), name="signal")
    x = kl.Conv1D(8, 3, padding="causal", activation="relu", name="a_conv")(x)
    x = kl.ZeroPadding1D(1, name="pad")(x)
    x = kl.SeparableConv1D(10, 3, activation="relu", name="b_sep")(x)
    x = kl.BatchNormalization(name="bn")(x)
    x = kl.UpSampling1D(2, name="up")(kl.MaxPooling1D(2, name="max")(x))
    x = kl.Conv1DTranspose(6, 3, strides=2, name="c_up")(x)
    x = kl.GlobalMaxPooling1D(name="pool")(x)
    return keras.Model(inputs, kl.Dense(3, name="logits")(x))


@_net
def three_dimensions() -> keras.Model:
    x = inputs = keras.Input((6, 6, 6, 2), name="volume")
    x = kl.Conv3D(6, 3, padding="same", use_bias=False, name="a_conv")(x)
    x = kl.ReLU(name="a_relu")(kl.BatchNormalization(name="a_bn")(x))
    x = kl.AveragePooling3D(2, name="avg")(x)
    x = kl.Conv3DTranspose(4, 2, strides=2, name="up")(x)
    x = kl.GlobalAveragePooling3D(name="pool")(x)
    return keras.Model(inputs, kl.Dense(3, name="logits")(x))


@_net
def unknown_size() -> keras.Model:
    x = inputs = keras.Input((None, None, 3), name="image")
    x = kl.ReLU(name="a_relu")(_conv_bn(x, 8, name="a"))
    x = kl.Add(name="add")([x, _conv_bn(x, 8, name="b")])
    x = kl.GlobalAveragePooling2D(name="pool")(x)
    x = kl.Reshape((8,), name="shape")(x)
    return keras.Model(inputs, kl.Dense(5, name="logits")(x))


@_net
def recurrent_tail() -> keras.Model:
    x = inputs = keras.Input((16, 4), name="signal")
    x = kl.Conv1D(8, 3, activation="relu", name="free")(x)
    x = kl.Conv1D(6, 3, activation="relu", name="tied")(x)
    x = kl.GRU(5, name="gru")(x)
    return keras.Model(inputs, kl.Dense(3, name="logits")(x))


@_net
def softmax_attention() -> keras.Model:
    x = inputs = _image()
    x = kl.Conv2D(8, 3, name="a_conv")(x)
    weights = kl.Softmax(name="softmax")(kl.Conv2D(8, 1, name="scores")(x))
    x = kl.Multiply(name="weigh")([x, weights])
    x = kl.Conv2D(10, 1, name="b_conv")(x)
    flat = kl.Reshape((-1, 10), name="rows")(x)
    gram = kl.Dot(axes=1, name="gram")([flat, flat])
    return keras.Model(inputs, kl.Dense(4, name="logits")(kl.Flatten(name="flat")(gram)))
