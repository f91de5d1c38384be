"""What the training room asks of its neighbours, as protocols.

Owns shapes and promises of the callables that are traced into the compiled steps. It knows
neither the data room nor Keras. All of them run inside a TensorFlow graph without autograph:
TensorFlow operations only, no Python branches on values.
"""

from __future__ import annotations

from typing import Any, Protocol


class BatchTransform(Protocol):
    """Preprocessing of a batch: raw pixels to what the model expects."""

    def __call__(self, images: Any, /) -> Any:
        """float32 tensor [batch, height, width, channels], raw values -> float32 tensor."""
        ...


class Augment(Protocol):
    """Random change of a training batch, before preprocessing."""

    def __call__(self, images: Any, labels: Any, seed: Any, /) -> tuple[Any, Any]:
        """Images (float32, raw), labels and an int32 seed [2] -> images and labels."""
        ...


class OnBatch(Protocol):
    """Told after every batch."""

    def __call__(self, step: int, steps: int, loss: float) -> None:
        """``step`` counts from 1 over all epochs; ``loss`` is that batch's mean."""
        ...


class OnEpoch(Protocol):
    """Told after every epoch; says whether the training ends with it."""

    def __call__(self, epoch: int, loss: float) -> bool:
        """``epoch`` counts from 1; ``loss`` is the mean over its batches. True: enough."""
        ...


def as_is(images: Any, /) -> Any:
    """The transform of a model that takes raw pixels."""
    return images
