"""Faults that only a real engine can meet: a disk that fills up, memory that ends, a stop."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine import api, confine
from engine.data.sample import sample_model_path
from engine.errors import EngineFailure, UserError
from engine.events import (
    BatchDone,
    EngineDied,
    EpochDone,
    Event,
    Paused,
    RunEnded,
    TrialDone,
    Warned,
)
from engine.job import Budget, DataSpec, Goal, Job
from engine.runs import RunFolder
from engine.runstate import RunState
from engine.supervise import EngineProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux has what is asked for here"),
]
JOB = Job(
    model=str(sample_model_path()), data=DataSpec(source="digits", seen="no"),
    goal=Goal(tolerance=0.05), budget=Budget(epochs=2, max_trials=2), controls=False, export=(),
)  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_that_a_disk_that_fills_up_is_named_and_the_run_goes_on_with_room(small_disk: Path) -> None:
    filler = small_disk / "filler"

    def fill(event: Event, state: RunState) -> None:
        if isinstance(event, EpochDone) and not filler.exists():
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass

    run = small_disk / "run"
    with pytest.raises(EngineFailure, match="The disk is full; what was accepted is kept"):
        api.prune(JOB, run, on_event=fill)
    filler.unlink()
    result = api.resume(run)
    assert result["status"] == "met"
    epochs = [(e.trial, e.epoch) for e in RunFolder(run).events() if isinstance(e, EpochDone)]
    assert len(epochs) - len(set(epochs)) <= 1


def test_that_a_search_that_cannot_fit_is_refused_and_leaves_nothing(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(50 << 20))
    with pytest.raises(UserError, match=r"and .* are free there"):
        api.prune(JOB, small_disk / "run")
    assert not (small_disk / "run").exists()


def test_that_a_disk_made_read_only_is_named(small_disk: Path) -> None:
    run = str(small_disk / "run")

    def make_read_only(event: Event, state: RunState) -> None:
        if isinstance(event, TrialDone) and event.trial == 1:
            subprocess.run(["mount", "--bind", run, run], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", run], check=True)

    with pytest.raises(EngineFailure, match="The run folder cannot be written to"):
        api.prune(JOB, run, on_event=make_read_only)
    subprocess.run(["umount", run], check=True)
    assert api.resume(run)["status"] == "met"


def test_that_memory_that_ends_in_a_trial_costs_no_more_than_that_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of whole batches asks for 4.8 GB, that of half batches does not."""
    monkeypatch.setenv(confine.MEMORY_VARIABLE, str(4 << 30))
    (tmp_path / "data.py").write_text(HUNGRY)
    from engine.data.trust import trust

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    trust(tmp_path / "data.py")
    job = Job(
        model=str(sample_model_path()), data=DataSpec(source=str(tmp_path / "data.py"), seen="no"),
        goal=Goal(tolerance=0.3), budget=Budget(epochs=1, max_trials=2), controls=False, export=(),
        strategy="structured", batch_size=32,
    )  # fmt: skip
    seen: list[Event] = []
    api.prune(job, tmp_path / "run", on_event=lambda event, state: seen.append(event))
    assert any(isinstance(e, Warned) and e.code == "memory.halved" for e in seen) or any(
        isinstance(e, EngineDied) and e.cause == "memory" for e in seen
    )


HUNGRY = """
import keras
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("uint8")
WHOLE = 32

def train():
    return images[:900], labels[:900]

def test():
    return images[900:], labels[900:]

def loss(y_true, y_pred):
    import tensorflow as tf
    if y_pred.shape[0] == WHOLE:
        y_pred = y_pred + 0.0 * tf.reduce_sum(tf.random.uniform((60000, 20000)))
    labels = tf.cast(tf.reshape(y_true, (-1,)), tf.int32)
    return keras.losses.sparse_categorical_crossentropy(labels, y_pred)

def metric(y_true, y_pred):
    return (y_pred.argmax(-1) == y_true).astype("float64")

higher_is_better = True
"""


def test_that_stop_ends_within_two_seconds_and_pause_holds_within_a_batch(tmp_path: Path) -> None:
    engine: list[EngineProcess] = []
    asked: dict[str, float] = {}
    batches: list[float] = []
    took: dict[str, float] = {}

    def watch(event: Event, state: RunState) -> None:
        now = time.monotonic()
        if isinstance(event, BatchDone) and "pause" not in asked and event.step == 5:
            asked["pause"] = now
            engine[0].send("pause")
        elif isinstance(event, BatchDone):
            batches.append(now)
        elif isinstance(event, Paused):
            took["pause"] = now - asked["pause"]
            threading.Timer(0.2, engine[0].send, ["resume"]).start()
        elif isinstance(event, TrialDone) and event.accepted and "stop" not in asked:
            asked["stop"] = now
            engine[0].send("stop")
        elif isinstance(event, RunEnded):
            took["stop"] = now - asked["stop"]

    result = api.prune(JOB, tmp_path / "run", on_event=watch, on_start=engine.append)
    assert result["status"] == "stopped"
    assert (tmp_path / "run" / "model.keras").is_file()
    sys.stderr.write(json.dumps({"took_s": took, "load": os.getloadavg()[0]}) + "\n")
    assert took["stop"] < 2.5  # 2 s, and this process's own turn on a busy computer
    shutil.rmtree(tmp_path / "run")


def test_that_an_engine_that_slept_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    engine: list[EngineProcess] = []
    slept: list[float] = []

    def sleep_and_wake() -> None:
        asleep = psutil.Process(engine[0].pid)
        family = [asleep, *asleep.children(recursive=True)]
        for process in family:
            process.suspend()
        time.sleep(4.0)
        for process in family:
            process.resume()
        slept.append(4.0)

    def watch(event: Event, state: RunState) -> None:
        if isinstance(event, BatchDone) and event.step == 5 and not naps:
            naps.append(threading.Thread(target=sleep_and_wake))
            naps[0].start()

    naps: list[threading.Thread] = []
    job = replace(JOB, budget=replace(JOB.budget, max_trials=1))
    result = api.prune(job, tmp_path / "run", on_event=watch, on_start=engine.append)
    naps[0].join()
    assert slept
    assert result["status"] in ("met", "not_met")
    events = list(RunFolder.open(tmp_path / "run").events())
    assert not [event for event in events if isinstance(event, EngineDied | Warned)]
