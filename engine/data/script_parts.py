"""What a data script may bring besides data, and how several labels travel as one array.

Owns the values of the script's own loss, metric, augmentation and class weights, and the packing
of several labels (or outputs) of a sample into one row, so that all that carries samples knows
one array. It runs no script and knows neither Keras nor files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from engine.errors import UserError

Reshape = Callable[[Any, tuple[int, ...]], Any]
"""``np.reshape`` or ``tf.reshape``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How a row is made of several arrays: the shape of each without its first axis, in order.

    ``names`` has a name each where the arrays came as a dict, in which form they then are handed
    back; else a tuple is.
    """

    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()

    def pack(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Arrays ``(n, ...)`` side by side, float32 ``(n, k)``."""
        flat = [np.asarray(array).reshape(len(array), -1) for array in arrays]
        return np.concatenate(flat, axis=1).astype(np.float32)

    def unpack(self, rows: Any, reshape: Reshape) -> Any:
        """The arrays (or tensors) of rows ``(n, k)``, each in its shape, as a dict or tuple."""
        made, start = [], 0
        for shape in self.shapes:
            end = start + prod(shape)
            made.append(reshape(rows[:, start:end], (-1, *shape)))
            start = end
        return dict(zip(self.names, made, strict=True)) if self.names else tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A data script's own words; None for what it leaves to Secateur.

    Attributes
    ----------
    metric
        ``metric(y_true, y_pred)`` of NumPy arrays: one number a sample, or one for them all.
    loss
        ``loss(y_true, y_pred)`` of tensors: one number a sample, or one for the batch.
    augment
        ``augment(images, labels, seed)`` of tensors: both, changed.
    labels
        How several labels were packed.
    outputs
        How the model's several outputs are packed; set once the model is known.
    """

    metric: Callable[[Any, Any], Any] | None = None
    loss: Callable[[Any, Any], Any] | None = None
    augment: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None
    class_weights: tuple[tuple[int, float], ...] = ()
    higher_is_better: bool = True
    labels: Packing | None = None
    outputs: Packing | None = None

    def true(self, labels: Any, reshape: Reshape = np.reshape) -> Any:
        """Labels in the form in which the script gave them; ``reshape`` suits their kind."""
        return labels if self.labels is None else self.labels.unpack(labels, reshape)

    def predicted(self, outputs: Any, reshape: Reshape = np.reshape) -> Any:
        """Outputs in the form in which the model gives them."""
        return outputs if self.outputs is None else self.outputs.unpack(outputs, reshape)

    def judged(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(value, 1) a sample, float64 ``(n, 2)``; (0, 0) where the metric gives no number.

        A metric that gives one number for many samples is asked about each alone, so that
        intervals and paired comparisons are by image.

        Raises
        ------
        UserError
            ``data.script`` where it gives something else.
        """
        assert self.metric is not None
        values = np.asarray(self.metric(self.true(labels), self.predicted(outputs)), np.float64)
        if values.ndim == 0 and len(labels) > 1:
            each = (slice(i, i + 1) for i in range(len(labels)))
            values = np.array(
                [float(self.metric(self.true(labels[i]), self.predicted(outputs[i]))) for i in each]
            )
        values = values.reshape(-1)
        if len(values) != len(labels):
            raise UserError(
                "data.script",
                "The script's metric must give one number a sample, or one for them all; it gave "
                f"{len(values)} for {len(labels)} samples.",
                "Return an array with as many values as y_true has samples.",
            )
        known = np.isfinite(values)
        return np.stack([np.where(known, values, 0.0), known], axis=1).astype(np.float64)
