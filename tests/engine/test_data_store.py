"""Pixels on disk: the same content, bounded memory, the user's files untouched."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from PIL import Image

from engine import data
from engine.data import store
from engine.data.parts import LoadedData
from engine.errors import UserError
from engine.job import DataSpec
from tests.engine.test_data_sources import arrays, class_folder

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_that_a_streamed_array_is_an_array() -> None:
    pixels = noise(50, 8, 8, 3)
    kept = store.allocate(pixels.shape, np.uint8, streamed=True)
    kept[:] = pixels
    assert isinstance(kept, np.ndarray)
    order = np.random.default_rng(1).permutation(50)[:20]
    for key in (slice(3, 9), order, pixels[:, 0, 0, 0] > 99, 7):
        found = kept[key]
        assert type(found) is np.ndarray
        assert np.array_equal(found, pixels[key])
    kept.release()  # type: ignore[attr-defined]
    assert np.array_equal(kept[order], pixels[order])
    assert np.array_equal(store.subset(kept, order), pixels[order])
    assert isinstance(store.subset(kept, order), store.StreamedArray)
    assert not list(store.cache_folder().iterdir())


def test_that_memory_stays_bounded_while_a_large_array_is_used() -> None:
    process = psutil.Process()
    count = 384
    before = process.memory_info().rss
    kept = store.allocate((count, 1024, 1024), np.uint8, streamed=True)
    piece = noise(8, 1024, 1024)
    peak = 0
    for start in range(0, count, 8):
        kept[start : start + 8] = piece
        peak = max(peak, process.memory_info().rss)
    total = 0
    for start in range(0, count, 8):
        total += int(kept[start : start + 8].sum(dtype=np.int64))
        peak = max(peak, process.memory_info().rss)
    assert total == count // 8 * int(piece.sum(dtype=np.int64))
    assert peak - before < 128 * MIB


def test_that_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 600 * MIB})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"100 MiB on disk.*600 MiB are free"):
        store.allocate((100, MIB), np.uint8, streamed=True)


def same(first: LoadedData, second: LoadedData) -> None:
    assert first.sha256 == second.sha256
    assert first.notes == second.notes
    for name in ("train", "search", "report"):
        one, two = getattr(first, name), getattr(second, name)
        assert np.array_equal(one.images, two.images)
        assert np.array_equal(one.labels, two.labels)
        assert one.names == two.names
        assert isinstance(two.images, store.StreamedArray)


@pytest.mark.parametrize("form", ["folder", "h5", "npy", "npz", "masks"])
def test_that_large_sources_are_streamed_with_the_same_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    one, two = arrays(40), arrays(30, 1)
    named = {"x_train": one["x"], "y_train": one["y"], "x_test": two["x"], "y_test": two["y"]}
    source = tmp_path / "d"
    channels = 3 if form in ("folder", "masks") else 1
    if form == "masks":
        for name, array in (("images", two["x"]), ("masks", two["x"] % 3)):
            (source / name).mkdir(parents=True)
            for index, pixels in enumerate(array.reshape(30, 6, 5).astype(np.uint8)):
                Image.fromarray(pixels).save(source / name / f"{index}.png")
    elif form == "npz":
        source = tmp_path / "d.npz"
        np.savez_compressed(source, **named)
    elif form == "folder":
        class_folder(source, "train", "test")
        (source / "train" / "A" / "0.png").write_bytes(b"broken")
    elif form == "h5":
        source = tmp_path / "d.h5"
        with h5py.File(source, "w") as file:
            for name, array in named.items():
                file[name] = array
    else:
        source.mkdir()
        for name, array in named.items():
            np.save(source / f"{name}.npy", array)
    spec = DataSpec(source=str(source))
    files = [p for p in [source, *source.rglob("*")] if p.is_file()]
    before = {p: p.read_bytes() for p in files}
    small = data.load(spec, input_shape=(6, 5, channels), outputs=3)
    monkeypatch.setattr(store, "IN_MEMORY_BYTES", 100)
    same(small, data.load(spec, input_shape=(6, 5, channels), outputs=3))
    assert {p: p.read_bytes() for p in files} == before


def test_that_objects_are_refused_in_large_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "IN_MEMORY_BYTES", 10)
    np.save(tmp_path / "x.npy", np.array([{}] * 3, dtype=object), allow_pickle=True)
    np.save(tmp_path / "y.npy", np.arange(3))
    with pytest.raises(UserError, match="could run code"):
        data.load(DataSpec(source=str(tmp_path)), input_shape=(6, 5, 1), outputs=3)
