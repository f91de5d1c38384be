"""What a trial survives: too little memory, a dead engine, answers that are no numbers.

Owns how each becomes a :class:`~engine.errors.TrialError`, after which the search goes on, and the
words for it. It trains nothing and knows no strategy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine import events as ev
from engine.deaths import MOST_DEATHS
from engine.errors import TrialError

OUT_OF_MEMORY = "training.memory"
"""Code of the error after which a trial is tried once more at half the batch."""

EXPLODED = 100.0
"""An epoch's mean loss so many times the first batch's is no training any more."""


@contextmanager
def memory_named() -> Iterator[None]:
    """Make a :class:`TrialError` of memory that ran out."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise TrialError(
            OUT_OF_MEMORY,
            "The memory is too small for this trial.",
            "Close other programs, or search with a smaller --batch-size.",
        ) from error


def halved(batch: int) -> ev.Warned:
    """That a trial goes on at half the batch; ``batch`` is the new size."""
    return ev.Warned(
        code="memory.halved",
        message="The memory was too small for this trial; it is tried again in batches of"
        f" {batch}.",
    )


def check_deaths(deaths: Sequence[ev.EngineDied]) -> None:
    """Refuse a trial in which the engine has died too often.

    Raises
    ------
    TrialError
        Where it has.
    """
    if len(deaths) >= MOST_DEATHS:
        last = deaths[-1]
        why = "ran out of memory" if last.cause == "memory" else last.how
        raise TrialError(
            "trial.deadly", f"The engine died in this trial {len(deaths)} times: it {why}."
        )


class LossWatch:
    """Watches the losses of a training for their leaving all bounds."""

    def __init__(self) -> None:
        self._first: float | None = None

    def batch(self, loss: float) -> None:
        """A batch had this loss."""
        if self._first is None:
            self._first = loss

    def epoch(self, loss: float) -> None:
        """An epoch had this mean loss.

        Raises
        ------
        TrialError
            Where it is out of all proportion to the first batch's.
        """
        first = loss if self._first is None else self._first
        if abs(loss) > EXPLODED * max(1.0, abs(first)):
            raise TrialError(
                "training.exploded",
                f"The training exploded: the loss went from {first:.3g} to {loss:.3g}.",
                "A smaller learning rate may help.",
            )


def check_numbers(outputs: Any) -> None:
    """Refuse a model whose answers are no numbers.

    Raises
    ------
    TrialError
        Where one is NaN.
    """
    arrays = keras.tree.flatten(outputs)
    count = sum(int(np.isnan(array).sum()) for array in arrays)
    if count:
        total = sum(array.size for array in arrays)
        raise TrialError(
            "training.not_numbers",
            f"The trained model answers with values that are no numbers: {count} of {total}.",
            "A smaller learning rate may help.",
        )
