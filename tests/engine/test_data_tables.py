"""Tables: paths and ids, labels, one-hot columns, masks, parts, pixels; and ``--group-by``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import data
from engine.data.parts import LoadedData
from engine.errors import UserError
from engine.job import DataSpec
from tests.engine.test_data_sources import arrays, mask_folder, picture, save


def load(
    source: Path, shape: tuple[int, ...] = (6, 5, 3), outputs: int = 3, group_by: str | None = None
) -> LoadedData:
    spec = DataSpec(source=str(source), group_by=group_by)
    return data.load(spec, input_shape=shape, outputs=outputs)


def table(root: Path, header: str, *rows: str) -> Path:
    path = root / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


NAMES = ("cat", "dog", "rat")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for index in range(30):
        picture(tmp_path / "img" / f"p{index}.png", index)
    return tmp_path


def by_name(loaded: LoadedData) -> dict[str, int]:
    parts = (loaded.train, loaded.search, loaded.report)
    return {Path(n).stem: int(y) for p in parts for n, y in zip(p.names, p.labels, strict=True)}


EXPECTED = {f"p{i}": i % 3 for i in range(30)}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path,label", "img/p{i}.png,{name}"),
        ("label;filename", "{name};img/p{i}.png"),
        ("image_id,class", "p{i},{i3}"),
        ("id\tlabel\textra", "p{i}.png\t{name}\tx"),
        ("Image,Category", '"img/p{i}.png","{name}"'),
        ("file,cat,dog,rat", "img\\p{i}.png,{f0},{f1},{f2}"),
        ("id,breed,fold", "p{i},{name},{i3}"),
    ],
)
def test_that_paths_ids_and_labels_are_found_by_their_columns(
    pictures: Path, header: str, row: str
) -> None:
    rows = []
    for i in range(30):
        flags = {f"f{c}": int(i % 3 == c) for c in range(3)}
        rows.append(row.format(i=i, i3=i % 3, name=NAMES[i % 3], **flags))
    loaded = load(table(pictures, header, *rows))
    assert by_name(loaded) == EXPECTED
    assert loaded.train.images.shape == (21, 6, 5, 3)
    if "{name}" in row or "{f0}" in row:
        assert loaded.class_names == NAMES


def test_that_a_split_column_gives_the_parts(pictures: Path) -> None:
    words = ["training", "Validation", "test"]
    rows = [f"img/p{i}.png,{i % 3},{words[i // 10]}" for i in range(30)]
    loaded = load(table(pictures, "path,label,split", *rows))
    assert (len(loaded.train), len(loaded.search), len(loaded.report)) == (10, 10, 10)
    assert loaded.divided == "given"
    rows[4] = "img/p4.png,1,whatever"
    with pytest.raises(UserError, match=r"Row 6 .* 'whatever'"):
        load(table(pictures, "path,label,split", *rows))


def test_that_the_hash_of_a_table_sees_its_rows_and_images(pictures: Path) -> None:
    rows = [f"img/p{i}.png,{i % 3}" for i in range(30)]
    first = load(table(pictures, "path,label", *rows)).sha256
    assert load(table(pictures, "path,label", *rows)).sha256 == first
    assert load(table(pictures, "path,label", *rows[::-1])).sha256 != first
    picture(pictures / "img" / "p3.png", 99)
    assert load(table(pictures, "path,label", *rows)).sha256 != first


def test_that_images_that_are_not_there_are_counted_or_refused(pictures: Path) -> None:
    rows = [f"img/p{i}.png,{i % 3}" for i in range(32)]
    loaded = load(table(pictures, "path,label", *rows))
    assert any("2 of 32" in note and "p30" in note for note in loaded.notes)
    some = [f"gone/{i}.png,0" for i in range(20)]
    with pytest.raises(UserError, match=r"20 of 30 .* 'gone/0.png'"):
        load(table(pictures, "path,label", *some, *rows[:10]))


def test_that_a_column_of_masks_is_read(tmp_path: Path) -> None:
    mask_folder(tmp_path)
    rows = [f"images/{i}.jpg,masks/{i}.png" for i in range(8)]
    loaded = load(table(tmp_path, "image,mask", *rows), (8, 8, 3))
    assert loaded.labels_are == "masks"
    assert sum(map(len, (loaded.train, loaded.search, loaded.report))) == 8


@pytest.mark.parametrize("form", ["columns", "headless", "one"])
def test_that_pixels_in_columns_are_images(tmp_path: Path, form: str) -> None:
    one = arrays(40)
    flat = one["x"].reshape(40, -1)
    comma = [f"{y},{','.join(map(str, x))}" for x, y in zip(flat, one["y"], strict=True)]
    if form == "one":
        rows = [
            f"{y},{' '.join(map(str, x))},Training" for x, y in zip(flat, one["y"], strict=True)
        ]
        rows[20:] = [row.replace("Training", "PublicTest") for row in rows[20:]]
        path = table(tmp_path, "emotion,pixels,Usage", *rows)
    elif form == "headless":
        path = table(tmp_path, comma[0], *comma[1:])
    else:
        path = table(tmp_path, "label," + ",".join(f"1x{i}" for i in range(30)), *comma)
    loaded = load(path, (6, 5, 1))
    parts = (loaded.train, loaded.search, loaded.report)
    found = {(i.tobytes(), int(y)) for p in parts for i, y in zip(p.images, p.labels, strict=True)}
    assert found == {(i.tobytes(), int(y)) for i, y in zip(one["x"], one["y"], strict=True)}
    assert loaded.train.images.dtype == np.uint8
    assert len(loaded.train) == (20 if form == "one" else 28)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("path,label", "no rows"),
        ("a,b\n1,2,3\n", "Row 2"),
        ("what,label\na,b\n", "No column"),
        ("path,what,why\na,b,c\n", "not there"),
        ("label,1x1,1x2\n1,2,x\n", "No column"),
    ],
)
def test_that_tables_that_are_none_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        load(path)
    assert caught.value.hint


def test_that_a_table_without_labels_is_refused(pictures: Path) -> None:
    rows = [f"img/p{i}.png,a{i},b{i}" for i in range(30)]
    with pytest.raises(UserError, match="has labels: path, what, why"):
        load(table(pictures, "path,what,why", *rows))


def test_that_groups_stay_together(pictures: Path) -> None:
    rows = [f"img/p{i}.png,{i % 3}" for i in range(30)]
    path = table(pictures, "path,label", *rows)
    loaded = load(path, group_by=r"p(\d)")  # p1, p10 ... p19 are one group
    owners = [
        {Path(n).stem[1] for n in part.names}
        for part in (loaded.train, loaded.search, loaded.report)
    ]
    assert not owners[0] & owners[1]
    assert not owners[1] & owners[2]
    assert not owners[0] & owners[2]
    assert any("by group" in note for note in loaded.notes)


def test_that_ids_beside_arrays_can_be_grouped(tmp_path: Path) -> None:
    one = arrays(60)
    ids = np.array([f"patient{i // 6}_{i}" for i in range(60)])
    path = save(tmp_path / "a.npz", **one, ids=ids)
    loaded = load(path, (6, 5, 1), group_by="patient[0-9]+")
    assert loaded.train.names
    owners = [{n.split("_")[0] for n in p.names} for p in (loaded.train, loaded.report)]
    assert not owners[0] & owners[1]


def test_that_groups_across_given_parts_are_told(pictures: Path) -> None:
    words = ["train", "val", "test"]
    rows = [f"img/p{i}.png,{i % 3},{words[i // 10]}" for i in range(30)]
    path = table(pictures, "path,label,split", *rows)
    loaded = load(path, group_by=r"p(\d)")
    assert any("2 groups are in more than one part" in note for note in loaded.notes)


def test_that_patterns_that_do_not_group_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", **arrays())
    for pattern, words in (("(", "cannot be read"), ("x", "no names")):
        with pytest.raises(UserError, match=words):
            load(path, (6, 5, 1), group_by=pattern)
    path = save(tmp_path / "b.npz", **arrays(), ids=np.array([f"a{i}" for i in range(40)]))
    with pytest.raises(UserError, match="'a0'"):
        load(path, (6, 5, 1), group_by="patient")
