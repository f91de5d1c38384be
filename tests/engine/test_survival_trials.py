"""What trials and whole searches survive: too little memory, NaN, explosions, lost checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from engine import events as ev
from engine.control import EngineControl, StepWatch
from engine.data import LoadedData, Part
from engine.errors import EngineFailure, TrialError, UserError
from engine.job import DataSpec, Job
from engine.runs import RunFolder
from engine.runstate import RunState, fold_all
from engine.search import needs, premises, session
from engine.search.asking import Ask, Asking
from engine.search.kept import kept, prune_checkpoints
from engine.search.regoal import Stage
from engine.search.survive import LossWatch, check_deaths, check_numbers, memory_named
from engine.search.trials import TrialRunner
from engine.search.verdict import Target
from engine.telling.sentences import needs as needs_words
from engine.training.settings import FineTuneSettings

JOB = Job(model="net.keras", data=DataSpec(source="digits"))
TARGET = Target(value=0.9, tolerance=0.05, given=False)
ASK = Ask(kind="fine_tune", step="channels", keep=0.5, why=ev.Why(code="bracket"))
SIZES = ev.Sizes(params=100, nonzero=90, macs=1000)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", JOB)


def done(
    number: int, value: float | None = 0.9, *, accepted: bool = True, best: bool = False,
    objective: float = 1.0, checkpoint: bool = True,
) -> ev.TrialDone:  # fmt: skip
    return ev.TrialDone(
        trial=number, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, value=value,
        accepted=accepted, best=best, epochs=2, seconds=3.0,
        sizes=replace(SIZES, objective=objective), layers=(),
        checkpoint=f"checkpoints/trial-{number:03}.keras" if checkpoint else None,
        why=ev.Why(code="accepted" if accepted else "failed", numbers={"message": "It broke."}),
    )  # fmt: skip


class Runner(TrialRunner):
    """A runner whose fine-tunes take what memory there is: ``room`` images a batch."""

    def __init__(
        self, folder: RunFolder, told: list[ev.Event], *, room: int, deaths: Any = ()
    ) -> None:
        context = SimpleNamespace(
            epochs=2, job=JOB, settings=FineTuneSettings(epochs=2, learning_rate=0.1),
            data=SimpleNamespace(train=range(1000)),
        )  # fmt: skip
        super().__init__(
            context, TARGET, folder, told.append, EngineControl(), meter=None,  # type: ignore[arg-type]
            clock=None, margins={}, phases=None, deaths=deaths,  # type: ignore[arg-type]
        )  # fmt: skip
        self.room = room
        self.batches: list[int] = []

    def _tune(self, trial: int, ask: Ask, epochs: int, batch: int) -> ev.TrialDone:
        self.batches.append(batch)
        if batch > self.room:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return done(trial)


def test_that_a_trial_out_of_memory_goes_on_at_half_the_batch_once(folder: RunFolder) -> None:
    told: list[ev.Event] = []
    runner = Runner(folder, told, room=32)
    assert runner.run(1, ASK).accepted
    assert runner.batches == [64, 32]
    (warned,) = [e for e in told if isinstance(e, ev.Warned)]
    assert warned.message == (
        "The memory was too small for this trial; it is tried again in batches of 32."
    )


def test_that_a_trial_out_of_memory_at_half_the_batch_fails(folder: RunFolder) -> None:
    runner = Runner(folder, [], room=8)
    failed = runner.run(1, ASK)
    assert (failed.value, runner.batches) == (None, [64, 32])
    assert failed.why.numbers["message"] == "The memory is too small for this trial."


def test_that_a_trial_in_which_the_engine_ran_out_of_memory_begins_at_half_the_batch(
    folder: RunFolder,
) -> None:
    died = ev.EngineDied(trial=1, cause="memory", how="was ended by SIGKILL", times=1)
    runner = Runner(folder, [], room=64, deaths=(died,))
    runner.run(1, ASK)
    runner.run(2, ASK)
    assert runner.batches == [32, 64]


def test_that_a_trial_in_which_the_engine_died_twice_fails_at_once(folder: RunFolder) -> None:
    died = ev.EngineDied(trial=1, cause="crash", how="was ended by SIGABRT", times=2)
    runner = Runner(folder, [], room=64, deaths=(died, died))
    failed = runner.run(1, ASK)
    assert runner.batches == []
    assert failed.why.numbers["message"] == (
        "The engine died in this trial 2 times: it was ended by SIGABRT."
    )
    check_deaths((died,))


def test_that_a_checkpoint_that_is_damaged_or_gone_is_no_end(folder: RunFolder) -> None:
    runner = Runner(folder, [], room=64)
    (folder.path / "checkpoints" / "trial-001.keras").write_bytes(b"half a file")
    assert runner.recall(done(1), None) is None, "what was accepted is trained again"
    rejected = runner.recall(done(1, accepted=False), None)
    assert rejected is not None
    assert rejected.checkpoint is None
    assert runner.recall(done(2, checkpoint=False), 1) == done(2, checkpoint=False)
    with pytest.raises(TrialError, match="trial 1"):
        runner.arm(1)


def test_that_memory_errors_of_all_kinds_are_the_trial_s() -> None:
    for error in (MemoryError(), tf.errors.ResourceExhaustedError(None, None, "x")):
        with pytest.raises(TrialError, match="memory"), memory_named():
            raise error


def test_that_an_exploding_training_is_named() -> None:
    watch = LossWatch()
    for loss in (2.3, 5.0):
        watch.batch(loss)
    watch.epoch(20.0)
    with pytest.raises(TrialError, match=r"exploded: the loss went from 2\.3 to 1e\+06\."):
        watch.epoch(1e6)


def test_that_answers_that_are_no_numbers_are_named() -> None:
    check_numbers(np.zeros((2, 3)))
    with pytest.raises(TrialError, match="no numbers: 1 of 6"):
        check_numbers(np.array([[0, 1, np.nan], [0, 0, 0]]))


def strategy(trials: int) -> Asking:
    for _ in range(trials):
        yield ASK


class Scripted:
    """A runner whose trials are given."""

    def __init__(self, *trials: ev.TrialDone) -> None:
        self.left = list(trials)

    def run(self, number: int, ask: Ask) -> ev.TrialDone:
        return self.left.pop(0)

    def recall(self, old: ev.TrialDone, parent: int | None) -> ev.TrialDone:
        return old


def drive(
    *trials: ev.TrialDone, before: session.Before | None = None, asks: int = 9
) -> tuple[ev.TrialDone | None, list[ev.Event]]:
    told: list[ev.Event] = []
    best = session._drive(
        strategy(asks), Scripted(*trials), TARGET,  # type: ignore[arg-type]
        session.Budgeted(fine_tunes=9, deadline_s=None), session.Start(number=0, best=None),
        before or session.Before(done={}, starts={}), told.append, EngineControl(),
    )  # fmt: skip
    return best, told


def test_that_three_failures_in_a_row_end_a_search_with_the_best_so_far() -> None:
    failures = [done(n, None, accepted=False) for n in (2, 3, 4)]
    best, told = drive(done(1, best=True), *failures)
    assert best is not None
    assert best.trial == 1
    (warned,) = [e for e in told if isinstance(e, ev.Warned)]
    assert warned.message == (
        "3 trials in a row failed, the last one because: It broke. The search ends with the best so"
        " far."
    )


def test_that_three_failures_with_nothing_accepted_are_told() -> None:
    with pytest.raises(EngineFailure, match=r"because: It broke\."):
        drive(*[done(n, None, accepted=False) for n in (1, 2, 3)])


def test_that_who_resumes_after_three_failures_has_them_tried_again() -> None:
    events: list[ev.Event] = [done(1, best=True)]
    events += [done(n, None, accepted=False) for n in (2, 3, 4)]
    error = EngineFailure("trials.failed", "3 trials in a row failed").info()
    state = fold_all([*events, ev.RunEnded(outcome="failed", error=error)])
    stage = Stage(first_trial=1, begins=False, known=())
    assert list(session._done_before(state, stage)) == [1]
    assert list(session._done_before(fold_all(events), stage)) == [1, 2, 3, 4]


def started(number: int, ask: Ask = ASK) -> ev.TrialStarted:
    return ev.TrialStarted(
        trial=number, kind=ask.kind, step=ask.step, keep=ask.keep, sparsity=ask.sparsity, epochs=2,
        parent=ask.parent, why=ask.why, weight_values=ask.weight_values,
        trimmed=ask.trim,
    )  # fmt: skip


def earlier(*starts: ev.TrialStarted) -> session.Before:
    """Each of them done: 0.91, 0.92 and so on."""
    return session.Before(
        done={s.trial: done(s.trial, 0.9 + s.trial / 100, best=s.trial == 1) for s in starts},
        starts={s.trial: s for s in starts},
    )


def test_that_trials_of_an_earlier_session_are_taken_up_where_they_are_asked_for_again() -> None:
    best, told = drive(done(3), before=earlier(started(1), started(2)), asks=3)
    assert best is not None
    assert (best.value, told) == (0.91, [ev.PhaseStarted(phase="channels")])


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, kind="probe"), replace(ASK, step="weights"), replace(ASK, keep=0.51),
        replace(ASK, sparsity=0.3), replace(ASK, parent=1), replace(ASK, weight_values=15),
        replace(ASK, trim=True),
    ],
)  # fmt: skip
def test_that_what_another_version_asked_for_is_dropped_with_all_that_came_after(
    other: Ask,
) -> None:
    before = earlier(started(1), started(2, other), started(3))
    best, told = drive(done(2, 0.95, best=True), done(3, 0.96), before=before, asks=3)
    assert told == [ev.PhaseStarted(phase="channels"), ev.TrialsDropped(first_trial=2)]
    assert best is not None
    assert best.value == 0.95
    assert list(before.done) == [1]


def test_that_the_state_forgets_dropped_trials_and_takes_the_best_of_the_others() -> None:
    events = [done(1, best=True), done(2, accepted=False), done(3, best=True), done(4)]
    state = fold_all([*events, ev.TrialsDropped(first_trial=3)])
    assert ([t.trial for t in state.trials], state.best) == ([1, 2], 1)
    assert fold_all([*events[2:], ev.TrialsDropped(first_trial=3)]).best is None


def test_that_a_metric_that_never_moves_is_named() -> None:
    same = [done(n, 0.9, accepted=False) for n in range(1, 10)]
    _, told = drive(*same)
    (warned,) = [e for e in told if isinstance(e, ev.Warned)]
    assert warned.message.startswith("The metric was exactly 0.9 for the first 5 models")
    _, told = drive(*same[:4], *[done(n, 0.8, accepted=False) for n in range(5, 10)])
    assert not told[1:]


def test_that_a_model_or_metric_of_no_numbers_is_refused() -> None:
    premises.check_baseline(np.zeros((4, 2)), 0.5, "accuracy")
    with pytest.raises(UserError, match=r"NaN.*: 1 of 8"):
        premises.check_baseline(np.array([[0, np.nan]] * 1 + [[0, 0]] * 3), 0.5, "accuracy")
    with pytest.raises(UserError, match="macro_f1 is nan"):
        premises.check_baseline(np.zeros((4, 2)), float("nan"), "macro_f1")


def parts(train: list[int], search: list[int], report: list[int]) -> Any:
    def part(labels: list[int]) -> Part:
        return Part(images=np.zeros((len(labels), 2, 2, 1)), labels=np.array(labels))

    return SimpleNamespace(
        labels_are="classes", train=part(train), search=part(search), report=part(report)
    )


def test_that_a_part_of_one_class_and_a_model_of_one_answer_are_named() -> None:
    data: LoadedData = parts([0, 1, 0], [1, 1], [0, 1])
    (warned,) = premises.doubts(data, np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert warned.message.endswith("telling classes apart: search.")
    data = parts([0, 1], [0, 1], [0, 1])
    (warned,) = premises.doubts(data, np.array([[0.0, 1.0], [0.2, 0.8]]))
    assert warned.message.endswith("the same answer for every search image: class 1.")
    assert not list(premises.doubts(data, np.eye(2)))


def state_of(*trials: ev.TrialDone) -> RunState:
    return fold_all(trials)


def test_that_the_front_is_kept_and_the_rest_says_so(folder: RunFolder) -> None:
    trials = [
        done(1, 0.95, objective=9.0), done(2, 0.94, objective=9.5), done(3, 0.93, objective=5.0),
        done(4, 0.80, objective=6.0, accepted=False), done(5, 0.80, objective=2.0, accepted=False),
        done(6, 0.92, objective=5.0, best=True), done(7, None, accepted=False, checkpoint=False),
    ]  # fmt: skip
    for trial in trials:
        folder.append(trial)
        if trial.checkpoint:
            (folder.path / trial.checkpoint).write_bytes(b"weights")
    names = {f"checkpoints/trial-{n:03}.keras" for n in (1, 3, 5, 6)}
    assert kept(folder.state()) == names
    prune_checkpoints(folder, folder.append)
    left = {f"checkpoints/{p.name}" for p in (folder.path / "checkpoints").iterdir()}
    assert left == names
    state = folder.state()
    assert [t.checkpoint is None for t in state.trials] == [False, True, False, True, False,
                                                            False, True]  # fmt: skip
    assert [t.keep for t in state.trials] == [0.5] * 7
    prune_checkpoints(folder, folder.append)
    assert kept(folder.state()) == names
    folder.close()


def test_that_a_finished_model_pushes_out_none_that_a_new_goal_would_go_on_from() -> None:
    trials = [
        done(1, 0.95, objective=9.0), done(2, 0.93, objective=5.0),
        replace(done(3, 0.96, objective=4.0), weight_values=31),
        replace(done(4, 0.96, objective=3.5), trimmed=True),
        replace(done(5, 0.96, objective=3.0, best=True), weight_values=31, trimmed=True),
    ]  # fmt: skip
    assert kept(state_of(*trials)) == {f"checkpoints/trial-{n:03}.keras" for n in (1, 2, 5)}


NEEDED = ev.NeedsEstimated(
    disk_bytes=50_000_000, disk_free_bytes=90_000_000, memory_bytes=2_000_000_000,
    memory_free_bytes=8_000_000_000, seconds=600.0,
)  # fmt: skip


def test_that_the_estimate_is_told_and_only_what_matters_is_warned_of() -> None:
    told: list[ev.Event] = []
    needs.check(NEEDED, Path("run"), limited=False, emit=told.append)
    assert told == [NEEDED]
    told.clear()
    long = replace(NEEDED, seconds=9000.0, memory_free_bytes=1_000_000_000)
    needs.check(long, Path("run"), limited=False, emit=told.append)
    messages = [e.message for e in told if isinstance(e, ev.Warned)]
    assert messages[0].startswith("The search may need 2.00\u00a0GB of memory, and 1.00\u00a0GB")
    assert messages[1].startswith("The search may take up to 2.5 hours.")


def test_that_a_search_that_will_not_fit_on_the_disk_is_refused() -> None:
    full = replace(NEEDED, disk_free_bytes=10_000_000)
    with pytest.raises(UserError, match=r"may need 50\.0.MB .*, and 10\.0.MB are free there: run"):
        needs.check(full, Path("run"), limited=False, emit=lambda event: None)


def test_that_steps_are_timed_between_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    times: Iterator[float] = iter([0.0, 5.0, 6.0, 7.0, 8.0])
    monkeypatch.setattr("engine.control.time", SimpleNamespace(monotonic=lambda: next(times)))
    watch = StepWatch(EngineControl())
    watch.checkpoint()
    assert watch.step_s is None
    for _ in range(4):
        watch.checkpoint()
    assert watch.step_s == 1.0


def test_that_the_estimate_is_a_sentence_for_people() -> None:
    sentence = needs_words(replace(NEEDED, seconds=9000.0)).replace("\u00a0", " ")
    assert sentence == (
        "up to 2.00 GB of memory (8.00 GB free) and 50.0 MB of disk (90.0 MB free);"
        " training up to 2 h 30 min."
    )
    unknown = replace(NEEDED, memory_free_bytes=None, disk_free_bytes=None, seconds=None)
    assert needs_words(unknown).endswith("of memory and 50.0\u00a0MB of disk.")
