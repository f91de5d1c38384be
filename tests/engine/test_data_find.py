"""Finding the preprocessing, with models that are plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.data.find import candidates, find_preprocess
from engine.data.naming import PreprocessWish
from engine.data.parts import Part
from engine.data.preprocess import Preprocess
from engine.data.task import Task

CLASSES = 5
TASK = Task(
    kind="classification", classes=CLASSES, outputs=CLASSES, activation="softmax",
    from_logits=False, metric="accuracy",
)  # fmt: skip


def coloured(count: int = 600, seed: int = 0, peak: int = 255) -> Part:
    """Noisy images whose class is a colour; red and blue tell classes apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    colours = np.array([[10, 60, 200], [90, 60, 30], [230, 60, 120], [140, 60, 220], [40, 200, 40]])
    noise = rng.normal(0, 12, (count, 4, 4, 3))
    images = np.clip(colours[labels][:, None, None] + noise, 0, 255) * peak / 255
    return Part(images=images.round().astype(np.uint8), labels=labels)


def trained_with(preprocess: Preprocess, part: Part) -> Callable[[np.ndarray], np.ndarray]:
    """A nearest-mean model in the space of a preprocessing; it fails outside of it."""
    ready = preprocess.apply_numpy(part.images)
    means = np.stack([ready[part.labels == c].mean(0) for c in range(CLASSES)])
    spread = ready.std()

    def predict(images: np.ndarray) -> np.ndarray:
        gaps = ((images[:, None] - means) ** 2).mean((2, 3, 4)) / spread**2
        scores = np.exp(-np.minimum(gaps, 50.0) * 10)
        scores[:, 0] += 1e-6  # far from everything it says class 0
        return scores

    return predict


@pytest.mark.parametrize(
    "preprocess", [p for p in candidates(coloured().images) if p.mode != "per-image"],
    ids=lambda p: p.name,
)  # fmt: skip
def test_that_the_right_preprocessing_is_found(preprocess: Preprocess) -> None:
    part = coloured()
    found = find_preprocess(trained_with(preprocess, part), part, TASK)
    assert found.preprocess == preprocess or preprocess.name in found.near_ties
    assert found.values[preprocess.name] > 0.95
    assert next(iter(found.values)) == found.preprocess.name
    assert not found.poor


def test_that_the_candidates_are_those_of_the_design() -> None:
    names = [p.name for p in candidates(coloured().images)]
    assert names[:6] == ["none", "0-1", "-1-1", "caffe", "torch", "per-image"]
    assert set(names[6:]) == {"per-channel", "none,bgr", "0-1,bgr", "-1-1,bgr"}


def test_that_values_say_how_many_samples_are_behind_them() -> None:
    part = coloured()
    found = find_preprocess(trained_with(Preprocess(mode="0-1"), part), part, TASK)
    assert found.samples["0-1"] == 500
    assert found.samples["none"] == 100
    assert set(found.values) == {p.name for p in candidates(part.images)}


def test_that_the_model_runs_in_few_passes_over_few_samples() -> None:
    part, calls = coloured(), []
    inner = trained_with(Preprocess(mode="torch"), part)

    def predict(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return inner(images)

    find_preprocess(predict, part, TASK)
    assert len(calls) == 2
    assert sum(calls) <= 100 * len(candidates(part.images)) + 500 * 3


def test_that_near_ties_are_told_and_the_plainest_is_taken() -> None:
    part = coloured()

    def scale_free(images: np.ndarray) -> np.ndarray:
        order = images.mean((1, 2))
        return np.eye(CLASSES)[part_labels(order)]

    def part_labels(means: np.ndarray) -> np.ndarray:
        red, green, blue = (means / means.max(1, keepdims=True).clip(1e-9)).T
        return np.select(
            [green == 1, (red == 1) & (blue < 0.5), red == 1, (blue == 1) & (red < 0.3)],
            [4, 1, 2, 0],
            3,
        )

    found = find_preprocess(scale_free, part, TASK)
    assert found.preprocess.mode == "none"
    assert "0-1" in found.near_ties
    assert any("'0-1'" in warning for warning in found.warnings)


def test_that_a_scale_of_the_datas_own_is_tried() -> None:
    part = coloured(peak=16)
    names = [p.name for p in candidates(part.images)]
    assert "max" in names
    right = Preprocess(mode="max", peak=float(part.images.max()))
    found = find_preprocess(trained_with(right, part), part, TASK)
    assert found.preprocess == right
    assert "max" not in [p.name for p in candidates(coloured().images)]


def test_that_unit_floats_may_need_255() -> None:
    part = coloured()
    unit = Part(images=part.images.astype(np.float32) / 255, labels=part.labels)
    model = trained_with(Preprocess(mode="none"), part)
    found = find_preprocess(model, unit, TASK)
    assert (found.preprocess.mode, found.preprocess.peak) == ("0-255", 1.0)
    model = trained_with(Preprocess(mode="-1-1"), part)
    assert find_preprocess(model, unit, TASK).preprocess.mode == "-1-1"


def test_that_a_wish_is_obeyed() -> None:
    part = coloured()
    only = candidates(part.images, PreprocessWish(mode="0-1"))
    assert {p.mode for p in only} == {"0-1"}
    fixed = candidates(part.images, PreprocessWish(mode="caffe", resize="bicubic"))
    assert [p.name for p in fixed] == ["caffe,bicubic"]
    turned = candidates(part.images, PreprocessWish(order="bgr"))
    assert all(p.channel_order == "bgr" for p in turned)
    assert "caffe" not in {p.mode for p in turned}
    grey = candidates(part.images[..., :1])
    assert not {"caffe", "torch"} & {p.mode for p in grey}
    assert all(p.channel_order == "rgb" for p in grey)


def test_that_labels_in_another_order_are_found() -> None:
    part = coloured()
    model = trained_with(Preprocess(mode="-1-1"), part)
    order = np.array([2, 0, 1, 4, 3])

    def shuffled(images: np.ndarray) -> np.ndarray:
        out = np.empty((len(images), CLASSES))
        out[:, order] = model(images)
        return out

    found = find_preprocess(shuffled, part, TASK, class_names=("a", "b", "c", "d", "e"))
    assert found.poor
    assert found.permutation == tuple(order)
    assert "a is output 2" in found.warnings[-1]


def test_that_a_bad_model_is_called_bad_and_not_shuffled() -> None:
    rng = np.random.default_rng(1)
    found = find_preprocess(lambda x: rng.random((len(x), CLASSES)), coloured(), TASK)
    assert found.poor
    assert found.permutation is None
    assert found.warnings


def test_that_many_classes_and_few_samples_are_no_other_order() -> None:
    """An assignment fits noise: it is judged on samples that it was not made from."""
    rng = np.random.default_rng(2)
    part = coloured(120)
    part = Part(images=part.images, labels=np.arange(120) % 60)
    what = replace(TASK, classes=60, outputs=60)
    found = find_preprocess(lambda x: rng.random((len(x), 60)), part, what)
    assert found.poor
    assert found.permutation is None


def test_that_looking_for_another_order_costs_one_more_pass_at_most() -> None:
    part, calls = coloured(), []
    model = trained_with(Preprocess(mode="-1-1"), part)

    def shuffled(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return np.roll(model(images), 1, axis=1)

    assert find_preprocess(shuffled, part, TASK).permutation == (1, 2, 3, 4, 0)
    assert len(calls) <= 3
    assert len(calls) == 2 or calls[2] <= 500


def test_that_the_choice_is_the_same_every_time() -> None:
    part = coloured()
    model = trained_with(Preprocess(mode="torch"), part)
    assert find_preprocess(model, part, TASK) == find_preprocess(model, part, TASK)
