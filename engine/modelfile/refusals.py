"""What a person is told of a file that is no model, or a model that cannot be pruned.

Owns those sentences: what the file is, and what to do. It reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import UserError

_SAVE = "Save the whole model with model.save('model.keras')"


def damaged(what: str, error: BaseException | None = None) -> UserError:
    """A file whose bytes make no sense."""
    detail = " ".join(str(error).split())[:160] if error is not None else ""
    return UserError(
        "model.damaged",
        f"The file is damaged or incomplete: {what}{': ' + detail if detail else ''}.",
        "Copy or download it again.",
    )


def no_keras_archive(name: str, members: Sequence[str]) -> UserError:
    """A zip archive without a config."""
    if any(member.endswith("data.pkl") for member in members):
        return UserError(
            "model.not_keras",
            f"The file is a PyTorch checkpoint, not a Keras model: {name}.",
            "Open a .keras or .h5 file.",
        )
    shown = ", ".join(members[:3]) or "nothing"
    return UserError(
        "model.not_keras",
        f"The archive has no config.json, so it is no Keras model; it holds {shown}.",
        "Open a .keras or .h5 file saved with model.save().",
    )


def no_weights(name: str) -> UserError:
    """An archive with a config alone."""
    return UserError(
        "model.no_weights", f"The archive holds a config and no weights: {name}.", f"{_SAVE}."
    )


def pickled_weights(member: str) -> UserError:
    """Arrays as pickled objects."""
    return UserError(
        "model.unsafe_weights",
        f"The archive keeps its weights as pickled objects, which could run code: {member}.",
        "Load it where it comes from and save it again; Keras writes model.weights.h5.",
    )


def weights_only(top: Sequence[str]) -> UserError:
    """An HDF5 file of weights."""
    return UserError(
        "model.weights_only",
        "The file holds only weights, without the network they belong to: "
        f"{', '.join(sorted(top)[:4])} ...",
        f"{_SAVE}, or write model.to_json() into a file and give both: MODEL.json --weights FILE.",
    )


def foreign_hdf5(top: Sequence[str]) -> UserError:
    """An HDF5 file of something else."""
    return UserError(
        "model.not_keras",
        "The file is HDF5 and has no Keras model in it; it holds "
        f"{', '.join(sorted(top)[:4]) or 'nothing'}.",
        "Open a .keras or .h5 file saved with model.save().",
    )


def json_alone(name: str) -> UserError:
    """An architecture whose weights were not named."""
    return UserError(
        "model.json_only",
        f"This is a network without its weights: {name}.",
        "Name its weights file too, --weights FILE (an .h5 of save_weights, or a checkpoint's "
        f".index), or {_SAVE[0].lower()}{_SAVE[1:]}.",
    )


def weights_not_wanted(name: str) -> UserError:
    """A weights file beside a model that has its own."""
    return UserError(
        "model.weights_not_wanted",
        f"--weights belongs to an architecture in JSON; this model holds its own weights: {name}.",
        "Leave --weights out.",
    )


def no_weights_file(name: str) -> UserError:
    """A file that was named as weights and holds none."""
    return UserError(
        "model.no_weights_file",
        f"This is no file of Keras weights: {name}.",
        "Give the .h5 file of model.save_weights(), or the .index file of a checkpoint.",
    )


def tflite_is_final(name: str) -> UserError:
    """A TensorFlow Lite file where a model to work on was wanted."""
    return UserError(
        "model.tflite",
        "This is a TensorFlow Lite model, an end product that can be viewed with 'secateur "
        f"inspect' and not pruned: {name}.",
        "Open the .keras or .h5 file that it was made from.",
    )
