"""A search through up to twenty kills, one after the other, at moments that were chosen to hurt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.childproc import child_environment, python_command
from engine.data.sample import sample_model_path
from engine.events import EpochDone
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.reader import open_model
from engine.runs import RunFolder

KILLED, ENDED = 9, 0
TWENTY = [
    ("line", 1), ("line", 2), ("line", 4), ("line", 5), ("line", 6), ("line", 8), ("line", 10),
    ("line", 20), ("trial", 1), ("batch", 1), ("half", 1), ("file", 1), ("batch", 20), ("half", 1),
    ("file", 1), ("half", 1), ("file", 1), ("file", 2), ("batch", 80), ("report", 1),
]  # fmt: skip
"""What each engine is killed at, and at the how many-th; see :mod:`tests.engine.killed_engine`."""
SIX = [("line", 6), ("trial", 1), ("batch", 1), ("half", 1), ("file", 1), ("report", 1)]
"""One of each kind, for the quick part."""


def small_search(path: Path) -> RunFolder:
    job = Job(
        model=str(sample_model_path()),
        data=DataSpec(source="digits", seen="no", preprocess="none", augment="none"),
        goal=Goal(tolerance=0.05),
        budget=Budget(epochs=2, max_trials=2),
        controls=False,
        export=(),
    )
    return RunFolder.create(path, job)


def decisions(folder: RunFolder) -> list[tuple[Any, ...]]:
    keys = ("id", "kind", "step", "keep", "sparsity", "value", "nonzero", "epochs", "accepted")
    result = folder.result()
    assert result is not None
    return [tuple(trial[key] for key in keys) for trial in result["trials"]]


def files(folder: RunFolder) -> set[str]:
    return {str(path.relative_to(folder.path)) for path in folder.path.rglob("*")}


@pytest.mark.timeout(1500)
@pytest.mark.skipif(sys.platform != "linux", reason="engines are forked after TensorFlow's import")
@pytest.mark.parametrize(
    "kills",
    [pytest.param(SIX, id="six"), pytest.param(TWENTY, id="twenty", marks=pytest.mark.slow)],
)
def test_that_kills_change_nothing_and_lose_no_more_than_an_epoch_each(
    kills: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    undisturbed, run = (small_search(tmp_path / name) for name in ("undisturbed", "run"))
    words = [str(undisturbed.path), str(run.path), json.dumps(kills)]
    with subprocess.Popen(
        python_command("tests.engine.killed_engine", *words),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(),
    ) as engines:  # fmt: skip
        assert engines.stdout is not None
        statuses = json.loads(engines.stdout.read())
    assert statuses == [KILLED] * len(kills) + [ENDED]
    assert decisions(run) == decisions(undisturbed)
    assert any(row[-1] for row in decisions(run)), "nothing was accepted"
    assert files(run) == files(undisturbed)
    (_, expected), (_, weights) = (open_model(f.path / "model.keras") for f in (undisturbed, run))
    for layer, arrays in expected.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights[layer][name], array)
    epochs = [(e.trial, e.epoch) for e in run.events() if isinstance(e, EpochDone)]
    halves = sum(what == "half" for what, _ in kills)
    assert len(epochs) - len(set(epochs)) <= halves, "an epoch whose state was whole came twice"
