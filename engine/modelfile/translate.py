"""From the JSON of any Keras version to one tree of layers and calls.

Owns the differences in how models are written down: the calls of Keras 3 (tensors as objects) and
of Keras 1 and 2 (lists of name, call, output), Sequential models with and without an input layer,
activations that became layers. Single layer configs are the business of ``objects``. It knows
nothing of files and of weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from engine.errors import UserError
from engine.modelfile import classes, of_applications, tf_ops
from engine.modelfile.custom import MARK
from engine.modelfile.custom_entries import custom_entry, declare, declare_in_order
from engine.modelfile.nested_calls import count_from_zero
from engine.modelfile.objects import (
    bad_config,
    layer_config,
    plain,
    plain_shape,
    to_snake,
)
from engine.modelfile.stored import Form
from engine.modelfile.tree import Call, Entry, Model, map_refs, ref

_MAX_NESTING = 40
HARD_SIGMOID_FACTOR = 1.2
"""Keras 2's hard_sigmoid(x) = clip(x / 5 + 1/2) is Keras 3's, clip(x / 6 + 1/2), of 1.2 x."""


_PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes that Keras exports, and writes down, under another name than it counts weights by."""


def model_tree(
    config: Mapping[str, Any], generation: int, build_shape: object = None, depth: int = 0
) -> Model:
    """The tree of a serialised model, nested models included.

    Parameters
    ----------
    config
        ``{"class_name": "Functional" | "Model" | "Sequential", "config": ...}``.
    generation
        Keras's major version that wrote it: 1, 2 or 3.
    build_shape
        The input shape the file gives beside the config, where it does.

    Raises
    ------
    UserError
        Where the config does not describe a model that Secateur opens.
    """
    if depth > _MAX_NESTING:
        raise bad_config(f"models nested more than {_MAX_NESTING} deep")
    class_name = config.get("class_name")
    inner = config.get("config")
    if class_name == "Sequential":
        if isinstance(inner, list):  # Keras 1 to 2.2.2
            inner = {"name": "sequential", "layers": inner}
        if not isinstance(inner, Mapping):
            raise bad_config("a Sequential model without layers")
        return _sequential(inner, generation, _build_shape(config, inner, build_shape), depth)
    check_is_model(config)
    assert isinstance(inner, Mapping)
    return _functional(inner, generation, depth)


def check_is_model(config: Mapping[str, Any]) -> None:
    """Refuse what has no list of layers: a subclassed model, or no model at all.

    Raises
    ------
    UserError
        ``model.subclassed``.
    """
    class_name, inner = config.get("class_name"), config.get("config")
    if class_name == "Sequential" or (isinstance(inner, Mapping) and "layers" in inner):
        return
    raise UserError(
        "model.subclassed",
        "The model is a subclassed one, whose layers stand in Python code and not in the "
        f"file: {str(class_name)[:80]}.",
        "Build it as a Functional model and save that.",
    )


def _build_shape(outer: Mapping[str, Any], inner: Mapping[str, Any], given: object) -> object:
    build = outer.get("build_config")
    from_build = build.get("input_shape") if isinstance(build, Mapping) else None
    return given or inner.get("build_input_shape") or from_build


def _layer_list(inner: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = inner.get("layers")
    if not isinstance(layers, list) or not all(isinstance(item, Mapping) for item in layers):
        raise bad_config("a model whose layers are no list")
    return layers


def _entry(raw: Mapping[str, Any], generation: int, depth: int) -> Entry:
    class_name, config = raw.get("class_name"), raw.get("config")
    if not isinstance(class_name, str):
        raise bad_config("a layer without a class")
    class_name = classes.without_package(class_name)
    if class_name in classes.MODELS:
        model = model_tree(raw, generation, depth=depth + 1)
        name = raw.get("name") or model.name
        slot = to_snake(class_name)
        return Entry(name=str(name), class_name=class_name, slot=slot, model=model)
    if not isinstance(config, Mapping):
        raise bad_config(f"a {class_name} layer without a config")
    if class_name == MARK:
        return custom_entry(raw, config)
    if class_name in tf_ops.CLASSES:
        return Entry(
            name=str(raw.get("name") or config.get("name")),
            class_name=class_name,
            module="",
            config={"function": config.get("function"), "name": config.get("name")},
            slot=to_snake(class_name),
        )
    if class_name in classes.OF_APPLICATIONS:
        return of_applications.entry(class_name, raw, config, generation)
    if _is_operation(raw, config):
        return _operation(class_name, raw, config)
    if "name" not in config and isinstance(raw.get("name"), str):
        config = {**config, "name": raw["name"]}
    new_name, complete = layer_config(class_name, config, generation)
    python_name = _PYTHON_NAMES.get(class_name, class_name)
    return Entry(
        name=complete["name"], class_name=new_name, config=complete, slot=to_snake(python_name)
    )


def _is_operation(raw: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether this is a ``keras.ops`` call; a few have the names of layers (Add, Multiply)."""
    name, module = raw["class_name"], raw.get("module")
    if name not in classes.OPERATIONS:
        return False
    if isinstance(module, str):
        return module.startswith(("keras.src.ops", "keras.ops"))
    return not classes.is_layer(name) or "trainable" not in config


def _operation(class_name: str, raw: Mapping[str, Any], config: Mapping[str, Any]) -> Entry:
    name = str(raw.get("name") or config.get("name") or to_snake(class_name))
    options = {key: plain(value) for key, value in config.items() if key != "name"}
    return Entry(
        name=name,
        class_name=class_name,
        module=classes.OPERATIONS[class_name],
        config={"name": name, **options},
    )


def _sequential(
    inner: Mapping[str, Any], generation: int, build_shape: object, depth: int
) -> Model:
    name = str(inner.get("name") or "sequential")
    raws = _layer_list(inner)
    if not raws:
        raise bad_config(f"the Sequential model {name!r} has no layers")
    entries: list[Entry] = []
    position = 0
    for raw in raws:
        entry = _entry(raw, generation, depth)
        if entry.class_name == "InputLayer":
            entry.slot = None
        else:
            entry.position = position
            position += 1
        entries.extend(_with_activation(entry, generation))
    declare_in_order(entries, raws)
    if entries[0].class_name != "InputLayer":
        entries.insert(0, _made_input(entries, raws[0], build_shape, name))
    for before, entry in itertools.pairwise(entries):
        entry.calls = [Call(args=[ref(before.name, 0, 0)])]
    entries[0].calls = [Call(args=[])]
    return Model(
        name=name,
        entries=entries,
        inputs=ref(entries[0].name, 0, 0),
        outputs=ref(entries[-1].name, 0, 0),
        sequential=True,
    )


def _made_input(
    entries: list[Entry], raw: Mapping[str, Any], build_shape: object, name: str
) -> Entry:
    first = entries[0]
    config = raw.get("config")
    shape = plain_shape(config.get("batch_input_shape")) if isinstance(config, Mapping) else None
    if first.model is not None and shape is None:
        start = next(e for e in first.model.entries if e.class_name == "InputLayer")
        shape = start.config["batch_shape"]
    shape = shape or plain_shape(build_shape) or _built_shape(raw)
    if not shape:
        raise UserError(
            "model.not_built",
            "The model was saved before it knew the shape of its input, so that it has no "
            f"weights: {name!r}.",
            "Call the model on a batch (or build it), then save it again.",
        )
    dtype = "int32" if first.class_name == "Embedding" else "float32"
    input_name = _unused(f"{first.name}_input", entries)
    return Entry(
        name=input_name,
        class_name="InputLayer",
        config={
            "name": input_name, "batch_shape": shape, "dtype": dtype, "sparse": False,
            "ragged": False, "optional": False,
        },
    )  # fmt: skip


def _built_shape(raw: Mapping[str, Any]) -> list[int | None] | None:
    build = raw.get("build_config")
    return plain_shape(build.get("input_shape")) if isinstance(build, Mapping) else None


def _unused(name: str, entries: list[Entry]) -> str:
    taken = {entry.name for entry in entries}
    while name in taken:
        name += "_"
    return name


def _with_activation(entry: Entry, generation: int) -> list[Entry]:
    """The layer, and after it the layers that its activation became."""
    activation = entry.config.get("activation")
    if generation < 3 and _has_old_gates(entry.config, entry.name):
        entry.form = Form(gate_scale=HARD_SIGMOID_FACTOR)
    after: list[Entry] = []
    if isinstance(activation, Mapping):
        inner = dict(activation["config"])
        inner["name"] = f"{entry.name}_{inner['name']}"
        after = [Entry(name=inner["name"], class_name=activation["class_name"], config=inner)]
    elif activation == "hard_sigmoid" and generation < 3:
        after = _old_hard_sigmoid(entry)
    if not after:
        return [entry]
    if "recurrent_activation" in entry.config or after[0].class_name == "PReLU":
        raise UserError(
            "model.no_counterpart",
            "A layer has an activation that Secateur cannot take apart from it: "
            f"layer {entry.name!r}, activation {after[-1].class_name}.",
            "Put the activation into a layer of its own and save the model again.",
        )
    if entry.class_name == "Activation":
        for item in after[-1:]:
            item.name, item.config["name"] = entry.name, entry.name
            item.slot = entry.slot
        return after
    entry.config["activation"] = "linear"
    return [entry, *after]


def _has_old_gates(config: Mapping[str, Any], name: str) -> bool:
    """Whether a recurrent layer, perhaps inside a wrapper, has gates with the old hard_sigmoid."""
    inner = [config[key]["config"] for key in ("layer", "backward_layer") if config.get(key)]
    found = {_has_old_gates(item, name) for item in inner}
    found |= (
        {config["recurrent_activation"] == "hard_sigmoid"}
        if ("recurrent_activation" in config)
        else set()
    )
    if len(found) > 1:
        raise UserError(
            "model.no_counterpart",
            f"The two directions of layer {name!r} have different recurrent activations.",
            "Give both the same one and save the model again.",
        )
    return found == {True}


def _old_hard_sigmoid(entry: Entry) -> list[Entry]:
    common = {"trainable": True, "dtype": entry.config["dtype"]}
    scale = f"{entry.name}_hard_sigmoid_scale"
    name = f"{entry.name}_hard_sigmoid"
    options = {"scale": HARD_SIGMOID_FACTOR, "offset": 0.0}
    return [
        Entry(name=scale, class_name="Rescaling", config={"name": scale, **common, **options}),
        Entry(
            name=name,
            class_name="Activation",
            config={"name": name, **common, "activation": "hard_sigmoid"},
        ),
    ]


def _functional(inner: Mapping[str, Any], generation: int, depth: int) -> Model:
    name = str(inner.get("name") or "model")
    entries: list[Entry] = []
    renamed: dict[str, str] = {}
    for position, raw in enumerate(_layer_list(inner)):
        entry = _entry(raw, generation, depth)
        entry.position = position
        entry.calls = _calls(raw, entry, generation)
        if entry.class_name == "CustomScaleLayer":
            entries.extend(of_applications.scaled_add(entry, generation))
            continue
        parts = _with_activation(entry, generation)
        _chain(entry, parts)
        if parts[-1].name != entry.name:
            renamed[entry.name] = parts[-1].name
        entries.extend(parts)
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise bad_config(f"two layers of the name {twice!r}")
    model = Model(
        name=name,
        entries=entries,
        inputs=_single(_structure(inner.get("input_layers"), "input_layers")),
        outputs=_single(_structure(inner.get("output_layers"), "output_layers")),
    )
    count_from_zero(model, generation)
    declare(entries, _layer_list(inner))
    _rename(model, renamed)
    return tf_ops.translate(model)


def _chain(entry: Entry, parts: list[Entry]) -> None:
    """Let the layers that follow an activation's layer be called one after the other."""
    if parts[0] is not entry:
        parts[0].calls = entry.calls
    for before, after in itertools.pairwise(parts):
        after.calls = [
            Call(args=[ref(f"\x00{before.name}", number, 0)]) for number in range(len(before.calls))
        ]


def _rename(model: Model, renamed: Mapping[str, str]) -> None:
    def change(layer: str, call: int, output: int) -> dict[str, Any]:
        if layer.startswith("\x00"):  # an inner link, which stays
            return ref(layer[1:], call, output)
        return ref(renamed.get(layer, layer), call, output)

    for entry in model.entries:
        for call in entry.calls:
            call.args = map_refs(call.args, change)
            call.kwargs = map_refs(call.kwargs, change)
    model.outputs = map_refs(model.outputs, change)


def _single(structure: Any) -> Any:
    """A list of one as that one: Keras 2 always writes a list."""
    return structure[0] if isinstance(structure, list) and len(structure) == 1 else structure


def _structure(value: Any, what: str) -> Any:
    """``input_layers``/``output_layers`` as a structure of refs."""
    if _is_old_ref(value):
        return ref(value[0], value[1], value[2])
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        value = value.get("items")
    if isinstance(value, list) and value:
        return [_structure(item, what) for item in value]
    if isinstance(value, Mapping) and value:
        return {str(key): _structure(item, what) for key, item in value.items()}
    raise bad_config(f"{what} is {str(value)[:60]}")


def _is_old_ref(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value[1:3])
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )


def _calls(raw: Mapping[str, Any], entry: Entry, generation: int) -> list[Call]:
    nodes = raw.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise bad_config(f"layer {entry.name!r} has no list of calls")
    if entry.class_name == "InputLayer":
        return [Call(args=[])]
    return [_call(node, entry.name) for node in nodes]


def _call(node: Any, name: str) -> Call:
    if isinstance(node, Mapping) and "args" in node and "kwargs" in node:
        args, kwargs = _new_value(node["args"]), _new_value(node["kwargs"])
        if not isinstance(args, list) or not isinstance(kwargs, Mapping):
            raise bad_config(f"layer {name!r} has a call without arguments")
        call = Call(args=args, kwargs=dict(kwargs))
    else:
        call = _old_call(node, name)
    call.kwargs = {
        key: value
        for key, value in call.kwargs.items()
        if not (value is None and key in ("mask", "training", "name", "attention_mask"))
    }
    return call


def _new_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            history: Any = config.get("keras_history") if isinstance(config, Mapping) else None
            if not _is_old_ref(history):
                raise bad_config("a tensor without a history")
            return ref(history[0], history[1], history[2])
        if value.get("class_name") in ("__slice__", "__ellipsis__"):
            return {"class_name": value["class_name"], "config": plain(value.get("config") or {})}
        if "class_name" in value:
            return plain(value)
        return {str(key): _new_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_new_value(item) for item in value]
    return value


def _old_call(node: Any, name: str) -> Call:
    """A call as Keras 1 and 2 wrote it: ``[[layer, call, output, kwargs], ...]``."""
    kwargs: dict[str, Any] = {}

    def value(item: Any) -> Any:
        if _is_old_ref(item):
            if len(item) == 4:
                kwargs.update(item[3])
            return ref(item[0], item[1], item[2])
        if isinstance(item, list) and len(item) == 4 and item[0] == "_CONSTANT_VALUE":
            kwargs.update(item[3])
            return plain(item[2])
        if isinstance(item, list):
            return [value(part) for part in item]
        if isinstance(item, Mapping):
            return {str(key): value(part) for key, part in item.items()}
        raise bad_config(f"layer {name!r} has a call from {str(item)[:60]}")

    first = value(node)
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    if isinstance(first, list) and not first:
        return Call(args=[])
    return Call(args=[first], kwargs={key: _old_argument(item) for key, item in kwargs.items()})


def _old_argument(value: Any) -> Any:
    if _is_old_ref(value):
        return ref(value[0], value[1], value[2])
    if isinstance(value, list):
        return [_old_argument(item) for item in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {str(key): _old_argument(item) for key, item in value.items()}
    return plain(value)
