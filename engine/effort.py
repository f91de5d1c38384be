"""How much a search may train, said before it starts: fine-tunes, epochs and, once timed, seconds.

Owns the defaults of a budget and the arithmetic over them. It reads no file and knows no Keras, so
that the window can say it before any engine is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.job import Budget, Strategy

DEFAULT_FINE_TUNES: Final = 6
FINE_TUNES: Final[dict[Strategy, int]] = {"importance": 10}
"""Strategies whose fine-tunes are many small steps."""

NEW_GOAL: Final[tuple[Strategy, ...]] = ("heuristic", "importance")
"""Strategies that can go on from the trials of a finished run under another goal."""

MIN_EPOCHS: Final = 2
MAX_EPOCHS: Final = 10

TRAIN_COST: Final = 3.0
"""A training step over a prediction: the way back costs two ways forward (Kaplan et al. 2020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a search may train, at most; ``epochs`` are the fewest and the most of a fine-tune.

    ``seconds`` is None where nothing was timed. The control, trained as long as the longest chain
    of fine-tunes, is in it.
    """

    fine_tunes: int
    epochs: tuple[int, int]
    seconds: float | None


def most_fine_tunes(budget: Budget, strategy: Strategy) -> int:
    """Fine-tunes that a search may make."""
    return budget.max_trials or FINE_TUNES.get(strategy, DEFAULT_FINE_TUNES)


def effort(
    budget: Budget, strategy: Strategy, *, samples: int | None, sample_s: float | None
) -> Effort:
    """The effort of a search.

    Parameters
    ----------
    samples
        Training images, None where they were not counted.
    sample_s
        Seconds that the uncut model took to predict one image.
    """
    tunes = most_fine_tunes(budget, strategy)
    epochs = (budget.epochs or MIN_EPOCHS, budget.epochs or MAX_EPOCHS)
    seconds = None
    if samples is not None and sample_s is not None:
        seconds = 2 * tunes * epochs[1] * samples * TRAIN_COST * sample_s
        if budget.time_s is not None:
            seconds = min(seconds, budget.time_s)
    return Effort(fine_tunes=tunes, epochs=epochs, seconds=seconds)
