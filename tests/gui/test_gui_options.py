"""The folded options: what is chosen is in the job, and comes back with a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.job import DataSpec
from engine.runs import RunFolder
from gui.main_window import MainWindow
from gui.views.options import OptionsForm, names_in
from gui.wishes import Options
from tests.gui import story


def test_that_names_are_split_at_commas() -> None:
    assert names_in(" conv1, block2/* ,,conv1") == ("conv1", "block2/*")
    assert names_in("  ") == ()


def test_that_options_come_back_as_they_were_shown(qtbot: QtBot) -> None:
    form = OptionsForm()
    qtbot.addWidget(form)
    options = Options(
        criterion="norm-l1",
        allocation="global",
        augment="flip,shift",
        exclude=("conv1", "g3"),
        through_norms=True,
        seed=5,
    )
    form.show_options(options)
    assert form.options() == options
    assert form.criterion.currentText().endswith("(L1 norm)")


def test_that_what_is_chosen_is_in_the_job(ready: MainWindow, qtbot: QtBot) -> None:
    form = ready.setup.goal_card.options
    ready.setup.goal_card.more.click()
    form.criterion.setCurrentIndex(form.criterion.findData("norm-l1"))
    form.allocation.setCurrentIndex(form.allocation.findData("global"))
    form.augment.setCurrentIndex(form.augment.findData("none"))
    form.norms.click()
    form.exclude.setFocus()
    qtbot.keyClicks(form.exclude, "conv1, conv7")
    qtbot.keyClick(form.exclude, Qt.Key.Key_Return)
    job = ready.session.wishes.job()
    assert (job.criterion, job.allocation, job.data.augment) == ("norm-l1", "global", "none")
    assert job.through_norms
    assert job.exclude == ("conv1", "conv7")
    ready.session.set_data(DataSpec(source="other.npz"))
    assert ready.session.wishes.job().data.augment == "none", "other data, same options"


def test_that_the_options_of_a_run_are_shown_again(
    ready: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    job = replace(
        story.job(),
        exclude=("conv2",),
        allocation="global",
        through_norms=True,
        data=DataSpec(source="fashion.npz", augment="none"),
    )
    folder = RunFolder.create(tmp_path / "run", job)
    for event in story.whole():
        folder.append(event)
    folder.close()
    ready.session.open_run(folder.path)
    qtbot.waitUntil(lambda: ready.session.run == folder.path, timeout=20_000)
    assert ready.setup.goal_card.options.exclude.text() == "conv2"
    options = ready.session.wishes.options
    assert (options.allocation, options.through_norms, options.augment) == ("global", True, "none")


def test_that_a_layer_is_left_alone_from_the_inspector(ready: MainWindow, qtbot: QtBot) -> None:
    ready.layers.layer_chosen.emit("conv3")
    button = ready.inspector.exclude_button
    assert button.text() == "Leave it alone"
    button.click()
    assert ready.session.wishes.job().exclude == ("conv3",)
    assert ready.setup.goal_card.options.exclude.text() == "conv3"
    assert button.text() == "Let it be cut again"
    button.click()
    assert ready.session.wishes.job().exclude == ()
    ready.layers.layer_chosen.emit("predictions")
    assert not button.isVisible(), "it cannot be cut anyway"
