"""A new goal: what it makes of the trials that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import events as ev
from engine.job import Goal
from engine.runs import RunFolder
from engine.search.regoal import Stage, judge_again
from engine.search.verdict import Target
from tests.gui import story

SIZES = ev.Sizes(
    params=100, nonzero=100, macs=100, keras_bytes=1, tflite_bytes=1, tflite_gzip_bytes=1,
    tflite_int8_bytes=1, tflite_int8_gzip_bytes=1, objective=100.0,
)  # fmt: skip


def trial(number: int, value: float, *, checkpoint: bool, **changes: Any) -> ev.TrialDone:
    """A fine-tune of an earlier goal, or what ``changes`` make of it."""
    done = ev.TrialDone(
        trial=number, kind="fine_tune", step="channels", keep=0.5, sparsity=0.0, value=value,
        accepted=False, best=False, epochs=2, seconds=1.0,
        sizes=replace(SIZES, objective=100.0 - number), layers=(),
        checkpoint=f"checkpoints/trial-{number:03}.keras" if checkpoint else None,
        why=ev.Why(code="below_floor", numbers={"error": 0.0}),
    )  # fmt: skip
    return replace(done, **changes)


@pytest.mark.parametrize(("tolerance", "holds", "best"), [(0.03, (1, 2, 3), 2), (0.015, (1,), 1)])
def test_that_fine_tunes_are_judged_again_whether_their_checkpoints_were_kept_or_not(
    tmp_path: Path, tolerance: float, holds: tuple[int, ...], best: int
) -> None:
    known = (
        trial(1, 0.925, checkpoint=True),
        trial(2, 0.910, checkpoint=True),
        trial(3, 0.915, checkpoint=False),
        trial(4, 0.850, checkpoint=False),
        trial(5, 0.940, checkpoint=False, kind="probe", epochs=0),
        trial(6, 0.940, checkpoint=True, step="quantize", kind="probe"),
    )
    held: list[int] = []
    runner: Any = SimpleNamespace(
        recall=lambda done, parent: done, hold=lambda told: held.append(told.trial),
        goal=Goal(tolerance=tolerance),
    )  # fmt: skip
    told: list[ev.Event] = []
    found = judge_again(
        Stage(first_trial=7, begins=True, known=known),
        RunFolder.create(tmp_path / "run", story.job()),
        runner,
        Target(value=0.932, tolerance=tolerance, given=False),
        told.append,
    )
    (goal,) = told
    assert isinstance(goal, ev.GoalSet)
    assert (goal.accepted, goal.best) == (holds, best)
    assert held == [best]
    assert [t.trial for t in found] == [1, 2], "what can be gone on from"
    assert [t.best for t in found] == [t.trial == best for t in found]


def test_that_a_rounded_model_may_be_the_best_under_a_new_goal(tmp_path: Path) -> None:
    known = (
        trial(1, 0.925, checkpoint=True),
        trial(2, 0.924, checkpoint=True, kind="probe", step="quantize", weight_values=15),
    )
    held: list[int] = []
    runner: Any = SimpleNamespace(
        recall=lambda done, parent: done, hold=lambda told: held.append(told.trial),
        goal=Goal(tolerance=0.01),
    )  # fmt: skip
    found = judge_again(
        Stage(first_trial=3, begins=True, known=known),
        RunFolder.create(tmp_path / "run", story.job()),
        runner,
        Target(value=0.932, tolerance=0.01, given=False),
        [].append,
    )
    assert held == [2]
    assert [(t.trial, t.accepted, t.best) for t in found] == [(1, True, False), (2, True, True)]
