"""Searches of a scripted engine, through the real window."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine import events as ev
from engine.runs import RunFolder
from engine.runstate import fold_all
from engine.telling.ending import end_numbers
from gui.main_window import MainWindow
from gui.models.log import TRIAL_ROLE
from gui.views.cloud import CloudPlot
from gui.views.end_card import EndCard
from tests.gui import story

Part = Callable[[str], None]


def start(window: MainWindow) -> None:
    """Press Start."""
    assert window.setup.start_button.isEnabled()
    window.setup.start_button.click()


def finished(window: MainWindow) -> bool:
    return not window.session.searching


def log_lines(window: MainWindow) -> list[str]:
    model = window.search.log_model
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def test_that_a_search_is_shown_from_start_to_end_card(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    start(ready)
    assert ready.stage == "search"
    assert not ready.setup.start_button.isEnabled()
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    state = ready.session.state
    assert state.status == "met"
    assert state.best == 10
    assert ready.search.end_card.isVisible()
    assert "fewer parameters" in ready.search.end_card.head.text()
    assert ready.search.end_card.chip.text() == "Floor met, confirmed"
    assert ready.session.run is not None
    assert ready.search.title.text() == ready.session.run.name
    assert ready.search.cloud_title.text() == "Size and accuracy"
    assert ready.search.cloud is not None
    shown = ready.search.cloud.shown
    assert shown is not None
    assert [p.trial for p in shown.points if p.best] == [10]
    assert {p.kind for p in shown.points} == {"baseline", "probe", "fine_tune"}
    assert shown.floor == 0.922
    lines = log_lines(ready)
    assert any(line.startswith("Rejected") and "margin of error" in line for line in lines)
    assert lines[-1] == "Done: the floor is met."
    assert ready.setup.start_button.isEnabled()
    assert "kept" in ready.status.texts()["best"]


def test_that_the_strip_shrinks_with_the_best_model(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    before = ready.setup.model_card.numbers.text()
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    best = ready.session.state.best_trial
    assert best is not None
    assert ready.layers.model.layers == best.layers
    assert ready.layers.which.currentText() == "Fine-tune 10, the model kept"
    assert ready.setup.model_card.numbers.text() == before, "the set-up card tells of the file"


def test_that_a_killed_engine_leaves_the_window_alive_and_resumable(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("die")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    assert ready.isVisible()
    assert ready.banner.isVisible()
    assert "SIGKILL" in ready.banner.message.text()
    assert "the last words of the engine" in ready.banner.details.toPlainText()
    assert ready.banner.action_texts() == ["Resume"]
    assert ready.session.state.best == 10, "what was accepted is still on show"
    part("resume")
    ready.banner.click_action()
    assert ready.session.searching
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    assert ready.session.state.status == "met"
    assert not ready.banner.isVisible()
    assert len(ready.session.state.trials) == 11


def test_that_an_engine_killed_from_outside_is_told(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    thread = ready.session.thread_of_search
    assert thread is not None
    assert thread.pid is not None
    os.kill(thread.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: ready.banner.isVisible(), timeout=20_000)
    assert "SIGKILL" in ready.banner.message.text()
    assert ready.session.run is not None
    ends = [e for e in RunFolder(ready.session.run).events() if isinstance(e, ev.RunEnded)]
    assert [e.outcome for e in ends] == ["failed"]


def test_that_pause_resume_and_stop_reach_the_engine(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    start(ready)
    search = ready.search
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    search.pause_button.click()
    qtbot.waitUntil(lambda: ready.session.state.status == "paused", timeout=5_000)
    assert search.pause_button.text() == "Resume"
    assert ready.status.texts()["engine"] == "engine: paused"
    search.pause_button.click()
    qtbot.waitUntil(lambda: ready.session.state.status == "running", timeout=5_000)
    began = time.monotonic()
    search.stop_button.click()
    assert not search.stop_button.isEnabled()
    assert not search.kill_button.isVisible()
    qtbot.waitUntil(lambda: finished(ready), timeout=5_000)
    assert time.monotonic() - began < 2.0
    assert ready.session.state.status == "stopped"
    assert ready.search.end_card.isVisible()
    assert ready.search.end_card.resume_button.isVisible()
    assert not ready.banner.isVisible(), "a stop is no error"


def test_that_the_result_is_told_while_the_control_trains_and_a_stop_keeps_it(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("control")
    start(ready)
    search = ready.search
    qtbot.waitUntil(lambda: ready.session.state.work is not None, timeout=20_000)
    qtbot.waitUntil(lambda: "is met, confirmed" in search.now.text(), timeout=5_000)
    assert ready.status.texts()["time"] == "at most 19 min left"
    search.stop_button.click()
    qtbot.waitUntil(lambda: finished(ready), timeout=5_000)
    assert ready.session.state.status == "met"
    assert search.end_card.isVisible()


def test_that_a_stop_that_is_not_obeyed_is_enforced(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("hang")
    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.baseline is not None, timeout=20_000)
    began = time.monotonic()
    ready.search.stop_button.click()
    qtbot.waitUntil(lambda: finished(ready), timeout=10_000)
    assert 0.9 < time.monotonic() - began < 4.0
    assert ready.session.state.status == "stopped"


def test_that_an_engine_that_says_nothing_is_told(
    ready: MainWindow, qtbot: QtBot, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.status_words.SILENT_AFTER_S", 0.5)
    part("hang")
    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.baseline is not None, timeout=20_000)
    field = ready.status.fields["engine"]
    qtbot.waitUntil(lambda: field.text().startswith("engine: silent for"), timeout=5_000)
    assert ready.search.stop_button.isEnabled()
    ready.search.stop_button.click()
    assert field.text() == "engine: stopping"


def test_that_kill_is_offered_once_stop_was_not_obeyed_in_time(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    session = ready.session
    assert not ready.search.kill_button.isVisible()
    session.stopping = True
    session._on_kill_due()
    assert ready.search.kill_button.isVisible()
    ready.search.kill_button.click()
    qtbot.waitUntil(lambda: finished(ready), timeout=5_000)
    assert not ready.search.kill_button.isVisible()


def test_that_a_flood_does_not_make_the_window_fall_behind(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("flood")
    start(ready)
    changes: list[float] = []
    thread = ready.session.thread_of_search
    assert thread is not None
    thread.changed.connect(lambda: changes.append(time.monotonic()))
    slots: list[float] = []
    end = time.monotonic() + 60
    while ready.session.searching and time.monotonic() < end:
        began = time.thread_time()
        QApplication.processEvents()
        slots.append(time.thread_time() - began)
        time.sleep(0.002)
    assert ready.session.state.status == "met"
    assert len(changes) < 1200, "60,000 batches became few pictures"
    assert sorted(slots)[-3] < 0.2, "CPU seconds of the window's thread in one go"


def test_that_a_storm_of_events_of_all_kinds_leaves_the_window_usable(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("storm")
    start(ready)
    qtbot.waitUntil(lambda: len(ready.session.state.warnings) > 50, timeout=20_000)
    for key in ("layers", "search"):
        ready.menus.actions[f"stage_{key}"].trigger()
        assert ready.stage == key
    slots: list[float] = []
    end = time.monotonic() + 60
    while ready.session.searching and time.monotonic() < end:
        began = time.thread_time()
        QApplication.processEvents()
        slots.append(time.thread_time() - began)
        time.sleep(0.002)
    assert ready.session.state.status == "met"
    assert len(ready.session.record.log) <= 2000
    assert sorted(slots)[-3] < 0.2, "CPU seconds of the window's thread in one go"


def test_that_the_stage_repaints_ten_times_a_second_at_most_and_only_when_dirty(
    ready: MainWindow, qtbot: QtBot, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    part("flood")
    painted: list[float] = []
    cloud = ready.search.cloud
    assert cloud is not None
    shown = cloud.show_state

    def count(*arguments: Any, **named: Any) -> None:
        painted.append(time.monotonic())
        shown(*arguments, **named)

    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    monkeypatch.setattr(cloud, "show_state", count)
    began = time.monotonic()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=60_000)
    assert len(painted) <= 10 * (time.monotonic() - began) + 5, "a few more at the end of the run"
    painted.clear()
    qtbot.wait(400)
    assert painted == [], "nothing changed, nothing was painted"


def test_that_strange_events_and_unknown_codes_are_survived_and_shown(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("strange")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    assert ready.session.state.status == "not_met"
    text = "\n".join(log_lines(ready))
    assert "a_new_code" in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("finan", "")


def test_that_a_users_error_is_told_without_an_offer_to_resume(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("fail")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    assert ready.banner.message.text() == "The file has no labels: fashion.npz."
    assert ready.banner.hint.text() == "Add an array y_train."
    assert ready.banner.action_texts() == []


def test_that_an_engine_that_cannot_start_is_told(ready: MainWindow, qtbot: QtBot) -> None:
    blocked = Path.cwd() / "blocked"
    blocked.write_text("a file, no folder")
    ready.session.runs_base = blocked
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    assert ready.banner.isVisible()
    assert str(blocked) in ready.banner.message.text()


def test_that_closing_asks_while_a_search_runs_and_ends_the_engine(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("obey")
    start(ready)
    qtbot.waitUntil(lambda: ready.session.state.running is not None, timeout=20_000)
    asked: list[str] = []

    def refuse(question: str, *_: str) -> bool:
        asked.append(question)
        return False

    ready.confirm = refuse
    ready.close()
    assert asked == ["Stop the search and close?"]
    assert ready.isVisible()
    assert ready.session.searching
    ready.confirm = lambda *_: True
    thread = ready.session.thread_of_search
    assert thread is not None
    ready.close()
    assert thread.isFinished()
    assert ready.session.run is not None
    ends = [e for e in RunFolder(ready.session.run).events() if isinstance(e, ev.RunEnded)]
    assert [e.outcome for e in ends] == ["stopped"]


def test_that_a_run_is_reopened_from_its_journal(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    run, figures = ready.session.run, end_numbers(ready.session.state)
    log = log_lines(ready)
    assert run is not None
    ready.session.close_all()
    assert ready.session.run is None
    assert not ready.setup.welcome.isHidden()
    ready.opener.path(run)
    qtbot.waitUntil(lambda: ready.session.run == run, timeout=5_000)
    assert ready.stage == "search"
    assert end_numbers(ready.session.state) == figures
    assert log_lines(ready) == log
    assert ready.search.end_card.isVisible()


def test_that_a_point_a_log_line_and_the_inspector_are_linked(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    cloud = ready.search.cloud
    assert cloud is not None
    ready.search.make_plots()
    cloud.chosen.emit(7)
    assert ready.inspector.isVisible()
    assert ready.inspector.title.text() == "Fine-tune 7"
    assert ready.search.log.currentIndex().data(TRIAL_ROLE) == 7
    assert not ready.inspector.export_button.isVisible(), "its checkpoint is not on disk"
    row = ready.search.log_model.row_of_trial(10)
    assert row is not None
    index = ready.search.log_model.index(row, 0)
    ready.search.log.scrollTo(index)
    centre = ready.search.log.visualRect(index).center()
    qtbot.mouseClick(ready.search.log.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    assert ready.inspector.title.text() == "Fine-tune 10"
    assert ready.inspector.export_button.isVisible()
    ready.inspector.export_button.click()
    assert ready.stage == "export"
    assert ready.export.source is not None
    assert ready.export.source.name == "trial-010.keras"


def test_that_a_click_on_a_point_selects_its_trial(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    part("whole")
    start(ready)
    qtbot.waitUntil(lambda: finished(ready), timeout=20_000)
    cloud = ready.search.cloud
    assert cloud is not None
    qtbot.wait(150)
    place = cloud.position_of(6)
    assert place is not None
    with qtbot.waitSignal(cloud.chosen, timeout=2_000) as heard:
        viewport = cloud.plot.viewport()
        qtbot.mouseMove(viewport, place.toPoint())
        qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert heard.args == [6]


def test_that_the_end_card_tells_the_other_metrics_of_the_task(qtbot: QtBot) -> None:
    others = {"pixel_accuracy": (0.9696, 0.9681)}
    events = [
        replace(event, others=others) if isinstance(event, ev.ReportMeasured) else event
        for event in story.whole()
    ]
    window, card = QWidget(), EndCard()
    qtbot.addWidget(window)
    card.setParent(window)
    card.show_end(fold_all(events), None, can_resume=False, can_set_goal=False)
    assert "Beside it: pixel accuracy 97.0" in card.verdict.text()


def test_that_a_zoom_by_hand_stays_until_fit(ready: MainWindow, qtbot: QtBot, part: Part) -> None:
    part("obey")
    start(ready)
    qtbot.waitUntil(lambda: len(ready.session.state.trials) >= 10, timeout=20_000)
    cloud = ready.search.cloud
    assert cloud is not None
    qtbot.wait(250)
    view = cloud.plot.getViewBox()
    view.setRange(xRange=(4.0, 5.0), yRange=(0.9, 0.95), padding=0)
    view.sigRangeChangedManually.emit([True, True])
    by_hand = view.viewRange()
    ready.search.measure.setProperty("by_hand", False)
    ready.session.record_changed.emit()
    qtbot.wait(250)
    assert view.viewRange() == by_hand
    ready.search.fit_button.click()
    assert view.viewRange() != by_hand


@pytest.mark.parametrize("width", [360, 420, 480, 560, 640])
def test_that_no_point_lies_under_the_words_at_the_lines(qtbot: QtBot, width: int) -> None:
    plot = CloudPlot()
    qtbot.addWidget(plot)
    plot.resize(width, 420)
    state = fold_all(story.whole())
    plot.show_state(state, "objective", None)
    plot.grab()
    view = plot.plot.getViewBox()
    for words in (plot._target_text, plot._floor_text):
        room = words.mapRectToScene(words.boundingRect())
        assert plot.shown is not None
        for point in plot.shown.points:
            at = view.mapViewToScene(QPointF(math.log10(point.x), point.y))
            assert not room.contains(at), f"{words.toPlainText()} over {point}"
