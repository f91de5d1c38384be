"""Open a model file: the public way in, safe for any file, without Keras.

Owns what kind of file this is, the child process that reads it, and what a person is told when it
cannot be opened. No byte of the file is parsed in this process beyond its first few.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine import childproc
from engine.childproc import ChildDied
from engine.errors import UserError
from engine.modelfile.codec import graph_from_plain
from engine.modelfile.graph import ModelFile, Weights

READ_TIMEOUT_S = 60.0
"""Wall time for any file; large ones get more."""

_CHILD = "engine.modelfile.child"
_MEMORY_BYTES: Final = 2 << 30
_HEAD_BYTES: Final = 512


def read_model(path: Path) -> ModelFile:
    """Read a model's config and count its weights; no code runs, no Keras is needed.

    Raises
    ------
    UserError
        Where the file is missing, damaged, unsafe, or no whole Keras model.
    """
    return model_file(path, _call(path, None))


def read_weights(path: Path) -> Weights:
    """The arrays of a model by layer and weight name, in the order of the weight specs.

    Raises
    ------
    UserError
        As :func:`read_model`.
    """
    return open_model(path)[1]


def open_model(path: Path) -> tuple[ModelFile, Weights]:
    """Read a model and its arrays at once.

    Raises
    ------
    UserError
        As :func:`read_model`.
    """
    with tempfile.TemporaryDirectory(prefix="secateur-") as folder:
        target = Path(folder) / "weights.npz"
        answer = _call(path, target)
        return model_file(path, answer), load_arrays(target, answer)


def load_arrays(path: Path, answer: Mapping[str, Any]) -> Weights:
    """The arrays that the child wrote; nothing is unpickled."""
    weights: Weights = {}
    with np.load(path, allow_pickle=False) as arrays:
        for index, (layer, weight) in enumerate(answer["arrays"]):
            weights.setdefault(layer, {})[weight] = arrays[f"a{index}"]
    return weights


def model_file(path: Path, answer: Mapping[str, Any]) -> ModelFile:
    """The child's answer as a value."""
    return ModelFile(
        path=str(path),
        format=answer["format"],
        written_by=answer["written_by"],
        graph=graph_from_plain(answer["graph"]),
        compile_config=answer["compile_config"],
        warnings=tuple(answer["warnings"]),
        sha256=answer["sha256"],
    )


def _call(path: Path, weights_to: Path | None) -> dict[str, Any]:
    target = f"{_CHILD}:{reader_of(path)}"
    size = path.stat().st_size
    payload = {
        "path": str(path.resolve()),
        "weights_to": None if weights_to is None else str(weights_to),
    }
    try:
        answer: dict[str, Any] = childproc.call(
            target,
            payload,
            timeout_s=READ_TIMEOUT_S + size / 20e6,
            memory_bytes=_MEMORY_BYTES + 3 * size,
        )
    except ChildDied as died:
        raise _died(path, died) from died
    return answer


def _died(path: Path, died: ChildDied) -> UserError:
    outcome = died.outcome
    if outcome.timed_out:
        why = "reading it took too long"
    elif "MemoryError" in outcome.stderr_tail or outcome.signal_name == "SIGKILL":
        why = "reading it took too much memory"
    else:
        why = f"reading it {outcome.describe()}"
    return UserError(
        "model.damaged",
        f"The file seems to be damaged, {why}: {path.name}.",
        "Copy or download it again; if Keras opens it, please report this file.",
    )


def reader_of(path: Path) -> str:
    """Name of the child's function for this file, by its first bytes.

    Raises
    ------
    UserError
        Where it is nothing that we read.
    """
    try:
        if path.is_dir():
            raise _folder(path)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise UserError("model.not_found", f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError) as error:
        raise UserError(
            "model.unreadable", f"The file cannot be read ({error}): {path}.", "Check its rights."
        ) from None
    if head.startswith(b"PK"):
        return "read_keras"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "read_h5"
    raise _not_a_model(path, head)


def _folder(path: Path) -> UserError:
    inside = {entry.name for entry in path.iterdir()}
    if "saved_model.pb" in inside and "keras_metadata.pb" in inside:
        return UserError(
            "model.savedmodel",
            f"This is a SavedModel folder of Keras 2, which Secateur does not open: {path}.",
            "Load it with tf_keras.models.load_model and save it as .keras or .h5.",
        )
    if "saved_model.pb" in inside:
        return UserError(
            "model.export",
            f"This is an exported SavedModel, which holds no layers to prune: {path}.",
            "Open the .keras or .h5 file that it was exported from.",
        )
    if "config.json" in inside:
        return UserError(
            "model.unpacked",
            f"This is an unpacked .keras archive: {path}.",
            "Zip config.json, metadata.json and model.weights.h5 together as model.keras.",
        )
    return UserError(
        "model.folder", f"This is a folder, not a model file: {path}.", "Open a .keras or .h5 file."
    )


def _not_a_model(path: Path, head: bytes) -> UserError:
    if not head:
        return UserError("model.empty", f"The file is empty: {path}.", "Copy it again.")
    if head[4:8] == b"TFL3":
        return UserError(
            "model.tflite",
            f"This is a TensorFlow Lite model, an end product that cannot be pruned: {path}.",
            "Open the .keras or .h5 file that it was made from.",
        )
    if head.lstrip().startswith(b"{"):
        return UserError(
            "model.json_only",
            f"This is JSON, at most a network without its weights: {path}.",
            "Save the whole model with model.save('model.keras').",
        )
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return UserError(
            "model.pickle",
            f"This is a Python pickle, which could run code and is never opened: {path}.",
            "Load it where it comes from and save the model with model.save('model.keras').",
        )
    return UserError(
        "model.not_keras",
        f"This is not a Keras model file, whatever its name says: {path}.",
        "Open a .keras or .h5 file saved with model.save().",
    )
