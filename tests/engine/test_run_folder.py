"""Run folder, run state and supervision, without any engine of Keras."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from engine import supervise
from engine.errors import UserError
from engine.job import DataSpec, Job
from engine.report.result import result_of
from engine.runs import JOURNAL, RunFolder, list_runs, new_run_path
from engine.runstate import RunState, fold_all
from engine.supervise import EngineProcess

JOB = Job(model="net.keras", data=DataSpec(source="digits"))
SIZES = ev.Sizes(params=100, nonzero=90, macs=1000)


def started() -> ev.RunStarted:
    return ev.RunStarted(run_id="r", job=JOB, time=1.0, device="cpu", versions={})


def trial(
    number: int, *, accepted: bool = True, best: bool = True, value: float = 0.9
) -> ev.TrialDone:
    return ev.TrialDone(
        trial=number, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, value=value,
        accepted=accepted, best=best, epochs=2, seconds=3.0, sizes=SIZES, layers=(),
        checkpoint=None, why=ev.Why(code="accepted", numbers={"value": value}),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return RunFolder.create(tmp_path / "run", JOB)


def test_that_a_job_comes_back_as_it_was(folder: RunFolder) -> None:
    assert RunFolder.open(folder.path).job() == JOB


def test_that_a_run_folder_is_never_made_over_another(folder: RunFolder) -> None:
    with pytest.raises(UserError, match="not empty"):
        RunFolder.create(folder.path, JOB)


def test_that_the_journal_gives_the_events_back(folder: RunFolder) -> None:
    events = [started(), ev.PhaseStarted(phase="data"), trial(1), ev.RunEnded(outcome="stopped")]
    for event in events:
        folder.append(event)
    folder.close()
    assert list(RunFolder(folder.path).events()) == events


def test_that_a_torn_last_line_is_passed_over_and_mended(folder: RunFolder) -> None:
    folder.append(started())
    folder.close()
    with (folder.path / JOURNAL).open("ab") as file:
        file.write(b'{"event":"TrialDone","tri')
    again = RunFolder(folder.path)
    assert list(again.events()) == [started()]
    again.append(trial(1))
    again.close()
    assert list(again.events()) == [started(), trial(1)]


def test_that_progress_inside_an_epoch_is_not_journaled(folder: RunFolder) -> None:
    folder.append(ev.BatchDone(trial=1, step=1, steps=2, loss=0.1))
    assert list(folder.events()) == []


def test_that_nan_becomes_null_on_the_way_to_the_journal(folder: RunFolder) -> None:
    folder.append(
        ev.EpochDone(trial=1, epoch=1, epochs=1, loss=float("nan"), value=None, seconds=1)
    )
    folder.close()
    assert b"NaN" not in (folder.path / JOURNAL).read_bytes()


def test_that_only_one_may_work_on_a_run(folder: RunFolder) -> None:
    folder.lock()
    other = RunFolder(folder.path)
    with pytest.raises(UserError, match="Another Secateur"):
        other.lock()
    folder.close()
    other.lock()
    other.close()


def test_that_a_second_run_of_a_day_gets_another_name(tmp_path: Path) -> None:
    first = new_run_path("a/net.keras", tmp_path)
    first.mkdir()
    assert new_run_path("a/net.keras", tmp_path) != first


def test_that_the_list_of_runs_tells_an_interrupted_one(folder: RunFolder) -> None:
    folder.append(started())
    folder.append(trial(1))
    folder.close()
    (summary,) = list_runs(folder.path.parent)
    assert summary.status == "interrupted"
    assert summary.nonzero_after == 90


def test_that_the_best_is_the_last_trial_that_said_so() -> None:
    state = fold_all([started(), trial(1), trial(2, accepted=False, best=False)])
    assert state.best == 1
    assert len(state.trials) == 2


def test_that_a_resumed_trial_replaces_itself() -> None:
    state = fold_all([started(), trial(1, value=0.8), trial(1, value=0.9)])
    assert [t.value for t in state.trials] == [0.9]


def test_that_losses_of_another_trial_are_not_mixed_in() -> None:
    begun = ev.TrialStarted(
        trial=2, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, epochs=1, parent=None,
        why=ev.Why(code="bracket"),
    )  # fmt: skip
    late = ev.BatchDone(trial=1, step=5, steps=9, loss=1.0)
    state = fold_all([started(), begun, late])
    assert state.running is not None
    assert state.running.losses == ()


def test_that_a_result_has_every_pinned_key_even_before_the_baseline() -> None:
    keys = [
        "schema",
        "status",
        "confirmed",
        "samples_needed",
        "report_reads",
        "metric",
        "target",
        "target_from",
        "tolerance",
        "floor",
        "drop",
        "seen",
        "baseline",
        "final",
        "controls",
        "trials",
        "cost",
        "layers",
        "model",
        "exports",
        "device",
        "seed",
        "versions",
        "data_sha256",
    ]
    result = result_of(RunState())
    assert set(keys) <= set(result)
    assert result["status"] == "stopped"


def play(folder: RunFolder, script: list[dict[str, Any]]) -> EngineProcess:
    (folder.path / "script.json").write_text(json.dumps(script))
    process = EngineProcess(folder.path, module="tests.engine.scripted_engine")
    process.start()
    return process


def line(event: ev.Event) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(ev.dump_event(event))
    return plain


def test_that_events_arrive_in_order_and_noise_is_ignored(folder: RunFolder) -> None:
    script = [
        line(started()), {"noise": "W0000 hello"}, {"event": "FromTheFuture", "x": 1},
        {"event": "PhaseStarted", "phase": 3}, line(trial(1)), line(ev.RunEnded(outcome="met")),
    ]  # fmt: skip
    assert list(play(folder, script).events()) == [started(), trial(1), ev.RunEnded(outcome="met")]


def test_that_nothing_follows_the_end_event(folder: RunFolder) -> None:
    script = [
        line(ev.RunEnded(outcome="met")),
        line(trial(1)),
        line(ev.RunEnded(outcome="stopped")),
    ]
    assert list(play(folder, script).events()) == [ev.RunEnded(outcome="met")]


def test_that_a_killed_engine_ends_the_run_with_its_signal_named(folder: RunFolder) -> None:
    *_, end = play(folder, [line(started()), {"kill": True}]).events()
    assert isinstance(end, ev.RunEnded)
    assert end.outcome == "failed"
    assert end.error is not None
    assert "SIGKILL" in end.error.message
    assert folder.state().status == "failed"


def test_that_an_engine_that_leaves_without_a_word_is_told_as_failed(folder: RunFolder) -> None:
    *_, end = play(folder, [line(started()), {"exit": 3}]).events()
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    assert "exit code 3" in end.error.message


def test_that_pause_resume_and_stop_are_obeyed(folder: RunFolder) -> None:
    process = play(folder, [line(started()), {"obey": True}])
    events = process.events()
    assert next(events) == started()
    process.send("pause")
    assert next(events) == ev.Paused()
    process.send("resume")
    assert next(events) == ev.Resumed()
    process.send("stop")
    assert list(events) == [ev.RunEnded(outcome="stopped")]


def test_that_a_stop_that_is_not_obeyed_is_enforced(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "STOP_GRACE_S", 0.2)
    process = play(folder, [line(started()), {"sleep": 60}])
    events = process.events()
    next(events)
    began = time.monotonic()
    process.send("stop")
    assert list(events) == [ev.RunEnded(outcome="stopped")]
    assert time.monotonic() - began < 10


def test_that_closing_ends_the_process(folder: RunFolder) -> None:
    process = play(folder, [{"sleep": 60}])
    threading.Timer(0.2, process.close).start()
    assert [type(e) for e in process.events()] == [ev.RunEnded]
