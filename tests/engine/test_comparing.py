"""``compare``: both models on the search split, what is kept of it, and when it is made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from engine import comparing, tasks
from engine import events as ev
from engine.cli import run as run_command
from engine.comparison import Answers, place_of, read_comparison
from engine.data.load import load
from engine.data.sample import sample_model_path
from engine.errors import UserError
from engine.job import DataSpec, Job
from engine.runs import RunFolder
from engine.runstate import RunState
from engine.search.sizes import SizeMeter

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def done(trial: int, checkpoint: str | None, *, best: bool = False) -> ev.TrialDone:
    return ev.TrialDone(
        trial=trial, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, value=0.9,
        accepted=best, best=best, epochs=1, seconds=1.0, sizes=None, layers=(),
        checkpoint=checkpoint, why=ev.Why(code="accepted"),
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run on the digits whose one checkpoint is the sample model, cut and never trained."""
    job = Job(model=str(sample_model_path()), data=DataSpec(source="digits", seen="no"))
    folder = RunFolder.create(tmp_path / "run", job)
    tasks.slim(
        {
            "model": job.model, "out": str(folder.path / "checkpoints" / "trial-002.keras"),
            "keep": {"*": 0.7}, "plan": None, "criterion": "auto", "across": False, "exclude": [],
            "through_norms": False, "round_to": 1, "seed": 0, "save_plan": None, "weights": None,
            "custom": None, "sparsity": {}, "floors": {},
        }
    )  # fmt: skip
    keras.utils.clear_session(free_memory=False)
    folder.append(done(1, None))
    folder.append(done(2, "checkpoints/trial-002.keras", best=True))
    folder.close()
    return folder.path


def untimed(*_: Any) -> Any:
    raise UserError("latency.off", "It is not timed in this test.")


def test_that_all_of_the_search_split_and_nothing_of_the_report_split_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SizeMeter, "latencies", untimed)
    answer = comparing.compare({"run": str(run), "trial": None, "again": False})
    found = read_comparison(run, 2)
    assert found is not None
    assert answer["path"] == str(place_of(run, 2))
    assert answer["trial"] == found.trial == 2
    parts = load(DataSpec(source="digits", seen="no"), input_shape=(8, 8, 1), outputs=10)
    told = found.answers
    assert told is not None
    assert told.label == tuple(parts.search.labels.tolist())
    assert told.label != tuple(parts.report.labels.tolist())
    assert found.confusion is not None
    after, before = np.asarray(found.confusion.after), np.asarray(found.confusion.before)
    assert after.sum() == before.sum() == found.samples == len(told.label)
    assert np.trace(before) / found.samples == pytest.approx(found.before.value)
    assert np.trace(after) / found.samples == pytest.approx(found.after.value)
    assert found.before.value > 0.95 > found.after.value, "the cut model was not trained"
    assert found.drop.value == pytest.approx(found.before.value - found.after.value)
    for number, one in enumerate(found.classes):
        assert one.after == pytest.approx(after[number, number] / one.count, abs=1e-5)
        assert told.cell("after", number, number) == tuple(
            i for i, label in enumerate(told.label) if label == told.after[i] == number
        )
    kinds = [told.change(sample) for sample in told.flipped()]
    gained = kinds.count("better") - kinds.count("worse")
    assert gained == np.trace(after) - np.trace(before)
    assert found.notes == ("Latency was not measured: It is not timed in this test.",)

    shown = found.thumbnails
    assert shown is not None
    assert set(told.flipped()) <= set(shown.samples)
    with Image.open(place_of(run, 2).with_name(shown.file)) as sheet:
        assert sheet.width == shown.columns * shown.cell_px
        assert sheet.height >= -(-len(shown.samples) // shown.columns) * shown.cell_px

    monkeypatch.setattr(comparing, "measured", untimed)
    again = comparing.compare({"run": str(run), "trial": 2, "again": False})
    assert again == answer, "it is kept"
    with pytest.raises(UserError, match="not timed"):
        comparing.compare({"run": str(run), "trial": 2, "again": True})
    (run / "checkpoints" / "trial-002.keras").touch()
    with pytest.raises(UserError, match="not timed"):
        comparing.compare({"run": str(run), "trial": 2, "again": False})


def test_that_a_trial_without_a_checkpoint_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(model=str(sample_model_path()), data=DataSpec(source="digits"))
    folder = RunFolder.create(tmp_path / "run", job)
    folder.append(done(1, None))
    folder.close()
    for trial in (None, 1, 7):
        with pytest.raises(UserError, match="no checkpoint of this trial"):
            comparing.compare({"run": str(folder.path), "trial": trial, "again": False})
    assert run_command(["compare", str(tmp_path / "nowhere"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "run.not_found"


def test_that_the_best_is_chosen_also_where_it_was_judged_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.keras").touch()
    (tmp_path / "b.keras").touch()
    trials = (
        done(1, "a.keras"),
        done(2, "b.keras"),
        replace(done(3, "a.keras", best=True), step="quantize"),
    )
    state = RunState(trials=trials, best=3)
    assert comparing.chosen(state, None, tmp_path).trial == 1
    assert comparing.chosen(replace(state, best=2), None, tmp_path).trial == 2
    assert comparing.chosen(RunState(trials=trials[:2]), None, tmp_path).trial == 2, "the last"


def test_that_thumbnails_go_to_what_flipped_first() -> None:
    told = Answers(
        label=(0,) * 98 + (2, 0), before=(0,) * 100, after=(0,) * 99 + (1,),
        confidence_before=(1.0,) * 100, confidence_after=(1.0,) * 100,
    )  # fmt: skip
    assert comparing.shown(told, 1000) == (*range(comparing.A_CLASS), 98, 99)
    assert comparing.shown(told, 1) == (99,), "what flipped comes first"
    assert comparing.shown(told, 3) == (0, 98, 99), "then what is wrong"


@pytest.mark.slow
def test_that_the_command_prints_classes_flips_and_times(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["compare", str(run)]) == 0
    text = capsys.readouterr().out
    assert "after trial 2, on" in text
    assert "answers changed" in text
    assert "Latency" in text
    assert "as opened in 8 bits" in text
    assert run_command(["compare", str(run), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["split"] == "search"
    assert answer["latency_ms"]["after"]["median"] > 0
