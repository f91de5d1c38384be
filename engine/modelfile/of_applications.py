"""Layers that ``keras.applications`` defines for itself, as standard layers that do the same.

Owns the translation of ConvNeXt's ``LayerScale`` (a factor per channel is a depthwise convolution
of one pixel) and ``StochasticDepth`` (dropout of whole samples), and of InceptionResNetV2's
``CustomScaleLayer`` (x + scale * y). It knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.modelfile.objects import bad_config, layer_config, to_snake
from engine.modelfile.stored import Form
from engine.modelfile.tree import Call, Entry, ref


def entry(
    class_name: str, raw: Mapping[str, Any], config: Mapping[str, Any], generation: int
) -> Entry:
    """The layer as one entry; a ``CustomScaleLayer`` still has to pass :func:`scaled_add`.

    Raises
    ------
    UserError
        Where an option is missing.
    """
    name = str(config.get("name") or raw.get("name"))
    common = {
        "name": name,
        "trainable": config.get("trainable", True),
        "dtype": config.get("dtype"),
    }
    slot = to_snake(class_name)
    if class_name == "LayerScale":
        options = {"kernel_size": [1, 1], "use_bias": False, "depth_multiplier": 1}
        _, complete = layer_config("DepthwiseConv2D", {**common, **options}, generation)
        return Entry(
            name=name,
            class_name="DepthwiseConv2D",
            config=complete,
            slot=slot,
            form=Form(kernel="flat"),
        )
    if class_name == "StochasticDepth":
        options = {"rate": _number(config, "drop_path_rate"), "noise_shape": [None, 1, 1, 1]}
        _, complete = layer_config("Dropout", {**common, **options}, generation)
        return Entry(name=name, class_name="Dropout", config=complete, slot=slot)
    scale = {**common, "scale": _number(config, "scale"), "offset": 0.0}
    return Entry(name=name, class_name=class_name, config=scale, slot=slot)


def scaled_add(found: Entry, generation: int) -> list[Entry]:
    """``CustomScaleLayer`` with its calls as a scaling and an addition.

    Raises
    ------
    UserError
        Where it is not called on two tensors.
    """
    name = found.name
    scaled = f"{name}_scale"
    _, scaling = layer_config("Rescaling", {**found.config, "name": scaled}, generation)
    options = {key: found.config[key] for key in ("name", "trainable", "dtype")}
    _, adding = layer_config("Add", options, generation)
    first = Entry(name=scaled, class_name="Rescaling", config=scaling)
    second = Entry(name=name, class_name="Add", config=adding, slot=found.slot)
    for number, call in enumerate(found.calls):
        pair = call.args[0] if call.args else None
        if not isinstance(pair, list) or len(pair) != 2:
            raise bad_config(f"layer {name!r} is not called on two tensors")
        first.calls.append(Call(args=[pair[1]]))
        second.calls.append(Call(args=[[pair[0], ref(scaled, number, 0)]]))
    return [first, second]


def _number(config: Mapping[str, Any], option: str) -> float:
    value = config.get(option)
    if not isinstance(value, int | float):
        raise bad_config(f"{option}={str(value)[:40]}")
    return float(value)
