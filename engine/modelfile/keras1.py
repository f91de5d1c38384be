"""Layer configs of Keras 1 in the words of Keras 2.

Owns the renaming that Keras 2 itself once did in its ``legacy.interfaces``: class names, option
names, ``dim_ordering``, ``Merge``. Recurrent layers, whose twelve arrays were stored one by one,
and whatever else has no exact counterpart, are refused. It knows nothing of calls and files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from engine.errors import UserError
from engine.modelfile.classes import words

Translated: TypeAlias = tuple[str, dict[str, Any]]

CLASSES: Final = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
}
MERGES: Final = {
    "sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate",
    "dot": "Dot",
}  # fmt: skip

_OPTIONS: Final = {
    "nb_filter": "filters", "border_mode": "padding", "subsample": "strides",
    "subsample_length": "strides", "init": "kernel_initializer", "bias": "use_bias",
    "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint",
    "atrous_rate": "dilation_rate", "output_dim": "units", "pool_length": "pool_size",
    "stride": "strides", "p": "rate", "sigma": "stddev", "length": "size",
    "filter_length": "kernel_size",
}  # fmt: skip
_NOT_FOR: Final = {"Embedding": {"output_dim", "init", "W_regularizer", "W_constraint"}}
_INITIALIZERS: Final = {
    "uniform": "random_uniform", "normal": "random_normal", "zero": "zeros", "one": "ones",
}  # fmt: skip
_RECURRENT = words("LSTM GRU SimpleRNN")


def _refused(raw: Mapping[str, Any], class_name: str, what: str) -> UserError:
    return UserError(
        "model.no_counterpart",
        f"Layer {raw.get('name')!r} ({class_name}) uses something of Keras 1 that Keras 3 does not "
        f"have: {what}.",
        "Rebuild that layer with present-day options and save the model again.",
    )


def translate(class_name: str, raw: dict[str, Any]) -> Translated:
    """A Keras 1 class and config in Keras 2's words; one of Keras 2 passes through unchanged.

    Raises
    ------
    UserError
        Where there is no exact counterpart.
    """
    if class_name in _RECURRENT and "output_dim" in raw:
        raise _refused(raw, class_name, "arrays stored gate by gate")
    if class_name == "Merge":
        return _merge(raw)
    config: dict[str, Any] = {}
    for option, value in raw.items():
        if option in _NOT_FOR.get(class_name, ()):
            config[option] = value
        else:
            config[_OPTIONS.get(option, option)] = value
    _ordering(class_name, config)
    special = _SPECIAL.get(class_name)
    if special is not None:
        special(raw, config)
    for option in ("kernel_initializer", "depthwise_initializer", "pointwise_initializer"):
        if isinstance(config.get(option), str):
            config[option] = _INITIALIZERS.get(config[option], config[option])
    for option in [o for o in config if o.endswith("_regularizer")]:
        config[option] = _regularizer(config[option])
    return CLASSES.get(class_name, class_name), config


def _ordering(class_name: str, config: dict[str, Any]) -> None:
    ordering = config.pop("dim_ordering", None)
    if ordering in ("tf", "th"):
        config["data_format"] = "channels_last" if ordering == "tf" else "channels_first"
    elif ordering == "default":
        raise _refused(config, class_name, "dim_ordering='default', which the file does not say")


def _regularizer(value: Any) -> Any:
    if not isinstance(value, Mapping) or "class_name" in value:
        return value
    strength = {key: float(value.get(key) or 0.0) for key in ("l1", "l2")}
    return {"class_name": "L1L2", "config": strength} if any(strength.values()) else None


def _merge(raw: dict[str, Any]) -> Translated:
    mode = raw.get("mode")
    if not isinstance(mode, str) or mode not in MERGES:
        raise _refused(raw, "Merge", f"mode={str(mode)[:40]!r}")
    if raw.get("layers"):
        raise _refused(raw, "Merge", "branches inside a Sequential model")
    config = {"name": raw.get("name"), "trainable": raw.get("trainable", True)}
    if mode == "concat":
        config["axis"] = raw.get("concat_axis", -1)
    if mode == "dot":
        config["axes"] = raw.get("dot_axes", -1)
    return MERGES[mode], config


def _conv2d(raw: Mapping[str, Any], config: dict[str, Any]) -> None:
    if "nb_row" in raw:
        config["kernel_size"] = [raw["nb_row"], raw["nb_col"]]


def _conv3d(raw: Mapping[str, Any], config: dict[str, Any]) -> None:
    if "kernel_dim1" in raw:
        config["kernel_size"] = [raw[f"kernel_dim{axis}"] for axis in (1, 2, 3)]


def _batch_norm(raw: Mapping[str, Any], config: dict[str, Any]) -> None:
    if raw.get("mode", 0) != 0:
        raise _refused(raw, "BatchNormalization", f"mode={raw['mode']}")


def _embedding(raw: Mapping[str, Any], config: dict[str, Any]) -> None:
    if raw.get("dropout"):
        raise _refused(raw, "Embedding", "dropout")


def _padding(raw: Mapping[str, Any], config: dict[str, Any]) -> None:
    padding = raw.get("padding")
    if isinstance(padding, Mapping):  # {"top_pad": 1, ...}
        config["padding"] = [
            [padding.get("top_pad", 0), padding.get("bottom_pad", 0)],
            [padding.get("left_pad", 0), padding.get("right_pad", 0)],
        ]
    elif isinstance(padding, list) and len(padding) == 4:
        config["padding"] = [padding[:2], padding[2:]]


_SPECIAL: Final[dict[str, Callable[[Mapping[str, Any], dict[str, Any]], None]]] = {
    "AtrousConvolution2D": _conv2d,
    "BatchNormalization": _batch_norm,
    "Convolution2D": _conv2d,
    "Convolution3D": _conv3d,
    "Deconvolution2D": _conv2d,
    "Embedding": _embedding,
    "SeparableConvolution2D": _conv2d,
    "ZeroPadding2D": _padding,
}
