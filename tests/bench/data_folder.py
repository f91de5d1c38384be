"""Folders larger than memory: ``python -m tests.bench.data_folder [COUNT]``.

Makes COUNT (20,000) JPEGs of 128x128 in ten class folders, then measures, each in a process of its
own: seconds to read them, images per second of two passes in shuffled batches against
``keras.utils.image_dataset_from_directory``, and the largest resident memory of one epoch of
training, with all images and with 1,000. Prints one line a measurement.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

SIZE = 128
BATCH = 64
CLASSES = 10


def make(root: Path, count: int) -> None:
    """JPEGs of smooth noise, as many for each class."""
    rng = np.random.default_rng(0)
    for index in range(count):
        folder = root / f"class{index % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (16, 16, 3), np.uint8)
        image = Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        image.save(folder / f"{index}.jpg", quality=85)


class Peak:
    """Largest resident memory of this process in MiB, sampled ten times a second."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._done.wait(0.1):
            self.mib = max(self.mib, process.memory_info().rss / 2**20)

    def stop(self) -> float:
        """End the watch; the peak."""
        self._done.set()
        self._thread.join()
        return self.mib


def ours(root: Path) -> None:
    """Read, then two shuffled passes."""
    from engine import data
    from engine.job import DataSpec

    peak = Peak()
    began = time.perf_counter()
    loaded = data.load(DataSpec(source=str(root)), input_shape=(SIZE, SIZE, 3), outputs=CLASSES)
    images = loaded.train.images
    total = sum(map(len, (loaded.train, loaded.search, loaded.report)))
    seconds = time.perf_counter() - began
    cpu = total / time.process_time()
    print(
        f"ours: read {total:,} in {seconds:.1f} s ({total / seconds:.0f}/s, {cpu:.0f} a CPU second)"
    )
    for epoch in range(2):
        began = time.perf_counter()
        order = np.random.default_rng(epoch).permutation(len(images))
        for start in range(0, len(images), BATCH):
            _ = images[order[start : start + BATCH]].astype(np.float32)
        seconds = time.perf_counter() - began
        print(f"ours: pass {epoch + 1}, {len(images) / seconds:.0f} images/s")
    print(f"ours: peak {peak.stop():.0f} MiB")


def keras_reader(root: Path) -> None:
    """The same passes with Keras's loader (which decodes in every pass)."""
    import keras

    dataset = keras.utils.image_dataset_from_directory(
        root, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    before = time.process_time()
    for epoch in range(2):
        began = time.perf_counter()
        count = sum(int(images.shape[0]) for images, _ in dataset)
        print(f"Keras: pass {epoch + 1}, {count / (time.perf_counter() - began):.0f} images/s")
    print(f"Keras: {2 * count / (time.process_time() - before):.0f} images a CPU second")


def train(root: Path) -> None:
    """One epoch of a small network, with the engine's own fine-tune."""
    import keras
    from keras import layers

    from engine import data
    from engine.job import DataSpec
    from engine.training.finetune import fine_tune
    from engine.training.protocols import as_is
    from engine.training.settings import FineTuneSettings, LossSpec

    peak = Peak()
    loaded = data.load(DataSpec(source=str(root)), input_shape=(SIZE, SIZE, 3), outputs=CLASSES)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 5, strides=4, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    began = time.perf_counter()
    fine_tune(
        model,
        loaded.train.images,
        loaded.train.labels,
        preprocess=as_is,
        loss=LossSpec(),
        settings=FineTuneSettings(epochs=1, learning_rate=0.01, batch_size=BATCH),
    )
    rate = len(loaded.train) / (time.perf_counter() - began)
    print(f"training on {len(loaded.train):,}: {rate:.0f} images/s, peak {peak.stop():.0f} MiB")


def main() -> None:
    """Make the images, then run each measurement in a fresh process."""
    if len(sys.argv) > 2:
        {"ours": ours, "keras": keras_reader, "train": train}[sys.argv[1]](Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        make(large, count)
        make(small, 1000)
        for what, root in (("ours", large), ("keras", large), ("train", small), ("train", large)):
            command = [sys.executable, "-m", "tests.bench.data_folder", what, str(root)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
