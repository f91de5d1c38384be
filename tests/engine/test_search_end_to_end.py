"""The whole search on the sample: command line -> engine process -> checked file, and its ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from engine import api, ranges
from engine.childproc import child_environment, python_command
from engine.data.sample import sample_model_path
from engine.errors import EngineFailure, UserError
from engine.events import (
    BatchDone,
    EpochDone,
    Event,
    Exported,
    GoalSet,
    LatenciesMeasured,
    LayerState,
    Paused,
    PhaseStarted,
    ReportMeasured,
    Resumed,
    RunEnded,
    SensitivityMeasured,
    TrialDone,
    TrialStarted,
    Warned,
    WorkEstimated,
)
from engine.inspection import inspect_model
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.reader import open_model
from engine.report.result import result_of
from engine.runs import RunFolder
from engine.runstate import RunState
from engine.sparsity.rounding import layers_rounded
from engine.supervise import EngineProcess


def job(**changes: Any) -> Job:
    return Job(
        model=str(sample_model_path()),
        data=DataSpec(source="digits"),
        goal=Goal(tolerance=0.05),
        budget=Budget(epochs=2, max_trials=3),
        **changes,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One short search to its end, shared by the tests that only look at it."""
    run = tmp_path_factory.mktemp("search") / "run"
    return run, api.prune(job(), run)


def test_that_a_search_ends_with_a_smaller_model_that_holds(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    _, result = finished
    assert result["status"] == "met"
    assert result["final"]["params"] < result["baseline"]["params"]
    assert result["final"]["nonzero"] < 0.6 * result["final"]["params"]
    assert result["final"]["report"] >= result["baseline"]["report"] - 0.05 - 1e-9
    low, high = result["final"]["interval"]
    assert low < result["final"]["report"] < high
    assert result["cost"]["fine_tunes"] <= 3


def test_that_the_kept_model_is_the_one_that_was_reported(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    run, result = finished
    answer = inspect_model(run / "model.keras")
    assert answer["params"] == result["final"]["params"]
    assert answer["macs"] == result["final"]["macs"]
    zeros = sum(row["zeros"] or 0 for row in answer["layers"])
    assert answer["params"] - zeros == result["final"]["nonzero"]


def test_that_the_result_has_as_few_values_a_filter_as_it_says(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    run, result = finished
    best = next(t for t in result["trials"] if t["id"] == result["best_trial"])
    assert best["step"] == "quantize"
    file, weights = open_model(run / "model.keras")
    layers = layers_rounded(file.graph)
    assert layers
    for layer in layers:
        kernel = weights[layer]["kernel"]
        for column in kernel.reshape(-1, kernel.shape[-1]).T:
            assert len(np.unique(column)) <= best["weight_values"], layer
    tried = {t["weight_values"] for t in result["trials"] if t["weight_values"] and t["accepted"]}
    assert best["weight_values"] == min(tried)


def test_that_weights_are_trimmed_once_and_then_rounded(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    run, result = finished
    trials = {t["id"]: t for t in result["trials"]}
    parents = {e.trial: e.parent for e in RunFolder(run).events() if isinstance(e, TrialStarted)}
    trimmed = [t for t in result["trials"] if t["trimmed"]]
    held = [t for t in trimmed if t["accepted"]]
    assert len(held) == len(trimmed) == 1
    assert held[0]["epochs"] == 0
    before = trials[parents[held[0]["id"]]]
    zeros, more = (t["sparsity"] for t in (before, held[0]))
    assert (1 - more) / (1 - zeros) == pytest.approx(0.9, abs=0.01)
    rounded_ones = {parents[t["id"]] for t in result["trials"] if t["weight_values"]}
    assert rounded_ones == {held[0]["id"]}


def test_that_trials_tell_which_channels_are_left(finished: tuple[Path, dict[str, Any]]) -> None:
    run, result = finished
    events = tuple(RunFolder(run).events())
    parents = {e.trial: e.parent for e in events if isinstance(e, TrialStarted)}
    kept = {e.trial: kept_of(e.layers) for e in events if isinstance(e, TrialDone)}
    assert any(kept[trial] for trial in kept), "some layer was cut"
    for trial, parent in parents.items():
        for name, left in kept.get(parent or 0, {}).items():
            assert kept[trial][name] <= left, "what was removed never comes back"
    told = {layer["name"]: layer["kept"] for layer in result["layers"]}
    best = kept[result["best_trial"]]
    assert {name for name, text in told.items() if text is not None} == set(best)


def kept_of(layers: tuple[LayerState, ...]) -> dict[str, set[int]]:
    """The original channels left in each layer that was cut, as many as it says are left."""
    found = {s.name: set(ranges.from_text(s.kept)) for s in layers if s.kept is not None}
    assert {n: len(left) for n, left in found.items()} == {
        s.name: s.channels_kept for s in layers if s.channels_kept != s.channels
    }
    return found


@pytest.mark.slow
def test_that_a_search_for_latency_cuts_channels_alone_and_goes_by_multiply_adds(
    tmp_path: Path,
) -> None:
    goal = Goal(tolerance=0.05, minimise="latency")
    result = api.prune(replace(job(), goal=goal), tmp_path / "run")
    assert result["status"] == "met"
    assert all(t["sparsity"] < 0.01 for t in result["trials"])
    first = next(t for t in result["trials"] if t["kind"] == "probe")
    assert result["baseline"]["macs"] / first["macs"] == pytest.approx(2.0, rel=0.15)
    widths = {s["channels_kept"] for s in result["layers"] if s["kept"] is not None}
    assert all(w % 8 == 0 or w < 32 for w in widths)


def test_that_accepted_zeros_are_in_the_file(finished: tuple[Path, dict[str, Any]]) -> None:
    _, result = finished
    zeroed = [t for t in result["trials"] if t["accepted"]]
    assert zeroed
    assert all(t["nonzero"] < t["params"] for t in zeroed)


def test_that_the_tflite_file_was_checked(finished: tuple[Path, dict[str, Any]]) -> None:
    run, result = finished
    (export,) = result["exports"]
    assert (run / export["path"]).stat().st_size == export["bytes"]
    assert export["checks"]["reloaded"]
    assert export["checks"]["max_abs_diff"] < 1e-3
    assert export["checks"]["zeros"] == export["checks"]["model_zeros"]
    assert export["beside"].keys() == {"dense_float32", "dense_int8"}
    assert (run / f"{export['path']}.json").is_file()


def test_that_the_report_is_written_when_the_run_ends(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    run, result = finished
    page = (run / "report.html").read_text(encoding="utf-8")
    assert result["data_sha256"] in page
    assert all(control["interval"] for control in result["controls"].values())
    assert result["controls"]["dense_fine_tuned"]["nonzero"] == result["baseline"]["nonzero"]
    assert not list(run.glob(".report*"))


def test_that_the_journal_alone_gives_the_result(finished: tuple[Path, dict[str, Any]]) -> None:
    run, _ = finished
    folder = RunFolder.open(run)
    assert json.loads(json.dumps(result_of(folder.state()))) == folder.result()


def test_that_a_finished_run_is_not_run_again(finished: tuple[Path, dict[str, Any]]) -> None:
    run, result = finished
    before = (run / "journal.jsonl").read_bytes()
    assert api.resume(run) == result
    assert (run / "journal.jsonl").read_bytes() == before
    assert result["report_reads"] == 1


def test_that_the_user_s_model_is_not_touched(finished: tuple[Path, dict[str, Any]]) -> None:
    _, result = finished
    from engine.modelfile.reader import read_model

    assert read_model(sample_model_path()).sha256 == result["model"]["sha256"]


@pytest.mark.slow
def test_that_a_killed_engine_is_told_and_its_run_goes_on(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, whole = finished
    engine: list[EngineProcess] = []

    def kill_in_the_second_epoch(event: Event, state: RunState) -> None:
        accepted = any(t.accepted for t in state.trials)
        if accepted and isinstance(event, BatchDone) and event.step > event.steps // 2 + 1:
            pid = engine[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

    run = tmp_path / "run"
    with pytest.raises(EngineFailure, match="SIGKILL"):
        api.prune(job(), run, on_event=kill_in_the_second_epoch, on_start=engine.append)
    assert (run / "model.keras").is_file()
    done = [e for e in RunFolder.open(run).events() if isinstance(e, TrialDone)]
    begun = sum(trial.kind == "fine_tune" for trial in done) + 1
    told: list[Event] = []
    result = api.resume(run, on_event=lambda event, _: told.append(event))
    left = [event.fine_tunes_left for event in told if isinstance(event, WorkEstimated)]
    assert left[0] == 3 - begun, "what an earlier session did is no work left"
    assert result["status"] == whole["status"]
    assert _decisions(result) == _decisions(whole)
    epochs = [(e.trial, e.epoch) for e in RunFolder.open(run).events() if isinstance(e, EpochDone)]
    assert len(epochs) == len(set(epochs)), "an epoch was trained twice"
    assert {p.name for p in (run / "checkpoints").iterdir()} == {
        Path(t["checkpoint"]).name for t in result["trials"] if t["checkpoint"]
    }


def _decisions(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("id", "kind", "step", "accepted", "nonzero", "value")
    return [tuple(trial[k] for k in keys) for trial in result["trials"]]


def test_that_a_pause_holds_within_a_batch_and_a_stop_keeps_the_best(tmp_path: Path) -> None:
    engine: list[EngineProcess] = []
    seen: list[tuple[float, Event]] = []

    def watch(event: Event, state: RunState) -> None:
        seen.append((time.monotonic(), event))
        if isinstance(event, BatchDone) and event.step == 3 and event.trial == _first(seen):
            engine[0].send("pause")
        if isinstance(event, Paused):
            threading.Timer(1.5, engine[0].send, ["resume"]).start()
        if isinstance(event, TrialDone) and event.accepted:
            engine[0].send("stop")

    result = api.prune(job(), tmp_path / "run", on_event=watch, on_start=engine.append)
    kinds = [type(event) for _, event in seen]
    paused, resumed = kinds.index(Paused), kinds.index(Resumed)
    assert seen[resumed][0] - seen[paused][0] >= 1.0
    assert BatchDone not in kinds[paused:resumed]
    assert result["status"] == "stopped"
    assert result["final"]["nonzero"] < result["baseline"]["nonzero"]
    assert (tmp_path / "run" / "model.keras").is_file()


def test_that_the_result_is_whole_before_the_control_whatever_ends_that(tmp_path: Path) -> None:
    engines: list[EngineProcess] = []
    told: list[Event] = []

    def watch(event: Event, state: RunState) -> None:
        told.append(event)
        if not isinstance(event, PhaseStarted) or event.phase != "controls":
            return
        assert state.report is not None
        assert len(state.exports) == 1
        if len(engines) > 1:
            engines[-1].send("stop")
        elif (pid := engines[0].pid) is not None:
            os.kill(pid, signal.SIGKILL)

    short = replace(job(), budget=Budget(epochs=2, max_trials=1))
    run = tmp_path / "run"
    with pytest.raises(EngineFailure, match="SIGKILL"):
        api.prune(short, run, on_event=watch, on_start=engines.append)
    result = api.resume(run, on_event=watch, on_start=engines.append)
    for once in (ReportMeasured, LatenciesMeasured, Exported):
        assert sum(isinstance(event, once) for event in told) == 1
    assert [e.code for e in told if isinstance(e, Warned)][-1] == "control.stopped"
    assert isinstance(told[-1], RunEnded)
    assert told[-1].outcome == result["status"] == "met"
    assert result["controls"]["dense_fine_tuned"] is None
    assert result["controls"]["dense_int8"]["report"] > 0.5
    assert (run / result["exports"][0]["path"]).is_file()


def _first(seen: list[tuple[float, Event]]) -> int:
    return next(event.trial for _, event in seen if isinstance(event, BatchDone))


STARTER = """
import sys, time
from pathlib import Path
from engine.supervise import EngineProcess
process = EngineProcess(Path(sys.argv[1]))
process.start()
print(process.pid, flush=True)
next(process.events())
print("begun", flush=True)
time.sleep(600)
"""


def test_that_the_engine_dies_with_its_parent(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", job())
    with subprocess.Popen(
        [sys.executable, "-P", "-c", STARTER, str(folder.path)],
        stdout=subprocess.PIPE, text=True, env=child_environment(),
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.1)
    else:
        assert not psutil.pid_exists(pid)


def test_that_ctrl_c_keeps_the_best_and_exits_with_4(tmp_path: Path) -> None:
    command = python_command(
        "engine.cli", "prune", str(sample_model_path()), "--data", "digits", "--tolerance", "0.05",
        "--epochs", "30", "--max-trials", "6", "--out", str(tmp_path / "run"), "--json",
    )  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment(),
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        journal = tmp_path / "run" / "journal.jsonl"
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not (
            journal.exists() and b'"fine_tune"' in journal.read_bytes()
        ):
            time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 10
    assert process.returncode == 4, err
    assert json.loads(out)["status"] == "stopped"
    *_, last = RunFolder.open(tmp_path / "run").events()
    assert isinstance(last, RunEnded)
    assert last.outcome == "stopped"


def test_that_a_new_goal_uses_what_a_finished_run_knows(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, result = finished
    again = tmp_path / "run"
    shutil.copytree(run, again)
    further = api.resume(again, tolerance=0.1, max_trials=2)
    assert further["tolerance"] == 0.1
    assert further["floor"] == pytest.approx(result["floor"] - 0.05)
    assert further["report_reads"] == 2
    known, new = result["trials"], further["trials"][len(result["trials"]) :]
    assert further["trials"][0]["id"] == known[0]["id"]
    assert [t["seconds"] for t in further["trials"][: len(known)]] == [t["seconds"] for t in known]
    assert 1 <= sum(t["kind"] == "fine_tune" for t in new) <= 2
    held = {t["id"] for t in known if t["accepted"]}
    assert held <= {t["id"] for t in further["trials"] if t["accepted"]}, "kept on disk or not"
    assert further["final"]["nonzero"] <= result["final"]["nonzero"]
    events = list(RunFolder.open(again).events())
    (goal,) = [e for e in events if isinstance(e, GoalSet)]
    assert goal.first_trial == len(known) + 1
    measured = [e for e in events if isinstance(e, SensitivityMeasured)]
    assert len(measured) == len({(e.group, e.kept) for e in measured}) > 0


def test_that_a_new_goal_needs_a_run_that_has_ended(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", job())
    with pytest.raises(UserError, match="has not"):
        api.resume(folder.path, tolerance=0.1)
