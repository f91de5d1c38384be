"""Every source form, made here, read and divided; and what is refused, in one sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from engine import data
from engine.data.hashing import file_sha256
from engine.data.parts import LoadedData
from engine.errors import UserError
from engine.job import DataSpec

SHAPE = (6, 5, 1)


def arrays(count: int = 40, seed: int = 0, size: tuple[int, ...] = (6, 5)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"x": rng.integers(0, 256, (count, *size), np.uint8), "y": np.arange(count) % 3}


def load(
    source: Path | str, shape: tuple[int | None, ...] = SHAPE, outputs: int | None = 3, **spec: str
) -> LoadedData:
    return data.load(
        DataSpec(source=str(source), **spec),  # type: ignore[arg-type]
        input_shape=shape,
        outputs=outputs,
    )


def sizes(loaded: LoadedData) -> tuple[int, int, int]:
    return len(loaded.train), len(loaded.search), len(loaded.report)


def save(path: Path, **named: np.ndarray) -> Path:
    np.savez(path, **named)  # type: ignore[arg-type]
    return path


def refused(source: Path | str, *words: str, code: str, **options: object) -> None:
    with pytest.raises(UserError) as caught:
        load(source, **options)  # type: ignore[arg-type]
    error = caught.value
    assert error.code == code
    assert error.hint
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


# arrays ----------------------------------------------------------------------------------------


def test_that_digits_have_fixed_parts_that_never_change() -> None:
    loaded = load("digits", (8, 8, 1), 10)
    assert sizes(loaded) == (899, 359, 539)
    assert loaded.seen == "no"
    assert loaded.divided == "given"
    assert loaded.duplicates == 0
    sums = [int(p.images.astype(np.int64).sum()) for p in (loaded.train, loaded.search)]
    assert sums == DIGIT_SUMS, "the sample model was trained on the train part: do not move it"


DIGIT_SUMS = [281559, 112223]


def test_that_an_npz_with_train_and_test_has_its_test_part_halved(tmp_path: Path) -> None:
    train, test = arrays(40), arrays(31, 1)
    path = save(tmp_path / "a.npz", x_train=train["x"], y_train=train["y"], x_test=test["x"],
                y_test=test["y"])  # fmt: skip
    loaded = load(path)
    assert sizes(loaded) in ((40, 15, 16), (40, 16, 15))
    assert loaded.train.images.shape == (40, *SHAPE)
    assert loaded.train.images.dtype == np.uint8
    assert loaded.divided == "halved"
    assert loaded.seen == "no"
    assert loaded.sha256 == file_sha256(path)
    assert np.array_equal(loaded.train.images[..., 0], train["x"])
    together = np.concatenate([loaded.search.images, loaded.report.images])
    assert {i.tobytes() for i in together} == {i.tobytes() for i in test["x"]}


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_valid", "Y_valid", "X_test", "Y_test"),
        ("trainX", "trainy", "devX", "devy", "testX", "testy"),
        ("training/images", "training/labels", "validation/images", "validation/labels",
         "testing/images", "testing/targets"),
    ],
)  # fmt: skip
def test_that_aliases_of_three_parts_are_understood(tmp_path: Path, names: tuple[str, ...]) -> None:
    parts = [arrays(20, 0), arrays(10, 1), arrays(12, 2)]
    named = {names[2 * i]: part["x"] for i, part in enumerate(parts)}
    named.update({names[2 * i + 1]: part["y"] for i, part in enumerate(parts)})
    loaded = load(save(tmp_path / "a.npz", **named))
    assert sizes(loaded) == (20, 10, 12)
    assert loaded.divided == "given"
    assert np.array_equal(loaded.search.images[..., 0], parts[1]["x"])


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("data", "target")])
def test_that_an_npz_without_parts_is_divided_and_said_so(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    one = arrays(100)
    path = save(tmp_path / "a.npz", **{names[0]: one["x"], names[1]: one["y"]})
    loaded = load(path)
    assert sizes(loaded) == (70, 15, 15)
    assert loaded.divided == "whole"
    assert loaded.seen == "unknown"
    assert any("70/15/15" in note for note in loaded.notes)
    assert load(path, seen="no").seen == "no"
    assert load(path, seen="yes").seen == "yes"


def test_that_the_division_is_recorded_and_follows_the_samples_alone(tmp_path: Path) -> None:
    one = arrays()
    mixed = np.random.default_rng(3).permutation(len(one["x"]))
    loaded = load(save(tmp_path / "a.npz", x=one["x"], y=one["y"]))
    again = load(save(tmp_path / "b.npz", x=one["x"][mixed], y=one["y"][mixed]))
    assert len(set(loaded.split_sha256)) == 3
    assert again.split_sha256 == loaded.split_sha256
    fewer = load(save(tmp_path / "c.npz", x=one["x"][1:], y=one["y"][1:]))
    assert fewer.split_sha256 != loaded.split_sha256


def test_that_unknown_arrays_beside_are_ignored(tmp_path: Path) -> None:
    one = arrays(20)
    loaded = load(save(tmp_path / "a.npz", x=one["x"], y=one["y"], names=np.array(["a"])))
    assert sum(sizes(loaded)) == 20


def test_that_h5_and_npy_folders_read_as_npz_does(tmp_path: Path) -> None:
    train, test = arrays(40), arrays(30, 1)
    named = {"x_train": train["x"], "y_train": train["y"], "x_test": test["x"], "y_test": test["y"]}
    expected = load(save(tmp_path / "a.npz", **named))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in named.items():
            file[name.replace("_", "/")] = array
    folder = tmp_path / "arrays"
    folder.mkdir()
    for name, array in named.items():
        np.save(folder / f"{name}.npy", array)
    for source in (tmp_path / "a.h5", folder):
        loaded = load(source)
        assert np.array_equal(loaded.search.images, expected.search.images)
        assert np.array_equal(loaded.report.labels, expected.report.labels)


def test_that_text_labels_in_h5_are_read(tmp_path: Path) -> None:
    one = arrays(30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = one["x"]
        file["y"] = [f"class{i}" for i in one["y"]]
    assert load(tmp_path / "a.h5").class_names == ("class0", "class1", "class2")


def test_that_masks_in_arrays_are_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (20, 8, 8, 3), np.uint8), rng.random((20, 8, 8, 1)) > 0.5
    loaded = load(save(tmp_path / "a.npz", x=images, y=masks), (8, 8, 3), 1)
    assert loaded.labels_are == "masks"
    assert loaded.train.labels.shape == (14, 8, 8)
    assert loaded.train.labels.dtype == np.uint8


def test_that_a_second_source_is_the_test_part(tmp_path: Path) -> None:
    one, two = arrays(40), arrays(30, 1)
    first = save(tmp_path / "a.npz", **one)
    second = save(tmp_path / "b.npz", **two)
    loaded = load(first, test=str(second))
    assert sizes(loaded) == (40, 15, 15)
    assert loaded.seen == "no"
    assert loaded.sha256 not in (file_sha256(first), file_sha256(second))


def test_that_exact_copies_across_parts_are_counted(tmp_path: Path) -> None:
    train, test = arrays(40), arrays(30, 1)
    test["x"][:4] = train["x"][:4]
    path = save(tmp_path / "a.npz", x_train=train["x"], y_train=train["y"], x_test=test["x"],
                y_test=test["y"])  # fmt: skip
    loaded = load(path)
    assert loaded.duplicates == 4
    assert any("exact copies" in note for note in loaded.notes)


def test_that_the_division_knows_no_seed_and_no_order(tmp_path: Path) -> None:
    one = arrays(100)
    order = np.random.default_rng(5).permutation(100)
    first = load(save(tmp_path / "a.npz", x=one["x"], y=one["y"]))
    second = load(save(tmp_path / "b.npz", x=one["x"][order], y=one["y"][order]))
    assert {i.tobytes() for i in first.report.images} == {i.tobytes() for i in second.report.images}


# what is refused -------------------------------------------------------------------------------


def test_that_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "no.npz", "no.npz", code="data.not_found")
    text = tmp_path / "notes.npz"
    text.write_text("hello")
    refused(text, "notes.npz", code="data.format")
    text = tmp_path / "notes.h5"
    text.write_text("hello")
    refused(text, "notes.h5", code="data.format")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    refused(text, "notes.txt", code="data.format")
    (tmp_path / "cut.npz").write_bytes(save(tmp_path / "a.npz", **arrays()).read_bytes()[:900])
    refused(tmp_path / "cut.npz", "cut.npz", code="data.format")


def test_that_object_arrays_are_refused_with_the_way_out(tmp_path: Path) -> None:
    ragged = np.empty(3, dtype=object)
    ragged[:] = [np.zeros((6, 5))] * 3
    path = save(tmp_path / "a.npz", x=ragged, y=np.arange(3))
    refused(path, "x in", "np.stack", code="data.object_array")
    folder = tmp_path / "f"
    folder.mkdir()
    np.save(folder / "x.npy", ragged, allow_pickle=True)
    np.save(folder / "y.npy", np.arange(3))
    refused(folder, "np.stack", code="data.object_array")


def test_that_pickles_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([1]))
    refused(path, "np.savez", code="data.pickle")
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(pickle.dumps([1]))
    refused(folder, "np.savez", code="data.pickle")


def test_that_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one = arrays()
    refused(save(tmp_path / "a.npz", x_train=one["x"]), "no labels", "x_train",
            code="data.no_labels")  # fmt: skip
    refused(save(tmp_path / "a.npz", y=one["y"]), "no images", code="data.no_images")
    refused(save(tmp_path / "a.npz", weird=one["x"]), "weird", code="data.no_images")
    refused(save(tmp_path / "a.npz", x=one["x"], images=one["x"], y=one["y"]), code="data.names")
    refused(save(tmp_path / "a.npz", x=one["x"], y=one["y"][:7]), "(7,)", code="data.lengths")
    refused(save(tmp_path / "a.npz", **one), "6x5x1", "7x7x1", code="data.image_size",
            shape=(7, 7, 1))  # fmt: skip
    refused(save(tmp_path / "a.npz", **one), "0 to 2", code="data.label_range", outputs=2)
    refused(save(tmp_path / "a.npz", x=one["x"] * np.nan, y=one["y"]), "NaN", code="data.images")
    refused(save(tmp_path / "a.npz", **arrays(2)), "2", code="data.too_few")
    refused(save(tmp_path / "a.npz", **one), "input", code="model.input", shape=(12,))
    refused("digits", "'sepia'", code="data.preprocess", preprocess="sepia")


# folders ---------------------------------------------------------------------------------------


def picture(path: Path, seed: int, size: tuple[int, int] = (5, 6), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode).save(path)


def class_folder(root: Path, *parts: str, names: tuple[str, ...] = ("b", "A", "c")) -> Path:
    seed = 0
    for part in parts or ("",):
        for name in names:
            for index in range(8):
                seed += 1
                picture(root / part / name / f"{index}.png", seed)
    return root


def test_that_a_class_folder_is_read_in_keras_order(tmp_path: Path) -> None:
    loaded = load(class_folder(tmp_path / "d", names=("b", "A", "C")), (6, 5, 3))
    assert loaded.class_names == ("A", "C", "b")
    assert sum(sizes(loaded)) == 24
    assert len(loaded.train) == 17
    assert loaded.divided == "whole"
    index = loaded.train.names.index(next(n for n in loaded.train.names if n.startswith("A/")))
    with Image.open(tmp_path / "d" / loaded.train.names[index]) as image:
        assert np.array_equal(np.asarray(image), loaded.train.images[index])
    assert loaded.train.labels[index] == 0


@pytest.mark.parametrize(
    ("parts", "divided"),
    [
        (("train", "test"), "halved"),
        (("Training", "Validation"), "halved"),
        (("train", "valid", "test"), "given"),
        (("train", "dev", "eval"), "given"),
    ],
)
def test_that_part_folders_are_known_by_their_spellings(
    tmp_path: Path, parts: tuple[str, ...], divided: str
) -> None:
    loaded = load(class_folder(tmp_path / "d", *parts), (6, 5, 3))
    assert len(loaded.train) == 24
    assert loaded.divided == divided
    assert all(name.startswith(parts[0]) for name in loaded.train.names)


def test_that_a_class_may_be_called_test(tmp_path: Path) -> None:
    loaded = load(class_folder(tmp_path / "d", names=("test", "train", "other")), (6, 5, 3))
    assert loaded.class_names == ("other", "test", "train")
    flat = load(class_folder(tmp_path / "e", names=("test", "train")), (6, 5, 3), 2)
    assert flat.class_names == ("test", "train")


def test_that_a_lone_outer_folder_is_stepped_into(tmp_path: Path) -> None:
    class_folder(tmp_path / "d" / "flowers", "train", "val")
    loaded = load(tmp_path / "d", (6, 5, 3))
    assert any("flowers" in note for note in loaded.notes)
    assert len(loaded.train) == 24


def test_that_a_folder_hash_sees_names_and_bytes(tmp_path: Path) -> None:
    first = load(class_folder(tmp_path / "d"), (6, 5, 3)).sha256
    assert load(class_folder(tmp_path / "e"), (6, 5, 3)).sha256 == first
    picture(tmp_path / "e" / "c" / "0.png", 999)
    assert load(tmp_path / "e", (6, 5, 3)).sha256 != first


def test_that_images_come_in_the_models_channels_and_size(tmp_path: Path) -> None:
    root = tmp_path / "d"
    class_folder(root)
    picture(root / "A" / "grey.png", 1, mode="L")
    picture(root / "A" / "alpha.png", 1, (50, 30), mode="RGBA")
    deep = np.full((6, 5), 0x1234, np.uint16)
    Image.fromarray(deep).save(root / "A" / "deep.png")
    Image.fromarray(np.zeros((6, 5), np.uint8)).convert("P").save(root / "A" / "palette.gif")
    for channels in (1, 3, 4):
        loaded = load(root, (7, 9, channels))
        assert loaded.train.images.shape[1:] == (7, 9, channels)
        assert sum(sizes(loaded)) == 28
    whole = load(root, (6, 5, 1))
    for part in (whole.train, whole.search, whole.report):
        if "A/deep.png" in part.names:
            assert set(part.images[part.names.index("A/deep.png")].ravel()) == {0x12}


def test_that_a_model_of_any_size_takes_the_first_images(tmp_path: Path) -> None:
    loaded = load(class_folder(tmp_path / "d"), (None, None, 3))
    assert loaded.train.images.shape[1:] == (6, 5, 3)
    assert any("any size" in note for note in loaded.notes)


def test_that_corrupt_images_are_named_counted_and_left_out(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "d")
    (root / "b" / "3.png").write_bytes(b"no image")
    (root / "c" / "3.png").write_bytes((root / "c" / "3.png").read_bytes()[:60])
    (root / "c" / "readme.txt").write_text("no image, and not named as one")
    loaded = load(root, (6, 5, 3))
    assert sum(sizes(loaded)) == 22
    assert any("2 of 24" in note and "b/3.png" in note for note in loaded.notes)


def test_that_folders_that_are_no_data_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "d"
    root.mkdir()
    refused(root, "subfolder per class", code="data.format", shape=(6, 5, 3))
    (root / "a").mkdir()
    refused(root, str(root), code="data.no_images", shape=(6, 5, 3))
    class_folder(root)
    refused(root, "/a", code="data.empty_class", shape=(6, 5, 3), outputs=4)
    (root / "a").rmdir()
    refused(root, "2 outputs", code="data.label_range", shape=(6, 5, 3), outputs=2)
    for name in ("A", "b", "c"):
        for file in (root / name).iterdir():
            file.write_bytes(b"broken")
    refused(root, "24 images", code="data.no_images", shape=(6, 5, 3))
    two = class_folder(tmp_path / "two", "val", "valid")
    refused(two, "valid", code="data.parts", shape=(6, 5, 3))
    test_only = class_folder(tmp_path / "three", "val", "test")
    refused(test_only, "no train part", code="data.parts", shape=(6, 5, 3))


def mask_folder(root: Path, values: tuple[int, ...] = (0, 1, 2)) -> Path:
    rng = np.random.default_rng(0)
    for index in range(8):
        picture(root / "images" / f"{index}.jpg", index, (8, 8))
        mask = rng.choice(values, (8, 8)).astype(np.uint8)
        (root / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(root / "masks" / f"{index}.png")
    return root


def test_that_images_and_masks_pair_by_name(tmp_path: Path) -> None:
    root = tmp_path / "d"
    for part in ("train", "val", "test"):
        mask_folder(root / part)
    loaded = load(root, (8, 8, 3), 3)
    assert loaded.labels_are == "masks"
    assert sizes(loaded) == (8, 8, 8)
    with Image.open(root / "train" / "masks" / "3.png") as image:
        assert np.array_equal(np.asarray(image), loaded.train.labels[3])
    small = load(root, (4, 4, 3), 3)
    assert small.train.labels.shape == (8, 4, 4)
    assert set(np.unique(small.train.labels)) <= {0, 1, 2}


def test_that_a_mask_without_its_image_is_told(tmp_path: Path) -> None:
    root = mask_folder(tmp_path / "d", (0, 255))
    assert load(root, (8, 8, 3), 1).train.labels.max() == 1
    (root / "masks" / "2.png").unlink()
    refused(root, "1 of 8", "2.jpg", code="data.masks", shape=(8, 8, 3), outputs=1)
