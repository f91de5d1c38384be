"""Labels in another order, labels that do not count, uneven classes: what is done and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import data
from engine.data.labels import understand_labels
from engine.data.preprocess import Preprocess
from engine.errors import UserError
from engine.job import DataSpec
from tests.shared import shared_file


def loaded(tmp_path: Path, labels: np.ndarray, **spec: object) -> data.LoadedData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(labels), 6, 5, 3), dtype="uint8")
    path = tmp_path / "d.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[::-1] // 2, y_test=labels[::-1])
    return data.load(DataSpec(source=str(path), **spec), input_shape=(6, 5, 3), outputs=3)  # type: ignore[arg-type]


def test_that_labels_are_put_into_the_models_order(tmp_path: Path) -> None:
    before = loaded(tmp_path, np.arange(30) % 3)
    after = data.reordered(before, data.parse_order("2, 0,1"))
    np.testing.assert_array_equal(after.train.labels, np.array([2, 0, 1])[before.train.labels])
    assert after.class_names == ("1", "2", "0")  # output 0 is what the data call 1
    assert "2,0,1" in after.notes[-1]


@pytest.mark.parametrize("text", ["0,0,1", "1,2", "one", ""])
def test_that_an_order_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="each output once"):
        data.parse_order(text)


def test_that_an_order_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names 2 classes"):
        data.reordered(loaded(tmp_path, np.arange(30) % 3), (1, 0))


def test_that_a_label_that_does_not_count_may_be_any_number(tmp_path: Path) -> None:
    labels = np.arange(40) % 4 * np.array([1, 1, 1, 33])[np.arange(40) % 4]  # 0, 1, 2, 99
    with pytest.raises(UserError, match="0 to 99"):
        loaded(tmp_path, labels)
    kept = loaded(tmp_path, labels, ignore_label=99)
    assert kept.ignore_label == 99
    assert sum(data.counts_by_part(kept)[0]) == 30
    maps = np.stack([np.full((4, 4), i % 3) for i in range(6)])
    maps[:, 0] = 7
    masks = understand_labels({"train": maps}, outputs=3, ignore_label=7)
    assert masks.ignore_label == 7


def test_that_uneven_classes_are_told_and_weighted_where_the_metric_asks(tmp_path: Path) -> None:
    labels = np.repeat([0, 1, 2], [40, 10, 10])
    found = loaded(tmp_path, labels)
    assert "uneven" in data.imbalance(found, "accuracy")[0]
    assert not data.imbalance(found, "macro_f1")
    spec = DataSpec(source="d.npz")
    assert data.class_weights(found, spec, "accuracy") is None
    weights = data.class_weights(found, spec, "balanced_accuracy")
    assert weights == pytest.approx((0.5, 2.0, 2.0))
    balanced = DataSpec(source="d.npz", class_weight="balanced")
    assert data.class_weights(found, balanced, "accuracy") == pytest.approx(weights)
    none = DataSpec(source="d.npz", class_weight="none")
    assert data.class_weights(found, none, "balanced_accuracy") is None


def test_that_thumbnails_have_a_row_a_class_and_show_what_is_tied(tmp_path: Path) -> None:
    found = loaded(tmp_path, np.arange(30) % 3)
    folder = tmp_path / "preview"
    data.write_preview(found, Preprocess(mode="0-1"), ("0-1,bgr",), folder)
    with Image.open(folder / "train.png") as sheet:
        assert sheet.size == (8 * 40, 3 * 40)
    rgb, bgr = (np.asarray(Image.open(folder / f"tie-{i}.png")) for i in (0, 1))
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    assert len(list(folder.iterdir())) == 5


@pytest.mark.slow
def test_that_the_shared_sets_load_as_they_are(tmp_path: Path) -> None:
    import zipfile

    for name in ("camvid_192x256.zip", "flowers_128.zip"):
        with zipfile.ZipFile(shared_file(f"data/{name}")) as archive:
            archive.extractall(tmp_path / name)
    camvid = data.load(
        DataSpec(source=str(tmp_path / "camvid_192x256.zip"), ignore_label=11),
        input_shape=(192, 256, 3), outputs=11,
    )  # fmt: skip
    assert (len(camvid.train), len(camvid.search), len(camvid.report)) == (367, 101, 233)
    assert camvid.labels_are == "masks"
    assert camvid.train.labels.shape == (367, 192, 256)
    assert camvid.ignore_label == 11
    flowers = data.load(
        DataSpec(source=str(tmp_path / "flowers_128.zip")), input_shape=(128, 128, 3), outputs=5
    )
    assert flowers.class_names == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert len(flowers.train) == 2569
    assert len(flowers.search) + len(flowers.report) == 548
    nuclei = data.load(
        DataSpec(source=str(shared_file("data/nuclei_128.npz"))), input_shape=(128, 128, 3),
        outputs=1,
    )  # fmt: skip
    assert nuclei.labels_are == "masks"
    assert len(nuclei.train) == 564
