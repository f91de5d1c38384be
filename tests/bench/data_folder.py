"""Folders larger than memory: ``python -m tests.bench.data_folder [COUNT]``.

Makes COUNT (20,000) JPEGs of 128x128 in ten class folders, then measures, each in a process of its
own and in turns: seconds to read them, images per second of two passes in shuffled batches against
``keras.utils.image_dataset_from_directory``, and the largest resident memory of one epoch of
training, with all images and with 1,000. Prints and keeps one line with all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from engine import jsonio
from tests.bench.environment import describe

SIZE = 128
BATCH = 64
CLASSES = 10
ROUNDS = 2
RESULTS = Path(__file__).parent / "results" / "data_folder.jsonl"


def tell(**figures: float) -> None:
    """One measurement, as JSON on a line of its own."""
    print(json.dumps({name: round(figure, 1) for name, figure in figures.items()}))


def make(root: Path, count: int, side: int = SIZE) -> None:
    """JPEGs of smooth noise, as many for each class."""
    rng = np.random.default_rng(0)
    for index in range(count):
        folder = root / f"class{index % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (16, 16, 3), np.uint8)
        image = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
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
    tell(read_s=time.perf_counter() - began, read_per_cpu_s=total / time.process_time())
    for epoch in range(2):
        began, before = time.perf_counter(), time.process_time()
        order = np.random.default_rng(epoch).permutation(len(images))
        for start in range(0, len(images), BATCH):
            _ = images[order[start : start + BATCH]].astype(np.float32)
        seconds, cpu = time.perf_counter() - began, time.process_time() - before
        tell(**{f"pass{epoch + 1}_per_s": len(images) / seconds,
                f"pass{epoch + 1}_per_cpu_s": len(images) / cpu})  # fmt: skip
    tell(peak_mib=peak.stop())


def keras_reader(root: Path) -> None:
    """The same passes with Keras's loader (which decodes in every pass)."""
    import keras

    dataset = keras.utils.image_dataset_from_directory(
        root, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    for epoch in range(2):
        began, before = time.perf_counter(), time.process_time()
        count = sum(int(images.shape[0]) for images, _ in dataset)
        seconds, cpu = time.perf_counter() - began, time.process_time() - before
        tell(**{f"pass{epoch + 1}_per_s": count / seconds,
                f"pass{epoch + 1}_per_cpu_s": count / cpu})  # fmt: skip


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
    tell(images=len(loaded.train), per_s=rate, peak_mib=peak.stop())


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
        order = [("ours", large), ("keras", large)] * ROUNDS + [("train", small), ("train", large)]
        found: dict[str, list[dict[str, float]]] = {}
        for what, root in order:
            command = [sys.executable, "-m", "tests.bench.data_folder", what, str(root)]
            lines = subprocess.run(command, check=True, capture_output=True).stdout.splitlines()
            figures: dict[str, float] = {}
            for line in lines:
                figures |= json.loads(line)
            found.setdefault(what, []).append(figures)
            print(what, figures, file=sys.stderr, flush=True)
    less, more = found["train"]
    row = {
        "count": count, **found, "extra_mib": round(more["peak_mib"] - less["peak_mib"], 1),
        **jsonio.to_plain(describe()),
    }  # fmt: skip
    print(json.dumps(row))
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
