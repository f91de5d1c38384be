"""The window itself: what it starts, remembers, looks like, and how it is reached by keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QSettings, Qt, QThread, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from gui.icons import pixmap
from gui.main_window import STAGES, MainWindow
from gui.settings import Settings
from gui.theme import DARK, LIGHT, colours, style_sheet, theme
from tests.gui.conftest import FAKE, ROOT

FORBIDDEN = (
    "tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "pyqtgraph", "sklearn",
    "h5py", "numpy", "scipy",
)  # fmt: skip


def test_that_importing_the_window_imports_nothing_slow() -> None:
    code = (
        "import sys, gui.main_window, gui.app;"
        f"print([m for m in {FORBIDDEN!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_that_making_a_window_starts_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    window = MainWindow()
    qtbot.addWidget(window)
    assert not [t for t in window.findChildren(QThread) if t.isRunning()]
    assert not [t for t in window.findChildren(QTimer) if t.isActive()]
    assert not list(tmp_path.glob("secateur-runs*"))
    assert window.search.cloud is None
    window.close()


def test_that_the_plots_come_after_the_first_paint(qtbot: QtBot) -> None:
    window = MainWindow(engine=FAKE)
    qtbot.addWidget(window)
    with qtbot.waitSignal(window.painted, timeout=10_000):
        window.show()
    assert window.search.cloud is None
    qtbot.waitUntil(lambda: window.search.cloud is not None, timeout=20_000)
    window.close()


def test_that_every_control_has_an_accessible_name(ready: MainWindow) -> None:
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit)
    nameless = [
        f"{type(w).__name__} in {type(w.parent()).__name__}"
        for w in ready.findChildren(QWidget)
        if isinstance(w, kinds)
        and not w.accessibleName()
        and not w.objectName().startswith("qt_")
        and not isinstance(w.parent(), QAbstractSpinBox | QLineEdit)
        and "pyqtgraph" not in type(w.parent()).__module__
    ]
    assert nameless == []


def test_that_the_stages_are_reached_by_keyboard(ready: MainWindow, qtbot: QtBot) -> None:
    for number, (key, _text, _icon) in enumerate(STAGES, start=1):
        qtbot.keyClick(ready, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.AltModifier)
        assert ready.stage == key


def test_that_tab_reaches_start_and_the_sentence(ready: MainWindow, qtbot: QtBot) -> None:
    ready.show_stage("setup")
    ready.activateWindow()
    seen: list[QWidget] = []
    widget: QWidget | None = ready.setup.model_card.strip
    for _ in range(400):
        widget = None if widget is None else widget.nextInFocusChain()
        if widget is None:
            break
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            seen.append(widget)
    sentence = ready.setup.goal_card.sentence
    for wanted in (sentence.objective, sentence.tolerance, ready.setup.start_button):
        assert wanted in seen, wanted.accessibleName()
    order = [seen.index(w) for w in (sentence.objective, sentence.tolerance)]
    assert order == sorted(order)


def test_that_no_two_verbs_share_a_shortcut(ready: MainWindow) -> None:
    keys = [
        a.shortcut().toString(QKeySequence.SequenceFormat.PortableText)
        for a in ready.menus.actions.values()
        if not a.shortcut().isEmpty()
    ]
    assert len(keys) == len(set(keys)) >= 12


@pytest.mark.parametrize("look", ["light", "dark"])
def test_that_a_look_is_worn_and_remembered(window: MainWindow, qtbot: QtBot, look: str) -> None:
    window.menus.actions[f"look_{look}"].trigger()
    expected = LIGHT if look == "light" else DARK
    assert colours() is expected
    picture = window.grab().toImage()
    assert picture.pixelColor(600, 760 - 60).name().lower() == expected.window.lower()
    assert Settings().look() == look
    window.choose_look("system")
    assert theme().choice == "system"


def test_that_the_look_follows_the_system_unless_one_was_chosen(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = QGuiApplication.styleHints()
    system = SimpleNamespace(colorScheme=lambda: Qt.ColorScheme.Dark)
    window.choose_look("system")
    monkeypatch.setattr("gui.theme.QGuiApplication", SimpleNamespace(styleHints=lambda: system))
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert colours() is DARK
    window.choose_look("light")
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert colours() is LIGHT


def test_that_the_style_sheet_names_only_known_colours() -> None:
    for palette in (LIGHT, DARK):
        assert "$" not in style_sheet(palette, 10.0)


def test_that_icons_are_tinted() -> None:
    picture = pixmap("play", "#ff0000", 16).toImage()
    found = {
        picture.pixelColor(x, y).name()
        for x in range(picture.width())
        for y in range(picture.height())
        if picture.pixelColor(x, y).alpha() == 255
    }
    assert found == {"#ff0000"}


@pytest.mark.parametrize(
    "content", [b"\x00\xff\xfe broken [[[", b"[window]\ngeometry=@ByteArray(nonsense)\n", b"look"]
)
def test_that_broken_settings_are_survived(qtbot: QtBot, tmp_path: Path, content: bytes) -> None:
    path = Settings().path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    window = MainWindow()
    qtbot.addWidget(window)
    assert window.settings.look() == "system"
    assert window.settings.recent("models") == ()
    window.settings.add_recent("models", "/a.keras")
    window.settings.sync()
    assert Settings().recent("models") == ("/a.keras",)
    window.close()


def test_that_values_of_the_wrong_kind_count_as_absent(tmp_path: Path) -> None:
    store = QSettings(Settings().path.as_posix(), QSettings.Format.IniFormat)
    store.setValue("look", ["a", "b"])
    store.setValue("recent/models", 7)
    store.setValue("window/geometry", "wide")
    store.sync()
    settings = Settings()
    assert settings.look() == "system"
    assert settings.recent("models") in ((), ("7",))
    assert settings.geometry() is None


def test_that_recent_lists_are_short_and_newest_first() -> None:
    settings = Settings()
    for number in range(12):
        settings.add_recent("models", f"/{number}.keras")
    settings.add_recent("models", "/5.keras")
    found = settings.recent("models")
    assert found[:3] == ("/5.keras", "/11.keras", "/10.keras")
    assert len(found) == 9


def test_that_runs_are_listed_in_an_empty_window(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    from engine.runs import RunFolder
    from tests.gui import story

    base = tmp_path / "secateur-runs"
    folder = RunFolder.create(base / "2026-01-01-story", story.job())
    for event in story.whole():
        folder.append(event)
    folder.close()
    window._load_recent()
    qtbot.waitUntil(lambda: window.setup.welcome._runs.count() > 1, timeout=5_000)
    item = window.setup.welcome._runs.itemAt(0)
    link = None if item is None else item.widget()
    assert isinstance(link, QAbstractButton)
    assert "floor met" in link.text()
    link.click()
    qtbot.waitUntil(lambda: window.session.run is not None, timeout=5_000)
    assert window.stage == "search"


def test_that_a_folder_that_is_no_run_is_told(window: MainWindow, qtbot: QtBot) -> None:
    window.session.open_run(Path.cwd())
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=5_000)
    assert "no run folder" in window.banner.message.text()


def test_that_the_application_opens_its_argument_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from PySide6.QtCore import QTimer\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from gui.app import main\n"
        "from gui.main_window import MainWindow\n"
        "app = QApplication([])\n"
        "def look():\n"
        "    window = next(w for w in app.topLevelWidgets() if isinstance(w, MainWindow))\n"
        "    if window.banner.isVisible():\n"
        "        print(window.banner.message.text())\n"
        "        timer.stop()\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "timer = QTimer(); timer.timeout.connect(look); timer.start(50)\n"
        "sys.exit(main([sys.argv[1]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "gone.keras")],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gone.keras" in done.stdout
    assert done.stderr == ""
