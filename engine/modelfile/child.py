"""What runs in the short-lived child process: one file in, plain data out.

Owns the way from bytes to a layer graph with counted zeros, and the writing of arrays into a plain
``.npz`` for the parent. Only :mod:`engine.childproc` calls these functions. It imports numpy, h5py
and zipfile, never Keras.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UserError
from engine.modelfile import keras_zip
from engine.modelfile.allowlist import check_model, clean_compile
from engine.modelfile.build_graph import Built, build
from engine.modelfile.codec import graph_to_plain
from engine.modelfile.graph import LayerGraph, WeightSpec
from engine.modelfile.hdf5 import H5File
from engine.modelfile.match import Match, match_names, match_places
from engine.modelfile.objects import bad_config
from engine.modelfile.old_kernels import settle_kernels
from engine.modelfile.translate import check_is_model, model_tree

_FLOAT_MAX = 3.4028234663852886e38
_CHUNK_BYTES = 1 << 20


def read_keras(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a ``.keras`` archive; payload and answer as :func:`read_h5`."""
    path = Path(payload["path"])
    with keras_zip.KerasZip(path) as archive:
        if not archive.has(keras_zip.CONFIG):
            raise _not_keras_zip(archive)
        raw = _json(archive.read(keras_zip.CONFIG, keras_zip.MAX_CONFIG_BYTES), "config.json")
        version = _version(archive)
        if not archive.has(keras_zip.WEIGHTS):
            raise _no_weights(archive)
        generation = _generation(version, 3)
        built, compiled, warnings = _build(raw, generation, raw.get("compile_config"))
        data = archive.read(keras_zip.WEIGHTS)
    with H5File(data) as weights:
        return _answer(
            payload,
            built,
            match_places(built.slots, weights),
            weights,
            format="keras3" if generation >= 3 else "keras2",
            written_by=f"keras {version}" if version else None,
            compile_config=compiled,
            warnings=warnings,
        )


def read_h5(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Read a whole-model HDF5 file.

    Parameters
    ----------
    payload
        ``path``; ``weights_to``: None, or where to write the arrays (``.npz``).

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
    with H5File(Path(payload["path"])) as file:
        config = file.attribute("", "model_config")
        if config is None:
            raise _not_whole_model(file)
        raw = _json(str(config).encode(), "model_config")
        version = _attribute(file, "keras_version")
        generation = _generation(version, 1)
        training = file.attribute("", "training_config")
        compiled = _json(str(training).encode(), "training_config") if training else None
        backend = str(_attribute(file, "backend") or "")
        built, clean, warnings = _build(raw, generation, compiled, backend)
        return _answer(
            payload,
            built,
            match_names(built.slots, file),
            file,
            format="h5",
            written_by=f"keras {version}" if version else None,
            compile_config=clean,
            warnings=warnings,
        )


def _attribute(file: H5File, name: str) -> Any:
    """An attribute of the file, or of its weights, where older versions have it."""
    return file.attribute("", name) or file.attribute("model_weights", name)


def _build(
    raw: dict[str, Any], generation: int, compiled: object, backend: str = ""
) -> tuple[Built, dict[str, Any] | None, tuple[str, ...]]:
    model = {k: v for k, v in raw.items() if k != "compile_config"}
    check_is_model(model)
    check_model(model)
    clean, warnings = clean_compile(compiled)
    try:
        tree = model_tree(model, generation)
        warnings += settle_kernels(tree, generation, backend)
        built = build(tree)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise bad_config(f"{type(error).__name__} {str(error)[:120]}") from error
    return built, clean, warnings


def _answer(
    payload: Mapping[str, Any],
    built: Built,
    matches: Sequence[Match],
    file: H5File,
    **facts: Any,
) -> dict[str, Any]:
    specs, arrays = _take(matches, file, payload.get("weights_to"))
    layers = {
        name: replace(layer, weights=tuple(specs.get(name, ())))
        for name, layer in built.graph.layers.items()
    }
    graph: LayerGraph = replace(built.graph, layers=layers)
    return {
        "graph": graph_to_plain(graph),
        "sha256": _sha256(Path(payload["path"])),
        "arrays": arrays,
        **facts,
    }


def _take(
    matches: Sequence[Match], file: H5File, weights_to: str | None
) -> tuple[dict[str, list[WeightSpec]], list[list[str]]]:
    """Count zeros of every array and, where asked, write them out one by one."""
    specs: dict[str, list[WeightSpec]] = {}
    written: list[list[str]] = []
    archive = zipfile.ZipFile(weights_to, "w", zipfile.ZIP_STORED) if weights_to else None
    try:
        for match in matches:
            values = _values(match, file)
            if archive is not None:
                with archive.open(f"a{len(written)}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, values, allow_pickle=False)
            written.append([match.layer, match.variable.name])
            specs.setdefault(match.layer, []).append(_spec(match, values))
    finally:
        if archive is not None:
            archive.close()
    return specs, written


def _values(match: Match, file: H5File) -> np.ndarray:
    values = file.read(match.array.path)
    if match.variable.dtype is not None:
        values = values.astype(match.variable.dtype)
    elif values.dtype.kind != "f" or values.dtype.itemsize == 8:
        values = values.astype(np.float32)
    variable = match.variable
    return match.form.restore(variable.name, values, variable.shape, variable.gates)


def _spec(match: Match, values: np.ndarray) -> WeightSpec:
    dtype = "bfloat16" if match.array.dtype == "bfloat16" else str(values.dtype)
    return WeightSpec(
        name=match.variable.name,
        shape=values.shape,
        dtype=dtype,
        trainable=match.trainable,
        zeros=int(values.size - np.count_nonzero(values)),
    )


def _json(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_constant=_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        raise bad_config(f"{what} is not JSON, {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise bad_config(f"{what} is no JSON object")
    return value


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("NaN")
    return math.copysign(_FLOAT_MAX, -1.0 if name.startswith("-") else 1.0)


def _float(text: str) -> float:
    value = float(text)
    return math.copysign(_FLOAT_MAX, value) if math.isinf(value) else value


def _version(archive: keras_zip.KerasZip) -> str | None:
    if not archive.has(keras_zip.METADATA):
        return None
    metadata = _json(archive.read(keras_zip.METADATA, 1 << 20), "metadata.json")
    version = metadata.get("keras_version")
    return version if isinstance(version, str) else None


def _generation(version: object, default: int) -> int:
    first = str(version).partition(".")[0] if version else ""
    return int(first) if first.isdigit() and first in ("1", "2", "3") else default


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        chunk: Callable[[], bytes] = lambda: file.read(_CHUNK_BYTES)  # noqa: E731
        for data in iter(chunk, b""):
            digest.update(data)
    return digest.hexdigest()


def _not_keras_zip(archive: keras_zip.KerasZip) -> UserError:
    names = archive.names
    if any(name.endswith("data.pkl") for name in names):
        return UserError(
            "model.not_keras",
            f"The file is a PyTorch checkpoint, not a Keras model: {archive.path.name}.",
            "Open a .keras or .h5 file.",
        )
    shown = ", ".join(names[:3]) or "nothing"
    return UserError(
        "model.not_keras",
        f"The archive has no config.json, so it is no Keras model; it holds {shown}.",
        "Open a .keras or .h5 file saved with model.save().",
    )


def _no_weights(archive: keras_zip.KerasZip) -> UserError:
    if archive.has(keras_zip.WEIGHTS_NPZ):
        return UserError(
            "model.unsafe_weights",
            "The archive keeps its weights as pickled objects, which could run code: "
            f"{keras_zip.WEIGHTS_NPZ}.",
            "Load it where it comes from and save it again; Keras writes model.weights.h5.",
        )
    return UserError(
        "model.no_weights",
        f"The archive holds a config and no weights: {archive.path.name}.",
        "Save the whole model with model.save('model.keras').",
    )


def _not_whole_model(file: H5File) -> UserError:
    top = set(file.group("/"))
    weights_only = (
        bool(file.names("", "layer_names"))
        or bool(top & {"layers", "_layer_checkpoint_dependencies"})
        or file.attribute("", "keras_version") is not None
    )
    if weights_only:
        return UserError(
            "model.weights_only",
            "The file holds only weights, without the network they belong to: "
            f"{', '.join(sorted(top)[:4])} ...",
            "Build the model in Python, load these weights, and save it with model.save().",
        )
    return UserError(
        "model.not_keras",
        "The file is HDF5 and has no Keras model in it; it holds "
        f"{', '.join(sorted(top)[:4]) or 'nothing'}.",
        "Open a .keras or .h5 file saved with model.save().",
    )
