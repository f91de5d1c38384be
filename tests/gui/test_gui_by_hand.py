"""Shrink by hand, floors of groups, and the layers of any trial: from the click to the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QSpinBox
from pytestqt.qtbot import QtBot

from engine import api
from engine.by_hand import ByHand
from engine.channels.cost import cost
from engine.channels.trace import trace
from engine.cli import build_parser
from engine.errors import UserError
from engine.modelfile.reader import read_model
from gui.commands import JsonCommand, plan_place
from gui.facts import read_facts
from gui.main_window import MainWindow
from gui.models.by_hand import KEEP, ZEROS, ByHandModel
from gui.resources import sample_model
from gui.views.layers import AS_OPENED, BY_HAND
from gui.views.options import floors_in, floors_text
from gui.weights import histogram
from tests.gui import story

FATAL = QAbstractItemModelTester.FailureReportingMode.Fatal


@pytest.fixture
def draft() -> ByHand:
    """The sample model, as it is."""
    return ByHand(sample_model(), read_facts(sample_model()).opened.layers)


@pytest.fixture
def at_hand(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window in which the sample is about to be shrunk by hand."""
    window.opener.model(sample_model())
    qtbot.waitUntil(lambda: window.session.wishes.model is not None, timeout=30_000)
    window.show_stage("layers")
    qtbot.mouseClick(window.layers.tabs.tabs[BY_HAND], Qt.MouseButton.LeftButton)
    page = window.layers.by_hand
    qtbot.waitUntil(lambda: page.currentIndex() == 1, timeout=30_000)
    return window


def test_that_the_estimate_of_the_whole_model_is_its_cost(draft: ByHand) -> None:
    whole = cost(read_model(sample_model()).graph)
    left = draft.left({}, {})
    assert sum(s.params for s in left) == whole.params
    assert sum(s.macs or 0 for s in left) == whole.macs
    assert left == draft.layers


def test_that_kept_shares_and_zeros_are_those_of_the_layers(draft: ByHand) -> None:
    group = next(g for g in draft.groups.values() if g.prunable)
    layer = group.producers[0]
    left = {s.name: s for s in draft.left({group.id: 0.5}, {layer: 0.8})}
    cut = left[layer]
    assert cut.channels_kept == round(0.5 * group.channels)
    assert cut.zeros == round(0.8 * cut.prunable_weights)
    assert cut.prunable_weights < next(s.prunable_weights for s in draft.layers if s.name == layer)
    pinned = next(g for g in draft.groups.values() if not g.prunable)
    assert draft.left({pinned.id: 0.5}, {}) == draft.layers, "what is pinned stays"


def test_that_the_model_holds_qts_contract_and_edits_whole_groups(
    qtbot: QtBot, draft: ByHand
) -> None:
    model = ByHandModel()
    tester = QAbstractItemModelTester(model, FATAL)
    edits: list[int] = []
    model.edited.connect(lambda: edits.append(1))
    model.show_draft(draft)
    row = next(i for i, s in enumerate(model.rows) if model.can_keep(s) and model.can_zero(s))
    index = model.index(row, KEEP)
    assert model.setData(index, 50)
    assert index.data() == "50\u00a0%"
    assert index.data(Qt.ItemDataRole.EditRole) == 50
    group = model.rows[row].group
    for number, layer in enumerate(model.rows):
        if layer.group == group:
            assert model.index(number, KEEP).data() == "50\u00a0%"
    assert model.setData(model.index(row, ZEROS), 400)
    assert model.sparsity == {model.rows[row].name: 0.99}
    assert not model.setData(model.index(row, 0), 5)
    fixed = next(i for i, s in enumerate(model.rows) if not model.can_keep(s))
    assert not model.flags(model.index(fixed, KEEP)) & Qt.ItemFlag.ItemIsEditable
    model.choose(range(len(model.rows)), keep=1.0, zeros=0.0)
    assert (model.keep, model.sparsity) == ({}, {})
    assert len(edits) == 4
    model.show_draft(None)
    assert tester is not None


def test_that_shares_are_chosen_for_all_for_some_and_for_one(
    at_hand: MainWindow, qtbot: QtBot
) -> None:
    page, strip = at_hand.layers.by_hand, at_hand.layers.strip
    before = page.facts.text()
    assert not page.save_button.isEnabled(), "nothing is chosen yet"
    page.keep.setValue(50)
    page.zeros.setValue(60)
    qtbot.mouseClick(page.all_button, Qt.MouseButton.LeftButton)
    assert page.save_button.isEnabled()
    assert page.facts.text() != before
    assert "\u00d7)" in page.facts.text()
    shown = next(s for s in strip._layers if s.prunable)
    assert (shown.channels_kept or 0) < (shown.channels or 0), "the strip follows"
    page.keep.setValue(25)
    page.table.selectRow(0)
    qtbot.mouseClick(page.some_button, Qt.MouseButton.LeftButton)
    layer = page.model.rows[page.proxy.mapToSource(page.proxy.index(0, 0)).row()]
    assert page.model.keep[layer.group or ""] == 0.25
    assert 0.5 in page.model.keep.values()

    index = page.proxy.index(0, KEEP)
    page.table.setCurrentIndex(index)
    page.table.edit(index)
    editor = page.table.findChild(QSpinBox)
    assert editor is not None
    assert (editor.minimum(), editor.maximum(), editor.value()) == (1, 100, 25)
    editor.setValue(80)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.model.keep[layer.group or ""] == 0.8, timeout=2_000)
    qtbot.mouseClick(page.reset_button, Qt.MouseButton.LeftButton)
    assert page.facts.text() == before
    assert "not measured" in "".join(label.text() for label in page.findChildren(type(page.words)))


def test_that_what_was_chosen_is_what_the_command_is_asked_for(
    at_hand: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page, asked = at_hand.layers.by_hand, []

    def answer(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        Path(command.arguments[7]).write_bytes(b"model")
        return {"params_after": 1234, "nonzero_after": 567}

    monkeypatch.setattr(JsonCommand, "run", answer)
    row = next(i for i, s in enumerate(page.model.rows) if page.model.can_zero(s))
    page.model.choose([row], keep=0.5, zeros=0.7)
    page.ask_place = lambda place: str(tmp_path / place.name)
    qtbot.mouseClick(page.save_button, Qt.MouseButton.LeftButton)
    assert page.saving
    qtbot.waitUntil(lambda: not page.saving, timeout=5_000)
    out = tmp_path / "digits-slim.keras"
    assert out.is_file()
    assert "1,234 parameters, 567 of them not zero" in page.result.text()
    layer = page.model.rows[row]
    options = build_parser().parse_args(asked[0][4:])
    assert dict(options.keep) == {"*": 1.0, layer.group: 0.5}
    assert dict(options.sparsity) == {layer.name: 0.7}
    assert options.save_plan == str(plan_place(out))
    page.ask_place = lambda _: ""
    page.save_button.click()
    assert not page.saving, "no place, no file"


def test_that_a_refusal_is_a_banner(
    at_hand: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_: JsonCommand) -> dict[str, Any]:
        raise UserError("out.no_folder", "The folder does not exist: x.", "Make it first.")

    monkeypatch.setattr(JsonCommand, "run", refuse)
    page = at_hand.layers.by_hand
    page.model.choose(range(3), keep=0.5)
    page.save(tmp_path / "x.keras")
    qtbot.waitUntil(lambda: at_hand.banner.isVisible(), timeout=5_000)
    assert "does not exist" in at_hand.banner.message.text()
    assert page.save_button.isEnabled()
    at_hand.banner.hide()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_that_the_real_engine_saves_what_the_page_estimated(
    at_hand: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    page = at_hand.layers.by_hand
    page.keep.setValue(50)
    page.zeros.setValue(60)
    page.all_button.click()
    page.ask_place = lambda place: str(tmp_path / place.name)
    qtbot.mouseClick(page.save_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.saving, timeout=540_000)
    assert not at_hand.banner.isVisible(), at_hand.banner.message.text()
    out = tmp_path / "digits-slim.keras"
    model = read_model(out)
    assert model.graph.params == sum(s.params for s in page.left)
    told = json.loads(plan_place(out).read_text())
    assert told["graph_digest"] == trace(read_model(sample_model()).graph).graph_digest
    again = tmp_path / "again.keras"
    answer = api.slim(sample_model(), again, plan=plan_place(out))
    assert f"{answer['nonzero_after']:,} of them" in page.result.text(), "the plan repeats it"
    qtbot.mouseClick(page.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: (
            at_hand.session.wishes.model is not None
            and at_hand.session.wishes.model.path == str(out)
        ),
        timeout=60_000,
    )


def test_that_a_floor_goes_into_the_job_and_is_shown_again(ready: MainWindow) -> None:
    ready.show_stage("layers")
    ready.layers.layer_chosen.emit("conv4")
    floor = ready.inspector.floor
    assert floor.isVisible()
    assert floor.text() == "No floor"
    floor.setValue(50)
    assert ready.session.wishes.job().floors == {"g4": 0.5}
    form = ready.setup.goal_card.options
    assert form.floors.text() == "g4=50 %"
    ready.layers.layer_chosen.emit("conv5")
    assert floor.text() == "No floor"
    ready.layers.layer_chosen.emit("bn4")
    assert floor.value() == 50, "it is the group's"
    form.floors.setText("g4=25 %, conv1=0, nonsense")
    form.floors.editingFinished.emit()
    assert ready.session.wishes.job().floors == {"g4": 0.25}
    ready.inspector.exclude_button.click()
    assert not ready.inspector.floor_row.isVisible(), "all of it stays"
    ready.inspector.exclude_button.click()
    floor.setValue(0)
    assert ready.session.wishes.job().floors == {}


def test_that_floors_read_as_they_are_written() -> None:
    floors = {"g1": 0.5, "block2/*": 0.125}
    assert floors_in(floors_text(floors)) == floors
    assert floors_in("a=101 %, b=-2, =5, c") == {}


def test_that_the_layers_of_any_trial_can_be_shown(
    ready: MainWindow, qtbot: QtBot, part: Callable[[str], None]
) -> None:
    part("whole")
    ready.setup.start_button.click()
    qtbot.waitUntil(lambda: not ready.session.searching, timeout=20_000)
    panel, state = ready.layers, ready.session.state
    assert panel.which.currentText() == "Fine-tune 10, the model kept"
    assert panel.file == (ready.session.run or Path()) / "checkpoints" / "trial-010.keras"
    ready.search.trial_chosen.emit(7)
    seventh = state.trial(7)
    assert seventh is not None
    assert panel.model.layers == seventh.layers, "the cloud leads to its layers"
    assert panel.which.currentText() == "Fine-tune 7"
    panel.which.setCurrentIndex(panel.which.findData(AS_OPENED))
    panel.which.activated.emit(panel.which.currentIndex())
    assert state.model is not None
    assert panel.model.layers == state.model.layers
    assert panel.file == Path(story.facts().path)
    ready.session.close_all()
    assert panel.currentIndex() == 0


def test_that_thresholds_follow_what_is_chosen(at_hand: MainWindow, qtbot: QtBot) -> None:
    page, weights = at_hand.layers.by_hand, at_hand.inspector.weights
    row = next(i for i, s in enumerate(page.model.rows) if s.prunable and page.model.can_zero(s))
    page.table.selectRow(row)
    assert at_hand.inspector.isVisible()
    qtbot.waitUntil(lambda: weights.kernel.isVisible(), timeout=30_000)
    assert weights.kernel.shown is not None
    assert weights.kernel.shown.threshold is None, "nothing is chosen yet"
    thresholds = []
    for percent in (80, 40):
        page.keep.setValue(percent)
        page.zeros.setValue(100 - percent)
        page.some_button.click()
        assert weights.gamma.shown is not None
        assert weights.gamma.shown.threshold is not None
        assert weights.kernel.shown.threshold is not None
        thresholds.append((weights.kernel.shown.threshold, weights.gamma.shown.threshold))
    assert thresholds[1] > thresholds[0] > (0.0, 0.0)
    assert None not in weights.picture.columns, "the file still has them"


def test_that_a_threshold_parts_the_smallest_values() -> None:
    found = histogram(np.arange(-50, 51, dtype=np.float32))
    half = found.cut(0.5).threshold
    assert half == pytest.approx(25, abs=1)
    assert found.cut(0.0).threshold == 0.0
    assert histogram(np.zeros(3, np.float32)).cut(0.5).threshold is None
