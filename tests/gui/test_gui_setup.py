"""Setting up: models, data, the goal sentence, the options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from engine.events import DataOpened
from engine.job import Budget, DataSpec, Goal
from engine.telling.units import NBSP
from gui import session as session_module
from gui.commands import JsonCommand, evaluate_command, export_command
from gui.data_facts import baseline_in, found_in
from gui.files import kind_of
from gui.main_window import MainWindow
from gui.resources import sample_model
from gui.views.data_found import DataFoundPanel
from gui.wishes import Baseline, Options
from tests.gui import story


def drop(window: MainWindow, *paths: Path) -> None:
    """Drop files on the window."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    window.dropEvent(
        QDropEvent(
            QPointF(400, 300), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )  # fmt: skip


def test_that_an_empty_window_offers_the_first_steps(window: MainWindow) -> None:
    welcome = window.setup.welcome
    assert window.setup.currentWidget() is welcome
    assert welcome.open_button.isVisible()
    assert welcome.sample_button.isVisible()
    assert not window.menus.actions["start"].isEnabled()
    assert window.status.texts()["engine"] == "engine: not running"


def test_that_the_sample_is_ready_to_start_without_an_engine(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.setup.welcome.sample_button.click()
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    facts = window.session.wishes.model
    assert facts is not None
    assert facts.opened.format == "keras3"
    assert facts.opened.params > 10_000
    assert facts.opened.macs
    assert facts.removable > 0
    assert all(s.zeros is not None for s in facts.opened.layers if s.prunable_weights)
    assert window.session.wishes.data == DataSpec(source="digits", seen="no")
    assert window.setup.start_button.isEnabled()
    assert not window.session.searching
    assert "not measured yet" in window.setup.goal_card.sentence.text()
    assert "Baseline not measured yet." in window.setup.data_card.baseline.text()
    assert window.settings.recent("models") == (), "the sample is no recent file"


def test_that_a_dropped_model_shows_its_layers_and_becomes_recent(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "mine.keras"
    path.write_bytes(sample_model().read_bytes())
    drop(window, path)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    assert window.setup.model_card.name.text() == "mine"
    assert window.layers.model.rowCount() > 5
    assert window.settings.recent("models") == (str(path),)
    assert not window.setup.start_button.isEnabled()
    assert window.setup.missing.text() == "Choose data first."
    drop(window, tmp_path)
    assert window.session.wishes.data == DataSpec(source=str(tmp_path))
    assert window.setup.start_button.isEnabled()
    assert window.menus.recent.actions()[0].isEnabled()
    path.unlink()
    window.session.verbs_changed.emit()
    assert not window.menus.recent.actions()[0].isEnabled(), "a missing file is greyed"


@pytest.mark.parametrize("name", ["missing.keras", "text.h5", "text.keras"])
def test_that_a_file_that_is_no_model_is_told_and_changes_nothing(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if not name.startswith("missing"):
        path.write_text("no model at all")
    ready.opener.model(path)
    qtbot.waitUntil(lambda: ready.banner.isVisible(), timeout=30_000)
    assert name in ready.banner.message.text()
    assert ready.banner.action_texts() == []
    assert ready.session.wishes.model is not None
    assert ready.session.wishes.model.name == "vgg_story"
    assert ready.session.reading is None


def test_that_the_last_model_asked_for_wins(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    def slow_facts(path: Path, *_: object) -> Any:
        time.sleep(0.4 if path.name == "first.keras" else 0.05)
        return story.facts(str(path))

    monkeypatch.setattr(session_module, "read_facts", slow_facts)
    window.session.open_model(Path("first.keras"))
    window.session.open_model(Path("second.keras"))
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=5_000)
    qtbot.wait(600)
    assert window.session.wishes.model is not None
    assert window.session.wishes.model.name == "second"


def test_that_paths_are_taken_for_what_they_are(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "job.json").write_text("{}")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").write_text("")

    def kind(path: Path, model: bool = False, data: bool = False) -> str:
        return kind_of(path, has_model=model, has_data=data)

    assert kind(run) == "run"
    assert kind(saved) == "model"
    assert kind(tmp_path) == "data"
    assert kind(Path("a.keras")) == "model"
    assert kind(Path("a.npz")) == kind(Path("a.csv")) == kind(Path("a.py")) == "data"
    assert kind(Path("a.h5")) == "model"
    assert kind(Path("a.h5"), model=True) == "data"
    assert kind(Path("a.h5"), model=True, data=True) == "model"


def test_that_the_goal_sentence_reads_as_designed(ready: MainWindow) -> None:
    sentence = ready.setup.goal_card.sentence
    assert sentence.text() == (
        f"Make vgg_story as small as possible, keeping accuracy within 1.0{NBSP}point"
        " of its baseline (baseline not measured yet)."
    )
    ready.session.baseline = Baseline(metric="accuracy", value=0.932, samples=5000)
    ready.session.wishes_changed.emit()
    assert sentence.text() == (
        f"Make vgg_story as small as possible, keeping accuracy at 92.2{NBSP}% or more"
        f" (now 93.2{NBSP}%, tolerance 1.0{NBSP}point)."
    )


def test_that_the_goal_is_edited_in_the_sentence(ready: MainWindow) -> None:
    sentence = ready.setup.goal_card.sentence
    session = ready.session
    sentence.tolerance.setValue(2.0)
    assert session.wishes.goal == Goal(tolerance=0.02)
    sentence.objective.setCurrentIndex(sentence.objective.findData("latency"))
    assert session.wishes.goal.minimise == "latency"
    sentence.metric_box.setCurrentIndex(sentence.metric_box.findData("balanced_accuracy"))
    assert session.wishes.goal.metric == "balanced_accuracy"
    sentence.mode.setCurrentIndex(1)
    assert session.wishes.goal.target == 0.9
    assert session.wishes.goal.tolerance == 0.0
    sentence.floor.setValue(91.5)
    assert session.wishes.goal.target == 0.915
    assert "at 91.5" in sentence.text()
    sentence.mode.setCurrentIndex(0)
    assert session.wishes.goal.target is None
    session.baseline = Baseline(metric="accuracy", value=0.932, samples=5000)
    session.wishes_changed.emit()
    sentence.floor.setValue(91.0)
    assert session.wishes.goal.target is None, "a floor below a measured baseline is a tolerance"
    assert session.wishes.goal.tolerance == pytest.approx(0.022)
    assert sentence.tolerance.value() == pytest.approx(2.2)


def test_that_an_error_is_kept_from_growing_in_its_own_unit(ready: MainWindow) -> None:
    sentence, session = ready.setup.goal_card.sentence, ready.session
    session.baseline = Baseline(metric="mae", value=0.25, samples=500)
    session.set_goal(Goal(tolerance=0.05))
    assert sentence.text() == (
        "Make vgg_story as small as possible, keeping mean absolute error at 0.3000 or less"
        " (now 0.25, tolerance 0.0500)."
    )
    sentence.floor.setValue(0.4)
    assert session.wishes.goal == Goal(tolerance=0.15)
    sentence.tolerance.setValue(0.02)
    assert session.wishes.goal == Goal(tolerance=0.02)
    assert sentence.floor.value() == pytest.approx(0.27)


def test_that_a_tolerance_that_is_no_share_is_shown_whole_before_the_metric_is_known(
    ready: MainWindow,
) -> None:
    sentence, session = ready.setup.goal_card.sentence, ready.session
    session.set_goal(Goal(tolerance=2.0))
    assert "within 2.0000 of its baseline" in sentence.text()
    assert session.wishes.goal.tolerance == 2.0


def test_that_options_reach_the_job_in_the_engines_units(ready: MainWindow) -> None:
    card = ready.setup.goal_card
    assert not card.options.isVisible()
    card.more.click()
    assert card.options.isVisible()
    form = card.options
    form.strategy.setCurrentIndex(form.strategy.findData("structured"))
    form.quantize.setCurrentIndex(form.quantize.findData("int8"))
    form.epochs.setValue(3)
    form.fine_tunes.setValue(5)
    form.minutes.setValue(10)
    form.seed.setValue(7)
    job = ready.session.wishes.job()
    assert job.strategy == "structured"
    assert job.quantize == "int8"
    assert job.budget == Budget(epochs=3, max_trials=5, time_s=600.0)
    assert job.seed == 7
    form.show_options(Options())
    assert form.epochs.text() == "Automatic"


def test_that_preprocessing_and_seen_reach_the_job(ready: MainWindow) -> None:
    card = ready.setup.data_card
    card.preprocess.setCurrentIndex(card.preprocess.findData("0-1"))
    card.seen.setCurrentIndex(card.seen.findData("no"))
    assert ready.session.wishes.job().data == DataSpec(
        source="fashion.npz", preprocess="0-1", seen="no"
    )


def test_that_the_baseline_is_measured_on_demand_with_the_command_line(
    ready: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def answer(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        metrics = {"accuracy": 0.932, "macro_f1": 0.914}
        return {"metric": "accuracy", "value": 0.932, "samples": 5000, "metrics": metrics}

    monkeypatch.setattr(JsonCommand, "run", answer)
    ready.setup.data_card.measure_button.click()
    qtbot.waitUntil(lambda: ready.session.baseline is not None, timeout=5_000)
    assert asked[0][3:6] == ["engine.cli", "evaluate", "/models/vgg_story.keras"]
    told = ready.setup.data_card.baseline.text()
    assert f"93.2{NBSP}%" in told
    assert f"beside it macro F1 91.4{NBSP}%" in told
    ready.session.set_data(DataSpec(source="other.npz"))
    assert ready.session.baseline is None, "of other data nothing is measured"


def test_that_a_late_measurement_of_other_data_is_dropped(
    ready: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    def answer(command: JsonCommand) -> dict[str, Any]:
        time.sleep(0.3)
        return {"metric": "accuracy", "value": 0.5, "samples": 10}

    monkeypatch.setattr(JsonCommand, "run", answer)
    ready.session.measure_baseline()
    ready.session.set_data(DataSpec(source="other.npz"))
    assert not ready.session.measuring
    qtbot.wait(600)
    assert ready.session.baseline is None


def test_that_nothing_can_be_changed_while_a_search_runs(
    ready: MainWindow, qtbot: QtBot, part: Callable[[str], None]
) -> None:
    part("obey")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    ready.show_stage("setup")
    assert not ready.setup.goal_card.sentence.isEnabled()
    assert not ready.setup.data_card.file_button.isEnabled()
    ready.opener.path(Path("other.keras"))
    assert "under way" in ready.banner.message.text()
    assert ready.session.reading is None


def test_that_command_lines_carry_every_choice(tmp_path: Path) -> None:
    from gui.commands import ExportRequest

    data = DataSpec(source="d.npz", test="t.npz", preprocess="0-1", seen="no")
    command = evaluate_command(story.facts("m.keras"), data, "top5")
    for pair in (("--data", "d.npz"), ("--test", "t.npz"), ("--preprocess", "0-1"),
                 ("--seen", "no"), ("--metric", "top5"), ("--split", "search")):  # fmt: skip
        assert command[command.index(pair[0]) + 1] == pair[1]
    request = ExportRequest(
        source=Path("run"), to="tflite", out=Path("o.tflite"), quantize="int8", data=data,
        force=True,
    )  # fmt: skip
    command = export_command(request)
    assert "--force" in command
    assert command[command.index("--quantize") + 1] == "int8"


def test_that_a_commands_error_becomes_ours_and_its_silence_is_told() -> None:
    from engine.childproc import python_command
    from engine.errors import EngineFailure, UserError

    code = "import json,sys; print(json.dumps({'error': {'code': 'c', 'message': 'm: x.',"
    bad = [python_command("x")[0], "-c", code + " 'hint': 'h', 'log': None}})); sys.exit(2)"]
    with pytest.raises(UserError, match=r"m: x\."):
        JsonCommand(bad, timeout_s=30).run()
    silent = [bad[0], "-c", "import sys; sys.stderr.write('last words'); sys.exit(5)"]
    with pytest.raises(EngineFailure, match="last words"):
        JsonCommand(silent, timeout_s=30).run()
    slow = [bad[0], "-c", "import time; time.sleep(30)"]
    with pytest.raises(EngineFailure, match="did not finish"):
        JsonCommand(slow, timeout_s=0.5).run()


def test_that_open_questions_about_the_data_are_asked_and_answered(
    qtbot: QtBot, tmp_path: Path
) -> None:
    found = DataOpened(
        source="d.npz", train=30, search=6, report=6, classes=("cat", "dog", "rat"),
        task="classification", preprocess="0-1",
        preprocess_values={"0-1": 0.91, "0-1,bgr": 0.9, "none": 0.3},
        near_ties=("0-1,bgr",), label_order=(2, 0, 1),
        counts=((10, 10, 10), (2, 2, 2), (1, 2, 3)),
    )  # fmt: skip
    for name in ("train", "search", "report", "tie-0", "tie-1"):
        QImage(80, 40, QImage.Format.Format_RGB32).save(str(tmp_path / f"{name}.png"))
    spec = DataSpec(source="d.npz")
    host = QWidget()
    panel = DataFoundPanel()
    QVBoxLayout(host).addWidget(panel)
    qtbot.addWidget(host)
    answers: list[DataSpec] = []
    panel.answered.connect(answers.append)
    panel.show_found(spec, found, tmp_path)
    assert f"none 30.0{NBSP}%" in panel.facts.text()
    assert not panel.tie_question.isHidden()
    assert "cat is output 2" in panel.order_question.text()
    lines = [line.text() for line in panel.names.findChildren(QLabel)]
    assert lines == ["cat: 10", "dog: 10", "rat: 10"]
    panel.part.setCurrentIndex(2)
    lines = [line.text() for line in panel.names.findChildren(QLabel)]
    assert lines == ["cat: 1", "dog: 2", "rat: 3"]
    assert not panel.sheet.pixmap().isNull()
    panel.order_button.click()
    tied = panel.tie_row.findChildren(QPushButton)
    next(button for button in tied if "bgr" in button.text()).click()
    assert answers == [
        replace(spec, label_order="2,0,1"), replace(spec, preprocess="0-1,bgr")
    ]  # fmt: skip
    panel.show_found(spec, replace(found, near_ties=(), label_order=None), None)
    assert panel.tie_question.isHidden()
    assert panel.order_button.isHidden()
    assert panel.sheets.isHidden()


def test_that_the_answer_of_evaluate_tells_of_the_data() -> None:
    answer = {
        "metric": "accuracy", "value": 0.9, "interval": [0.88, 0.92], "samples": 500,
        "task": "classification", "preprocess": "none", "preprocess_values": {"none": 0.9},
        "seen": "no", "notes": ["n"], "classes": ["a", "b"], "near_ties": [], "label_order": [1, 0],
        "parts": {"train": 5, "search": 3, "report": 2}, "counts": [[3, 2], [2, 1], [1, 1]],
    }  # fmt: skip
    found = found_in(answer, "d.npz")
    assert found is not None
    assert (found.train, found.label_order, found.counts[2]) == (5, (1, 0), (1, 1))
    baseline = baseline_in(answer)
    assert baseline is not None
    assert baseline.interval == (0.88, 0.92)
    assert found_in({"value": 1.0}, "d.npz") is None
    assert baseline_in({"value": None}) is None
