"""TensorFlow calls in Keras 2 graphs (``TFOpLambda``, ``SlicingOpLambda``) as Keras operations.

Owns the table from TensorFlow function names to operations of ``keras.ops``. Only the functions
listed here are opened, each with the arguments listed; any other is refused by its name. Nothing
is looked up in TensorFlow.
"""

from __future__ import annotations

from typing import Final

from engine.errors import UserError
from engine.modelfile.tree import Model

CLASSES: Final = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceProperty"})


def translate(model: Model) -> Model:
    """The model with every TensorFlow call replaced.

    Raises
    ------
    UserError
        For a function that is not in the table, by name.
    """
    for entry in model.entries:
        if entry.class_name in CLASSES:
            raise UserError(
                "model.unknown_function",
                "The model calls a TensorFlow function that Secateur does not know: "
                f"tf.{entry.config.get('function')}, layer {entry.name!r}.",
                "Replace it by a standard Keras layer and save the model again.",
            )
    return model
