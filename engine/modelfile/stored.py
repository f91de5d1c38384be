"""Arrays that a file stores in another form than Keras 3 has them.

Owns the forms: kernels of Keras 1 (filters first, a fourth axis in Conv1D, turned transposed
convolutions), kernels that Theano flips, kernels kept as vectors, gates whose activation changed.
A form says the shape in the file and how to come from there to ours. It reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.modelfile.graph import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the arrays of one layer are stored.

    ``kernel`` is one of "same", "flat" (a vector), "column" (Conv1D with a second axis of one),
    "filters_first", "turned" (the last two axes exchanged), "turned_first". ``flipped``: the
    spatial axes run backwards (Theano). ``gate_scale``: a factor for the gates of a recurrent
    layer.
    """

    kernel: str = "same"
    flipped: bool = False
    gate_scale: float | None = None

    def shape_in_file(self, name: str, shape: Shape) -> Shape:
        """The shape that a weight of this name and shape has in the file."""
        if name != "kernel" or self.kernel == "same":
            return shape
        if self.kernel == "flat":
            known = [n for n in shape if n is not None]
            return (int(np.prod(known)) if len(known) == len(shape) else None,)
        if self.kernel == "column":
            return (shape[0], 1, *shape[1:])
        if self.kernel == "filters_first":
            return (shape[-1], shape[-2], *shape[:-2])
        if self.kernel == "turned":
            return (*shape[:-2], shape[-1], shape[-2])
        return (shape[-2], shape[-1], *shape[:-2])

    def restore(self, name: str, values: np.ndarray, shape: Shape, gates: int | None) -> np.ndarray:
        """Values from the file in our form; ``shape`` is ours, perhaps with unknown sizes."""
        if name.rpartition("/")[2] == "kernel" and self.kernel != "same":
            values = self._kernel(values, shape)
        if self.flipped and name == "kernel":
            spatial = (slice(None, None, -1),) * (values.ndim - 2)
            values = values[spatial]
        if self.gate_scale is not None and gates is not None:
            parts = np.split(values, gates, axis=-1)
            scaled = [p if i == 2 else p * self.gate_scale for i, p in enumerate(parts)]
            values = np.concatenate(scaled, axis=-1).astype(values.dtype)
        return np.asarray(values, order="C")

    def _kernel(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        if self.kernel == "flat":
            return values.reshape([values.size if n is None else n for n in shape])
        if self.kernel == "column":
            return values[:, 0]
        spatial = tuple(range(2, values.ndim))
        if self.kernel == "filters_first":
            return values.transpose(*spatial, 1, 0)
        if self.kernel == "turned_first":
            return values.transpose(*spatial, 0, 1)
        return values.swapaxes(-1, -2)


AS_IT_IS = Form()
