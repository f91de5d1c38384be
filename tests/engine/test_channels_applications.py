"""A small member of each family of ``keras.applications``, by the bench's own measure.

Families whose builder takes depths and widths are built shallow and narrow; the whole list runs
with ``python -m tests.bench.zoo``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications import (
    convnext,
    densenet,
    efficientnet,
    efficientnet_v2,
    inception_resnet_v2,
    nasnet,
    resnet,
)

from engine.channels.oracle import REL_DIFF_LIMIT, rel_diff
from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.criteria import score
from engine.modelfile.rebuild import build
from tests.bench.zoo import cut_one
from tests.engine import zoo
from tests.engine.opened import from_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PLAIN: dict[str, Any] = {"weights": None, "classes": 10}
SHAPE = (32, 32, 3)


def _resnet(preact: bool) -> Any:
    block = resnet.residual_block_v2 if preact else resnet.residual_block_v1

    def stack(x: Any) -> Any:
        for i, stride in enumerate((1, 2)):
            x = block(x, 8 * (i + 1), stride=stride, conv_shortcut=True, name=f"s{i}_a")
            x = block(x, 8 * (i + 1), conv_shortcut=False, name=f"s{i}_b")
        return x

    return resnet.ResNet(stack, preact, True, input_shape=SHAPE, weights_name="small", **PLAIN)


def _inception_resnet() -> Any:
    keras.backend.clear_session()
    x = image = keras.Input(SHAPE)
    x = inception_resnet_v2.conv2d_bn(x, 24, 3, strides=2)
    for kind in ("block35", "block17", "block8"):
        x = inception_resnet_v2.inception_resnet_block(x, 0.2, kind, 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


def _until(model: Any, layer: str) -> Any:
    """The first part of a model with a head of its own."""
    x = keras.layers.GlobalAveragePooling2D()(model.get_layer(layer).output)
    return keras.Model(model.input, keras.layers.Dense(10, activation="softmax")(x))


FAMILIES: dict[str, Callable[[], Any]] = {
    "VGG16": lambda: keras.applications.VGG16(
        input_shape=SHAPE, include_top=False, pooling="avg", weights=None
    ),
    "MobileNet": lambda: _until(
        keras.applications.MobileNet(input_shape=SHAPE, alpha=0.25, **PLAIN), "conv_pw_6_relu"
    ),
    "MobileNetV2": lambda: _until(
        keras.applications.MobileNetV2(input_shape=SHAPE, alpha=0.35, **PLAIN), "block_7_add"
    ),
    "MobileNetV3": lambda: _until(
        keras.applications.MobileNetV3Small(input_shape=SHAPE, **PLAIN), "expanded_conv_4_add"
    ),
    "EfficientNet": lambda: efficientnet.EfficientNet(
        0.25, 0.3, 32, input_shape=SHAPE, weights_name="small", **PLAIN
    ),
    "EfficientNetV2": lambda: efficientnet_v2.EfficientNetV2(
        0.25, 0.25, 32, name="efficientnetv2-b0", input_shape=SHAPE, **PLAIN
    ),
    "DenseNet": lambda: densenet.DenseNet([2, 2, 2, 2], input_shape=SHAPE, **PLAIN),
    "ResNet": lambda: _resnet(preact=False),
    "ResNetV2": lambda: _resnet(preact=True),
    "Xception": lambda: _until(
        keras.applications.Xception(input_shape=(71, 71, 3), **PLAIN), "block3_pool"
    ),
    "InceptionV3": lambda: _until(
        keras.applications.InceptionV3(input_shape=(75, 75, 3), **PLAIN), "mixed4"
    ),
    "InceptionResNetV2": _inception_resnet,
    "NASNet": lambda: nasnet.NASNet(
        input_shape=SHAPE, penultimate_filters=96, num_blocks=1, stem_block_filters=8,
        skip_reduction=False, default_size=32, **PLAIN,
    ),
    "ConvNeXt": lambda: convnext.ConvNeXt(
        depths=[1, 1, 2, 1], projection_dims=[8, 12, 16, 24], input_shape=SHAPE,
        weights_name="small", **PLAIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "through_norms"), [*((name, False) for name in FAMILIES), ("ConvNeXt", True)]
)
def test_that_a_family_is_cut_exactly(family: str, through_norms: bool) -> None:
    row = cut_one(family, through_norms, FAMILIES[family](), clone=False)

    assert row["rel_diff"] <= REL_DIFF_LIMIT
    assert row["shifted_rel_diff"] > 100 * REL_DIFF_LIMIT
    assert row["two_inputs_differ"] > 0.01
    assert row["rebuilt_rel_diff"] <= REL_DIFF_LIMIT
    assert row["weights_untouched"]
    assert row["params_as_keras_counts"]
    assert row["macs_as_reopened"]
    pinned = family == "ConvNeXt" and not through_norms
    assert row["params_after"] < (0.8 if pinned else 0.6) * row["params_before"]
    if pinned:
        assert row["share_pointwise_dense"] == 1.0
        assert row["share_conv"] == 0.0
    else:
        assert row["share_goal"] >= 0.9
    reasons = {reason for reason, *_ in row["pinned"].values()}
    if pinned:
        assert any("computes statistics across channels" in reason for reason in reasons)
    else:
        assert reasons <= {"feeds the model output"}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_that_a_cut_family_can_be_saved_reloaded_and_trained(family: str, tmp_path: Path) -> None:
    model = zoo.live(FAMILIES[family](), seed=1)
    inputs = zoo.random_inputs(model, seed=2, batch=4)
    graph, weights = from_model(model)
    channels = trace(graph)
    plan = plan_uniform(channels, score("auto", graph, weights, channels), 0.5)
    made = cut(graph, weights, channels, plan)
    cut_model = build(made.graph, made.weights)
    path = tmp_path / "cut.keras"
    cut_model.save(path)
    again = keras.models.load_model(path, compile=False)

    ours = np.asarray(again(inputs, training=False))
    assert rel_diff(ours, np.asarray(cut_model(inputs, training=False)))[1] <= 1e-6
    before = [np.array(v) for v in again.trainable_variables]
    again.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse", run_eagerly=True)
    assert np.isfinite(again.train_on_batch(inputs, np.zeros(ours.shape, "float32")))
    after = [np.array(v) for v in again.trainable_variables]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
