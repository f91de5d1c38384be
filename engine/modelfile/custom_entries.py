"""Layers of the user's own in a model's tree: their config as it is, their shapes as noted.

Owns how a marked layer becomes an entry, and where a file of Keras 3 notes the shapes that such a
layer gives, which no rule of ours could find. It knows nothing of the Python file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.modelfile.custom import MODULE
from engine.modelfile.objects import dtype_name, plain_shape, to_snake
from engine.modelfile.tree import Entry


def custom_entry(raw: Mapping[str, Any], marked: Mapping[str, Any]) -> Entry:
    """A layer of the user's own file, with its config as it is."""
    class_name, config = str(marked["class_name"]), dict(marked["config"])
    name = str(config.get("name") or raw.get("name"))
    config |= {"name": name, "dtype": dtype_name(config.get("dtype"), name)}
    for option in ("batch_input_shape", "build_config", "batch_shape"):
        config.pop(option, None)
    return Entry(
        name=name,
        class_name=class_name,
        module=f"{MODULE}{marked['file']}",
        config=config,
        slot=to_snake(class_name),
    )


def is_custom(entry: Entry) -> bool:
    """Whether this is a layer of the user's own."""
    return entry.module.startswith(MODULE)


def declare(entries: Sequence[Entry], raws: Sequence[Mapping[str, Any]]) -> None:
    """Note the shapes of custom layers' outputs from the calls that read them (Keras 3)."""
    wanted = {entry.name: entry for entry in entries if is_custom(entry)}
    if not wanted:
        return
    for raw in raws:
        for layer, call, output, shape in _tensors(raw.get("inbound_nodes")):
            if layer in wanted:
                found = plain_shape(shape)
                wanted[layer].declared[(call, output)] = None if found is None else tuple(found)


def declare_in_order(entries: Sequence[Entry], raws: Sequence[Mapping[str, Any]]) -> None:
    """The same in a Sequential model, from what the layer behind was built for."""
    custom = {entry.name: entry for entry in entries if is_custom(entry)}
    if not custom:
        return
    for raw, after in itertools.pairwise(raws):
        config = raw.get("config")
        inner = config.get("config") if isinstance(config, Mapping) else None
        name = inner.get("name") if isinstance(inner, Mapping) else None
        build = after.get("build_config")
        if name in custom and isinstance(build, Mapping):
            shape = plain_shape(build.get("input_shape"))
            custom[name].declared[(0, 0)] = None if shape is None else tuple(shape)


def _tensors(value: Any) -> Iterator[tuple[str, int, int, Any]]:
    """Layer, call, output and shape of each tensor that a call names."""
    if isinstance(value, Mapping):
        config = value.get("config")
        if value.get("class_name") == "__keras_tensor__" and isinstance(config, Mapping):
            layer, call, output = config["keras_history"][:3]
            yield layer, call, output, config.get("shape")
            return
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list):
        for item in value:
            yield from _tensors(item)
