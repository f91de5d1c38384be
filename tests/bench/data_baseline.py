"""From ``prune`` to the measured baseline: ``python -m tests.bench.data_baseline [COUNT]``.

Makes COUNT (3,000) JPEGs of 256x256 in ten class folders and a MobileNetV2 (224x224, random
weights made alive), starts the search's own engine process on them and stops it at the baseline.
Prints and keeps one line: wall seconds, CPU seconds of the engine and of its helper, and when each
event came.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import psutil

from engine import events as ev
from engine import jsonio
from engine.job import DataSpec, Job
from engine.runs import RunFolder
from engine.supervise import EngineProcess
from tests.bench.data_folder import make
from tests.bench.environment import describe

RESULTS = Path(__file__).parent / "results" / "data_baseline.jsonl"
SIZE, CLASSES = 224, 10


def network() -> keras.Model:
    """MobileNetV2 with ten classes, its norms' statistics those of a batch of noise."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), weights=None, classes=CLASSES
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    noise = np.random.default_rng(0).uniform(-1, 1, (16, SIZE, SIZE, 3)).astype("float32")
    model(noise, training=True)
    return model


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all its descendants that live."""
    total = 0.0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def measure(count: int) -> dict[str, object]:
    """One run up to its baseline."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make(folder / "images", count, side=256)
        model = network()
        model.save(folder / "model.keras")
        params = model.count_params()
        del model
        job = Job(
            model=str(folder / "model.keras"), data=DataSpec(source=str(folder / "images")),
            controls=False,
        )  # fmt: skip
        run = RunFolder.create(folder / "run", job)
        came: dict[str, float] = {}
        began = time.perf_counter()
        process = EngineProcess(run.path)
        process.start()
        used = 0.0
        try:
            for event in process.events():
                name = type(event).__name__
                if isinstance(event, ev.PhaseStarted):
                    name = f"{name} {event.phase}"
                came.setdefault(name, round(time.perf_counter() - began, 1))
                if isinstance(event, ev.BaselineMeasured):
                    used = sum(cpu_seconds(c.pid) for c in psutil.Process().children())
                    break
        finally:
            process.kill()
            process.close()
    return {
        "count": count, "params": params, "seconds": came["BaselineMeasured"],
        "cpu_seconds": round(used, 1), "events": came, **jsonio.to_plain(describe()),
    }  # fmt: skip


if __name__ == "__main__":
    row = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
    print(json.dumps(row))
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")
