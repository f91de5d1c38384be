"""Configs in canonical Keras 3 form: complete, with names and modules from our own tables.

Owns how a value in a layer's config is rewritten: initialisers, regularisers, constraints, dtype
policies, activations, nested layers. Whatever module path a file gives is dropped; what stands in
a graph was named by us. It knows nothing of calls and graphs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.errors import UserError
from engine.modelfile import classes, legacy
from engine.modelfile.layer_defaults import REQUIRED, layer_defaults

_INITIALIZER_OPTIONS = {
    "Constant": ("value",),
    "Identity": ("gain",),
    "Orthogonal": ("gain", "seed"),
    "RandomNormal": ("mean", "stddev", "seed"),
    "RandomUniform": ("minval", "maxval", "seed"),
    "TruncatedNormal": ("mean", "stddev", "seed"),
    "VarianceScaling": ("scale", "mode", "distribution", "seed"),
    "Zeros": (),
    "Ones": (),
}
_INITIALIZER_NAMES = {
    "OrthogonalInitializer": "Orthogonal",
    "IdentityInitializer": "Identity",
    "zero": "zeros",
    "one": "ones",
    "normal": "random_normal",
    "uniform": "random_uniform",
    "gaussian": "random_normal",
}
_OPTIONS = {
    "L1": ("l1",),
    "L2": ("l2",),
    "L1L2": ("l1", "l2"),
    "OrthogonalRegularizer": ("factor", "mode"),
    "MaxNorm": ("max_value", "axis"),
    "MinMaxNorm": ("min_value", "max_value", "rate", "axis"),
    "NonNeg": (),
    "UnitNorm": ("axis",),
}
_IGNORED = classes.words(
    """autocast batch_input_shape batch_shape build_config compile_config input_dtype input_shape
    name registered_name sharded shared_object_id trainable dtype"""
)


def to_snake(name: str) -> str:
    """A class name as Keras counts it in weight files: ``Conv2D`` -> ``conv2d``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def bad_config(what: str) -> UserError:
    """The error for a config that does not describe a model."""
    return UserError(
        "model.bad_config",
        f"The model's config is damaged or not a Keras config: {what}.",
        "Save the model again with Keras, or copy the file again.",
    )


def layer_config(
    class_name: str, raw: Mapping[str, Any], generation: int
) -> tuple[str, dict[str, Any]]:
    """A layer's class and config in complete Keras 3 form.

    Parameters
    ----------
    class_name
        The class as the file names it.
    raw
        The config as the file has it.
    generation
        Keras's major version that wrote it: 1, 2 or 3.

    Raises
    ------
    UserError
        Where an option is missing, unknown or has no counterpart in Keras 3.
    """
    if generation < 3:
        unboxed = {option: _unboxed(value) for option, value in raw.items()}
        class_name, raw = legacy.translate(class_name, unboxed, generation)
    class_name = classes.RENAMED.get(class_name, class_name)
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise bad_config(f"a {class_name} layer without a name")
    config: dict[str, Any] = {"name": name, "trainable": bool(raw.get("trainable", True))}
    config["dtype"] = dtype_name(raw.get("dtype"), name)
    if class_name == "InputLayer":
        return class_name, _input_config(raw, config)
    defaults = layer_defaults()[class_name]
    for option, default in defaults.items():
        value = raw.get(option, default)
        if value is REQUIRED:
            raise bad_config(f"layer {name!r} ({class_name}) lacks {option!r}")
        config[option] = _value(option, value, generation)
    if class_name == "RandomShear":  # Keras 3.15 writes [-x, x] and reads x
        for option in ("x_factor", "y_factor"):
            factor = config[option]
            if isinstance(factor, list) and len(factor) == 2 and factor[0] == -factor[1]:
                config[option] = factor[1]
    if raw.get("activity_regularizer") is not None:
        config["activity_regularizer"] = _value(
            "activity_regularizer", raw["activity_regularizer"], generation
        )
    if config.get("quantization_config") is not None:
        raise _quantised(name)
    if generation >= 3:
        _check_leftovers(name, class_name, raw, defaults)
    return class_name, config


def _unboxed(value: Any) -> Any:
    """A number that Keras 2.2 and 2.3 wrote as an array: ``{"type": "ndarray", "value": 0.3}``."""
    if isinstance(value, Mapping) and set(value) == {"type", "value"}:
        return value["value"]
    return value


def _check_leftovers(
    name: str, class_name: str, raw: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    for option, value in raw.items():
        if option in defaults or option in _IGNORED or option == "activity_regularizer":
            continue
        if value not in (None, False, 0, "", [], {}):
            raise UserError(
                "model.unknown_option",
                f"Layer {name!r} ({class_name}) has an option that Secateur does not know, "
                f"perhaps of a newer Keras: {option}={str(value)[:60]}.",
                "Update Secateur, or save the model with Keras 3.15 or older.",
            )


def _input_config(raw: Mapping[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    shape = raw.get("batch_shape", raw.get("batch_input_shape"))
    shape = plain_shape(shape)
    if not shape:
        raise bad_config(f"input {config['name']!r} without a shape")
    if raw.get("ragged") or raw.get("sparse"):
        raise UserError(
            "model.sparse_input",
            "The model takes sparse or ragged tensors, which Secateur does not prune: "
            f"input {config['name']!r}.",
            "Rebuild the model with a dense input.",
        )
    return {
        "name": config["name"],
        "batch_shape": shape,
        "dtype": config["dtype"],
        "sparse": False,
        "ragged": False,
        "optional": bool(raw.get("optional", False)),
    }


def plain_shape(value: object) -> list[int | None] | None:
    """A batch shape from a config as a list, the batch axis first; None where there is none.

    Raises
    ------
    UserError
        Where it is no list of sizes.
    """
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        value = value.get("items")
    if isinstance(value, Mapping) and value.get("class_name") == "TensorShape":
        value = value.get("items")
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise bad_config(f"a shape that is no list ({str(value)[:60]})")
    shape: list[int | None] = []
    for size in value:
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise bad_config(f"a shape with the size {str(size)[:40]}")
        shape.append(size)
    if len(shape) > 8:
        raise bad_config(f"a shape of {len(shape)} axes")
    return [None, *shape[1:]] if shape else None


def dtype_name(value: object, layer: str) -> str:
    """The name of a dtype policy, ``"float32"`` or ``"mixed_float16"``.

    Raises
    ------
    UserError
        For quantised policies.
    """
    if value is None:
        return "float32"
    if isinstance(value, Mapping):
        config = value.get("config")
        if value.get("class_name") == "DTypePolicyMap":
            inner = config.get("default_policy") if isinstance(config, Mapping) else None
            return dtype_name(inner, layer)
        value = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(value, str):
        raise bad_config(f"layer {layer!r} has the dtype {str(value)[:60]}")
    if ("int8" in value and "from" in value) or value.startswith(("float8", "int4")):
        raise _quantised(layer)
    if value in ("_infer", "infer"):
        return "float32"
    if not re.fullmatch(r"(mixed_)?(b?float|u?int)\d+|bool|string|complex64", value):
        raise bad_config(f"layer {layer!r} has the dtype {value[:60]}")
    return value


def _quantised(layer: str) -> UserError:
    return UserError(
        "model.quantised",
        f"The model was quantised by Keras and cannot be trained or cut any more: layer {layer!r}.",
        "Open the model as it was before quantize(); Secateur quantises on export.",
    )


def _value(option: str, value: Any, generation: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if option.endswith("_initializer"):
        return _initializer(value, generation)
    if option.endswith(("_regularizer", "_constraint")):
        return _regulariser(option, value, generation)
    if "activation" in option:
        return _activation(value, generation)
    if option in ("layer", "backward_layer"):
        return nested_layer(value, generation)
    return plain(value)


def plain(value: Any) -> Any:
    """JSON with Keras's markers for tuples and shapes turned into lists."""
    if isinstance(value, Mapping):
        kind = value.get("class_name")
        if kind in ("__tuple__", "TensorShape"):
            return [plain(item) for item in value.get("items", [])]
        if kind in ("__numpy__", "__tensor__"):
            return plain(value["config"]["value"])
        if kind == "__keras_tensor__":
            return value
        if kind == "DTypePolicy":
            return dtype_name(value, "?")
        return {str(key): plain(item) for key, item in value.items() if key != "shared_object_id"}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _initializer(value: Any, generation: int) -> Any:
    if isinstance(value, str):
        name = _INITIALIZER_NAMES.get(value, value)
        camel = "".join(part.capitalize() for part in name.split("_"))
        if camel not in classes.INITIALIZERS and name not in classes.INITIALIZERS:
            raise _unknown_object("initialiser", value)
        return name
    name, config = _object(value)
    name = _INITIALIZER_NAMES.get(name, name)
    if name not in classes.INITIALIZERS:
        raise _unknown_object("initialiser", name)
    options = _INITIALIZER_OPTIONS.get(name, ("seed",))
    kept = {key: plain(config[key]) for key in options if key in config}
    if name == "Constant" and isinstance(kept.get("value"), list):
        return "zeros"  # a whole array as initial value; the weights come from the file
    if name == "VarianceScaling":
        kept["distribution"] = {"normal": "truncated_normal"}.get(
            kept.get("distribution", ""), kept.get("distribution", "truncated_normal")
        )
    return _canonical("keras.initializers", name, kept)


def _regulariser(option: str, value: Any, generation: int) -> Any:
    is_constraint = option.endswith("_constraint")
    known = classes.CONSTRAINTS if is_constraint else classes.REGULARIZERS
    module = "keras.constraints" if is_constraint else "keras.regularizers"
    if isinstance(value, str):
        camel = {"l1": "L1", "l2": "L2", "l1_l2": "L1L2", "l1l2": "L1L2"}.get(
            value, "".join(part.capitalize() for part in value.split("_"))
        )
        if camel not in known:
            raise _unknown_object("constraint" if is_constraint else "regulariser", value)
        return value
    name, config = _object(value)
    if generation < 3 and not is_constraint and name == "WeightRegularizer":
        name = "L1L2"
    if name not in known:
        raise _unknown_object("constraint" if is_constraint else "regulariser", name)
    kept = {key: plain(config[key]) for key in _OPTIONS[name] if key in config}
    if generation < 3:
        kept = {{"m": "max_value"}.get(key, key): item for key, item in kept.items()}
    return _canonical(module, name, kept)


def _activation(value: Any, generation: int) -> Any:
    if isinstance(value, str):
        return value
    name, config = _object(value)
    if name in ("function", "builtin_function_or_method"):
        inner = value.get("config")
        found = inner.get("name") if isinstance(inner, Mapping) else inner
        if found in classes.ACTIVATIONS:
            return found
    snake = to_snake(name)
    if classes.is_layer(name) and "name" in config:
        return nested_layer(value, generation)
    if snake in classes.ACTIVATIONS:
        return snake
    raise _unknown_object("activation", name)


def nested_layer(value: Any, generation: int) -> dict[str, Any]:
    """A layer inside another layer's config (wrappers, activations) in canonical form."""
    name, config = _object(value)
    if name in classes.MODELS:
        raise UserError(
            "model.nested_in_wrapper",
            "A wrapper layer holds a whole model, which Secateur does not open: "
            f"{config.get('name', name)!r}.",
            "Wrap single layers, or call the model directly.",
        )
    if not classes.is_layer(name) or name in (classes.ONLY_OLD | classes.OF_APPLICATIONS):
        raise _unknown_object("layer", name)
    class_name, complete = layer_config(name, config, generation)
    if generation < 3 and complete.get("activation") == "hard_sigmoid":
        raise UserError(
            "model.no_counterpart",
            "A layer inside another one has Keras 2's hard_sigmoid, which Keras 3 does not have: "
            f"{complete['name']!r}.",
            "Put the activation into a layer of its own and save the model again.",
        )
    return _canonical("keras.layers", class_name, complete)


def _object(value: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        raise bad_config(f"an object that is none ({str(value)[:60]})")
    config = value.get("config")
    return value["class_name"], config if isinstance(config, Mapping) else {}


def _canonical(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": module, "class_name": class_name, "config": config, "registered_name": None,
    }  # fmt: skip


def _unknown_object(kind: str, name: str) -> UserError:
    return UserError(
        "model.unknown_class",
        f"The model names an {kind} that Secateur does not know, perhaps a custom one: "
        f"{name[:80]}.",
        "Replace it by a standard Keras one and save the model again.",
    )
