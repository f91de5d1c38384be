"""The allow-list: every object that a config names, wherever it stands, is known or refused.

Owns the walk over the whole JSON of a model file before anything else looks at it. Nothing is
imported, called or looked up by a name from the file. Covered here: Lambda and marshalled code
(CVE-2024-3660, 2025-9905), callables by module path (CVE-2025-1550, 2025-8747, 2025-9906),
TorchModuleWrapper (CVE-2025-49655), TFSMLayer (CVE-2026-1462), vocabulary layers that read files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from engine.errors import UserError
from engine.modelfile import classes

MAX_DEPTH = 120
MAX_VALUES = 4_000_000

_OUR_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_OTHER_KERAS = ("tensorflow_core.python.keras", "tensorflow.python.keras.engine")
_TF_INITIALIZERS = ("tensorflow.python.ops.init_ops", "tensorflow.python.ops.init_ops_v2")
_PLAIN_PREFIXES = ("", "keras", "Keras", "tf_keras", "keras.src", "Custom")

_OBJECTS = (
    classes.INITIALIZERS
    | classes.REGULARIZERS
    | classes.CONSTRAINTS
    | classes.POLICIES
    | classes.VALUES
    | classes.MODELS
    | frozenset(classes.OPERATIONS)
)
_ACTIVATION_KEYS = frozenset({"activation", "recurrent_activation", "inner_activation"})


def walk(value: object) -> Iterator[tuple[str, Any]]:
    """Every value in a JSON tree with the key it stands under, the tree itself first.

    Raises
    ------
    UserError
        Where the tree is deeper than :data:`MAX_DEPTH` or larger than :data:`MAX_VALUES`.
    """
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    count = 0
    while stack:
        key, item, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_VALUES:
            raise UserError(
                "model.config_too_large",
                "The model's config is nested too deeply or has too many values: "
                f"depth {depth}, {count} values.",
                "Check where the file comes from.",
            )
        yield key, item
        if isinstance(item, dict):
            stack.extend((str(k), v, depth + 1) for k, v in item.items())
        elif isinstance(item, list):
            stack.extend((key, v, depth + 1) for v in item)


def check_model(config: object, custom: frozenset[str] = frozenset()) -> None:
    """Refuse a model config that names anything unknown or able to run code.

    Parameters
    ----------
    custom
        Classes of a Python file that the user has named.

    Raises
    ------
    UserError
        ``model.unsafe_layer`` or ``model.unknown_class``, naming the class.
    """
    for key, item in walk(config):
        if isinstance(item, dict):
            _check_object(item, custom)
        elif key in _ACTIVATION_KEYS and isinstance(item, str):
            _check_activation(item)


def _check_object(item: Mapping[str, Any], custom: frozenset[str]) -> None:
    if "class_name" not in item:
        if "function_type" in item or "py_lambda_type" in item:
            _refuse_code("Lambda", item)
        return
    name = item["class_name"]
    if not isinstance(name, str):
        _unknown(repr(name)[:80], item)
    if name in classes.REFUSED:
        _refuse_code(name, item)
    if name == "function" or name == "builtin_function_or_method":
        _check_function(item)
        return
    if name.rpartition(">")[2] in custom:
        return
    name = classes.without_package(name)
    known = classes.is_layer(name) or name in _OBJECTS or name in classes.COMPILE
    from_tensorflow = name in classes.INITIALIZERS and item.get("module") in _TF_INITIALIZERS
    is_ours = _module_is_ours(item.get("module")) or from_tensorflow
    if not known or not is_ours or not _is_registered_by_keras(item):
        _unknown(_full_name(item), item)


def _config_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    config = item.get("config")
    return config if isinstance(config, dict) else {}


def _check_function(item: Mapping[str, Any]) -> None:
    config = item.get("config")
    name = config.get("name") if isinstance(config, dict) else config
    module = item.get("module")
    if name not in classes.ACTIVATIONS or not (
        module in (None, "builtins") or _module_is_ours(module)
    ):
        raise UserError(
            "model.unsafe_function",
            "The model calls a Python function by name, and Secateur runs no code from a file: "
            f"{module or '?'}.{name}.",
            "Replace it by a standard Keras layer or activation and save the model again.",
        )


def _check_activation(name: str) -> None:
    if name not in classes.ACTIVATIONS:
        raise UserError(
            "model.unknown_function",
            f"The model uses an activation that Keras does not have: {name[:80]}.",
            "Replace a custom activation by a standard one and save the model again.",
        )


def _module_is_ours(module: object) -> bool:
    if module is None:
        return True
    return isinstance(module, str) and any(
        module == name or module.startswith(name + ".") for name in (*_OUR_MODULES, *_OTHER_KERAS)
    )


def _is_registered_by_keras(item: Mapping[str, Any]) -> bool:
    registered = item.get("registered_name")
    if registered is None:
        return True
    if not isinstance(registered, str):
        return False
    package, _, name = registered.rpartition(">")
    if package == "Custom" and name not in classes.OF_APPLICATIONS | classes.COMPILE:
        return False
    return name == classes.without_package(item["class_name"]) and package in _PLAIN_PREFIXES


def _full_name(item: Mapping[str, Any]) -> str:
    registered, module = item.get("registered_name"), item.get("module")
    if isinstance(registered, str) and ">" in registered:
        return registered[:120]
    if isinstance(module, str) and not _module_is_ours(module):
        return f"{module}.{item['class_name']}"[:120]
    return str(item["class_name"])[:120]


def _refuse_code(name: str, item: Mapping[str, Any]) -> NoReturn:
    layer = _config_of(item).get("name") or item.get("name")
    place = f", layer {layer!r}" if isinstance(layer, str) else ""
    reason = classes.REFUSED.get(name, "it holds Python code")
    raise UserError(
        "model.unsafe_layer",
        f"The model has a layer that Secateur does not open, because {reason}: {name}{place}.",
        "Replace it by standard layers (keras.ops calls are fine) and save the model again.",
    )


def _unknown(name: str, item: Mapping[str, Any]) -> NoReturn:
    layer = _config_of(item).get("name")
    place = f", layer {layer!r}" if isinstance(layer, str) else ""
    raise UserError(
        "model.unknown_class",
        f"The model has a class that Secateur does not know, perhaps a custom one: {name}{place}.",
        "Name the Python file that defines it with --custom FILE.py, or replace it by standard "
        "layers.",
    )


def clean_compile(config: object) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The compile section as data, or None with a warning where it names custom objects.

    Custom losses and metrics are common and nothing of them is ever called, so they only cost
    the section. Code, and callables of the standard library or of Keras's own insides, are
    refused as everywhere else.

    Raises
    ------
    UserError
        Where the section holds code or names a callable by module path.
    """
    if not isinstance(config, dict):
        return None, ()
    custom: list[str] = []
    for _key, item in walk(config):
        if not isinstance(item, dict) or "class_name" not in item:
            continue
        name = item["class_name"]
        if not isinstance(name, str) or name in classes.REFUSED:
            _refuse_code(str(name)[:80], item)
        if name in ("function", "builtin_function_or_method"):
            found = _custom_function(item)
        else:
            found = _custom_class(item)
        if found:
            custom.append(found)
    if custom:
        names = ", ".join(sorted(set(custom)))[:200]
        return None, (f"The file's compile section names custom objects and is not used: {names}.",)
    return dict(config), ()


def _custom_function(item: Mapping[str, Any]) -> str | None:
    config = item.get("config")
    name = config.get("name") if isinstance(config, dict) else config
    module = item.get("module")
    label = f"{module}.{name}" if module else str(name)
    if _is_dangerous(module, name):
        raise UserError(
            "model.unsafe_function",
            "The file's compile section names a function that Secateur refuses, since no file may "
            f"run code: {label[:120]}.",
            "Check where the file comes from; a model saved by Keras has no such entry.",
        )
    if isinstance(module, str) and _module_is_ours(module):
        return None
    return label


def _custom_class(item: Mapping[str, Any]) -> str | None:
    name, module = str(item["class_name"]), item.get("module")
    known = name.rpartition(">")[2] in classes.COMPILE or name in _OBJECTS
    if known and _module_is_ours(module):
        return None
    if _is_dangerous(module, name) and module != "builtins":
        raise UserError(
            "model.unsafe_function",
            "The file's compile section names an object that Secateur refuses, since no file may "
            f"run code: {module}.{name}.",
            "Check where the file comes from; a model saved by Keras has no such entry.",
        )
    return _full_name(item)


def _is_dangerous(module: object, name: object) -> bool:
    if not isinstance(module, str):
        return False
    if module == "builtins":
        return name in _BUILTIN_NAMES
    if _module_is_ours(module):
        parts = module.split(".")
        return not any(part in _COMPILE_PARTS for part in parts) and len(parts) > 1
    return module.partition(".")[0] in sys.stdlib_module_names


_BUILTIN_NAMES = frozenset(vars(sys.modules["builtins"])) - {"sum", "min", "max", "abs"}
_COMPILE_PARTS = frozenset({"losses", "metrics", "optimizers", "activations", "schedules", "ops"})
