"""Layers of the user's own, alive: their Python file run, their arrays put in and taken out.

Owns the one place where a file of custom layers runs: in the engine process, and only where the
user has allowed it in its present form (:mod:`engine.modelfile.consent`). Arrays travel through
Keras's own weight files, so that a layer's ``save_own_variables`` is obeyed. It imports Keras.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import keras
import numpy as np

from engine.errors import UserError
from engine.modelfile.consent import require_allowed
from engine.modelfile.custom import MODULE
from engine.modelfile.graph import Layer, LayerGraph, WeightSpec
from engine.modelfile.match import RANDOM_STATE

_HELD: Final = "held"
_PREFIX: Final = "secateur_custom_"


class _Holder(keras.Model):  # type: ignore[misc]  # Keras has no types
    """Nothing but a layer, so that Keras saves and loads that layer alone."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.held = layer
        self.built = True


def is_custom(layer: Layer) -> bool:
    """Whether this is a layer of the user's own."""
    return layer.module.startswith(MODULE)


def custom_objects(graph: LayerGraph) -> dict[str, Any]:
    """The classes of a graph's custom layers by name, as Keras wants them to open its own files.

    Raises
    ------
    UserError
        As :func:`make`.
    """
    found = [layer for layer in graph.layers.values() if is_custom(layer)]
    return {layer.class_name: _class_of(layer) for layer in found}


def make(layer: Layer, config: Mapping[str, Any]) -> Any:
    """The live layer.

    Raises
    ------
    UserError
        ``custom.untrusted`` where the file may not run, ``custom.failed`` where it fails or
        does not define the class.
    """
    made = _class_of(layer)
    try:
        return made.from_config(dict(config))
    except Exception as error:
        raise _failed(_path_of(layer), error, f"making layer {layer.name!r}") from error


def call(layer: Layer, live: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The live layer's outputs.

    Raises
    ------
    UserError
        ``custom.failed`` where its code fails.
    """
    try:
        return live(*args, **kwargs)
    except Exception as error:
        raise _failed(_path_of(layer), error, f"calling layer {layer.name!r}") from error


def assign(layer: Layer, live: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Put a layer's arrays in: every one of them, each with its shape checked.

    Raises
    ------
    UserError
        ``model.weights_mismatch`` where the class has other weights than the file.
    """
    if _by_place(layer):
        _assign_places(layer, live, arrays)
        return
    for spec, variable in _variables(layer, live):
        if tuple(variable.shape) != tuple(arrays[spec.name].shape):
            raise _mismatch(
                layer,
                f"{spec.name!r} has the shape {arrays[spec.name].shape}, not "
                f"{tuple(variable.shape)}",
            )
        variable.assign(arrays[spec.name])


def values_of(layer: Layer, live: Any) -> dict[str, np.ndarray]:
    """The inverse of :func:`assign`."""
    if not _by_place(layer):
        return {
            spec.name: np.asarray(keras.ops.convert_to_numpy(variable.value))
            for spec, variable in _variables(layer, live)
        }
    with (
        tempfile.TemporaryDirectory(prefix="secateur-") as folder,
        h5py.File(_saved(live, Path(folder)), "r") as file,
    ):
        return {spec.name: np.asarray(file[_place(spec.name)]) for spec in layer.weights}


def _by_place(layer: Layer) -> bool:
    """Whether its weights are named by their places in a Keras 3 weight file."""
    return any("vars/" in spec.name for spec in layer.weights)


def _saved(live: Any, folder: Path) -> Path:
    path = folder / "layer.weights.h5"
    _Holder(live).save_weights(path)
    return path


def _place(name: str) -> str:
    return f"{_HELD}/{name}"


def _assign_places(layer: Layer, live: Any, arrays: Mapping[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory(prefix="secateur-") as folder:
        path = _saved(live, Path(folder))
        with h5py.File(path, "r+") as file:
            there = set(_datasets(file))
            wanted = {_place(name) for name in arrays}
            if there != wanted:
                odd = sorted(there ^ wanted)[0].removeprefix(f"{_HELD}/")
                raise _mismatch(layer, f"only one of them has {odd!r}")
            for name, array in arrays.items():
                place = file[_place(name)]
                if place.shape != array.shape:
                    raise _mismatch(
                        layer, f"{name!r} has the shape {array.shape}, not {place.shape}"
                    )
                place[...] = array
        _Holder(live).load_weights(path)


def _datasets(file: h5py.File) -> Iterator[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return (name for name in found if not RANDOM_STATE & set(name.split("/")))


def _variables(layer: Layer, live: Any) -> Iterator[tuple[WeightSpec, Any]]:
    """Weights with their variables: by attribute (".dense.kernel"), or in Keras's order ("0")."""
    ordered = [*live.trainable_weights, *live.non_trainable_weights]
    if len(ordered) != len(layer.weights):
        raise _mismatch(
            layer, f"the class has {len(ordered)} weights, the file {len(layer.weights)}"
        )
    for index, spec in enumerate(layer.weights):
        if not spec.name.startswith("."):
            yield spec, ordered[index]
            continue
        place: Any = live
        for part in spec.name[1:].split("."):
            place = place[int(part)] if part.isdigit() else getattr(place, part, None)
        if not any(place is variable for variable in ordered):
            raise _mismatch(layer, f"the class has no attribute {spec.name[1:]!r} with a weight")
        yield spec, place


def _path_of(layer: Layer) -> Path:
    return Path(layer.module.removeprefix(MODULE))


def _class_of(layer: Layer) -> Any:
    path = _path_of(layer)
    found = getattr(_module(path, require_allowed(path)), layer.class_name, None)
    if not isinstance(found, type) or not issubclass(found, keras.layers.Layer):
        raise UserError(
            "custom.failed",
            f"The file of custom layers defines no Keras 3 layer {layer.class_name}: {path}.",
            "Derive the class from keras.layers.Layer (not from tf.keras or tf_keras).",
        )
    return found


@functools.cache
def _module(path: Path, digest: str) -> Any:
    """The file, run once in its present form; files beside it can be imported."""
    spec = importlib.util.spec_from_file_location(f"{_PREFIX}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError("custom.failed", f"This is not a Python file: {path}.", "Give a .py file.")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed(path, error, "running it") from error
    finally:
        sys.path.remove(folder)
    return module


def _failed(path: Path, error: Exception, doing: str) -> UserError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if Path(frame.filename).name == path.name]
    where = f" in line {own[-1]}" if own else ""
    what = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return UserError(
        "custom.failed",
        f"The file of custom layers failed{where} while {doing} ({what}): {path}.",
        "Its classes must work with Keras 3: keras.layers.Layer, keras.ops, get_config().",
    )


def _mismatch(layer: Layer, what: str) -> UserError:
    return UserError(
        "model.weights_mismatch",
        f"The weights in the file do not fit the class {layer.class_name} of layer "
        f"{layer.name!r}: {what}.",
        "Use the version of the class that the model was saved with.",
    )
