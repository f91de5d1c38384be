"""The compare stage: figures beside the controls, layers before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from engine import events as ev
from engine.comparison import Latencies
from engine.runstate import fold_all
from engine.telling.compare import comparable, figures, layer_diffs
from gui.main_window import MainWindow
from gui.models.diff import DiffModel
from tests.gui import story

Part = Callable[[str], None]


def played(window: MainWindow, qtbot: QtBot, part: Part) -> None:
    part("whole")
    window.setup.start_button.click()
    qtbot.waitUntil(lambda: not window.session.searching, timeout=20_000)


def row(table: tuple[tuple[str, ...], ...], name: str) -> tuple[str, ...]:
    return next(r for r in table if r[0] == name)


def test_that_every_fine_tune_can_be_compared_and_no_probe() -> None:
    state = fold_all(story.whole())
    assert [t.trial for t in comparable(state)] == [11, 10, 9, 8, 7, 6]


def test_that_figures_stand_beside_the_controls_and_say_what_was_not_measured() -> None:
    state = fold_all(story.whole())
    best = state.trial(10)
    assert best is not None
    slow = ev.Latency(median=2.5, p90=3.0, runs=50, threads=1)
    fast = ev.Latency(median=0.8, p90=0.9, runs=50, threads=1)
    state = replace(state, latencies=ev.LatenciesMeasured(baseline=slow, final=fast))
    table = figures(state, best)
    assert table.heads == ("", "As opened", "Fine-tune 10", "As opened, fine-tuned")
    assert row(table.rows, "Accuracy, report split")[1:] == (
        "93.1\u00a0%", "92.6\u00a0%", "93.4\u00a0%",
    )  # fmt: skip
    assert row(table.rows, "Latency")[1:] == ("2.5\u00a0ms", "0.8\u00a0ms", "not measured")
    other = state.trial(7)
    assert other is not None
    table = figures(state, other)
    assert row(table.rows, "Accuracy, report split")[2] == "not measured", "one reading, one model"
    assert row(table.rows, "Latency")[2] == "not measured"
    parameters = row(table.rows, "Parameters")
    assert parameters[3] == parameters[1], "that control has the layers of the model as opened"
    assert row(table.rows, "TFLite after gzip")[3] == "not measured", "and other weights"
    timed = Latencies(before=slow, after=fast, before_int8=fast)
    assert row(figures(state, other, timed).rows, "Latency")[2] == "0.8\u00a0ms"


def test_that_layers_are_told_apart_by_what_became_of_them(qtbot: QtBot) -> None:
    before, after = story.layers(), story.layers(keep=0.4)
    gone, new = after[1], replace(after[1], name="fresh")
    diffs = {d.name: d for d in layer_diffs(before, (new, *after[:1], *after[2:]))}
    assert diffs[gone.name].kind == "removed"
    assert diffs["fresh"].kind == "added"
    assert diffs["conv3"].kind == "changed"
    assert diffs["input"].kind == "same"
    model = DiffModel()
    tester = QAbstractItemModelTester(
        model, QAbstractItemModelTester.FailureReportingMode.Warning, model
    )
    model.set_rows(tuple(diffs.values()))
    texts = [str(model.index(3, c).data()) for c in range(model.columnCount())]
    assert texts[0] == "conv2"
    assert texts[2].startswith("32 \u2192 ")
    assert texts[-1] == "cut"
    model.set_rows(())
    del tester


def test_that_the_model_kept_is_compared_until_another_is_chosen(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    ready.show_stage("compare")
    assert ready.compare.currentIndex() == 0
    played(ready, qtbot, part)
    ready.show_stage("compare")
    panel = ready.compare
    assert panel.which.currentText() == "Fine-tune 10, 92.5\u00a0%, the model kept"
    assert "Fine-tune 10" in panel.text()
    everything = panel.model.rowCount()
    panel.changed_only.click()
    assert panel.model.rowCount() < everything
    panel.which.setCurrentIndex(panel.which.findData(7))
    panel.which.activated.emit(panel.which.currentIndex())
    assert "Fine-tune 7" in panel.text()
    panel.table.selectRow(0)
    assert ready.inspector.isVisible()
    assert ready.search.strip.selected == "conv1"


def test_that_a_point_of_the_cloud_leads_to_its_comparison(
    ready: MainWindow, qtbot: QtBot, part: Part
) -> None:
    played(ready, qtbot, part)
    ready.search.trial_chosen.emit(3)
    assert not ready.inspector.compare_button.isVisible(), "a probe has no model of its own"
    ready.search.trial_chosen.emit(6)
    ready.inspector.compare_button.click()
    assert ready.stage == "compare"
    assert ready.compare.which.currentData() == 6
