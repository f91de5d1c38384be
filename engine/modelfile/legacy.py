"""Layer configs of Keras 1 and 2 in Keras 3's words.

Owns the table of differences, class by class: renamed classes and options, options that went
away, defaults that changed. Whatever has no exact counterpart is refused. It knows nothing of
calls, weights or files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from engine.errors import UserError
from engine.modelfile import keras1
from engine.modelfile.classes import RENAMED

Translated: TypeAlias = tuple[str, dict[str, Any]]
_Rule: TypeAlias = Callable[[dict[str, Any]], Translated]


def translate(class_name: str, raw: dict[str, Any], generation: int) -> Translated:
    """A class and its config in Keras 3's words; options that mean nothing now may be left in.

    Raises
    ------
    UserError
        Where the layer has no exact counterpart in Keras 3.
    """
    if generation == 1:
        class_name, raw = keras1.translate(class_name, raw)
    found = _RULES.get(RENAMED.get(class_name, class_name))
    return found(raw) if found is not None else (class_name, raw)


def _no_counterpart(raw: dict[str, Any], class_name: str, what: str) -> UserError:
    return UserError(
        "model.no_counterpart",
        f"Layer {raw.get('name')!r} ({class_name}) uses something of an old Keras that Keras 3 "
        f"does not have: {what}.",
        "Rebuild that layer with present-day options and save the model again.",
    )


def _batch_norm(raw: dict[str, Any]) -> Translated:
    axis = raw.get("axis", -1)
    if isinstance(axis, list):
        if len(axis) != 1:
            raise _no_counterpart(raw, "BatchNormalization", f"several axes {axis}")
        axis = axis[0]
    if raw.get("virtual_batch_size") is not None:
        raise _no_counterpart(raw, "BatchNormalization", "virtual_batch_size")
    return "BatchNormalization", {**raw, "axis": axis}


def _leaky_relu(raw: dict[str, Any]) -> Translated:
    slope = raw.get("alpha", raw.get("negative_slope", 0.3))
    return "LeakyReLU", {**raw, "negative_slope": slope}


def _thresholded(raw: dict[str, Any]) -> Translated:
    theta = raw.get("theta", 1.0)
    return "ReLU", {**raw, "threshold": theta, "max_value": None, "negative_slope": 0.0}


def _ungrouped(class_name: str) -> _Rule:
    def rule(raw: dict[str, Any]) -> Translated:
        if raw.get("groups", 1) != 1:
            raise _no_counterpart(raw, class_name, f"groups={raw['groups']}")
        return class_name, raw

    return rule


def _random_crop(raw: dict[str, Any]) -> Translated:
    """What it does outside training, which Keras 3's layer of this name does not."""
    options = {key: value for key, value in raw.items() if key != "seed"}
    return "Resizing", {**options, "crop_to_aspect_ratio": True}


def _gru(raw: dict[str, Any]) -> Translated:
    return "GRU", {**_timed(raw, "GRU"), "reset_after": bool(raw.get("reset_after", False))}


def _lstm(raw: dict[str, Any]) -> Translated:
    return "LSTM", _timed(raw, "LSTM")


def _simple_rnn(raw: dict[str, Any]) -> Translated:
    return "SimpleRNN", _timed(raw, "SimpleRNN")


def _timed(raw: dict[str, Any], class_name: str) -> dict[str, Any]:
    if raw.get("time_major"):
        raise _no_counterpart(raw, class_name, "time_major=True")
    return raw


_RULES: dict[str, _Rule] = {
    "BatchNormalization": _batch_norm,
    "Conv1DTranspose": _ungrouped("Conv1DTranspose"),
    "Conv2DTranspose": _ungrouped("Conv2DTranspose"),
    "Conv3DTranspose": _ungrouped("Conv3DTranspose"),
    "DepthwiseConv1D": _ungrouped("DepthwiseConv1D"),
    "DepthwiseConv2D": _ungrouped("DepthwiseConv2D"),
    "GRU": _gru,
    "LSTM": _lstm,
    "LeakyReLU": _leaky_relu,
    "RandomCrop": _random_crop,
    "SeparableConv1D": _ungrouped("SeparableConv1D"),
    "SeparableConv2D": _ungrouped("SeparableConv2D"),
    "SimpleRNN": _simple_rnn,
    "ThresholdedReLU": _thresholded,
}
