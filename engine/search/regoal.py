"""A new goal on a finished run: its fine-tunes are judged again, and the search goes on from them.

Owns what of a run's trials still counts under another target or tolerance. Sensitivities, trials
and checkpoints are those that are there; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine import events as ev
from engine.job import Job
from engine.runs import RunFolder
from engine.runstate import RunState
from engine.search.asking import better
from engine.search.trials import TrialRunner, told_of
from engine.search.verdict import Target, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Which trials belong to which goal: those from ``first_trial`` on to the present one.

    ``known`` are the ones before; ``begins`` says that the present goal is new.
    """

    first_trial: int
    begins: bool
    known: tuple[ev.TrialDone, ...]


def stage_of(earlier: RunState, job: Job) -> Stage:
    """Where a run stands with the goal of its job."""
    before = earlier.job
    ended = earlier.status in ("met", "not_met")
    begins = ended and before is not None and before.goal != job.goal
    if begins:
        first = max((t.trial for t in earlier.trials), default=0) + 1
    elif earlier.goal_set is not None:
        first = earlier.goal_set.first_trial
    else:
        first = 1
    known = tuple(sorted((t for t in earlier.trials if t.trial < first), key=lambda t: t.trial))
    return Stage(first_trial=first, begins=begins, known=known)


def judge_again(
    stage: Stage,
    folder: RunFolder,
    runner: TrialRunner,
    target: Target,
    emit: Callable[[ev.Event], None],
) -> tuple[ev.TrialDone, ...]:
    """Take up the known trials whose checkpoints are there, with the verdict of this goal.

    Those that were judged and whose checkpoints were not kept get its verdict, too, for whoever
    looks at the run.
    """
    parents = {
        event.trial: event.parent for event in folder.events() if isinstance(event, ev.TrialStarted)
    }
    judged, seen = [], []
    for trial in stage.known:
        if trial.as_file:
            continue
        found = runner.recall(replace(trial, best=False), parents.get(trial.trial))
        if found is not None and found.checkpoint is not None:
            judged.append(_judged(found, target))
        elif trial.judged:
            seen.append(_judged(trial, target))
    tolds = {t.trial: told_of(t, target) for t in judged}
    best = None
    for told in tolds.values():
        if told.passed and (best is None or better(told, best)):
            best = told
    if best is not None:
        runner.hold(best)
    number = None if best is None else best.trial
    if stage.begins:
        emit(
            ev.GoalSet(
                goal=runner.goal, first_trial=stage.first_trial,
                accepted=tuple(sorted(t.trial for t in [*judged, *seen] if t.accepted)),
                best=number,
            )
        )  # fmt: skip
    return tuple(replace(t, best=t.trial == number) for t in judged)


def _judged(trial: ev.TrialDone, target: Target) -> ev.TrialDone:
    """A trial with this target's verdict; one that only prepared a cut stays what it is."""
    error = trial.why.numbers.get("error")
    if trial.value is None or trial.why.code == "prepared":
        return replace(trial, accepted=False)
    judgement = judge(trial.value, target, error if isinstance(error, float) else 0.0)
    numbers = {**trial.why.numbers, **judgement.why.numbers}
    return replace(trial, accepted=judgement.passed, why=replace(judgement.why, numbers=numbers))
