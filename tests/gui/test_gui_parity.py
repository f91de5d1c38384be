"""What the command line can do, the window can, with the same result: option by option."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine import api, commands
from engine.cli import build_parser
from engine.job import Job
from gui.commands import JsonCommand
from gui.facts import ModelFacts
from gui.main_window import MainWindow
from gui.widgets.fields import Choice
from tests.gui import story

PRUNE = (
    "--data {data} --test {test} --metric macro_f1 --preprocess 0-1,bgr --group-by patient[0-9]+"
    " --ignore-label 255 --label-order 2,0,1 --seen no --augment flip,shift"
    " --class-weight balanced --target 0.91 --tolerance 0 --minimise latency"
    " --floor g2=0.5 --importance-init random --strategy structured --criterion taylor"
    " --exclude conv1 --exclude block2/* --through-norms --allocation global"
    " --sparse-for speed --quantize int8 --epochs 3"
    " --max-trials 5 --time 10m --l1-epochs 2 --batch-size 32 --round 4 --seed 7"
)
"""Every option of ``prune`` that the window sets, each with another value than its default."""

PROVEN = {
    "inspect": {"model": "open", "weights": "asked for", "custom": "asked for",
                "input_shape": "model card"},
    "preflight": {"model": "Will it help?", "weights": "asked for", "custom": "asked for",
                  "input_shape": "model card"},
    "evaluate": {
        **dict.fromkeys(("model", "weights", "custom", "data", "test", "metric"), "Measure now"),
        **dict.fromkeys(("preprocess", "group_by", "ignore_label", "label_order"), "Measure now"),
        **dict.fromkeys(("seen", "preview"), "Measure now"),
    },
    "export": dict.fromkeys(
        ("source", "weights", "custom", "to", "out", "quantize", "sparse", "io", "cluster", "data",
         "force", "input_shape"), "export stage",
    ),
    "resume": dict.fromkeys(("run", "target", "tolerance", "max_trials"), "Resume and New goal"),
    "report": {"run": "export stage"},
    "runs": {"base": "Preferences", "csv": "Copy as CSV"},
    "template": dict.fromkeys(("what", "out", "force"), "Write a data script"),
    "demo": {},
    "diagnostics": dict.fromkeys(("run",), "Help menu"),
}  # fmt: skip
"""Where the window does the same; each is tried by a flow test of that stage."""

ELSEWHERE = {
    ("prune", "out"): "the window names runs itself, below the folder of the preferences",
    ("demo", "out"): "the same",
    ("report", "out"): "the page is written into the run folder, and opened",
    ("report", "force"): "the page in the run folder is always the newest",
    ("evaluate", "split"): "the window looks at the search split; the report split is for the run",
}
"""What only the command line has, and why."""

BY_HAND = {"slim", "compare"}
"""Commands whose options the tests of the layers and compare stages hold."""


def options(command: str) -> Iterator[str]:
    """Names of a command's options and arguments, but for help and JSON."""
    parser = build_parser()
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for action in subparsers.choices[command]._actions:
        if action.dest not in ("help", "json"):
            yield action.dest


def names() -> list[str]:
    parser = build_parser()
    found = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return list(found.choices)


class Told(Exception):
    """The job that the command line would search."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> argparse.Namespace:
    """The options of ``prune`` as typed, with files that are there."""
    words = PRUNE.format(data=tmp_path / "d.npz", test=tmp_path / "t.npz").split()
    model = ["--weights", str(tmp_path / "w.h5"), "--custom", str(tmp_path / "own.py")]
    (tmp_path / "own.py").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return build_parser().parse_args(["prune", str(tmp_path / "net.json"), *model, *words])


def job_of_the_command_line(typed: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> Job:
    def caught(job: Job, *_: object, **__: object) -> None:
        raise Told(job)

    monkeypatch.setattr(api, "prune", caught)
    with pytest.raises(Told) as told:
        commands.prune(typed)
    return told.value.job


def type_in(box: Choice, text: str) -> None:
    """Type words of one's own into a choice."""
    line = box.lineEdit()
    assert line is not None
    line.setText(text)
    line.editingFinished.emit()


def test_that_the_window_makes_the_same_job(
    window: MainWindow, typed: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    expected = job_of_the_command_line(typed, monkeypatch)
    facts: ModelFacts = story.facts(typed.model)
    window.session.take_model(replace(facts, weights=typed.weights, custom=typed.custom))
    window.opener.path(Path(typed.data))
    data = window.setup.data_card
    type_in(data.preprocess, "0-1,bgr")
    data.seen.setCurrentIndex(data.seen.findData("no"))
    more = data.more
    more.fold.button.click()
    for line, text in (
        (more.test, typed.test), (more.group_by, "patient[0-9]+"), (more.ignore_label, "255"),
        (more.label_order, "2,0,1"),
    ):  # fmt: skip
        line.setText(text)
        line.editingFinished.emit()
    more.class_weight.setCurrentIndex(more.class_weight.findData("balanced"))
    sentence = window.setup.goal_card.sentence
    sentence.metric_box.setCurrentIndex(sentence.metric_box.findData("macro_f1"))
    sentence.objective.setCurrentIndex(sentence.objective.findData("latency"))
    sentence.mode.setCurrentIndex(1)
    sentence.floor.setValue(91.0)
    form = window.setup.goal_card.options
    window.setup.goal_card.more.click()
    for choice, key in (
        (form.strategy, "structured"), (form.criterion, "taylor"), (form.allocation, "global"),
        (form.sparse_for, "speed"), (form.quantize, "int8"),
    ):  # fmt: skip
        choice.setCurrentIndex(choice.findData(key))
    type_in(form.augment, "flip,shift")
    form.exclude.setText("conv1, block2/*")
    form.exclude.editingFinished.emit()
    form.norms.click()
    form.scales.setCurrentIndex(form.scales.findData("random"))
    form.floors.setText("g2=50 %")
    form.floors.editingFinished.emit()
    for whole, number in (
        (form.epochs, 3), (form.fine_tunes, 5), (form.minutes, 10), (form.l1_epochs, 2),
        (form.batch_size, 32), (form.round_to, 4), (form.seed, 7),
    ):  # fmt: skip
        whole.setValue(number)
    assert window.session.wishes.job() == expected


def test_that_every_option_is_in_the_window_or_has_a_reason() -> None:
    tried = {word[2:].replace("-", "_") for word in PRUNE.split() if word.startswith("--")}
    tried = {"round_to" if name == "round" else name for name in tried}
    known = {**PROVEN, "prune": dict.fromkeys({*tried, "model", "weights", "custom"}, "set-up")}
    for command in names():
        if command in BY_HAND:
            continue
        for name in options(command):
            assert name in known[command] or (command, name) in ELSEWHERE, (
                f"'secateur {command}' has the option {name}, and the window has not"
            )


def test_that_the_job_of_the_test_has_no_default_left(
    typed: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = build_parser().parse_args(["prune", "m.keras", "--data", "digits"])
    same = {
        name for name, value in vars(typed).items()
        if value == getattr(defaults, name) and ("prune", name) not in ELSEWHERE
    }  # fmt: skip
    assert same == {"command", "json"}


def test_that_a_data_script_is_written_by_the_same_command(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "data.py"
    monkeypatch.setattr("gui.opening.QFileDialog.getSaveFileName", lambda *_: (str(place), ""))
    with qtbot.waitSignal(window.opener.written, timeout=60_000):
        window.menus.actions["template"].trigger()
    assert "def train()" in place.read_text()
    assert str(place) in window.banner.message.text()


def test_that_nothing_is_asked_of_a_command_that_it_does_not_know() -> None:
    from engine.job import DataSpec
    from gui.commands import evaluate_command, gain_command, report_command, template_command

    data = DataSpec(
        source="d", test="t", preprocess="0-1", seen="no", group_by="p", ignore_label=1,
        label_order="found",
    )  # fmt: skip
    for command in (
        evaluate_command(story.facts(), data, "top5"), gain_command(story.facts()),
        report_command(Path("run")), template_command(Path("d.py")),
    ):  # fmt: skip
        build_parser().parse_args(JsonCommand(command, timeout_s=1.0).arguments[4:])
