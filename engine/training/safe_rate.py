"""Whether a learning rate is safe for a stranger's model: a few steps on a copy tell.

Owns the short range test and what counts as safe. A rate that a net cannot bear drives its loss up
within some ten steps and never back (Smith, WACV 2017, reads the largest useful rate off such a
test); one that it can bear costs a passing rise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np

from engine.errors import TrialError
from engine.training.control import Control
from engine.training.finetune import fine_tune
from engine.training.protocols import BatchTransform
from engine.training.settings import FineTuneSettings, LossSpec

STEPS = 40
"""Steps of one try."""

SHRINK = 4.0
"""By how much the rate falls from one try to the next."""

MOST_TRIES = 4

LOWEST = SHRINK ** (1 - MOST_TRIES)
"""The last rate of the ladder over its first."""

MOST_RISE = 0.5
"""Share of the way from the first loss to that of a model that knows nothing that a safe rate may
lose on average over the second half of the steps."""


def safe_rate(
    copy: Callable[[], keras.Model],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    preprocess: BatchTransform,
    loss: LossSpec,
    settings: FineTuneSettings,
    control: Control | None = None,
) -> float | None:
    """The largest of a falling ladder of rates that the model bears.

    Parameters
    ----------
    copy
        Makes a fresh copy of the model; it is trained and thrown away.
    images, labels
        Training images; some ten batches of them are used.
    settings
        Those of a fine-tune; the ladder begins at their rate.

    Returns
    -------
    float or None
        The rate; None where none of the ladder was borne.

    Raises
    ------
    Stopped
        Where the control asks for it.
    """
    batch = min(settings.batch_size, len(images))
    chosen = np.random.default_rng(settings.seed).permutation(len(images))[: STEPS * batch]
    images, labels = images[np.sort(chosen)], labels[np.sort(chosen)]
    epochs = max(1, math.ceil(STEPS * batch / max(1, len(images) // batch * batch)))
    ignorant = _ignorant_loss(labels, loss)
    rate = settings.learning_rate
    losses: list[float] = []
    for _ in range(MOST_TRIES):
        losses.clear()
        tried = replace(
            settings, learning_rate=rate, epochs=epochs, batch_size=batch, distill=0.0,
            gamma_l1=0.0, warmup_share=0.2,
        )  # fmt: skip
        try:
            fine_tune(
                copy(), images, labels, preprocess=preprocess, loss=loss, settings=tried,
                control=control, on_batch=lambda step, steps, value: losses.append(value),
            )  # fmt: skip
        except TrialError:
            losses.clear()
        if _bears(losses, ignorant):
            return rate
        rate /= SHRINK
    return None


def _bears(losses: list[float], ignorant: float) -> bool:
    """Whether the loss, first seen before any step, stayed nearer to that than to ignorance."""
    if len(losses) < 2:
        return False
    first, late = losses[0], float(np.mean(losses[len(losses) // 2 :]))
    return late <= first + MOST_RISE * max(ignorant - first, 0.1 * abs(first), 1e-3)


def _ignorant_loss(labels: np.ndarray, loss: LossSpec) -> float:
    """Loss of a model that says the same of every image, as well as can be."""
    if loss.kind == "categorical":
        _, counts = np.unique(labels, return_counts=True)
        shares = counts / counts.sum()
        return float(-(shares * np.log(shares)).sum())
    if loss.kind == "binary":
        share = float(np.clip(np.mean(labels), 1e-6, 1.0 - 1e-6))
        return -(share * math.log(share) + (1.0 - share) * math.log(1.0 - share))
    return float(np.var(labels.astype(np.float64)) / loss.variance)
