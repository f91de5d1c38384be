"""The short range test: a rate that a net bears is kept, one that it does not is lowered."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from engine.training.finetune import fine_tune
from engine.training.safe_rate import SHRINK, safe_rate
from engine.training.settings import FineTuneSettings, LossSpec
from tests.engine.training_nets import dots, enliven, scaled, small_net

SOFTMAX = LossSpec(kind="categorical")


def noisy() -> tuple[np.ndarray, np.ndarray]:
    """Dots of which a fifth is labelled at random: there is always something left to learn."""
    images, labels = dots(samples=256)
    random = np.random.default_rng(1)
    wrong = random.random(len(labels)) < 0.2
    return images, np.where(wrong, random.integers(0, 3, len(labels)), labels)


def trained(*, norms: bool) -> Callable[[], keras.Model]:
    """Copies of a net that has learned the dots."""
    images, labels = noisy()
    model = enliven(small_net(norms=norms))
    settings = FineTuneSettings(epochs=6, learning_rate=0.01, batch_size=16)
    fine_tune(model, images, labels, preprocess=scaled, loss=SOFTMAX, settings=settings)
    weights = model.get_weights()

    def copy() -> keras.Model:
        fresh = small_net(norms=norms)
        fresh.set_weights(weights)
        return fresh

    return copy


def tried(copy: Callable[[], keras.Model], rate: float) -> float:
    images, labels = noisy()
    settings = FineTuneSettings(epochs=3, learning_rate=rate, batch_size=16)
    return safe_rate(copy, images, labels, preprocess=scaled, loss=SOFTMAX, settings=settings)


def test_that_a_rate_that_is_borne_is_kept() -> None:
    assert tried(trained(norms=True), 0.02) == 0.02


def test_that_a_rate_that_breaks_the_net_is_lowered_until_it_is_borne() -> None:
    copy = trained(norms=False)
    rate = tried(copy, 20.0)
    assert rate < 20.0
    assert rate in [pytest.approx(20.0 / SHRINK**k) for k in range(1, 4)]


def test_that_the_models_it_tries_on_are_copies() -> None:
    copy = trained(norms=True)
    before = copy().get_weights()
    tried(copy, 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(before, copy().get_weights(), strict=True))
