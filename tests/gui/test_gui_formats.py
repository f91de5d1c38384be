"""Other files than .keras and .h5 in the window: SavedModel folders, TFLite, custom layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from engine.errors import UserError
from engine.job import DataSpec
from engine.modelfile.consent import is_allowed
from gui.commands import JsonCommand, evaluate_command
from gui.files import model_place
from gui.main_window import MainWindow
from gui.views.custom import CustomDialog
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_writers as writers


@pytest.fixture(autouse=True)
def _own_consents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text("import keras\n\n\nclass MyLayer(keras.layers.Layer):\n    pass\n")
    return file


@pytest.fixture
def custom_model(tmp_path: Path) -> Path:
    config = hostile.model(hostile.CONV, hostile.layer("MyLayer"))
    return hostile.write_keras(tmp_path / "own.keras", config)


def test_that_a_savedmodel_folder_is_opened(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    kernel = np.ones((1, 1, 3, 2), "float32")
    folder = writers.write_savedmodel(tmp_path / "saved", hostile.model(hostile.CONV), kernel)
    window.opener.path(folder)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    assert window.setup.model_card.chip.text() == "SavedModel (Keras 2)"
    assert window.setup.model_card.name.text() == "saved"
    assert model_place(folder / "saved_model.pb") == folder


def test_that_a_tflite_file_is_shown_and_cannot_be_started(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = writers.write_tflite(tmp_path / "net.tflite", np.eye(4, dtype="float32"))
    window.opener.path(path)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    window.session.set_data(DataSpec(source="digits"))
    model = window.session.wishes.model
    assert model is not None
    assert "look at" in window.setup.model_card.chip.text()
    assert [(s.class_name, s.zeros) for s in model.opened.layers if s.params] == [
        ("FULLY_CONNECTED", 12)
    ]
    assert not window.session.wishes.ready
    assert not window.menus.actions["start"].isEnabled()


def test_that_a_model_with_layers_of_its_own_asks_for_their_file(
    window: MainWindow,
    qtbot: QtBot,
    custom_model: Path,
    code: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def answer(file: Path, model: str) -> bool:
        asked.append(file.name)
        return len(asked) > 1

    window.opener.ask_custom = answer
    window.opener.path(custom_model)
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=30_000)
    assert "MyLayer" in window.banner.message.text()
    assert window.banner.action_texts() == ["Name its Python file"]
    chosen = (str(code), "")
    monkeypatch.setattr("gui.opening.QFileDialog.getOpenFileName", lambda *_: chosen)
    press = next(b for b in window.banner.findChildren(QPushButton) if "Python" in b.text())
    press.click()
    assert not is_allowed(code)
    press.click()
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    assert is_allowed(code)
    assert window.session.wishes.model is not None
    assert window.session.wishes.model.custom == str(code)
    window.session.close_all()
    window.opener.custom(custom_model, code)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    assert asked == ["mine.py", "mine.py"]
    window.session.set_data(DataSpec(source="digits"))
    assert window.session.wishes.job().custom == str(code)


def test_that_a_changed_file_is_not_run_by_a_command_of_the_window(code: Path) -> None:
    command = evaluate_command(Path("m.keras"), DataSpec(source="digits"), None, str(code))
    with pytest.raises(UserError) as caught:
        JsonCommand(command, timeout_s=60.0).run()
    assert caught.value.code == "custom.untrusted"


def test_that_the_dialog_shows_the_file(qtbot: QtBot, code: Path) -> None:
    dialog = CustomDialog(code, "own.keras")
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.text.toPlainText() == code.read_text()
    assert dialog.text.isReadOnly()
    dialog.allow_button.click()
    assert dialog.result() == CustomDialog.DialogCode.Accepted
