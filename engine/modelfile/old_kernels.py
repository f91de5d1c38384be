"""Which form the kernels of an old file have: Keras 1's orders of axes, Theano's flips.

Owns the rules that Keras 2 had in ``preprocess_weights_for_loading``. It knows nothing of how the
arrays are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.errors import UserError
from engine.modelfile.classes import words
from engine.modelfile.tree import Entry, Model

_CONVOLUTIONS = words("Conv1D Conv2D Conv3D Conv2DTranspose Conv3DTranspose")


def settle_kernels(model: Model, generation: int, backend: str) -> tuple[str, ...]:
    """Note on every layer how its kernel is stored; warnings for people come back.

    Parameters
    ----------
    model
        The tree, changed in place.
    generation
        Keras's major version that wrote the file.
    backend
        The backend that the file names, or "".

    Raises
    ------
    UserError
        Where such a kernel stands inside a wrapper.
    """
    warnings: set[str] = set()
    for entry in _entries(model):
        if (generation == 1 or backend == "theano") and _wraps_convolution(entry):
            raise UserError(
                "model.no_counterpart",
                "A wrapper holds a convolution whose kernel is stored in an old order of axes: "
                f"layer {entry.name!r}.",
                "Load the model with the Keras that wrote it and save it from there again.",
            )
        if entry.class_name not in _CONVOLUTIONS:
            continue
        first = entry.config.get("data_format") == "channels_first"
        if generation == 1:
            entry.form = replace(entry.form, kernel=_old_form(entry.class_name, first))
        if backend == "theano":
            entry.form = replace(entry.form, flipped=True)
        elif generation == 1 and first:
            warnings.add(
                "The file does not say whether Theano or TensorFlow wrote it; its kernels are read "
                "as TensorFlow's, as Keras 2 did."
            )
    return tuple(sorted(warnings))


def _wraps_convolution(entry: Entry) -> bool:
    inner = entry.config.get("layer")
    return isinstance(inner, Mapping) and (
        inner["class_name"] in _CONVOLUTIONS or inner["class_name"].startswith("Separable")
    )


def _old_form(class_name: str, first: bool) -> str:
    if class_name == "Conv1D":
        return "column"
    if "Transpose" in class_name:
        return "turned_first" if first else "turned"
    return "filters_first" if first else "same"


def _entries(model: Model) -> Iterator[Entry]:
    for entry in model.entries:
        if entry.model is not None:
            yield from _entries(entry.model)
        else:
            yield entry
