"""SavedModel folders of Keras 2: where the config of the Keras model stands in them.

Owns the two places: ``keras_metadata.pb`` (TensorFlow 2.5 and later) and the metadata of the
objects inside ``saved_model.pb`` (before). Both are protocol buffers that hold JSON. The
TensorFlow graph in the folder is never loaded. It knows nothing of what the JSON means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import UserError
from engine.modelfile import wire
from engine.modelfile.refusals import damaged
from engine.modelfile.wire import WireError

GRAPH: Final = "saved_model.pb"
METADATA: Final = "keras_metadata.pb"
INDEX: Final = Path("variables") / "variables.index"
_MAX_METADATA_BYTES: Final = 256 << 20
_MAX_GRAPH_BYTES: Final = 1 << 30
_MODELS: Final = ("_tf_keras_model", "_tf_keras_network", "_tf_keras_sequential")
_KERAS: Final = "_tf_keras_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """What a folder says of its Keras model.

    ``root`` is the JSON text of the model itself; ``objects`` that of each layer by its path,
    ``"root.layer-1"``, where the folder tells paths.
    """

    root: str
    objects: dict[str, str] = field(default_factory=dict)


def read_folder(folder: Path) -> SavedModel:
    """The JSON texts of a SavedModel folder.

    Raises
    ------
    UserError
        Where the folder is damaged or holds no Keras model.
    """
    for path in (folder / METADATA, folder / GRAPH, folder / INDEX):
        if path.exists() and not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                "model.unsafe_folder",
                "The folder has a link that leads out of it, which Secateur does not follow: "
                f"{path.relative_to(folder)}.",
                "Check where the folder comes from.",
            )
    if (folder / METADATA).is_file():
        nodes = _nodes(_bytes(folder / METADATA, _MAX_METADATA_BYTES), METADATA)
    else:
        nodes = _old_nodes(_bytes(folder / GRAPH, _MAX_GRAPH_BYTES))
    root = next((text for path, kind, text in nodes if path == "root" and kind in _MODELS), None)
    if root is None:
        if any(kind in _MODELS or path == "root" for path, kind, _ in nodes):
            raise _subclassed(folder)
        if (folder / METADATA).is_file():
            raise damaged(f"{METADATA} names no model")
        raise _exported(folder)
    return SavedModel(root=root, objects={path: text for path, _, text in nodes if path != "root"})


def _bytes(path: Path, limit_bytes: int) -> bytes:
    try:
        if path.stat().st_size > limit_bytes:
            raise damaged(f"{path.name} has {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise damaged(path.name, error) from None


def _nodes(data: bytes, name: str) -> list[tuple[str, str, str]]:
    """Path, kind and JSON of each object in ``keras_metadata.pb``."""
    try:
        return [
            (wire.text(node, 3), wire.text(node, 4), wire.text(node, 5))
            for node in wire.messages(data, 1)
        ]
    except WireError as error:
        raise damaged(name, error) from None


def _old_nodes(data: bytes) -> list[tuple[str, str, str]]:
    """The same from the objects of ``saved_model.pb``; only the first one's path is known."""
    try:
        return [
            ("root" if number == 0 else "", wire.text(user, 1), wire.text(user, 3))
            for number, user in _user_objects(data)
            if wire.text(user, 1).startswith(_KERAS) and wire.text(user, 3)
        ]
    except WireError as error:
        raise damaged(GRAPH, error) from None


def _user_objects(data: bytes) -> Iterator[tuple[int, memoryview]]:
    for graph in wire.messages(data, 2):
        for objects in wire.messages(graph, 7):
            for number, node in enumerate(wire.messages(objects, 1)):
                for user in wire.messages(node, 4):
                    yield number, user


def _subclassed(folder: Path) -> UserError:
    return UserError(
        "model.subclassed",
        "The folder holds a subclassed model, whose layers stand in Python code and not in the "
        f"file: {folder}.",
        "Build it as a Functional model in Python and save that with model.save('model.keras').",
    )


def _exported(folder: Path) -> UserError:
    return UserError(
        "model.export",
        "This is an exported SavedModel (of model.export or TensorFlow), which can be run and holds"
        f" no layers to prune: {folder}.",
        "Open the .keras or .h5 file that it was exported from.",
    )
