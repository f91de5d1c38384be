"""Custom layers: which classes a Python file of the user's defines, and where a config names them.

Owns the marking of such layers in a config. The file is parsed here, never run: it runs in the
engine process alone (:mod:`engine.modelfile.custom_layers`), and only where the user has allowed
it in its present form. A layer of its classes is carried along unchanged.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.errors import UserError
from engine.modelfile import classes
from engine.modelfile.graph import LayerGraph

MARK: Final = "__custom__"
"""Class name that stands for a marked layer; no file may hold it, since it is no known class."""

MODULE: Final = "custom:"
"""What the module of a custom layer in a graph begins with; the file's path follows."""

_MAX_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """A Python file and the names of classes that it defines or imports."""

    path: str
    names: frozenset[str]


def custom_of(path: str | None) -> Custom | None:
    """The classes of a file; None without one. Classes that Keras has keep their meaning.

    Raises
    ------
    UserError
        ``custom.unreadable`` where it is no Python file.
    """
    if path is None:
        return None
    try:
        file = Path(path)
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        what = " ".join(str(error).split())[:120]
        raise UserError(
            "custom.unreadable",
            f"The file of custom layers is no Python file that can be read ({what}): {path}.",
            "Give a .py file with the classes of the model's custom layers.",
        ) from None
    names: set[str] = set()
    for item in tree.body:
        if isinstance(item, ast.ClassDef):
            names.add(item.name)
        elif isinstance(item, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in item.names)
    known = {
        name
        for name in names
        if classes.is_layer(name) or name in classes.MODELS or name in classes.REFUSED
    }
    return Custom(path=str(file.resolve()), names=frozenset(names - known))


def custom_file(graph: LayerGraph) -> str | None:
    """The Python file that a graph's custom layers come from; None where it has none."""
    found = (la.module for la in graph.layers.values() if la.module.startswith(MODULE))
    return next((module.removeprefix(MODULE) for module in found), None)


def plain_name(class_name: object) -> str:
    """A class name without the package that it was registered under."""
    return str(class_name).rpartition(">")[2]


def mark_custom(model: Mapping[str, Any], custom: Custom) -> dict[str, Any]:
    """The same config with every layer of the file's classes marked as custom."""
    config = model.get("config")
    if isinstance(config, list):  # a Sequential model of Keras 1
        return {**model, "config": [_marked(layer, custom) for layer in config]}
    if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        return dict(model)
    layers = [_marked(layer, custom) for layer in config["layers"]]
    return {**model, "config": {**config, "layers": layers}}


def _marked(layer: Any, custom: Custom) -> Any:
    if not isinstance(layer, Mapping):
        return layer
    if layer.get("class_name") in classes.MODELS:
        return mark_custom(layer, custom)
    name = plain_name(layer.get("class_name"))
    if name not in custom.names:
        return layer
    inner = layer.get("config")
    config = {
        "class_name": name,
        "file": custom.path,
        "config": dict(inner) if isinstance(inner, Mapping) else {},
    }
    return {**layer, "class_name": MARK, "config": config}
