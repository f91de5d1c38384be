"""What becomes of a search whose engine process dies, and the sentence the person sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine import deaths
from engine import events as ev
from engine.childproc import PARENT, child_environment, outcome_of, python_command
from engine.deaths import Before, cause_of
from engine.job import DataSpec, Job
from engine.runs import JOURNAL, RunFolder
from engine.runstate import fold_all
from engine.supervise import EngineProcess
from engine.telling.sentences import problem, sentence

JOB = Job(model="net.keras", data=DataSpec(source="digits"))
STARTED = ev.RunStarted(run_id="r", job=JOB, time=1.0, device="cpu", versions={})
TRIAL = ev.TrialStarted(
    trial=3, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, epochs=1, parent=None,
    why=ev.Why(code="bracket"),
)  # fmt: skip
MET = ev.RunEnded(outcome="met")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return RunFolder.create(tmp_path / "run", JOB)


def plain(event: ev.Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ev.dump_event(event))
    return found


def in_a_trial(*then: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"journal": plain(STARTED)}, {"journal": plain(TRIAL)}, *then, {"journal": plain(MET)}]


def play(folder: RunFolder, script: list[dict[str, Any]]) -> list[ev.Event]:
    (folder.path / "script.json").write_text(json.dumps(script))
    process = EngineProcess(folder.path, module="tests.engine.scripted_engine")
    process.start()
    return list(process.events())


def test_that_a_crash_in_a_trial_is_survived_once(folder: RunFolder) -> None:
    events = play(folder, in_a_trial({"die": "SIGABRT", "times": 1}))
    (died,) = [e for e in events if isinstance(e, ev.EngineDied)]
    assert (died.trial, died.cause, died.times) == (3, "crash", 1)
    assert sentence(died) == (
        "The engine crashed (it was ended by SIGABRT) in trial 3; it goes on from the last whole"
        " epoch."
    )
    assert events[-1] == MET
    assert died in list(folder.events())


def test_that_a_trial_that_kills_twice_fails_and_one_that_kills_on_ends_the_run(
    folder: RunFolder,
) -> None:
    *events, end = play(folder, in_a_trial({"die": "SIGSEGV", "times": 9}))
    died = [e for e in events if isinstance(e, ev.EngineDied)]
    assert [d.times for d in died] == [1, 2]
    assert sentence(died[1]).endswith("again; that trial counts as failed, and the search goes on.")
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    assert "was ended by SIGSEGV" in end.error.message
    assert folder.state().deaths == (), "who resumes begins anew"


def test_that_a_kill_for_want_of_memory_goes_on_at_half_the_batch(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([4, 5, 5, 5])
    monkeypatch.setattr(deaths, "system_kills", lambda: next(counts))
    events = play(folder, in_a_trial({"die": "SIGKILL", "times": 1}))
    (died,) = [e for e in events if isinstance(e, ev.EngineDied)]
    assert sentence(died) == (
        "The engine ran out of memory in trial 3; it goes on from the last whole epoch at half the"
        " batch size."
    )
    assert events[-1] == MET


def test_that_somebody_s_kill_ends_the_run_and_says_how_to_go_on(folder: RunFolder) -> None:
    *_, end = play(folder, in_a_trial({"die": "SIGKILL", "times": 1}))
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    message, hint = problem(end.error)
    assert message == (
        "The engine process was ended by SIGKILL; what was accepted is kept in the run folder:"
        f" {folder.path}."
    )
    assert hint.startswith("Resume goes on")
    assert "secateur resume" in end.error.hint


def test_that_a_crash_outside_any_trial_ends_the_run(folder: RunFolder) -> None:
    *_, end = play(folder, [{"journal": plain(STARTED)}, {"die": "SIGABRT", "times": 1}])
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    assert end.error.code == "engine.died"


def test_that_no_memory_outside_a_trial_is_named(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([0, 1])
    monkeypatch.setattr(deaths, "system_kills", lambda: next(counts))
    *_, end = play(folder, [{"journal": plain(STARTED)}, {"kill": True}])
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    assert end.error.message.startswith("The engine process ran out of memory;")
    assert "--batch-size" in end.error.hint


@pytest.mark.parametrize("words", ["std::bad_alloc", "MemoryError", "OOM when allocating tensor"])
def test_that_last_words_tell_a_crash_for_want_of_memory(tmp_path: Path, words: str) -> None:
    log = tmp_path / "log.txt"
    log.write_text(f"{words} of an earlier engine\n")
    known = deaths.before(log)
    aborted = outcome_of(-6)
    assert cause_of(aborted, log, known) == "crash"
    with log.open("a") as file:
        file.write(f"terminate called after throwing {words}\n")
    assert cause_of(aborted, log, known) == "memory"
    assert cause_of(outcome_of(-15), log, Before(kills=0, log_bytes=0)) == "kill"


def test_that_deaths_count_for_their_own_trial_until_a_person_resumes() -> None:
    died = ev.EngineDied(trial=3, cause="memory", how="was ended by SIGKILL", times=1)
    state = fold_all([STARTED, TRIAL, died, STARTED])
    assert state.deaths_in(3) == (died,)
    assert state.deaths_in(4) == ()
    assert fold_all([STARTED, TRIAL, died, ev.RunEnded(outcome="stopped")]).deaths == ()


def test_that_an_engine_leaves_nothing_that_it_started(folder: RunFolder) -> None:
    play(folder, [{"child": 600}, {"journal": plain(STARTED)}, {"die": "SIGKILL", "times": 1}])
    child = int((folder.path / "child").read_text())
    assert gone(child)


def test_that_a_process_whose_parent_went_before_it_began_ends() -> None:
    done = subprocess.run(
        python_command("engine.childmain", "engine.jsonio:to_plain"), input=b"1",
        env={**child_environment(), PARENT: "1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, b"")


def test_that_a_command_of_the_window_s_ends_with_it(tmp_path: Path) -> None:
    python = [sys.executable, "-P", "-c"]
    starter = (
        "import subprocess, time\n"
        "from engine.childproc import child_environment\n"
        f"child = subprocess.Popen({[*python, WAITING]!r}, env=child_environment())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [*python, starter], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as window:
        assert window.stdout is not None
        child = int(window.stdout.readline())
        assert window.stdout.readline() == "at work\n"
        window.kill()
    assert gone(child)


WAITING = """
import sys, time, types
from engine import cli

def work(options):
    print("at work", flush=True)
    time.sleep(60)

sys.modules["engine.commands"] = types.SimpleNamespace(list_runs=work)
cli.main(["runs"])
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, or does within seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_that_a_run_at_work_is_refused_and_left_alone(folder: RunFolder) -> None:
    folder.append(STARTED)
    folder.lock()
    before = (folder.path / JOURNAL).read_bytes()
    process = EngineProcess(folder.path)
    process.start()
    (end,) = process.events()
    assert isinstance(end, ev.RunEnded)
    assert end.error is not None
    assert end.error.message == f"Another Secateur is working on this run: {folder.path}."
    assert (folder.path / JOURNAL).read_bytes() == before
    folder.close()


def test_that_a_run_folder_moved_away_from_a_running_engine_is_told_and_can_go_on(
    folder: RunFolder, tmp_path: Path
) -> None:
    script = in_a_trial({"sleep": 0.3}, {"die": "SIGABRT", "times": 1})
    (folder.path / "script.json").write_text(json.dumps(script))
    process = EngineProcess(folder.path, module="tests.engine.scripted_engine")
    process.start()
    events = process.events()
    next(events)
    os.rename(folder.path, tmp_path / "elsewhere")  # noqa: PTH104
    *_, end = events
    assert isinstance(end, ev.RunEnded)
    assert end.outcome == "failed"
    moved = RunFolder.open(tmp_path / "elsewhere")
    assert moved.state().status == "running"
    assert moved.job() == JOB
