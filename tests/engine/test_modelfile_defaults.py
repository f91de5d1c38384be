"""Our table of layer options is Keras's own."""

from __future__ import annotations

import inspect
import re
from typing import Any

import keras
import pytest

from engine.modelfile.layer_defaults import REQUIRED, layer_defaults
from engine.modelfile.objects import to_snake

EXPORTED = {"GroupedQueryAttention": "GroupQueryAttention"}
ARGUMENTS: dict[str, Any] = {
    "activation": "relu", "axes": 1, "dims": [1], "equation": "ab,bc->ac", "factor": 0.1,
    "filters": 1, "head_dim": 2, "height": 8, "height_factor": 0.1, "input_dim": 1, "key_dim": 1,
    "n": 1, "num_heads": 1, "num_key_value_heads": 1, "num_query_heads": 2, "num_tokens": 2,
    "output_dim": 1, "output_shape": 1, "output_size": 1, "rate": 0.5, "scale": 1.0,
    "stddev": 0.5, "target_shape": [1], "units": 1, "width": 8, "width_factor": 0.1,
}  # fmt: skip
CHANGES = {"pool_size", "strides", "seed", "value_dim", "backward_layer"}
"""Defaults that Keras computes from other options; ours say None or Keras's usual value."""


def _made(name: str, table: dict[str, Any]) -> Any:
    arguments: dict[str, Any] = {}
    for option, default in table.items():
        if default is not REQUIRED:
            continue
        if option == "layer":
            inner = keras.layers.LSTM(1) if name == "Bidirectional" else keras.layers.Dense(1)
            arguments[option] = inner
        elif option == "kernel_size":
            found = re.search(r"(\d)D", name)
            arguments[option] = (1,) * (int(found[1]) if found else 1)
        elif option == "factor" and name == "RandomPosterization":
            arguments[option] = 3
        else:
            arguments[option] = ARGUMENTS[option]
    if name.startswith("AveragePooling"):
        arguments["pool_size"] = table["pool_size"]
    return getattr(keras.layers, EXPORTED.get(name, name))(**arguments)


@pytest.mark.parametrize("name", sorted(layer_defaults()))
def test_that_our_options_and_defaults_are_kerass(name: str) -> None:
    table = dict(layer_defaults()[name])
    layer = _made(name, table)
    config = layer.get_config()
    ours = set(table) - {"trainable"}
    theirs = set(config) - {"name", "dtype", "trainable"}
    assert ours == theirs
    taken = inspect.signature(type(layer).__init__).parameters
    for option, default in table.items():
        if default is REQUIRED:
            continue
        found = config[option]
        if isinstance(found, dict) and "class_name" in found:
            found = to_snake(found["class_name"])
        if isinstance(found, tuple):
            found = list(found)
        if option not in CHANGES or option not in taken:
            assert _plain(found) == default, option


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
