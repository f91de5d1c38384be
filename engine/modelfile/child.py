"""What runs in the short-lived child process: a file (or folder) in, plain data out.

Owns the way from bytes to a layer graph with counted zeros, one function a kind of file. Only
:mod:`engine.childproc` calls these functions. It imports numpy, h5py and zipfile, never Keras or
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.modelfile import keras_zip, refusals, savedmodel
from engine.modelfile.allowlist import check_model, clean_compile
from engine.modelfile.answers import answer
from engine.modelfile.build_graph import Built, build
from engine.modelfile.bundle import Bundle
from engine.modelfile.custom import Custom, custom_of, mark_custom
from engine.modelfile.hdf5 import H5File
from engine.modelfile.json_text import json_object
from engine.modelfile.layout import turn_channels
from engine.modelfile.match import match_names, match_places
from engine.modelfile.match_objects import match_objects
from engine.modelfile.objects import bad_config
from engine.modelfile.old_kernels import settle_kernels
from engine.modelfile.tflite_file import read_tflite
from engine.modelfile.translate import check_is_model, model_tree

__all__ = ["read_h5", "read_json", "read_keras", "read_savedmodel", "read_tflite"]


def read_keras(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a ``.keras`` archive; payload and answer as :func:`read_h5`."""
    path = Path(payload["path"])
    with keras_zip.KerasZip(path) as archive:
        if not archive.has(keras_zip.CONFIG):
            raise refusals.no_keras_archive(path.name, archive.names)
        raw = json_object(archive.read(keras_zip.CONFIG, keras_zip.MAX_CONFIG_BYTES), "config.json")
        version = _version(archive)
        if not archive.has(keras_zip.WEIGHTS):
            raise _no_weights(archive)
        generation = _generation(version, 3)
        built, compiled, warnings = _build(payload, raw, generation, raw.get("compile_config"))
        data = archive.read(keras_zip.WEIGHTS)
    with H5File(data) as weights:
        return answer(
            payload,
            built,
            match_places(built.slots, weights),
            weights,
            [path],
            format="keras3" if generation >= 3 else "keras2",
            written_by=_writer(version),
            compile_config=compiled,
            warnings=warnings,
        )


def read_h5(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a whole-model HDF5 file.

    Parameters
    ----------
    payload
        ``path``; ``weights_to``: None, or where to write the arrays (``.npz``); optionally
        ``weights``, the weights file of a JSON, and ``custom``, the Python file of custom layers.

    Returns
    -------
    dict
        ``graph`` (plain), ``format``, ``written_by``, ``compile_config``, ``warnings``,
        ``sha256``, and ``arrays``: [layer, weight] of each entry of the ``.npz``.

    Raises
    ------
    UserError
        Where the file is damaged, unsafe, or no whole model.
    """
    path = Path(payload["path"])
    with H5File(path) as file:
        config = file.attribute("", "model_config")
        if config is None:
            top = file.group("/")
            raise refusals.weights_only(top) if _has_weights(file) else refusals.foreign_hdf5(top)
        raw = json_object(str(config), "model_config")
        version = _attribute(file, "keras_version")
        generation = _generation(version, 1)
        training = file.attribute("", "training_config")
        compiled = json_object(str(training), "training_config") if training else None
        backend = str(_attribute(file, "backend") or "")
        built, clean, warnings = _build(payload, raw, generation, compiled, backend)
        return answer(
            payload,
            built,
            match_names(built.slots, file),
            file,
            [path],
            format="h5",
            written_by=_writer(version),
            compile_config=clean,
            warnings=warnings,
        )


def read_savedmodel(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a SavedModel folder that Keras 2 wrote; payload and answer as :func:`read_h5`."""
    folder = Path(payload["path"])
    found = savedmodel.read_folder(folder)
    root = json_object(found.root, "the model's metadata")
    version = root.get("keras_version")
    generation = _generation(version, 2)
    raw = root.get("model_config") or root
    if not isinstance(raw, dict):
        raise bad_config("a model config that is no JSON object")
    shape = root.get("build_input_shape")
    if shape is not None and isinstance(raw.get("config"), dict):
        raw = {**raw, "config": {"build_input_shape": shape, **raw["config"]}}
    training = root.get("training_config")
    built, clean, warnings = _build(
        payload, raw, generation, training, str(root.get("backend") or "")
    )
    names = {
        path: str(json_object(text, f"metadata of {path}").get("name"))
        for path, text in found.objects.items()
        if path.startswith(("root.layer-", "root.layer_with_weights-"))
    }
    bundle = Bundle(folder / savedmodel.INDEX)
    files = [folder / savedmodel.GRAPH, folder / savedmodel.METADATA, *bundle.files]
    return answer(
        payload,
        built,
        match_objects(built.slots, bundle, names),
        bundle,
        [file for file in files if file.is_file()],
        format="savedmodel",
        written_by=_writer(version),
        compile_config=clean,
        warnings=warnings,
    )


def read_json(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read an architecture with its weights file; payload and answer as :func:`read_h5`."""
    path = Path(payload["path"])
    if path.stat().st_size > keras_zip.MAX_CONFIG_BYTES:
        raise bad_config(f"{path.name} has {path.stat().st_size} bytes")
    raw = json_object(path.read_bytes(), path.name)
    if "class_name" not in raw:
        raise bad_config(f"{path.name} is JSON that names no model")
    if payload.get("weights") is None:
        check_is_model(raw)
        raise refusals.json_alone(path.name)
    weights = Path(payload["weights"])
    facts: dict[str, Any] = {"format": "json", "files": [path, weights]}
    if weights.suffix == ".index":
        built, facts = _described(payload, raw, None, "", facts)
        bundle = Bundle(weights)
        return answer(payload, built, match_objects(built.slots, bundle, {}), bundle, **facts)
    with _weights_file(weights) as file:
        version, backend = _attribute(file, "keras_version"), _attribute(file, "backend")
        built, facts = _described(payload, raw, version, str(backend or ""), facts)
        if file.has("model_weights"):
            matches = match_names(built.slots, file)
        elif file.names("", "layer_names"):
            matches = match_names(built.slots, file, root="")
        elif _has_weights(file):
            matches = match_places(built.slots, file)
        else:
            raise refusals.no_weights_file(weights.name)
        return answer(payload, built, matches, file, **facts)


def _described(
    payload: Mapping[str, Any],
    raw: dict[str, Any],
    version: object,
    backend: str,
    facts: dict[str, Any],
) -> tuple[Built, dict[str, Any]]:
    """The graph of an architecture, and ``facts`` with what it says of itself."""
    own = raw.get("keras_version") or version
    generation = _generation(own, 3 if "module" in raw else 1)
    compiled = raw.get("compile_config")
    built, clean, warnings = _build(
        payload, raw, generation, compiled, str(raw.get("backend") or backend)
    )
    told = {"written_by": _writer(own), "compile_config": clean, "warnings": warnings}
    return built, {**facts, **told}


def _weights_file(path: Path) -> H5File:
    with path.open("rb") as file:
        head = file.read(4)
    if not head.startswith(b"PK"):
        return H5File(path)
    with keras_zip.KerasZip(path) as archive:
        if not archive.has(keras_zip.WEIGHTS):
            raise _no_weights(archive)
        return H5File(archive.read(keras_zip.WEIGHTS))


def _attribute(file: H5File, name: str) -> Any:
    """An attribute of the file, or of its weights, where older versions have it."""
    return file.attribute("", name) or file.attribute("model_weights", name)


def _build(
    payload: Mapping[str, Any],
    raw: dict[str, Any],
    generation: int,
    compiled: object,
    backend: str = "",
) -> tuple[Built, dict[str, Any] | None, tuple[str, ...]]:
    model = {k: v for k, v in raw.items() if k != "compile_config"}
    custom = custom_of(payload.get("custom"))
    check_is_model(model)
    check_model(model, frozenset() if custom is None else custom.names)
    clean, warnings = clean_compile(compiled)
    try:
        built, more = _built(model, generation, backend, custom)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise bad_config(f"{type(error).__name__} {str(error)[:120]}") from error
    return built, clean, warnings + more


def _built(
    model: dict[str, Any], generation: int, backend: str, custom: Custom | None
) -> tuple[Built, tuple[str, ...]]:
    tree = model_tree(model if custom is None else mark_custom(model, custom), generation)
    warnings = settle_kernels(tree, generation, backend) + turn_channels(tree)
    return build(tree), warnings


def _writer(version: object) -> str | None:
    return f"keras {version}" if isinstance(version, str) and version else None


def _version(archive: keras_zip.KerasZip) -> str | None:
    if not archive.has(keras_zip.METADATA):
        return None
    metadata = json_object(archive.read(keras_zip.METADATA, 1 << 20), "metadata.json")
    version = metadata.get("keras_version")
    return version if isinstance(version, str) else None


def _generation(version: object, default: int) -> int:
    first = str(version).partition(".")[0] if version else ""
    return int(first) if first.isdigit() and first in ("1", "2", "3") else default


def _no_weights(archive: keras_zip.KerasZip) -> Exception:
    if archive.has(keras_zip.WEIGHTS_NPZ):
        return refusals.pickled_weights(keras_zip.WEIGHTS_NPZ)
    return refusals.no_weights(archive.path.name)


def _has_weights(file: H5File) -> bool:
    top = set(file.group("/"))
    return (
        bool(file.names("", "layer_names"))
        or bool(top & {"layers", "_layer_checkpoint_dependencies"})
        or file.attribute("", "keras_version") is not None
    )
