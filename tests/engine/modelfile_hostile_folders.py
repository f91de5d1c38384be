"""Hostile SavedModel folders, checkpoints, JSON with weights and TFLite files, made by hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_writers as writers

KERNEL = np.ones((1, 1, 3, 2), "float32")
KEY = "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"


def _good(folder: Path, config: hostile.Json | None = None) -> Path:
    chosen = hostile.model(hostile.CONV) if config is None else config
    return writers.write_savedmodel(folder, chosen, KERNEL)


def configs(folder: Path, marker: Path) -> Iterator[tuple[str, Path]]:
    """Every config of the corpus again, in a SavedModel folder."""
    for number, (name, config) in enumerate(hostile.configs(marker)):
        inner = {key: value for key, value in config.items() if key != "compile_config"}
        made = _good(folder / f"config_{number}", inner)
        training = config.get("compile_config")
        if training is not None:
            writers.write_metadata(made / "keras_metadata.pb", inner, training_config=training)
        yield f"{name} (savedmodel)", made


def checkpoints(folder: Path) -> Iterator[tuple[str, Path]]:
    """Folders whose checkpoint says what cannot be."""

    def write(
        name: str,
        objects: list[tuple[dict[str, int], str | None]],
        arrays: dict[str, np.ndarray] | None = None,
        change: Callable[[bytes], bytes] | None = None,
    ) -> tuple[str, Path]:
        made = _good(folder / name.replace(" ", "_"))
        stem = made / "variables" / "variables"
        writers.write_checkpoint(stem, {KEY: KERNEL} if arrays is None else arrays, objects)
        index = stem.with_name("variables.index")
        if change is not None:
            index.write_bytes(change(index.read_bytes()))
        return f"{name} (savedmodel)", made

    sound: list[tuple[dict[str, int], str | None]] = [
        ({"layer-0": 1}, None), ({"kernel": 2}, None), ({}, KEY),
    ]  # fmt: skip
    yield write("object outside", [({"layer-0": 10**9}, None)])
    yield write("object loop", [({"layer-0": 1}, None), ({"layer-0": 0, "kernel": 0}, None)])
    yield write("key that is not there", [*sound[:2], ({}, "nowhere")])
    yield write("array of no layer", [({"layer-0": 1}, None), ({"kernel": 2, "more": 3}, None),
                                      ({}, KEY), ({}, "other")],
                {KEY: KERNEL, "other": KERNEL})  # fmt: skip
    yield write("no end", sound, change=lambda data: data[:-8] + bytes(8))
    yield write("block outside", sound, change=lambda data: data[:-48] + b"\xff" * 9 + data[-39:])
    yield write("packed block", sound, change=_packed)
    yield _claims(folder / "huge", "huge shape", (2**31, 2**20), 64)
    yield _claims(folder / "size", "size of another shape", (1, 1, 3, 2), 2**40)
    yield _claims(folder / "negative", "negative size", (1, 1, 3, 2), (1 << 64) - 24)


def _packed(data: bytes) -> bytes:
    """The block of entries marked as packed by snappy: its mark follows its one restart."""
    place = data.index(bytes(4) + b"\1\0\0\0" + bytes(5)) + 8
    return data[:place] + b"\1" + data[place + 1 :]


def _claims(folder: Path, name: str, shape: tuple[int, ...], size: int) -> tuple[str, Path]:
    """An array that claims a shape or a size that it has not."""
    made = _good(folder)
    stem = made / "variables" / "variables"
    dims = writers.block(2, b"".join(writers.block(2, writers.number(1, n)) for n in shape))
    entry = writers.number(1, 1) + dims + writers.number(4, 0) + writers.number(5, size)
    graph = b"".join(
        writers.block(1, part)
        for part in (
            writers.block(1, writers.number(1, 1) + writers.block(2, "layer-0")),
            writers.block(1, writers.number(1, 2) + writers.block(2, "kernel")),
            writers.block(2, writers.block(1, "VARIABLE_VALUE") + writers.block(3, KEY)),
        )
    )
    text = writers.varint(len(graph)) + bytes(4) + graph
    place = writers.number(4, 24) + writers.number(5, len(text))
    entries = {b"": writers.number(1, 1), KEY.encode(): entry,
               b"_CHECKPOINTABLE_OBJECT_GRAPH": writers.number(1, 7) + place}  # fmt: skip
    stem.with_name("variables.index").write_bytes(writers.write_table(entries))
    stem.with_name("variables.data-00000-of-00001").write_bytes(bytes(24) + text)
    return f"{name} (savedmodel)", made


def links(folder: Path) -> Iterator[tuple[str, Path]]:
    """Folders with links that lead out of them."""
    secret = folder / "secret"
    secret.write_bytes(bytes(64))
    for name in ("keras_metadata.pb", "variables/variables.index",
                 "variables/variables.data-00000-of-00001"):  # fmt: skip
        made = _good(folder / f"link_{Path(name).name}")
        outside = folder / f"outside_{Path(name).name}"
        (made / name).rename(outside)
        (made / name).symlink_to(outside)
        yield f"link of {name} (savedmodel)", made


def jsons(folder: Path, marker: Path) -> Iterator[tuple[str, Path, Path]]:
    """Architectures in JSON with weights files: a hostile one of either."""
    weights = folder / "good.weights.h5"
    weights.write_bytes(hostile.weights())
    for number, (name, config) in enumerate(hostile.configs(marker)):
        path = folder / f"json_{number}.json"
        path.write_text(json.dumps(config))
        yield f"{name} (.json)", path, weights
    good = folder / "good.json"
    good.write_text(json.dumps(hostile.model(hostile.CONV)))
    for number, (name, change) in enumerate(hostile.hdf5_changes(folder)):
        bad = folder / f"bad_{number}.weights.h5"

        def changed(file: h5py.File, change: Any = change) -> None:
            change(file["layers/conv2d/vars"])

        bad.write_bytes(hostile.weights(changed))
        yield f"{name} (.json)", good, bad


def tflites(folder: Path) -> Iterator[tuple[str, Path]]:
    """TFLite files with a vector that is longer than the file, or an offset that leads out."""
    good = writers.write_tflite(folder / "good.tflite", np.eye(4, dtype="float32")).read_bytes()
    for number, place in enumerate(range(8, len(good) - 4, 12)):
        data = bytearray(copy.copy(good))
        data[place : place + 4] = b"\xff\xff\xff\x7f"
        path = folder / f"lite_{number}.tflite"
        path.write_bytes(bytes(data))
        yield f"tflite {place}", path
