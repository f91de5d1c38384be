"""The whole way, nothing scripted: window, thread, engine process, TF-MOT masks, checked TFLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine import ranges
from engine.job import DataSpec
from engine.runs import RunFolder
from gui.main_window import MainWindow

SEARCH_MS = 540_000
"""A loaded machine may be ten times slower than an idle one, which takes half a minute."""


@pytest.fixture
def real_window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A window with the real engine."""
    window = MainWindow()
    window.confirm = lambda *_: True
    window.resize(1280, 800)
    window.show()
    qtbot.waitUntil(lambda: window.search.cloud is not None, timeout=30_000)
    yield window
    window.close()


@pytest.mark.timeout(600)
def test_that_the_sample_goes_from_the_first_click_to_a_checked_tflite(
    real_window: MainWindow, qtbot: QtBot
) -> None:
    window = real_window
    qtbot.mouseClick(window.setup.welcome.sample_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.setup.start_button.isEnabled(), timeout=60_000)
    assert window.session.wishes.data == DataSpec(source="digits", seen="no")
    form = window.setup.goal_card.options
    form.fine_tunes.setValue(2)
    form.epochs.setValue(3)
    window.setup.goal_card.sentence.tolerance.setValue(5.0)
    qtbot.mouseClick(window.setup.start_button, Qt.MouseButton.LeftButton)
    assert window.session.searching
    assert window.stage == "search"
    qtbot.waitUntil(lambda: window.session.state.baseline is not None, timeout=SEARCH_MS)
    assert "%" in window.setup.data_card.baseline.text()
    assert "not measured" not in window.setup.goal_card.sentence.text()
    qtbot.waitUntil(lambda: not window.session.searching, timeout=SEARCH_MS)

    state, run = window.session.state, window.session.run
    assert run is not None
    assert state.error is None, state.error
    assert state.status in ("met", "not_met")
    tunes = [t for t in state.trials if t.kind == "fine_tune"]
    assert 1 <= len(tunes) <= 2
    masked = [t for t in tunes if t.sparsity > 0.0]
    assert masked, "a fine-tune zeroes weights, alone or with channels"
    zeros = sum(s.zeros or 0 for s in masked[0].layers)
    weights = sum(s.prunable_weights for s in masked[0].layers)
    assert zeros / weights == pytest.approx(masked[0].sparsity, abs=0.05)
    assert masked[0].sparsity > 0.1
    tflite = [e for e in state.exports if e.path.endswith(".tflite")]
    assert tflite, "the run exports a TFLite file"
    assert tflite[0].result["checks"]["reloaded"] is True
    assert (run / tflite[0].path).is_file()
    assert window.search.end_card.isVisible()
    assert "saved and checked" in window.export._results.itemAt(0).widget().accessibleName()
    result = RunFolder(run).result()
    assert result is not None
    assert result["status"] == state.status
    assert not window.banner.isVisible()
    shows_what_is_gone(window, qtbot)


def shows_what_is_gone(window: MainWindow, qtbot: QtBot) -> None:
    """A layer that was cut has gaps in its picture just where the journal has no channel."""
    trials = [t for t in window.session.state.trials if t.checkpoint is not None]
    found = [(t, s) for t in trials for s in t.layers if s.kept and s.prunable_weights]
    if not found:
        return  # another machine may zero weights alone
    trial, layer = found[0]
    window.layers.show_trial(trial.trial)
    window.layers.layer_chosen.emit(layer.name)
    picture = window.inspector.weights.picture
    qtbot.waitUntil(lambda: picture.isVisible(), timeout=60_000)
    there = [place for place, column in enumerate(picture.columns) if column is not None]
    assert ranges.to_text(there) == layer.kept
    assert len(picture.columns) == layer.channels


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_that_an_opened_model_is_exported_and_checked_by_the_real_command(
    real_window: MainWindow, qtbot: QtBot
) -> None:
    window = real_window
    window.opener.sample()
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=60_000)
    window.show_stage("export")
    place = Path.cwd() / "out.tflite"
    window.export.set_place(place)
    qtbot.mouseClick(window.export.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.export.busy_now, timeout=SEARCH_MS)
    assert not window.banner.isVisible(), window.banner.message.text()
    assert place.is_file()
    assert "Opened in a fresh process\tyes" in window.export.results_text()
