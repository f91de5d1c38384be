"""Whether pruning helps, asked before any search."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from engine.errors import EngineFailure
from engine.telling.gain import gain_lines, gain_table
from gui.commands import JsonCommand
from gui.main_window import MainWindow
from tests.gui import story


def width(keep: float, share: float) -> dict[str, Any]:
    """A copy as the command prints it."""
    latency = {"median": 2.0 * share, "p90": 3.0, "runs": 50, "threads": 2}
    size = int(400_000 * share)
    return {
        "keep": keep, "params": int(100_000 * share), "macs": 10, "latency_ms": latency,
        "latency_int8_ms": None,
        "sizes": {"tflite_bytes": size, "tflite_gzip_bytes": size, "tflite_int8_bytes": None},
    }  # fmt: skip


def answer(**changes: Any) -> dict[str, Any]:
    """What ``secateur preflight --json`` prints."""
    said = {"possible": False, "macs_1x1": 0.0, "sentence": "Zero weights cannot speed it up."}
    return {
        "groups": 5, "groups_pinned": 1, "params_removable": 0.98, "macs_removable": None,
        "time_removable": 0.75, "widths": [width(1.0, 1.0), width(0.5, 0.25)],
        "sparse_speed": said, **changes,
    }  # fmt: skip


def test_that_gains_are_told_in_sentences_with_what_was_measured() -> None:
    lines = gain_lines(answer())
    assert "4 of 5 channel groups are removable" in lines[0]
    assert "4.0\u00d7 smaller" in lines[1]
    assert "4.0\u00d7 faster" in lines[1]
    assert lines[2] == "Zero weights cannot speed it up."
    assert gain_table(answer())[1][-1] == "not measured"


def test_that_no_gain_is_said_plainly() -> None:
    lines = gain_lines(answer(groups_pinned=5))
    assert lines[0].startswith("No channel of this model can be removed")
    slow = answer(widths=[width(1.0, 1.0), {**width(0.5, 0.25), **{
        "latency_ms": width(1.0, 1.0)["latency_ms"]}}])  # fmt: skip
    assert "not faster" in gain_lines(slow)[1]


def test_that_the_window_asks_and_shows_the_answer(
    ready: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: JsonCommand) -> dict[str, Any]:
        asked.append(command.arguments)
        return answer()

    monkeypatch.setattr(JsonCommand, "run", run)
    line = ready.setup.gain
    assert line.answer.isHidden()
    line.ask_button.click()
    assert not line.ask_button.isEnabled()
    qtbot.waitUntil(lambda: not line.answer.isHidden(), timeout=5_000)
    assert asked[0][4] == "preflight"
    assert "4.0\u00d7 faster" in line.answer.text()
    assert line.ask_button.isEnabled()
    ready.session.take_model(replace(story.facts(), path="/models/other.keras"))
    assert line.answer.isHidden()


def test_that_a_model_that_cannot_be_measured_is_a_banner(
    ready: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: JsonCommand) -> dict[str, Any]:
        raise EngineFailure("export.converter", "The converter gave up: x.", "Hint.")

    monkeypatch.setattr(JsonCommand, "run", run)
    ready.setup.gain.ask_button.click()
    qtbot.waitUntil(lambda: ready.banner.isVisible(), timeout=5_000)
    assert "gave up" in ready.banner.message.text()
    assert ready.setup.gain.ask_button.isEnabled()
