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

from engine import childproc, jsonio
from engine.childproc import ChildDied
from engine.errors import UserError
from engine.modelfile import refusals, savedmodel
from engine.modelfile.codec import graph_from_plain
from engine.modelfile.graph import ModelFile, StoredTensor, Weights

READ_TIMEOUT_S = 60.0
"""Wall time for any file; large ones get more."""

JSON: Final = "read_json"
TFLITE: Final = "read_tflite"
_CHILD = "engine.modelfile.child"
_MEMORY_BYTES: Final = 2 << 30
_HEAD_BYTES: Final = 512


def read_model(path: Path, *, weights: Path | None = None, custom: Path | None = None) -> ModelFile:
    """Read a model's config and count its weights; no code runs, no Keras is needed.

    Parameters
    ----------
    path
        A ``.keras``, ``.h5`` or ``.json`` file or a SavedModel folder.
    weights
        The weights file of an architecture in JSON.
    custom
        A Python file that defines the model's custom layers; it is parsed, not run.

    Raises
    ------
    UserError
        Where the file is missing, damaged, unsafe, or no whole Keras model.
    """
    reader = reader_of(path)
    if reader == TFLITE:
        raise refusals.tflite_is_final(path.name)
    return model_file(path, _call(reader, path, None, weights, custom))


def view_model(path: Path, *, weights: Path | None = None, custom: Path | None = None) -> ModelFile:
    """As :func:`read_model`, and TensorFlow Lite files too: good for looking at, and no more.

    Raises
    ------
    UserError
        As :func:`read_model`.
    """
    return model_file(path, _call(reader_of(path), path, None, weights, custom))


def read_weights(path: Path) -> Weights:
    """The arrays of a model by layer and weight name, in the order of the weight specs.

    Raises
    ------
    UserError
        As :func:`read_model`.
    """
    return open_model(path)[1]


def open_model(
    path: Path, *, weights: Path | None = None, custom: Path | None = None
) -> tuple[ModelFile, Weights]:
    """Read a model and its arrays at once; parameters and errors as :func:`read_model`."""
    reader = reader_of(path)
    if reader == TFLITE:
        raise refusals.tflite_is_final(path.name)
    with tempfile.TemporaryDirectory(prefix="secateur-") as folder:
        target = Path(folder) / "weights.npz"
        answer = _call(reader, path, target, weights, custom)
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
        tensors=tuple(jsonio.from_plain(t, StoredTensor) for t in answer.get("tensors", ())),
    )


def _call(
    reader: str, path: Path, weights_to: Path | None, weights: Path | None, custom: Path | None
) -> dict[str, Any]:
    for what, given in (("weights file", weights), ("file of custom layers", custom)):
        if given is not None and not given.is_file():
            raise UserError(
                "model.not_found", f"There is no {what} at this path: {given}.", "Check the path."
            )
    if weights is not None and reader != JSON:
        raise refusals.weights_not_wanted(path.name)
    size = _size(path) + (0 if weights is None else weights.stat().st_size)
    payload = {
        "path": str(path.resolve()),
        "weights_to": None if weights_to is None else str(weights_to),
        "weights": None if weights is None else str(weights.resolve()),
        "custom": None if custom is None else str(custom.resolve()),
    }
    try:
        answer: dict[str, Any] = childproc.call(
            f"{_CHILD}:{reader}",
            payload,
            timeout_s=READ_TIMEOUT_S + size / 20e6,
            memory_bytes=_MEMORY_BYTES + 3 * size,
        )
    except ChildDied as died:
        raise _died(path, died) from died
    return answer


def _size(path: Path) -> int:
    """Bytes of a file, or of the files of a SavedModel folder."""
    if not path.is_dir():
        return path.stat().st_size
    places = [path, path / "variables"]
    files = [file for place in places if place.is_dir() for file in place.iterdir()]
    return sum(file.stat().st_size for file in files if file.is_file())


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
            return _reader_of_folder(path)
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
    if head[4:8] == b"TFL3":
        return TFLITE
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return JSON
    raise _not_a_model(path, head)


def _reader_of_folder(path: Path) -> str:
    inside = {entry.name for entry in path.iterdir()}
    if savedmodel.GRAPH in inside:
        return "read_savedmodel"
    if "config.json" in inside:
        raise UserError(
            "model.unpacked",
            f"This is an unpacked .keras archive: {path}.",
            "Zip config.json, metadata.json and model.weights.h5 together as model.keras.",
        )
    raise UserError(
        "model.folder", f"This is a folder, not a model file: {path}.", "Open a .keras or .h5 file."
    )


def _not_a_model(path: Path, head: bytes) -> UserError:
    if not head:
        return UserError("model.empty", f"The file is empty: {path}.", "Copy it again.")
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
