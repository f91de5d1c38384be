"""The report: complete in itself, says what the journal says, and escapes what it is given."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine import api
from engine import events as ev
from engine.cli import run as run_command
from engine.errors import UserError
from engine.report import facts, files
from engine.report.page import report_data, report_page, write_report
from engine.report.pictures import cloud_svg, log_steps, round_steps, strip_svg
from engine.runs import RunFolder
from engine.telling import sentences
from engine.telling.ending import beside_words
from engine.telling.record import record_of
from tests.gui import story


class Reader(HTMLParser):
    """Tags, attributes and words of a page; raises where tags do not match."""

    VOID = frozenset({"meta", "br", "circle", "rect", "line", "polygon"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.data = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "style", "onload")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.data += data
        elif self._open[-1:] != ["style"]:
            self.words.append(data)


def read(page: str) -> Reader:
    """A page as its reader sees it."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def whole() -> tuple[Any, dict[str, Any], str]:
    """The record of a scripted run, its report as data and as a page."""
    record = record_of(story.whole())
    data = report_data(record)
    return record, data, report_page(record, data)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The scripted run on disk."""
    made = RunFolder.create(tmp_path / "story", story.job())
    for event in story.whole():
        made.append(event)
    made.close()
    return made


def test_that_a_report_is_one_page_that_loads_nothing_and_runs_nothing() -> None:
    _, data, page = whole()
    reader = read(page)
    assert reader.links == []
    assert reader.tags.count("script") == 1
    assert 'type="application/json"' in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert json.loads(reader.data) == data


def test_that_the_other_metrics_of_the_task_stand_beside_its_own() -> None:
    others = {"pixel_accuracy": (0.9696, 0.9681), "dice": (0.8949, 0.889)}
    events = [
        replace(event, others=others) if isinstance(event, ev.ReportMeasured) else event
        for event in story.whole()
    ]
    record = record_of(events)
    data = report_data(record)
    rows = data["beside"]["rows"]
    assert [row[0] for row in rows] == ["pixel accuracy", "Dice"]
    assert "97.0" in rows[0][1]
    assert "96.8" in rows[0][2]
    words = " ".join(read(report_page(record, data)).words)
    assert all(cell in words for row in rows for cell in row)
    metric = record.state.baseline.metric
    for side, figures in (("baseline", 0), ("final", 1)):
        found = data["result"][side]["metrics"]
        assert found == {metric: data["result"][side]["report"]} | {
            name: both[figures] for name, both in others.items()
        }
    assert "pixel accuracy" in beside_words(record.state)
    assert beside_words(record_of(story.whole()).state) == ""


def test_that_it_tells_each_decision_in_the_sentences_of_the_window() -> None:
    record, data, page = whole()
    words = " ".join(read(page).words)
    metric = record.state.baseline.metric
    for event in record.log:
        if isinstance(event, ev.TrialDone):
            text = sentences.sentence(event, metric)
            assert text in data["decisions"]
            assert text in words
    assert data["title"] == sentences.headline(record.state)


def test_that_controls_and_final_stand_beside_the_baseline_with_intervals() -> None:
    record, _, _ = whole()
    control = ev.ControlMeasured(
        name="dense_int8", search=0.91, report=0.9, epochs=0, interval=(0.88, 0.92)
    )
    rows = facts.accuracy(replace(record.state, controls=(control,))).rows
    assert [row[0].split(":")[0] for row in rows] == ["Before", "Control", "After"]
    assert rows[1][3] == "88.0 to 92.0\u00a0%"
    assert all("to" in row[3] for row in rows)


def test_that_nothing_is_shown_as_none_and_what_is_missing_is_said() -> None:
    events = story.beginning()
    record = record_of(events)
    page = report_page(record, report_data(record))
    words = " ".join(read(page).words)
    assert "None" not in words
    assert "nan" not in words.lower().split()
    assert "not measured" in words


def test_that_a_run_that_has_not_begun_has_no_report(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "empty", story.job())
    with pytest.raises(UserError, match="not begun") as raised:
        write_report(made)
    assert raised.value.code == "report.nothing"


def test_that_a_run_whose_engine_is_gone_is_called_interrupted(tmp_path: Path) -> None:
    made = RunFolder.create(tmp_path / "dead", story.job())
    for event in (*story.beginning(), *story.middle()):
        made.append(event)
    assert write_report(made)["status"] == "Interrupted"
    assert "has not ended" in write_report(made)["verdict"]
    made.lock()
    assert write_report(made)["status"] == "Running"
    made.close()


def test_that_names_from_a_model_never_become_markup() -> None:
    record = record_of(story.whole())
    evil = '</title></script><script>alert("1")</script><b a="'
    state = record.state
    layers = tuple(replace(layer, name=evil, reason=evil) for layer in state.layers)
    best = state.best_trial
    assert best is not None
    trials = tuple(replace(t, layers=layers) if t is best else t for t in state.trials)
    assert state.model is not None
    state = replace(state, trials=trials, model=replace(state.model, name=evil))
    record = replace(record, state=state)
    data = report_data(record)
    reader = read(report_page(record, data))
    assert reader.tags.count("script") == 1
    assert "b" not in reader.tags
    assert json.loads(reader.data)["title"] == data["title"]


def test_that_paths_of_the_computer_stay_out_of_what_is_handed_on() -> None:
    events: list[ev.Event] = [
        replace(e, source="/home/somebody/secret/data.npz") if isinstance(e, ev.DataOpened) else e
        for e in story.whole()
    ]
    record = record_of(events)
    words = " ".join(read(report_page(record, report_data(record))).words)
    assert "data.npz" in words
    assert "/home/" not in words


def test_that_every_layer_with_parameters_is_in_the_table() -> None:
    record, data, _ = whole()
    names = [row[0] for row in data["layers"]["rows"]]
    assert names == [s.name for s in record.state.layers if s.params]


def test_that_exports_made_later_are_in_the_report_the_newest_of_a_name(folder: RunFolder) -> None:
    first = {**story.export_answer("exports/late.tflite"), "bytes": 1000}
    folder.note_export(first)
    folder.note_export({**first, "bytes": 2000})
    with (folder.path / "exports.jsonl").open("ab") as file:
        file.write(b'{"path": "torn')
    data = write_report(folder)
    rows = [row for row in data["exports"]["rows"] if row[0] == "late.tflite"]
    assert [row[2] for row in rows] == ["2.00\u00a0KB"]
    assert (folder.path / "report.html").read_text().count("<html") == 1


def test_that_speed_is_said_against_the_uncut_files_of_the_same_turn() -> None:
    latency = {"median": 2.0, "p90": 3.0, "runs": 50, "threads": 2}
    beside = {
        "dense_float32": {"bytes": 9000, "gzip_bytes": 8000,
                          "latency_ms": {**latency, "median": 8.0}},
        "dense_int8": {"bytes": 3000, "gzip_bytes": 2000,
                       "latency_ms": {**latency, "median": 5.0}},
    }  # fmt: skip
    found = {
        "path": "a.tflite", "format": "tflite", "quantize": "int8", "bytes": 10, "gzip_bytes": 9,
        "checks": {"latency_ms": latency}, "beside": beside,
    }  # fmt: skip
    own, *uncut = files.export_table([found]).rows
    assert own[-2:] == ("4.0\u00d7", "2.5\u00d7")
    assert [row[0] for row in uncut] == ["not kept", "not kept"]


def test_that_the_command_writes_the_report_and_prints_it_as_json(
    folder: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["report", str(folder.path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == str(folder.path / "report.html")
    assert answer["bytes"] == (folder.path / "report.html").stat().st_size
    assert answer["report"]["result"]["schema"] == 1
    out = tmp_path / "there.html"
    api.report(folder.path, out)
    with pytest.raises(UserError, match="there already"):
        api.report(folder.path, out)
    assert run_command(["report", str(tmp_path / "nowhere")]) == 2


def test_that_the_strip_has_a_bar_a_layer_and_the_cloud_a_mark_a_model() -> None:
    record, _, _ = whole()
    state = record.state
    strip = strip_svg(state.layers)
    shown = [s for s in state.layers if s.prunable_weights]
    assert strip.count('class="slot"') == len(shown)
    cloud = cloud_svg(state, "nonzero")
    tunes = [t for t in state.trials if t.kind == "fine_tune" and t.value is not None]
    floor = state.baseline.floor if state.baseline else 0.0
    marks = cloud.count('class="accepted"') + cloud.count('class="rejected"')
    assert marks <= len(tunes)
    assert marks >= sum(t.value is not None and t.value >= floor for t in tunes)
    assert cloud.count('class="ring"') == 1
    assert strip_svg(()) == ""


def test_that_axes_have_round_values() -> None:
    assert round_steps(0.966, 0.993, 5) == pytest.approx([0.97, 0.98, 0.99])
    assert log_steps(7e3, 9e5) == pytest.approx([1e4, 2e4, 5e4, 1e5, 2e5, 5e5])
    assert log_steps(1.0, 1e9) == pytest.approx([10.0**k for k in range(10)])
