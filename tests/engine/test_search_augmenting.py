"""Whether a search changes its training images at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.control import EngineControl
from engine.data import Task
from engine.data.load import load
from engine.job import Budget, DataSpec, Job, Strategy
from engine.search.augmenting import FEWEST_EPOCHS, Augmenting, choose_augmentation
from engine.telling import sentences

TASK = Task(
    kind="classification", classes=2, outputs=2, activation="softmax", from_logits=False,
    metric="accuracy",
)  # fmt: skip


def bright(images: np.ndarray, *, control: object = None) -> np.ndarray:
    """A model that no flip disturbs."""
    return np.eye(2)[(images.mean((1, 2, 3)) > 127).astype(int)]


def chosen(
    scratch: Path,
    epochs: int,
    augment: str = "auto",
    strategy: Strategy = "heuristic",
    trials: int | None = None,
) -> Augmenting:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 2
    images = (rng.integers(0, 60, (90, 8, 8, 1)) + 180 * labels[:, None, None, None]).astype("u1")
    np.savez(
        scratch / "data.npz", x_train=images[:50], y_train=labels[:50], x_test=images[50:],
        y_test=labels[50:],
    )  # fmt: skip
    data = DataSpec(source=str(scratch / "data.npz"), augment=augment)
    job = Job(
        model="m.keras",
        data=data,
        budget=Budget(epochs=epochs, max_trials=trials),
        strategy=strategy,
    )
    model: Any = bright
    return choose_augmentation(
        job, model, load(data, input_shape=(8, 8, 1), outputs=2), TASK, "accuracy", epochs,
        EngineControl(lambda event: None),
    )  # fmt: skip


def test_that_images_are_changed_only_in_fine_tunes_of_some_length(tmp_path: Path) -> None:
    short = chosen(tmp_path, 3)
    assert short.event.too_few == 3
    assert short.apply is None
    assert not short.event.drops, "nothing was measured"
    said = sentences.augmentation(short.event)
    assert said == "Fine-tunes of 3 epochs change no images: too short to gain by it."

    longer = chosen(tmp_path, FEWEST_EPOCHS)
    assert longer.event.too_few is None
    assert "flip" in longer.event.chosen
    assert longer.apply is not None
    assert "flips" in sentences.augmentation(longer.event)


def test_that_many_short_fine_tunes_may_change_images(tmp_path: Path) -> None:
    assert "flip" in chosen(tmp_path, 5, strategy="importance").event.chosen


@pytest.mark.parametrize("trials", [1, 3, 16])
def test_that_a_budget_of_fine_tunes_does_not_turn_it_over(tmp_path: Path, trials: int) -> None:
    """A new goal may bring another one, and goes on from nets that were trained one way."""
    assert "flip" in chosen(tmp_path, 10, trials=trials).event.chosen
    assert chosen(tmp_path, 3, trials=trials).event.too_few == 3


def test_that_what_is_asked_for_is_done_however_short(tmp_path: Path) -> None:
    assert chosen(tmp_path, 1, augment="flip").event.chosen == ("flip",)
