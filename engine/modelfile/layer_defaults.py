"""The layer classes that Secateur opens, with the options of each in Keras 3 and their defaults.

Owns the table: class name -> option -> default, for every layer class that may stand in a file.
An option without ``=`` is required. ``name``, ``trainable`` and ``dtype`` belong to every layer and
are not listed; initialisers are named in snake case. The table was taken from Keras 3.15; a test
compares it with the installed Keras. It knows nothing of files.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final


class _Required:
    """Marks an option without a default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@functools.cache
def layer_defaults() -> Mapping[str, Mapping[str, Any]]:
    """Class name -> option -> default; :data:`REQUIRED` where there is none."""
    table: dict[str, Mapping[str, Any]] = {}
    entry: list[str] = []
    for line in [*_TABLE.strip().splitlines(), "."]:
        if line.startswith(" "):
            entry.append(line)
            continue
        if entry:
            name, *options = (part.strip() for part in " ".join(entry).split("|"))
            table[name] = MappingProxyType(dict(_option(text) for text in options))
        entry = [line]
    return MappingProxyType(table)


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    return name, json.loads(value) if equals else REQUIRED


_TABLE = """
Activation | activation
ActivityRegularization | l1=0.0 | l2=0.0
AdaptiveAveragePooling1D | output_size | data_format="channels_last"
AdaptiveAveragePooling2D | output_size | data_format="channels_last"
AdaptiveAveragePooling3D | output_size | data_format="channels_last"
AdaptiveMaxPooling1D | output_size | data_format="channels_last"
AdaptiveMaxPooling2D | output_size | data_format="channels_last"
AdaptiveMaxPooling3D | output_size | data_format="channels_last"
Add
AdditiveAttention | use_scale=true | dropout=0.0 | seed=null
AlphaDropout | rate | seed=null | noise_shape=null
Attention | use_scale=false | score_mode="dot" | dropout=0.0 | seed=null
AugMix | data_format="channels_last" | value_range=[0,255] | num_chains=3 | chain_depth=3
    | factor=[0,0.3] | alpha=1.0 | all_ops=true | interpolation="bilinear" | seed=null
AutoContrast | data_format="channels_last" | value_range=[0,255]
Average
AveragePooling1D | pool_size=[2] | padding="valid" | strides=null | data_format="channels_last"
AveragePooling2D | pool_size=[2,2] | padding="valid" | strides=null | data_format="channels_last"
AveragePooling3D | pool_size=[2,2,2] | padding="valid" | strides=null
    | data_format="channels_last"
BatchNormalization | axis=-1 | momentum=0.99 | epsilon=0.001 | center=true | scale=true
    | beta_initializer="zeros" | gamma_initializer="ones" | moving_mean_initializer="zeros"
    | moving_variance_initializer="ones" | beta_regularizer=null | gamma_regularizer=null
    | beta_constraint=null | gamma_constraint=null | synchronized=false | renorm=false
    | renorm_clipping=null | renorm_momentum=0.99
Bidirectional | merge_mode="concat" | layer | backward_layer=null
CategoryEncoding | num_tokens | output_mode="multi_hot"
CenterCrop | data_format="channels_last" | height | width
Concatenate | axis=-1
ContrastLimitedAdaptiveHistogramEqualization | data_format="channels_last" | value_range=[0,255]
    | clip_limit=4.0 | tile_grid_size=[8,8]
Conv1D | filters | kernel_size | strides=[1] | padding="valid" | data_format="channels_last"
    | dilation_rate=[1] | groups=1 | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
Conv1DTranspose | filters | kernel_size | strides=[1] | padding="valid" | output_padding=null
    | data_format="channels_last" | dilation_rate=[1] | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
Conv2D | filters | kernel_size | strides=[1,1] | padding="valid" | data_format="channels_last"
    | dilation_rate=[1,1] | groups=1 | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
Conv2DTranspose | filters | kernel_size | strides=[1,1] | padding="valid" | output_padding=null
    | data_format="channels_last" | dilation_rate=[1,1] | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
Conv3D | filters | kernel_size | strides=[1,1,1] | padding="valid" | data_format="channels_last"
    | dilation_rate=[1,1,1] | groups=1 | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
Conv3DTranspose | filters | kernel_size | strides=[1,1,1] | padding="valid" | output_padding=null
    | data_format="channels_last" | dilation_rate=[1,1,1] | activation="linear" | use_bias=true
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null
ConvLSTM1D | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | filters | kernel_size | strides=[1]
    | padding="valid" | data_format="channels_last" | dilation_rate=[1] | activation="tanh"
    | recurrent_activation="sigmoid" | use_bias=true | kernel_initializer="glorot_uniform"
    | recurrent_initializer="orthogonal" | bias_initializer="zeros" | unit_forget_bias=true
    | kernel_regularizer=null | recurrent_regularizer=null | bias_regularizer=null
    | activity_regularizer=null | kernel_constraint=null | recurrent_constraint=null
    | bias_constraint=null | dropout=0.0 | recurrent_dropout=0.0 | seed=null
ConvLSTM2D | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | filters | kernel_size | strides=[1,1]
    | padding="valid" | data_format="channels_last" | dilation_rate=[1,1] | activation="tanh"
    | recurrent_activation="sigmoid" | use_bias=true | kernel_initializer="glorot_uniform"
    | recurrent_initializer="orthogonal" | bias_initializer="zeros" | unit_forget_bias=true
    | kernel_regularizer=null | recurrent_regularizer=null | bias_regularizer=null
    | activity_regularizer=null | kernel_constraint=null | recurrent_constraint=null
    | bias_constraint=null | dropout=0.0 | recurrent_dropout=0.0 | seed=null
ConvLSTM3D | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | filters | kernel_size | strides=[1,1,1]
    | padding="valid" | data_format="channels_last" | dilation_rate=[1,1,1] | activation="tanh"
    | recurrent_activation="sigmoid" | use_bias=true | kernel_initializer="glorot_uniform"
    | recurrent_initializer="orthogonal" | bias_initializer="zeros" | unit_forget_bias=true
    | kernel_regularizer=null | recurrent_regularizer=null | bias_regularizer=null
    | activity_regularizer=null | kernel_constraint=null | recurrent_constraint=null
    | bias_constraint=null | dropout=0.0 | recurrent_dropout=0.0 | seed=null
Cropping1D | cropping=[1,1]
Cropping2D | cropping=[[0,0],[0,0]] | data_format="channels_last"
Cropping3D | cropping=[[1,1],[1,1],[1,1]] | data_format="channels_last"
Dense | units | activation="linear" | use_bias=true | kernel_initializer="glorot_uniform"
    | bias_initializer="zeros" | kernel_regularizer=null | bias_regularizer=null
    | kernel_constraint=null | bias_constraint=null | quantization_config=null
DepthwiseConv1D | depth_multiplier=1 | kernel_size | strides=[1] | padding="valid"
    | data_format="channels_last" | dilation_rate=[1] | activation="linear" | use_bias=true
    | depthwise_initializer="glorot_uniform" | bias_initializer="zeros"
    | depthwise_regularizer=null | bias_regularizer=null | activity_regularizer=null
    | depthwise_constraint=null | bias_constraint=null
DepthwiseConv2D | depth_multiplier=1 | kernel_size | strides=[1,1] | padding="valid"
    | data_format="channels_last" | dilation_rate=[1,1] | activation="linear" | use_bias=true
    | depthwise_initializer="glorot_uniform" | bias_initializer="zeros"
    | depthwise_regularizer=null | bias_regularizer=null | activity_regularizer=null
    | depthwise_constraint=null | bias_constraint=null
Dot | axes | normalize=false
Dropout | rate | seed=null | noise_shape=null
ELU | alpha=1.0
EinsumDense | output_shape | equation | activation="linear" | bias_axes=null
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null | quantization_config=null
Embedding | input_dim | output_dim | embeddings_initializer="random_uniform"
    | embeddings_regularizer=null | activity_regularizer=null | embeddings_constraint=null
    | mask_zero=false | quantization_config=null
Equalization | data_format="channels_last" | bins=256 | value_range=[0,255]
Flatten | data_format="channels_last"
GRU | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | units | activation="tanh"
    | recurrent_activation="sigmoid" | use_bias=true | kernel_initializer="glorot_uniform"
    | recurrent_initializer="orthogonal" | bias_initializer="zeros" | kernel_regularizer=null
    | recurrent_regularizer=null | bias_regularizer=null | activity_regularizer=null
    | kernel_constraint=null | recurrent_constraint=null | bias_constraint=null | dropout=0.0
    | recurrent_dropout=0.0 | reset_after=true | seed=null
GaussianDropout | rate | seed=null
GaussianNoise | stddev | seed=null
GlobalAveragePooling1D | data_format="channels_last" | keepdims=false
GlobalAveragePooling2D | data_format="channels_last" | keepdims=false
GlobalAveragePooling3D | data_format="channels_last" | keepdims=false
GlobalMaxPooling1D | data_format="channels_last" | keepdims=false
GlobalMaxPooling2D | data_format="channels_last" | keepdims=false
GlobalMaxPooling3D | data_format="channels_last" | keepdims=false
GroupNormalization | groups=32 | axis=-1 | epsilon=0.001 | center=true | scale=true
    | beta_initializer="zeros" | gamma_initializer="ones" | beta_regularizer=null
    | gamma_regularizer=null | beta_constraint=null | gamma_constraint=null
GroupedQueryAttention | head_dim | num_query_heads | num_key_value_heads | use_bias=true
    | use_gate=false | sliding_window=null | dropout=0.0 | kernel_initializer="glorot_uniform"
    | bias_initializer="zeros" | kernel_regularizer=null | bias_regularizer=null
    | activity_regularizer=null | kernel_constraint=null | bias_constraint=null | seed=null
Identity
LSTM | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | units | activation="tanh"
    | recurrent_activation="sigmoid" | use_bias=true | kernel_initializer="glorot_uniform"
    | recurrent_initializer="orthogonal" | bias_initializer="zeros" | unit_forget_bias=true
    | kernel_regularizer=null | recurrent_regularizer=null | bias_regularizer=null
    | activity_regularizer=null | kernel_constraint=null | recurrent_constraint=null
    | bias_constraint=null | dropout=0.0 | recurrent_dropout=0.0 | seed=null
LayerNormalization | axis=-1 | epsilon=0.001 | center=true | scale=true | rms_scaling=false
    | beta_initializer="zeros" | gamma_initializer="ones" | beta_regularizer=null
    | gamma_regularizer=null | beta_constraint=null | gamma_constraint=null
LeakyReLU | negative_slope=0.3
Masking | mask_value=0.0
MaxPooling1D | pool_size=[2] | padding="valid" | strides=null | data_format="channels_last"
MaxPooling2D | pool_size=[2,2] | padding="valid" | strides=null | data_format="channels_last"
MaxPooling3D | pool_size=[2,2,2] | padding="valid" | strides=null | data_format="channels_last"
Maximum
MelSpectrogram | fft_length=2048 | sequence_stride=512 | sequence_length=2048 | window="hann"
    | sampling_rate=16000 | num_mel_bins=128 | min_freq=20.0 | max_freq=8000 | power_to_db=true
    | top_db=80.0 | mag_exp=2.0 | min_power=1e-10 | ref_power=1.0
Minimum
MultiHeadAttention | num_heads | key_dim | value_dim=null | dropout=0.0 | use_bias=true
    | use_gate=false | output_shape=null | attention_axes=null | sliding_window=null
    | kernel_initializer="glorot_uniform" | bias_initializer="zeros" | kernel_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | bias_constraint=null | seed=null
Multiply
Normalization | axis=[-1] | invert=false | mean=null | variance=null
PReLU | alpha_initializer="zeros" | alpha_regularizer=null | alpha_constraint=null
    | shared_axes=null
Permute | dims
RMSNormalization | axis=-1 | epsilon=1e-06
RandAugment | data_format="channels_last" | value_range=[0,255] | num_ops=2 | factor=[0,0.5]
    | interpolation="bilinear" | seed=null
RandomBrightness | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomColorDegeneration | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomColorJitter | data_format="channels_last" | value_range=[0,255] | brightness_factor=null
    | contrast_factor=null | saturation_factor=null | hue_factor=null | seed=null
RandomContrast | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomCrop | data_format="channels_last" | height | width | seed=null
RandomElasticTransform | data_format="channels_last" | factor=[0,1.0] | scale=[0,1.0]
    | interpolation="bilinear" | fill_mode="reflect" | fill_value=0.0 | value_range=[0,255]
    | seed=null
RandomErasing | data_format="channels_last" | factor=[0,1.0] | scale=[0.02,0.33] | fill_value=null
    | value_range=[0,255] | seed=null
RandomFlip | data_format="channels_last" | seed=null | mode="horizontal_and_vertical"
RandomGaussianBlur | data_format="channels_last" | factor=[0,1.0] | kernel_size=[3,3]
    | sigma=[0,1.0] | value_range=[0,255] | seed=null
RandomGrayscale | data_format="channels_last" | factor=0.5
RandomHue | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomInvert | data_format="channels_last" | factor=[0,1.0] | value_range=[0,255] | seed=null
RandomPerspective | data_format="channels_last" | factor=[0,1.0] | scale=1.0
    | interpolation="bilinear" | fill_value=0.0 | seed=null
RandomPosterization | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomRotation | data_format="channels_last" | factor | fill_mode="reflect" | fill_value=0.0
    | interpolation="bilinear" | seed=null
RandomSaturation | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomSharpness | data_format="channels_last" | factor | value_range=[0,255] | seed=null
RandomShear | data_format="channels_last" | x_factor=[-0.0,0.0] | y_factor=[-0.0,0.0]
    | fill_mode="reflect" | interpolation="bilinear" | seed=null | fill_value=0.0
RandomTranslation | data_format="channels_last" | height_factor | width_factor
    | fill_mode="reflect" | interpolation="bilinear" | seed=null | fill_value=0.0
RandomZoom | data_format="channels_last" | height_factor | width_factor=null | fill_mode="reflect"
    | interpolation="bilinear" | seed=null | fill_value=0.0
ReLU | max_value=null | negative_slope=0.0 | threshold=0.0
RepeatVector | n
Rescaling | scale | offset=0.0
Reshape | target_shape
Resizing | data_format="channels_last" | height | width | interpolation="bilinear"
    | crop_to_aspect_ratio=false | pad_to_aspect_ratio=false | fill_mode="constant"
    | fill_value=0.0 | antialias=false
ReversibleEmbedding | input_dim | output_dim | embeddings_initializer="random_uniform"
    | embeddings_regularizer=null | activity_regularizer=null | embeddings_constraint=null
    | mask_zero=false | quantization_config=null | tie_weights=true | reverse_dtype=null
    | logit_soft_cap=null
SeparableConv1D | depth_multiplier=1 | filters | kernel_size | strides=[1] | padding="valid"
    | data_format="channels_last" | dilation_rate=[1] | activation="linear" | use_bias=true
    | depthwise_initializer="glorot_uniform" | pointwise_initializer="glorot_uniform"
    | bias_initializer="zeros" | depthwise_regularizer=null | pointwise_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | depthwise_constraint=null
    | pointwise_constraint=null | bias_constraint=null
SeparableConv2D | depth_multiplier=1 | filters | kernel_size | strides=[1,1] | padding="valid"
    | data_format="channels_last" | dilation_rate=[1,1] | activation="linear" | use_bias=true
    | depthwise_initializer="glorot_uniform" | pointwise_initializer="glorot_uniform"
    | bias_initializer="zeros" | depthwise_regularizer=null | pointwise_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | depthwise_constraint=null
    | pointwise_constraint=null | bias_constraint=null
SimpleRNN | return_sequences=false | return_state=false | go_backwards=false | stateful=false
    | unroll=false | zero_output_for_mask=false | units | activation="tanh" | use_bias=true
    | kernel_initializer="glorot_uniform" | recurrent_initializer="orthogonal"
    | bias_initializer="zeros" | kernel_regularizer=null | recurrent_regularizer=null
    | bias_regularizer=null | activity_regularizer=null | kernel_constraint=null
    | recurrent_constraint=null | bias_constraint=null | dropout=0.0 | recurrent_dropout=0.0
Softmax | axis=-1
Solarization | data_format="channels_last" | value_range=[0,255] | addition_factor=[0,0.0]
    | threshold_factor=[0,0.0] | seed=null
SpatialDropout1D | rate | seed=null
SpatialDropout2D | rate | seed=null | data_format="channels_last"
SpatialDropout3D | rate | seed=null | data_format="channels_last"
SpectralNormalization | layer | power_iterations=1
Subtract
TimeDistributed | layer
UnitNormalization | axis=-1
UpSampling1D | size=2
UpSampling2D | size=[2,2] | data_format="channels_last" | interpolation="nearest"
UpSampling3D | size=[2,2,2] | data_format="channels_last"
ZeroPadding1D | padding=[1,1] | data_format="channels_last"
ZeroPadding2D | padding=[[1,1],[1,1]] | data_format="channels_last"
ZeroPadding3D | padding=[[1,1],[1,1],[1,1]] | data_format="channels_last"
"""
