"""Views saved as PNG, SVG and CSV, from the menu to the file on disk."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from engine.runstate import fold_all
from gui.main_window import MainWindow
from gui.menus import PICTURES
from gui.pictures import SCALE
from gui.views.loss import smoothed
from tests.gui import story

Part = Callable[[str], None]
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


@pytest.fixture
def finished(ready: MainWindow, qtbot: QtBot, part: Part) -> MainWindow:
    """A window with a search that has ended."""
    part("whole")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    loss = ready.search.measured.loss
    assert loss is not None
    loss.show_running(fold_all([*story.beginning(), *story.middle()]).running)
    return ready


def save(window: MainWindow, qtbot: QtBot, name: str, path: Path) -> Path:
    window.pictures.ask_place = lambda _name: str(path)
    with qtbot.waitSignal(window.pictures.saved, timeout=10_000):
        window.menus.actions[f"save_{name}"].trigger()
    return path


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_that_every_view_in_the_menu_can_be_saved(finished: MainWindow) -> None:
    assert {name for name, _, _ in PICTURES} == set(finished.pictures._subjects)


@pytest.mark.parametrize("name", ["confusion matrix", "weights"])
def test_that_nothing_is_saved_of_a_view_that_is_empty(
    finished: MainWindow, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    finished.pictures.ask_place = lambda _name: str(tmp_path / "a.png")
    with qtbot.waitSignal(finished.pictures.failed, timeout=10_000):
        finished.menus.actions[f"save_{name}"].trigger()
    assert f"nothing to save as a picture yet: {name}" in finished.banner.message.text()
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", ["cloud", "loss", "sensitivity", "layer strip"])
def test_that_a_view_becomes_each_kind_of_file(
    finished: MainWindow, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    subject = finished.pictures._subjects[name]
    size = subject.widget.size() * SCALE
    picture = QImage(str(save(finished, qtbot, name, tmp_path / "a.png")))
    assert picture.size() == size
    seen = {picture.pixel(x, y) for x in range(0, picture.width(), 7)
            for y in range(0, picture.height(), 7)}  # fmt: skip
    assert len(seen) > 3, "something is drawn"
    drawn = save(finished, qtbot, name, tmp_path / "a.svg").read_text("utf-8")
    assert drawn.startswith("<?xml")
    assert drawn.count("<path") + drawn.count("<text") + drawn.count("<polyline") > 10
    assert "<image" not in drawn, "lines, not pixels"
    rows = list(csv.reader(lines(save(finished, qtbot, name, tmp_path / "a.csv"))))
    assert len(rows) > 5
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "Saved" in finished.banner.message.text()


def test_that_figures_are_those_of_the_run(
    finished: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    rows = list(csv.DictReader(lines(save(finished, qtbot, "cloud", tmp_path / "a.csv"))))
    best = next(row for row in rows if row["trial"] == "10")
    assert (best["kind"], best["accepted"], best["value"]) == ("fine_tune", "True", "0.9249")
    loss = list(csv.DictReader(lines(save(finished, qtbot, "loss", tmp_path / "b.csv"))))
    raw = [float(row["loss"]) for row in loss]
    assert [float(row["moving_mean"]) for row in loss] == pytest.approx(smoothed(raw))


def test_that_raw_values_are_drawn_under_the_mean(finished: MainWindow) -> None:
    loss = finished.search.measured.loss
    assert loss is not None
    raw, mean = loss._raw.getData()[1], loss._mean.getData()[1]
    assert len(raw) == len(mean) > 50
    assert abs(raw[1:] - raw[:-1]).mean() > 3 * abs(mean[1:] - mean[:-1]).mean()


def test_that_a_place_that_cannot_be_written_is_told(
    finished: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    finished.pictures.ask_place = lambda _name: str(tmp_path / "gone" / "a.png")
    with qtbot.waitSignal(finished.pictures.failed, timeout=10_000):
        finished.pictures.save("cloud")
    assert "cannot be written" in finished.banner.message.text()


def test_that_a_name_without_an_ending_is_a_png(
    finished: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    save(finished, qtbot, "cloud", tmp_path / "plot")
    assert (tmp_path / "plot.png").is_file()


def test_that_the_right_button_offers_to_save_and_copy(finished: MainWindow, qtbot: QtBot) -> None:
    cloud = finished.search.cloud
    assert cloud is not None
    viewport = cloud.plot.viewport()
    place = QPoint(viewport.width() // 2, viewport.height() // 2)
    QTest.mouseClick(viewport, Qt.MouseButton.RightButton, pos=place)
    qtbot.waitUntil(lambda: bool(menus(finished)), timeout=5_000)
    menu = menus(finished)[0]
    assert [action.text() for action in menu.actions()] == [
        "Save as PNG, SVG or CSV \u2026", "Copy the picture",
    ]  # fmt: skip
    menu.actions()[1].trigger()
    assert not QGuiApplication.clipboard().image().isNull()
    menu.close()


def menus(window: MainWindow) -> list[QMenu]:
    """Context menus that are open."""
    return [m for m in window.findChildren(QMenu) if m.isVisible() and not m.title()]
