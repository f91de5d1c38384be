"""Second moments of what each kernel is multiplied with, over some images.

Owns the pass that sums them: all that a layer-wise least squares needs to know of the data (optimal
brain compression, Frantar, Singh and Alistarh, NeurIPS 2022). It changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.modelfile.graph import LayerGraph
from engine.modelfile.rebuild import keras_name
from engine.training.control import Control, FreeRun
from engine.training.evaluate import batch_for
from engine.training.protocols import BatchTransform

ROWS = 16_384
"""Places that are summed for a layer, about; where it has more, a random draw of them."""

WIDEST = 2304
"""Inputs of a filter, at most: 3 x 3 of 256 channels. The moments are this number squared."""


def second_moments(
    model: keras.Model,
    graph: LayerGraph,
    layers: Collection[str],
    images: np.ndarray,
    *,
    preprocess: BatchTransform,
    seed: int = 0,
    control: Control | None = None,
) -> dict[str, np.ndarray]:
    """Sums of products of the inputs that a filter has at one place, by layer.

    Parameters
    ----------
    model, graph
        A model that :func:`engine.modelfile.rebuild.build` made of this graph.
    layers
        Names of layers; those that are no plain convolution over an image, depthwise convolution
        or dense layer, that are called more than once or have wider filters than :data:`WIDEST`
        are left out.
    images
        Raw images [samples, height, width, channels].

    Returns
    -------
    dict
        float32 [1, k, k] by layer, k being the inputs of a filter in the order of its kernel; of a
        depthwise convolution [channels, k, k].

    Raises
    ------
    Stopped
        Where the control asks for it.
    """
    control = control or FreeRun()
    chosen = [name for name in layers if _fits(graph, name)]
    if not chosen:
        return {}
    live = {name: model.get_layer(keras_name(name)) for name in chosen}
    probe = keras.Model(model.inputs, {name: layer.input for name, layer in live.items()})
    size = batch_for(images)
    rows = max(1, ROWS * size // max(1, len(images)))
    draw = np.random.default_rng(seed)
    sums: dict[str, np.ndarray] = {}
    for start in range(0, len(images), size):
        control.checkpoint()
        inputs = probe(preprocess(tf.constant(images[start : start + size])), training=False)
        for name, layer in live.items():
            patches = _patches(layer, tf.cast(inputs[name], tf.float32))
            found = patches.shape[0]
            if found > rows:
                patches = tf.gather(patches, draw.choice(found, rows, replace=False))
            sums[name] = sums.get(name, 0.0) + _products(layer, patches).numpy()
    return sums


def _fits(graph: LayerGraph, name: str) -> bool:
    layer = graph.layers[name]
    kind, config = layer.class_name, layer.config
    if kind not in ("Conv2D", "Dense", "DepthwiseConv2D") or layer.opaque is not None:
        return False
    plain = config.get("groups", 1) == 1 and config.get("data_format") != "channels_first"
    kernel = next((w.shape for w in layer.weights if w.name.endswith("kernel")), ())
    inputs = int(np.prod(kernel[:-1] if kind != "DepthwiseConv2D" else kernel[:-2]))
    return plain and sum(1 for _ in graph.calls(name)) == 1 and inputs <= WIDEST


def _patches(layer: keras.layers.Layer, inputs: Any) -> Any:
    """What a kernel sees: float32 [places, positions of the kernel, channels]."""
    channels = inputs.shape[-1]
    if isinstance(layer, keras.layers.Dense):
        return tf.reshape(inputs, (-1, 1, channels))
    height, width = layer.kernel_size
    cut = tf.image.extract_patches(
        inputs, (1, height, width, 1), (1, *layer.strides, 1), (1, *layer.dilation_rate, 1),
        layer.padding.upper(),
    )  # fmt: skip
    return tf.reshape(cut, (-1, height * width, channels))


def _products(layer: keras.layers.Layer, patches: Any) -> Any:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return tf.einsum("nkc,nlc->ckl", patches, patches)
    flat = tf.reshape(patches, (patches.shape[0], -1))
    return tf.matmul(flat, flat, transpose_a=True)[None]
