"""A zoo of small nets, one for each layer class, that every writer of Keras files can build.

``CASES`` maps a name to a function from a ``layers`` module (Keras 3's or tf_keras's) and a
``Model`` class to a model. ``alive`` fills a model with random weights under which no output is
constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = Callable[[Any], Any]
CASES: dict[str, Case] = {}
KERAS3_ONLY: dict[str, Case] = {}


def _one(shape: tuple[int | None, ...], make: Callable[[Any], Any], **options: Any) -> Case:
    def build(keras: Any) -> Any:
        inputs = keras.layers.Input(shape, name="x", **options)
        return keras.Model(inputs, make(keras.layers)(inputs), name="net")

    return build


def _many(shapes: list[tuple[int, ...]], make: Callable[[Any], Any]) -> Case:
    def build(keras: Any) -> Any:
        inputs = [keras.layers.Input(shape, name=f"x{i}") for i, shape in enumerate(shapes)]
        return keras.Model(inputs, make(keras.layers)(inputs), name="net")

    return build


SEQ, IMG, VOL, RGB = (12, 4), (8, 10, 4), (6, 5, 4, 4), (8, 10, 3)

for _name, _case in {
    "Conv1D": _one(SEQ, lambda L: L.Conv1D(6, 3, padding="causal", dilation_rate=2)),
    "Conv1D_strided": _one(SEQ, lambda L: L.Conv1D(6, 3, strides=2, padding="same")),
    "Conv2D": _one(IMG, lambda L: L.Conv2D(6, (3, 2), strides=(2, 1), activation="relu")),
    "Conv2D_same": _one(IMG, lambda L: L.Conv2D(6, 3, padding="same", use_bias=False)),
    "Conv2D_dilated": _one(IMG, lambda L: L.Conv2D(6, 3, dilation_rate=2, activation="gelu")),
    "Conv2D_any_size": _one((None, None, 3), lambda L: L.Conv2D(6, 3, strides=2)),
    "Conv2D_grouped": _one(IMG, lambda L: L.Conv2D(8, 3, groups=2)),
    "Conv3D": _one(VOL, lambda L: L.Conv3D(5, 2, strides=(1, 2, 1))),
    "Conv1DTranspose": _one(SEQ, lambda L: L.Conv1DTranspose(5, 3, strides=2)),
    "Conv2DTranspose": _one(IMG, lambda L: L.Conv2DTranspose(5, 3, strides=2, padding="same")),
    "Conv2DTranspose_valid": _one(IMG, lambda L: L.Conv2DTranspose(5, 2, strides=3)),
    "Conv2DTranspose_padded": _one(
        IMG, lambda L: L.Conv2DTranspose(5, 3, strides=2, padding="same", output_padding=1)
    ),
    "Conv3DTranspose": _one(VOL, lambda L: L.Conv3DTranspose(3, 2, strides=2)),
    "DepthwiseConv1D": _one(SEQ, lambda L: L.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": _one(IMG, lambda L: L.DepthwiseConv2D(3, depth_multiplier=2)),
    "SeparableConv1D": _one(SEQ, lambda L: L.SeparableConv1D(6, 3)),
    "SeparableConv2D": _one(IMG, lambda L: L.SeparableConv2D(6, 3, depth_multiplier=2)),
    "Dense": _one((7,), lambda L: L.Dense(5, activation="softmax")),
    "Dense_on_maps": _one(IMG, lambda L: L.Dense(5, use_bias=False, activation="elu")),
    "EinsumDense": _one(SEQ, lambda L: L.EinsumDense("abc,cd->abd", (None, 6), bias_axes="d")),
    "Embedding": _one((5,), lambda L: L.Embedding(10, 4), dtype="int32"),
    "BatchNormalization": _one(IMG, lambda L: L.BatchNormalization()),
    "BatchNormalization_bare": _one(
        IMG, lambda L: L.BatchNormalization(scale=False, center=False, epsilon=0.1)
    ),
    "BatchNormalization_axis": _one(IMG, lambda L: L.BatchNormalization(axis=1)),
    "LayerNormalization": _one(IMG, lambda L: L.LayerNormalization()),
    "LayerNormalization_axes": _one(IMG, lambda L: L.LayerNormalization(axis=[2, 3])),
    "GroupNormalization": _one(IMG, lambda L: L.GroupNormalization(groups=2)),
    "UnitNormalization": _one(IMG, lambda L: L.UnitNormalization()),
    "Normalization": _one(IMG, lambda L: L.Normalization()),
    "Normalization_given": _one(
        IMG, lambda L: L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4])
    ),
    "Activation": _one(IMG, lambda L: L.Activation("swish")),
    "Activation_relu6": _one(IMG, lambda L: L.Activation("relu6")),
    "Activation_hard_sigmoid": _one(IMG, lambda L: L.Activation("hard_sigmoid")),
    "Activation_softplus": _one(IMG, lambda L: L.Activation("softplus")),
    "Conv2D_hard_sigmoid": _one(IMG, lambda L: L.Conv2D(3, 1, activation="hard_sigmoid")),
    "ReLU": _one(IMG, lambda L: L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2)),
    "LeakyReLU": _one(IMG, lambda L: L.LeakyReLU(0.17)),
    "PReLU": _one(IMG, lambda L: L.PReLU(shared_axes=[1, 2])),
    "PReLU_full": _one(IMG, lambda L: L.PReLU()),
    "ELU": _one(IMG, lambda L: L.ELU(0.7)),
    "Softmax": _one(IMG, lambda L: L.Softmax(axis=1)),
    "MaxPooling1D": _one(SEQ, lambda L: L.MaxPooling1D(3)),
    "MaxPooling2D": _one(IMG, lambda L: L.MaxPooling2D(3, strides=2, padding="same")),
    "MaxPooling3D": _one(VOL, lambda L: L.MaxPooling3D()),
    "AveragePooling1D": _one(SEQ, lambda L: L.AveragePooling1D(2, padding="same")),
    "AveragePooling2D": _one(IMG, lambda L: L.AveragePooling2D((2, 3))),
    "AveragePooling3D": _one(VOL, lambda L: L.AveragePooling3D(2)),
    "GlobalMaxPooling1D": _one(SEQ, lambda L: L.GlobalMaxPooling1D()),
    "GlobalMaxPooling2D": _one(IMG, lambda L: L.GlobalMaxPooling2D(keepdims=True)),
    "GlobalMaxPooling3D": _one(VOL, lambda L: L.GlobalMaxPooling3D()),
    "GlobalAveragePooling1D": _one(SEQ, lambda L: L.GlobalAveragePooling1D()),
    "GlobalAveragePooling2D": _one(IMG, lambda L: L.GlobalAveragePooling2D()),
    "GlobalAveragePooling3D": _one(VOL, lambda L: L.GlobalAveragePooling3D()),
    "Flatten": _one(IMG, lambda L: L.Flatten()),
    "Reshape": _one(IMG, lambda L: L.Reshape((-1, 8))),
    "Permute": _one(IMG, lambda L: L.Permute((3, 1, 2))),
    "RepeatVector": _one((7,), lambda L: L.RepeatVector(3)),
    "ZeroPadding1D": _one(SEQ, lambda L: L.ZeroPadding1D((1, 2))),
    "ZeroPadding2D": _one(IMG, lambda L: L.ZeroPadding2D(((1, 2), (0, 3)))),
    "ZeroPadding3D": _one(VOL, lambda L: L.ZeroPadding3D(1)),
    "Cropping1D": _one(SEQ, lambda L: L.Cropping1D((1, 2))),
    "Cropping2D": _one(IMG, lambda L: L.Cropping2D(((1, 2), (0, 3)))),
    "Cropping3D": _one(VOL, lambda L: L.Cropping3D(1)),
    "UpSampling1D": _one(SEQ, lambda L: L.UpSampling1D(3)),
    "UpSampling2D": _one(IMG, lambda L: L.UpSampling2D((2, 3), interpolation="bilinear")),
    "UpSampling3D": _one(VOL, lambda L: L.UpSampling3D(2)),
    "Dropout": _one(IMG, lambda L: L.Dropout(0.4)),
    "SpatialDropout1D": _one(SEQ, lambda L: L.SpatialDropout1D(0.4)),
    "SpatialDropout2D": _one(IMG, lambda L: L.SpatialDropout2D(0.4)),
    "SpatialDropout3D": _one(VOL, lambda L: L.SpatialDropout3D(0.4)),
    "AlphaDropout": _one(IMG, lambda L: L.AlphaDropout(0.4)),
    "GaussianDropout": _one(IMG, lambda L: L.GaussianDropout(0.4)),
    "GaussianNoise": _one(IMG, lambda L: L.GaussianNoise(0.4)),
    "ActivityRegularization": _one(IMG, lambda L: L.ActivityRegularization(l2=0.1)),
    "Masking": _one(SEQ, lambda L: L.Masking(0.0)),
    "Identity": _one(SEQ, lambda L: L.Identity()),
    "Rescaling": _one(IMG, lambda L: L.Rescaling(1 / 127.5, offset=-1.0)),
    "Resizing": _one(IMG, lambda L: L.Resizing(5, 7)),
    "CenterCrop": _one(IMG, lambda L: L.CenterCrop(4, 6)),
    "RandomFlip": _one(IMG, lambda L: L.RandomFlip("horizontal")),
    "RandomRotation": _one(IMG, lambda L: L.RandomRotation(0.1)),
    "RandomZoom": _one(IMG, lambda L: L.RandomZoom(0.1)),
    "RandomTranslation": _one(IMG, lambda L: L.RandomTranslation(0.1, 0.1)),
    "RandomContrast": _one(IMG, lambda L: L.RandomContrast(0.1)),
    "RandomBrightness": _one(IMG, lambda L: L.RandomBrightness(0.1)),
    # Keras 3 leaves the image as it is outside training, whatever the shape that it tells
    "RandomCrop": _one(
        IMG, lambda L: L.RandomCrop(*((8, 10) if hasattr(L, "RandomHue") else (5, 7)))
    ),
    "CategoryEncoding": _one((5,), lambda L: L.CategoryEncoding(10), dtype="int32"),
    "Add": _many([IMG, IMG], lambda L: L.Add()),
    "Add_broadcast": _many([IMG, (1, 1, 4)], lambda L: L.Add()),
    "Subtract": _many([IMG, IMG], lambda L: L.Subtract()),
    "Multiply": _many([IMG, IMG, IMG], lambda L: L.Multiply()),
    "Average": _many([IMG, IMG], lambda L: L.Average()),
    "Maximum": _many([IMG, IMG], lambda L: L.Maximum()),
    "Minimum": _many([IMG, IMG], lambda L: L.Minimum()),
    "Concatenate": _many([IMG, (8, 10, 3)], lambda L: L.Concatenate()),
    "Concatenate_axis": _many([IMG, (3, 10, 4)], lambda L: L.Concatenate(axis=1)),
    "Dot": _many([(5, 4), (6, 4)], lambda L: L.Dot(axes=2)),
    "LSTM": _one(SEQ, lambda L: L.LSTM(3, return_sequences=True)),
    "LSTM_hard_sigmoid": _one(SEQ, lambda L: L.LSTM(3, recurrent_activation="hard_sigmoid")),
    "GRU": _one(SEQ, lambda L: L.GRU(3)),
    "GRU_before": _one(SEQ, lambda L: L.GRU(3, reset_after=False, use_bias=True)),
    "GRU_hard_sigmoid": _one(SEQ, lambda L: L.GRU(3, recurrent_activation="hard_sigmoid")),
    "SimpleRNN": _one(SEQ, lambda L: L.SimpleRNN(3, go_backwards=True)),
    "ConvLSTM1D": _one((3, 8, 2), lambda L: L.ConvLSTM1D(3, 2)),
    "ConvLSTM2D": _one((3, 6, 6, 2), lambda L: L.ConvLSTM2D(3, 2, return_sequences=True)),
    "ConvLSTM3D": _one((3, 4, 4, 4, 2), lambda L: L.ConvLSTM3D(2, 2)),
    "Bidirectional": _one(SEQ, lambda L: L.Bidirectional(L.LSTM(3, name="inner"))),
    "Bidirectional_sum": _one(SEQ, lambda L: L.Bidirectional(L.GRU(3), merge_mode="sum")),
    "TimeDistributed": _one((3, 6, 6, 2), lambda L: L.TimeDistributed(L.Conv2D(3, 2))),
    "TimeDistributed_norm": _one((3, 6, 6, 2), lambda L: L.TimeDistributed(L.BatchNormalization())),
    "Attention": _many([SEQ, SEQ], lambda L: L.Attention(use_scale=True)),
    "AdditiveAttention": _many([SEQ, SEQ], lambda L: L.AdditiveAttention()),
    "MultiHeadAttention": _many([SEQ, (7, 3)], lambda L: lambda x: L.MultiHeadAttention(2, 3)(*x)),
    "MultiHeadAttention_key": _many(
        [SEQ, (7, 3), (7, 5)],
        lambda L: lambda x: L.MultiHeadAttention(2, 3, value_dim=4)(x[0], x[1], key=x[2]),
    ),
}.items():
    CASES[_name] = _case

for _name, _case in {
    "RMSNormalization": _one(IMG, lambda L: L.RMSNormalization()),
    "AdaptiveAveragePooling2D": _one(IMG, lambda L: L.AdaptiveAveragePooling2D(2)),
    "AdaptiveMaxPooling2D": _one(IMG, lambda L: L.AdaptiveMaxPooling2D((2, 5))),
    "AdaptiveMaxPooling1D": _one(SEQ, lambda L: L.AdaptiveMaxPooling1D(3)),
    "GroupedQueryAttention": _many(
        [SEQ, SEQ], lambda L: lambda x: L.GroupQueryAttention(3, 4, 2)(*x)
    ),
    "Activation_layer": _one(IMG, lambda L: L.Conv2D(3, 2, activation=L.LeakyReLU(0.2))),
    "SpectralNormalization": _one(IMG, lambda L: L.SpectralNormalization(L.Conv2D(3, 2))),
    "RandomGrayscale": _one(RGB, lambda L: L.RandomGrayscale()),
    "AdaptiveAveragePooling1D": _one(SEQ, lambda L: L.AdaptiveAveragePooling1D(3)),
    "AdaptiveAveragePooling3D": _one(VOL, lambda L: L.AdaptiveAveragePooling3D(2)),
    "AdaptiveMaxPooling3D": _one(VOL, lambda L: L.AdaptiveMaxPooling3D((2, 3, 2))),
    "AugMix": _one(RGB, lambda L: L.AugMix()),
    "AutoContrast": _one(RGB, lambda L: L.AutoContrast()),
    "ContrastLimitedAdaptiveHistogramEqualization": _one(
        RGB, lambda L: L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
    ),
    "Equalization": _one(RGB, lambda L: L.Equalization()),
    "MelSpectrogram": _one(
        (256,),
        lambda L: L.MelSpectrogram(
            fft_length=64, sequence_stride=32, sequence_length=64, num_mel_bins=8
        ),
    ),
    "RandAugment": _one(RGB, lambda L: L.RandAugment()),
    "RandomColorDegeneration": _one(RGB, lambda L: L.RandomColorDegeneration(0.3)),
    "RandomColorJitter": _one(RGB, lambda L: L.RandomColorJitter(brightness_factor=0.2)),
    "RandomElasticTransform": _one(RGB, lambda L: L.RandomElasticTransform()),
    "RandomErasing": _one(RGB, lambda L: L.RandomErasing()),
    "RandomGaussianBlur": _one(RGB, lambda L: L.RandomGaussianBlur()),
    "RandomHue": _one(RGB, lambda L: L.RandomHue(0.2)),
    "RandomInvert": _one(RGB, lambda L: L.RandomInvert()),
    "RandomPerspective": _one(RGB, lambda L: L.RandomPerspective()),
    "RandomPosterization": _one(RGB, lambda L: L.RandomPosterization(4)),
    "RandomSaturation": _one(RGB, lambda L: L.RandomSaturation(0.3)),
    "RandomSharpness": _one(RGB, lambda L: L.RandomSharpness(0.3)),
    "RandomShear": _one(RGB, lambda L: L.RandomShear(0.2, 0.1)),
    "ReversibleEmbedding": _one((5,), lambda L: L.ReversibleEmbedding(10, 4), dtype="int32"),
    "Solarization": _one(RGB, lambda L: L.Solarization(0.1, 0.3)),
}.items():
    KERAS3_ONLY[_name] = _case


def alive(model: Any, seed: int = 0) -> Any:
    """The model with random weights; variances and scales stay positive."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        name = weight.name.rpartition("/")[2]
        if "int" in str(weight.dtype):
            values.append(np.full(shape, 3, "int64"))
        elif "variance" in name or "gamma" in name:
            values.append(rng.uniform(0.5, 1.5, shape).astype("float32"))
        else:
            values.append(rng.normal(0, 0.4, shape).astype("float32"))
    model.set_weights(values)
    for layer in model.layers:
        if layer.__class__.__name__ == "Normalization":
            layer.finalize_state()
    return model


def inputs_of(model: Any, batch: int = 3, size: int = 9, seed: int = 1) -> Any:
    """Random input in the structure that the model takes; integers below 10 for integer inputs."""
    rng = np.random.default_rng(seed)

    def sample(tensor: Any) -> np.ndarray:
        shape = (batch, *(size if n is None else n for n in tensor.shape[1:]))
        if "int" in str(tensor.dtype):
            return rng.integers(0, 10, shape).astype("int32")
        return rng.normal(0, 1, shape).astype("float32")

    return [sample(tensor) for tensor in model.inputs]
