"""The export stage."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from engine.errors import EngineFailure
from engine.telling.exports import export_pairs
from engine.telling.record import record_of
from engine.telling.units import NBSP
from gui.commands import JsonCommand, export_command
from gui.main_window import MainWindow
from tests.gui import story
from tests.gui.conftest import children


@pytest.fixture
def with_run(ready: MainWindow, tmp_path: Path) -> MainWindow:
    """A window with a finished run."""
    run = tmp_path / "2026-01-01-story"
    (run / "exports").mkdir(parents=True)
    (run / "model.keras").write_bytes(b"model")
    ready.session.run = run
    ready.session.record = record_of(story.whole())
    ready.session.record_changed.emit()
    ready.session.verbs_changed.emit()
    ready.show_stage("export")
    return ready


def test_that_nothing_to_export_offers_to_set_up(window: MainWindow) -> None:
    window.show_stage("export")
    assert not window.export.form.isVisible()
    window.export.set_up_button.click()
    assert window.stage == "setup"


def test_that_the_runs_model_is_what_is_exported(with_run: MainWindow) -> None:
    panel = with_run.export
    assert panel.source == with_run.session.run
    assert panel.source_name.text() == "vgg_story, pruned"
    request = panel.request()
    assert request is not None
    assert request.out.name == "vgg_story-pruned.tflite"
    assert request.data is None, "a run knows its data"
    panel.quantize.setCurrentIndex(panel.quantize.findData("int8"))
    request = panel.request()
    assert request is not None
    assert request.quantize == "int8"
    assert request.out.name == "vgg_story-pruned-int8.tflite"
    panel.format.setCurrentIndex(panel.format.findData("keras"))
    request = panel.request()
    assert request is not None
    assert request.quantize == "none"
    assert request.out.name == "vgg_story-pruned.keras"
    assert not panel.quantize.isVisible()


def test_that_what_the_run_exported_is_listed_once(with_run: MainWindow) -> None:
    text = with_run.export.results_text()
    assert text.count("Saved to") == 1
    with_run.session.record_changed.emit()
    assert with_run.export.results_text() == text
    assert "exports/model.tflite" in text
    with_run.session.close_all()
    assert with_run.export.results_text() == ""


def test_that_an_export_shows_its_promise_check(
    with_run: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def answer(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        return story.export_answer("/tmp/new.tflite")

    monkeypatch.setattr(JsonCommand, "run", answer)
    panel = with_run.export
    panel.export_button.click()
    assert panel.busy_now
    assert not panel.export_button.isEnabled()
    qtbot.waitUntil(lambda: not panel.busy_now, timeout=5_000)
    assert asked[0][4] == "export"
    assert asked[0][5] == str(with_run.session.run)
    assert "/tmp/new.tflite" in panel.results_text()
    assert panel.export_button.isEnabled()


def test_that_a_failed_check_is_a_banner_and_no_card(
    with_run: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(command: JsonCommand) -> dict[str, Any]:
        raise EngineFailure("export.check", "The file does not give the same answers: x.", "Hint.")

    monkeypatch.setattr(JsonCommand, "run", answer)
    before = with_run.export.results_text()
    with_run.export.export_button.click()
    qtbot.waitUntil(lambda: with_run.banner.isVisible(), timeout=5_000)
    assert "same answers" in with_run.banner.message.text()
    assert with_run.export.results_text() == before


def test_that_replacing_a_file_must_be_asked_for(with_run: MainWindow, tmp_path: Path) -> None:
    panel = with_run.export
    assert not panel.replace.isVisible()
    there = tmp_path / "there.tflite"
    there.write_bytes(b"x")
    panel.set_place(there)
    assert panel.replace.isVisible()
    request = panel.request()
    assert request is not None
    assert not request.force
    panel.replace.setChecked(True)
    request = panel.request()
    assert request is not None
    assert request.force


def test_that_what_was_not_measured_is_said_so() -> None:
    answer: dict[str, Any] = {"path": "a.h5", "bytes": 1000, "gzip_bytes": None, "checks": {
        "reloaded": True, "max_abs_diff": None, "agreement": None, "metric": None, "value": None,
        "latency_ms": None}}  # fmt: skip
    pairs = dict(export_pairs(answer))
    assert pairs["Size"] == f"1.00{NBSP}KB, not measured after gzip"
    for name in ("Largest difference", "Same answer", "Accuracy", "Latency"):
        assert pairs[name] == "not measured"
    assert "None" not in str(pairs)


def test_that_the_end_card_copies_the_line_that_loads_the_model(with_run: MainWindow) -> None:
    with_run.show_stage("search")
    card = with_run.search.end_card
    assert card.isVisible()
    card.copy_button.click()
    line = QGuiApplication.clipboard().text()
    assert line == f'model = keras.models.load_model(r"{with_run.session.run}/model.keras")'
    compile(line, "line", "exec")
    assert with_run.banner.message.text() == f"Copied: {line}"
    card.export_button.click()
    assert with_run.stage == "export"


def test_that_closing_ends_an_export_under_way(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gui.views import export as export_module
    from tests.gui.conftest import FAKE

    slow = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(export_module, "export_command", lambda _request: slow)
    window = MainWindow(engine=FAKE)
    qtbot.addWidget(window)
    window.session.take_model(story.facts())
    window.export.set_place(tmp_path / "x.tflite")
    before = children()
    window.export.start()
    qtbot.waitUntil(lambda: bool(children() - before), timeout=10_000)
    began = time.monotonic()
    window.close()
    assert time.monotonic() - began < 5.0
    assert not children() - before


def test_that_choices_follow_format_and_quantisation(with_run: MainWindow) -> None:
    panel = with_run.export
    assert not panel.io.isVisible()
    assert panel.sparse.isVisible()
    panel.sparse.setChecked(True)
    panel.cluster.setCurrentIndex(panel.cluster.findData(16))
    panel.quantize.setCurrentIndex(panel.quantize.findData("int8"))
    assert panel.io.isVisible()
    panel.io.setCurrentIndex(panel.io.findData("uint8"))
    request = panel.request()
    assert request is not None
    assert (request.sparse, request.io, request.cluster) == (True, "uint8", 16)
    command = export_command(request)
    assert command[command.index("--io") + 1] == "uint8"
    assert command[command.index("--cluster") + 1] == "16"
    assert "--sparse" in command
    panel.quantize.setCurrentIndex(panel.quantize.findData("dynamic"))
    request = panel.request()
    assert request is not None
    assert (request.sparse, request.io) == (False, "float")
    assert not panel.sparse.isEnabled()
    assert "no runtime" in panel.sparse_help.text()
    panel.format.setCurrentIndex(panel.format.findData("h5"))
    request = panel.request()
    assert request is not None
    assert (request.sparse, request.io, request.cluster) == (False, "float", None)
    assert not panel.sparse.isVisible()


def test_that_code_for_each_place_is_copied(with_run: MainWindow) -> None:
    panel = with_run.export
    load = {"python": "import x\n", "kotlin": "val x = 1\n", "benchmark": "adb push x\n"}
    panel.add_result({**story.export_answer("/tmp/new.tflite"), "load": load})
    for words, kind in (("Python", "python"), ("Kotlin", "kotlin"), ("phone", "benchmark")):
        made = next(b for b in panel.findChildren(QPushButton) if words in b.text())
        made.click()
        assert QGuiApplication.clipboard().text() == load[kind]
        assert with_run.banner.message.text().startswith("Copied: the ")


def test_that_the_uncut_model_is_told_beside_the_export() -> None:
    answer = story.export_answer("/tmp/new.tflite")
    beside = {"dense_int8": {"bytes": 1, "gzip_bytes": 1, "latency_ms": {"median": 1.62}}}
    pairs = dict(export_pairs({**answer, "beside": beside}))
    assert pairs["Uncut model in turn with it"] == "int8 1.62 ms (2.0\u00d7)"


def test_that_the_report_is_written_and_opened(
    with_run: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    opened: list[str] = []

    def answer(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        return {"path": "/tmp/report.html"}

    monkeypatch.setattr(JsonCommand, "run", answer)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.path()))
    with_run.export.report_button.click()
    qtbot.waitUntil(lambda: bool(opened), timeout=5_000)
    assert asked[0][4:6] == ["report", str(with_run.session.run)]
    assert opened == ["/tmp/report.html"]
    with_run.session.close_all()
    assert not with_run.export.report_button.isVisible()
