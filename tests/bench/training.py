"""Cost of a training step: our loop, stock and fused norms, Keras 3's fit, tf_keras, and PyTorch.

``python -m tests.bench.training [--json OUT] [--batch 64] [--steps 8] [--rounds 5] [--torch PY]``
builds one ResNet-20 (32x32x3) for every contender, runs their steps in turns on the same batch and
prints medians over the rounds as JSON: CPU seconds of the process and wall seconds a step. Only CPU
time means much on a busy machine. ``--torch`` names the Python of another environment, which has
PyTorch and NumPy (``pip install torch numpy``); this project's has none.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import keras
import numpy as np
import psutil
import tensorflow as tf
import tf_keras

from engine import jsonio
from engine.training.protocols import as_is
from engine.training.settings import FineTuneSettings, LossSpec
from engine.training.step import compile_step, make_optimizer
from tests.bench.environment import describe

SETTINGS = FineTuneSettings(epochs=1, learning_rate=0.01, optimizer="sgd")
Step = Callable[[], Any]
Measure = Callable[[int], dict[str, float]]
"""CPU and wall seconds a step, over so many."""


def resnet20(kit: ModuleType) -> Any:
    """ResNet-20 with projection shortcuts, by either Keras; the output is logits."""
    layers = kit.layers

    def conv_norm(x: Any, width: int, size: int, stride: int) -> Any:
        conv = layers.Conv2D(width, size, strides=stride, padding="same", use_bias=False)
        return layers.BatchNormalization()(conv(x))

    inputs = kit.Input((32, 32, 3))
    x = layers.ReLU()(conv_norm(inputs, 16, 3, 1))
    for width in (16, 32, 64):
        for block in range(3):
            stride = 2 if block == 0 and width > 16 else 1
            y = layers.ReLU()(conv_norm(x, width, 3, stride))
            y = conv_norm(y, width, 3, 1)
            x = conv_norm(x, width, 1, stride) if stride == 2 else x
            x = layers.ReLU()(layers.Add()([x, y]))
    return kit.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def our_step(images: np.ndarray, labels: np.ndarray, *, fused: bool) -> Step:
    """The compiled step of :mod:`engine.training.step`; stock norms by a condition never met."""
    model = resnet20(keras)
    step = compile_step(
        model=model, optimizer=make_optimizer(model, SETTINGS), masks=None, preprocess=as_is,
        loss=LossSpec(from_logits=True), settings=SETTINGS, teacher=None, augment=None,
    )  # fmt: skip
    nothing, seed = np.zeros((len(images), 0), np.float32), tf.constant([0, 1])

    def run() -> Any:
        return step(tf.constant(images), tf.constant(labels), tf.constant(nothing), seed)

    with (
        nullcontext() if fused else mock.patch("engine.training.fused.can_fuse", return_value=False)
    ):
        run()
    return run


def fit_step(kit: ModuleType, images: np.ndarray, labels: np.ndarray) -> Step:
    """``train_on_batch`` of either Keras."""
    model = resnet20(kit)
    optimizer = kit.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    model.compile(optimizer, kit.losses.SparseCategoricalCrossentropy(from_logits=True))

    def run() -> Any:
        return model.train_on_batch(images, labels)

    return run


TORCH = "PyTorch, channels last"


def measure(step: Step, steps: int) -> dict[str, float]:
    """CPU and wall seconds a step."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        step()
    return {
        "cpu_s": (time.process_time() - cpu) / steps,
        "wall_s": (time.perf_counter() - wall) / steps,
    }


@contextmanager
def torch_beside(python: str, batch: int) -> Iterator[tuple[str, Measure]]:
    """PyTorch's version, and its steps measured in a process of its own that waits meanwhile."""
    script = Path(__file__).with_name("training_torch.py")
    cores = len(os.sched_getaffinity(0))
    # -I, or the folder's own inspect.py would stand for Python's.
    command = [python, "-I", str(script), str(batch), str(cores)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        write, read = process.stdin.write, process.stdout.readline
        version = json.loads(read())["torch"]

        def measured(steps: int) -> dict[str, float]:
            write(f"{steps}\n")
            found: dict[str, float] = json.loads(read())
            return found

        yield version, measured
        process.stdin.close()


def contenders(batch: int) -> dict[str, Step]:
    """One traced and warm step a contender."""
    random = np.random.default_rng(0)
    images = random.normal(size=(batch, 32, 32, 3)).astype(np.float32)
    labels = random.integers(0, 10, batch)
    steps = {
        "ours, stock norms": our_step(images, labels, fused=False),
        "ours, fused norms": our_step(images, labels, fused=True),
        "keras fit": fit_step(keras, images, labels),
        "tf_keras fit": fit_step(tf_keras, images, labels),
    }
    for step in steps.values():
        step()
    return steps


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch", help="the Python of an environment with PyTorch")
    options = parser.parse_args(arguments)
    measures: dict[str, Measure] = {
        name: partial(measure, step) for name, step in contenders(options.batch).items()
    }
    rounds: dict[str, list[dict[str, float]]] = {}
    beside = nullcontext() if options.torch is None else torch_beside(options.torch, options.batch)
    with beside as torch:
        if torch is not None:
            measures[TORCH] = torch[1]
        for _ in range(options.rounds):
            for name, measured in measures.items():
                rounds.setdefault(name, []).append(measured(options.steps))
    medians = {
        name: {key: statistics.median(r[key] for r in found) for key in ("cpu_s", "wall_s")}
        for name, found in rounds.items()
    }
    body = {
        "bench": "training step, ResNet-20, 32x32x3",
        "batch": options.batch,
        "steps": options.steps,
        "rounds": options.rounds,
        "step": medians,
        "torch": None if torch is None else torch[0],
        "load_1min": psutil.getloadavg()[0],
        "environment": describe(),
    }
    base = medians["tf_keras fit"]["cpu_s"]
    for name, found in medians.items():
        print(
            f"{name:22} cpu {found['cpu_s'] * 1e3:7.1f} ms  wall {found['wall_s'] * 1e3:7.1f} ms"
            f"  cpu of tf_keras x {found['cpu_s'] / base:.2f}",
            file=sys.stderr,
        )
    print(json.dumps(jsonio.to_plain(body)))
    if options.json is not None:
        jsonio.write_json(options.json, body)


if __name__ == "__main__":
    main()
