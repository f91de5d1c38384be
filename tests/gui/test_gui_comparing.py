"""Compare by class, by confusion and by sample: from the click to the file in the run folder."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from engine import api
from engine import events as ev
from engine.comparison import Masks, place_of
from engine.errors import EngineFailure
from engine.job import DataSpec, Job
from engine.runs import RunFolder
from gui.commands import JsonCommand
from gui.compared import Compared
from gui.facts import read_facts
from gui.main_window import MainWindow
from gui.models.classes import ClassesModel
from gui.models.samples import SamplesModel
from gui.resources import sample_model
from gui.views.compare import CLASSES, LAYERS, SAMPLES, UNMEASURED
from tests.gui import comparisons, story

FATAL = QAbstractItemModelTester.FailureReportingMode.Fatal


@pytest.fixture
def ended(ready: MainWindow, qtbot: QtBot, part: Callable[[str], None]) -> tuple[MainWindow, Path]:
    """A window after the story's search, at the stage, and the run folder."""
    part("whole")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    ready.show_stage("compare")
    run = ready.session.run
    assert run is not None
    return ready, run


def settle(window: MainWindow, qtbot: QtBot, timeout_ms: int = 5_000) -> None:
    qtbot.waitUntil(lambda: not window.session.tasks._running, timeout=timeout_ms)


def test_that_a_click_evaluates_and_leads_to_classes_cells_and_samples(
    ended: tuple[MainWindow, Path], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, run = ended
    asked: list[list[str]] = []

    def answer(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        comparisons.keep(run, comparisons.comparison())
        return {"path": str(place_of(run, 10))}

    monkeypatch.setattr(JsonCommand, "run", answer)
    panel = window.compare
    settle(window, qtbot)
    qtbot.mouseClick(panel.tabs.tabs[CLASSES], Qt.MouseButton.LeftButton)
    assert panel.pages.currentIndex() == UNMEASURED
    assert "not measured" in panel.text().splitlines()[-1]
    qtbot.mouseClick(panel.measure_button, Qt.MouseButton.LeftButton)
    assert panel.measure_button.text() == "Stop evaluating"
    qtbot.waitUntil(lambda: panel.comparing.comparison is not None, timeout=5_000)
    assert asked[0][4:] == ["compare", str(run), "--trial", "10", "--json"]
    assert place_of(run, 10).is_file()
    assert panel.pages.currentIndex() == CLASSES
    model = panel.classes.model
    texts = [str(model.index(1, c).data()) for c in range(model.columnCount())]
    assert texts == ["Coat", "2", "50.0\u00a0%", "75.0\u00a0%", "+25.0\u00a0points"]
    assert model.index(2, 3).data() == "not measured"
    assert "0.8\u00a0ms" in panel.text().splitlines()[-1], "the latency of this checkpoint"

    cells = panel.classes.map
    assert [cells.count(0, 0), cells.count(0, 1)] == [1, 1]
    qtbot.mouseClick(panel.classes.sides.tabs[2], Qt.MouseButton.LeftButton)
    assert cells.count(1, 2) == 1
    assert cells.count(1, 0) == -1
    assert not cells.grab().isNull()
    centre = cells.cell_rect(1, 2).center().toPoint()
    qtbot.mouseClick(cells, Qt.MouseButton.LeftButton, pos=centre)
    assert panel.pages.currentIndex() == SAMPLES
    samples = panel.samples
    assert samples.model.samples == (3,)
    assert samples.change.currentText() == "Coat, taken for Bag, after"
    facts = samples.model.facts(0)
    assert facts is not None
    assert facts.sentence == (
        "sample 3, true Coat: T-shirt (90\u00a0%) \u2192 Bag (60\u00a0%), wrong in another way"
    )
    assert not samples.list.grab().isNull()


def test_that_samples_are_filtered_by_what_became_of_them(
    ended: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, run = ended
    settle(window, qtbot)
    comparisons.keep(run, comparisons.comparison())
    window.compare.choose(8)
    window.compare.choose(10)
    qtbot.waitUntil(lambda: window.compare.comparing.comparison is not None, timeout=5_000)
    qtbot.mouseClick(window.compare.tabs.tabs[SAMPLES], Qt.MouseButton.LeftButton)
    page = window.compare.samples
    assert page.model.samples == (0, 1, 3, 5)
    assert "4 answers changed: 1 got worse, 1 got better" in window.compare.headline.text()
    for key, expected in (("worse", (0,)), ("better", (1,)), ("other", (3, 5))):
        page.change.setCurrentIndex(page.change.findData(key))
        page.change.activated.emit(page.change.currentIndex())
        assert page.model.samples == expected
    page.true_class.setCurrentIndex(page.true_class.findData(0))
    page.true_class.activated.emit(page.true_class.currentIndex())
    assert page.pages.currentIndex() == 0, "no bag was a T-shirt"
    compared = window.compare.comparing.compared
    assert compared is not None
    picture = compared.thumbnail(3)
    assert picture is not None
    assert picture.pixelColor(0, 0).red() == 120, "the third cell of the sheet"
    assert compared.thumbnail(2) is None
    assert SamplesModel().rowCount() == 0


def test_that_a_comparison_of_something_else_is_not_shown(
    ended: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, run = ended
    settle(window, qtbot)
    comparisons.keep(run, comparisons.comparison(), stamp="another")
    window.compare.choose(8)
    window.compare.choose(10)
    settle(window, qtbot)
    assert window.compare.comparing.comparison is None


def test_that_evaluating_is_given_up_or_fails_without_a_trace(
    ended: tuple[MainWindow, Path], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, _ = ended
    panel = window.compare
    settle(window, qtbot)
    killed: list[bool] = []

    def slow(command: JsonCommand) -> dict[str, Any]:
        while not killed:
            time.sleep(0.005)
        raise EngineFailure("child.died", "It was ended.")

    monkeypatch.setattr(JsonCommand, "run", slow)
    monkeypatch.setattr(JsonCommand, "kill", lambda _: killed.append(True))
    panel.tabs.tabs[SAMPLES].click()
    panel.measure_button.click()
    assert "Evaluating" in panel.headline.text()
    panel.measure_button.click()
    settle(window, qtbot)
    assert killed
    assert not window.banner.isVisible(), "what was given up is no failure"
    assert panel.measure_button.isEnabled()
    panel.measure_button.click()
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=5_000)
    assert "It was ended" in window.banner.message.text()
    window.banner.hide()


def show_maps(ended: tuple[MainWindow, Path], qtbot: QtBot, **changes: Any) -> MainWindow:
    """A window with a comparison of maps, of which the engine kept ``changes``."""
    window, run = ended
    settle(window, qtbot)
    maps = replace(
        comparisons.comparison(), task="segmentation", metric="mean_iou", figure="iou",
        answers=None, thumbnails=None, **changes,
    )  # fmt: skip
    comparisons.keep(run, maps)
    window.compare.choose(8)
    window.compare.choose(10)
    qtbot.waitUntil(lambda: window.compare.comparing.comparison is not None, timeout=5_000)
    return window


def test_that_masks_are_shown_beside_each_other(
    ended: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    masks = Masks(
        file="trial-010.png", width_px=comparisons.SIDE, height_px=comparisons.SIDE, gap_px=2,
        samples=(4, 1), before=(0.8, None), after=(0.75, 0.5), names=("a.png", "b.png"),
    )  # fmt: skip
    window = show_maps(ended, qtbot, masks=masks)
    window.compare.tabs.tabs[SAMPLES].click()
    page = window.compare.samples
    assert page.pages.currentWidget() is page.masks
    assert page.caption.isHidden()
    assert page.count.text() == "2 images of the search split, those first that lost most"
    rows = [str(page.masks_model.index(row, 0).data()) for row in range(2)]
    assert rows[0] == "a.png: IoU 80.0\u00a0% \u2192 75.0\u00a0% (\u22125.0\u00a0points)"
    assert rows[1].startswith("b.png: IoU ")
    facts = page.masks_model.facts(0)
    assert facts is not None
    assert [(p.width(), p.height()) for p in facts.pictures] == [(comparisons.SIDE - 2,) * 2] * 4
    page.masks.grab()


def test_that_where_no_answer_can_flip_it_says_why(
    ended: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    why = "The model's outputs are numbers: there are no classes to tell apart."
    window = show_maps(ended, qtbot, notes=(why,))
    window.compare.tabs.tabs[CLASSES].click()
    assert window.compare.classes.head.text() == "IoU by class"
    assert "pixel" in window.compare.classes.map.text_of(0, 1)
    window.compare.classes.map.chosen.emit(0, 1)
    assert window.compare.pages.currentIndex() == CLASSES, "there is nothing to lead to"
    window.compare.tabs.tabs[SAMPLES].click()
    assert window.compare.samples.empty.text() == why


def test_that_the_matrix_has_a_path_for_keys(qtbot: QtBot, ended: tuple[MainWindow, Path]) -> None:
    cells = ended[0].compare.classes.map
    cells.show_confusion(comparisons.comparison())
    cells.resize(400, 400)
    chosen: list[tuple[int, int]] = []
    cells.chosen.connect(lambda true, found: chosen.append((true, found)))
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Return):
        qtbot.keyClick(cells, key)
    assert chosen == [(1, 1)]
    assert cells.accessibleDescription().startswith("Coat, right: 1 sample (50.0\u00a0%)")
    assert cells.cell_at(QPointF(2, 2)) is None


def test_that_the_models_hold_qts_contract(qtbot: QtBot) -> None:
    classes, samples = ClassesModel(), SamplesModel()
    testers = [QAbstractItemModelTester(m, FATAL) for m in (classes, samples)]
    found = comparisons.comparison()
    classes.show_classes(found)
    assert classes.csv_text().splitlines()[2] == "Coat,2,0.5,0.75"
    classes.show_classes(None)
    compared = Compared(comparison=found, cells={})
    samples.show_samples(compared, (0, 5))
    last = samples.facts(1)
    assert last is not None
    assert last.after == "no number"
    samples.show_samples(None, ())
    assert len(testers) == 2


def test_that_the_classes_are_copied_as_csv(ended: tuple[MainWindow, Path]) -> None:
    window, _ = ended
    window.compare.classes.show_comparison(comparisons.comparison())
    window.compare.classes.copy_button.click()
    assert QGuiApplication.clipboard().text().startswith("class,count,as_opened,after")
    assert window.compare.tabs.current == LAYERS


def test_that_the_matrix_is_saved_in_plain_numbers(
    ended: tuple[MainWindow, Path], qtbot: QtBot, tmp_path: Path
) -> None:
    window, _ = ended
    found = comparisons.comparison()
    assert found.confusion is not None
    window.compare.classes.show_comparison(found)
    window.pictures.ask_place = lambda _name: str(tmp_path / "matrix.csv")
    with qtbot.waitSignal(window.pictures.saved, timeout=10_000):
        window.pictures.menu("confusion matrix").actions()[0].trigger()
    with (tmp_path / "matrix.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["after"]) for row in rows] == [n for row in found.confusion.after for n in row]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_that_the_real_engine_compares_a_run_that_was_opened(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    job = Job(model=str(sample_model()), data=DataSpec(source="digits", seen="no"))
    folder = RunFolder.create(tmp_path / "run", job)
    checkpoint = folder.path / "checkpoints" / "trial-001.keras"
    api.slim(sample_model(), checkpoint, keep=0.7)
    opened = read_facts(sample_model()).opened
    started = story.beginning()[0]
    assert isinstance(started, ev.RunStarted)
    done = next(e for e in story.whole() if isinstance(e, ev.TrialDone) and e.best)
    for event in (
        replace(started, job=job),
        opened,
        story.beginning()[-1],
        replace(
            done, trial=1, layers=read_facts(checkpoint).opened.layers,
            checkpoint="checkpoints/trial-001.keras",
        ),
        ev.RunEnded(outcome="met", seconds=1.0),
    ):  # fmt: skip
        folder.append(event)
    folder.close()
    window.opener.path(folder.path)
    qtbot.waitUntil(lambda: window.session.run == folder.path, timeout=30_000)
    window.show_stage("compare")
    panel = window.compare
    qtbot.mouseClick(panel.tabs.tabs[SAMPLES], Qt.MouseButton.LeftButton)
    settle(window, qtbot, 60_000)
    qtbot.mouseClick(panel.measure_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.comparing.measuring, timeout=540_000)
    assert not window.banner.isVisible(), window.banner.message.text()
    found = panel.comparing.comparison
    assert found is not None
    assert found.answers is not None
    assert place_of(folder.path, 1).is_file()
    assert panel.samples.model.rowCount() == len(found.answers.flipped()) > 0
    compared = panel.comparing.compared
    assert compared is not None
    assert all(compared.thumbnail(s) is not None for s in panel.samples.model.samples)
    assert "not measured" not in panel.text().splitlines()[-1].split("\t")[1:3]
