"""Other files than .keras and .h5 in the window: SavedModel folders, TFLite, custom layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from engine.errors import UserError
from engine.job import DataSpec
from engine.modelfile.consent import is_allowed
from gui import session as session_module
from gui.commands import JsonCommand, evaluate_command, gain_command
from gui.facts import ModelFacts
from gui.files import model_place
from gui.main_window import MainWindow
from gui.views.custom import CodeDialog
from tests.engine import modelfile_hostile as hostile
from tests.engine import modelfile_writers as writers
from tests.gui import story


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

    window.opener.ask_code = answer
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
    model = replace(story.facts(), custom=str(code))
    command = evaluate_command(model, DataSpec(source="digits"), None)
    with pytest.raises(UserError) as caught:
        JsonCommand(command, timeout_s=60.0).run()
    assert caught.value.code == "custom.untrusted"


def test_that_code_that_is_typed_or_dropped_is_asked_for_before_it_runs(
    ready: MainWindow, qtbot: QtBot, code: Path
) -> None:
    asked: list[tuple[str, str]] = []
    answers = [False, True, True]

    def answer(file: Path, what_for: str) -> bool:
        asked.append((file.name, what_for))
        return answers[len(asked) - 1]

    ready.opener.ask_code = answer
    ready.opener.path(code)
    assert ready.session.wishes.data == DataSpec(source=str(code))
    ready.setup.start_button.click()
    assert not ready.session.searching, "not allowed, not run"
    assert asked == [("mine.py", "A data script or a criterion of your own is to be used.")]
    ready.setup.start_button.click()
    assert ready.session.searching
    assert is_allowed(code)
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    ready.setup.start_button.click()
    assert len(asked) == 2, "allowed once, asked no more"
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)


def test_that_an_architecture_in_json_is_opened_with_its_weights(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[tuple[str, str | None]] = []

    def facts(
        path: Path, custom: Path | None = None, weights: Path | None = None, *_: object
    ) -> ModelFacts:
        read.append((path.name, None if weights is None else weights.name))
        return replace(story.facts(str(path)), weights=None if weights is None else str(weights))

    monkeypatch.setattr(session_module, "read_facts", facts)
    net, arrays = tmp_path / "net.json", tmp_path / "net.weights.h5"
    net.write_text("{}")
    arrays.write_bytes(b"")
    window.opener.ask_weights = lambda _model: arrays
    window.opener.path(net)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=10_000)
    window.session.set_data(DataSpec(source="digits"))
    assert window.session.wishes.job().weights == str(arrays)
    window.session.close_all()
    window.opener.drop([arrays, net])
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=10_000)
    assert read == [("net.json", "net.weights.h5")] * 2


def test_that_sizes_that_a_model_leaves_open_can_be_said(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    config = hostile.model(hostile.CONV)
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]
    path = hostile.write_keras(tmp_path / "open.keras", config)
    window.opener.path(path)
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    card = window.setup.model_card
    assert card.input_size.isVisible()
    assert "not measured" in card.numbers.text() or "unknown" in card.numbers.text()
    card.input_size.setText("12,12,3")
    card.input_size.editingFinished.emit()
    qtbot.waitUntil(lambda: "12" in card.numbers.text(), timeout=30_000)
    facts = window.session.wishes.model
    assert facts is not None
    assert facts.input_shape == (12, 12, 3)
    assert facts.opened.macs
    assert gain_command(facts)[-2:] == ["--input-shape", "12,12,3"]
    card.input_size.setText("12,12,7")
    card.input_size.editingFinished.emit()
    qtbot.waitUntil(lambda: window.banner.isVisible(), timeout=30_000)


def test_that_the_dialog_shows_the_file(qtbot: QtBot, code: Path) -> None:
    dialog = CodeDialog(code, "own.keras")
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.text.toPlainText() == code.read_text()
    assert dialog.text.isReadOnly()
    dialog.allow_button.click()
    assert dialog.result() == CodeDialog.DialogCode.Accepted
