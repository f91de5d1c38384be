"""Whether a search changes its training images at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.control import EngineControl
from engine.data import Task
from engine.data.load import load
from engine.job import Budget, DataSpec, Job, Strategy
from engine.search.augmenting import FEWEST_PASSES, Augmenting, choose_augmentation
from engine.telling import sentences

TASK = Task(
    kind="classification", classes=2, outputs=2, activation="softmax", from_logits=False,
    metric="accuracy",
)  # fmt: skip


def bright(images: np.ndarray, *, control: object = None) -> np.ndarray:
    """A model that no flip disturbs."""
    return np.eye(2)[(images.mean((1, 2, 3)) > 127).astype(int)]


def chosen(
    scratch: Path, epochs: int, augment: str = "auto", strategy: Strategy = "heuristic"
) -> Augmenting:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 2
    images = (rng.integers(0, 60, (90, 8, 8, 1)) + 180 * labels[:, None, None, None]).astype("u1")
    np.savez(
        scratch / "data.npz", x_train=images[:50], y_train=labels[:50], x_test=images[50:],
        y_test=labels[50:],
    )  # fmt: skip
    data = DataSpec(source=str(scratch / "data.npz"), augment=augment)
    job = Job(model="m.keras", data=data, budget=Budget(epochs=epochs), strategy=strategy)
    model: Any = bright
    return choose_augmentation(
        job, model, load(data, input_shape=(8, 8, 1), outputs=2), TASK, "accuracy", epochs,
        EngineControl(lambda event: None),
    )  # fmt: skip


def test_that_images_are_changed_only_where_fine_tunes_see_them_often(tmp_path: Path) -> None:
    seldom = chosen(tmp_path, 3)
    assert seldom.event.passes == 18 < FEWEST_PASSES
    assert seldom.apply is None
    assert not seldom.event.drops, "nothing was measured"
    said = sentences.augmentation(seldom.event)
    assert (
        said == "Fine-tunes change no images: they see each 18 times at most, too seldom to gain."
    )

    often = chosen(tmp_path, 10)
    assert often.event.passes is None
    assert "flip" in often.event.chosen
    assert often.apply is not None
    assert "flips" in sentences.augmentation(often.event)


def test_that_many_short_fine_tunes_see_images_often_too(tmp_path: Path) -> None:
    assert "flip" in chosen(tmp_path, 5, strategy="importance").event.chosen


def test_that_what_is_asked_for_is_done_however_seldom(tmp_path: Path) -> None:
    assert chosen(tmp_path, 1, augment="flip").event.chosen == ("flip",)
