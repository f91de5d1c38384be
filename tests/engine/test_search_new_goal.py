"""A new goal on a finished run: where the strategy goes on to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.search.asking import Ask, Told
from engine.search.heuristic import further, heuristic, split
from tests.engine.fake_search import LIMITS, fake_trainer, loss_of_size


def further_trials(
    known: tuple[Told, ...], drop_of: Callable[[float, float], float]
) -> list[tuple[Ask, Told]]:
    limits = replace(LIMITS, fine_tunes=3, known=known)
    return fake_trainer(further(limits), drop_of)


def test_that_a_new_goal_goes_on_from_what_is_known_without_a_probe() -> None:
    first = fake_trainer(heuristic(LIMITS), loss_of_size(10.0))
    known = tuple(
        replace(told, margin=(told.margin or 0) + 0.01, passed=told.margin is not None)
        for ask, told in first
        if ask.kind == "fine_tune"
    )
    history = further_trials(known, loss_of_size(25.0))
    assert sum(ask.kind == "fine_tune" for ask, _ in history) <= 3
    assert all(ask.kind == "fine_tune" or ask.sweep for ask, _ in history)
    held = max(1.0 / (t.keep**2 * (1 - t.sparsity)) for t in known if t.passed)
    ask, _ = history[0]
    assert 1.0 / (ask.keep**2 * (1 - ask.sparsity)) > held
    assert ask.parent in {t.trial for t in known}


def shown(trial: int, reduction: float, drop: float) -> Told:
    """A known fine-tune under a tolerance of one point."""
    keep, sparsity = split(reduction, LIMITS)
    return Told(
        trial=trial, keep=keep, sparsity=sparsity, value=0.93 - drop, drop=drop,
        margin=0.01 - drop, passed=drop <= 0.01, objective=1e6 / reduction, kept=True,
    )  # fmt: skip


def test_that_an_early_failure_does_not_end_a_new_goal() -> None:
    """A model gains by training: what held later, hardly smaller, has all of the margin left."""
    held = [shown(trial, r, 0.0) for trial, r in enumerate((3.0, 7.6, 9.2, 12.3, 14.8), 2)]
    early, late = ((shown(trial, 16.0, 0.015), *held) for trial in (1, 7))
    ask, _ = further_trials(early, loss_of_size(25.0))[0]
    assert 20.0 < 1.0 / (ask.keep**2 * (1.0 - ask.sparsity)) < 14.8 * 2.5
    trained = [a for a, _ in further_trials(late, loss_of_size(25.0)) if a.kind == "fine_tune"]
    assert trained == [], "as well trained as what held"


def test_that_the_last_fine_tune_of_a_new_goal_goes_back_where_nothing_new_holds() -> None:
    known = tuple(shown(trial, r, 0.0) for trial, r in enumerate((4.0, 10.0), 1))
    asked = [a for a, _ in further_trials(known, loss_of_size(12.0)) if a.kind == "fine_tune"]
    reached = [1.0 / (a.keep**2 * (1.0 - a.sparsity)) for a in asked]
    assert len(asked) == 3
    assert sorted(reached, reverse=True) == reached
    assert reached[-1] > 10.0


@pytest.mark.parametrize("kind", ["channels", "weights"])
def test_that_a_new_goal_leaves_alone_what_the_run_left_alone(kind: str) -> None:
    limits = replace(
        LIMITS, fine_tunes=3, has_channels=kind == "channels", has_weights=kind == "weights"
    )
    first = fake_trainer(heuristic(replace(limits, fine_tunes=6)), loss_of_size(6.0))
    known = tuple(told for ask, told in first if ask.kind == "fine_tune")
    history = fake_trainer(further(replace(limits, known=known)), loss_of_size(30.0))
    assert history
    if kind == "channels":
        assert all(ask.sparsity == 0.0 for ask, _ in history)
    else:
        assert all(ask.keep == 1.0 for ask, _ in history)


def test_that_a_stricter_goal_looks_between_what_holds_and_what_broke() -> None:
    known = (
        Told(trial=1, keep=0.8, sparsity=0.5, value=0.93, drop=0.0, margin=0.004, passed=True,
             objective=1.0),
        Told(trial=2, keep=0.5, sparsity=0.8, value=0.925, drop=0.005, margin=-0.004, passed=False,
             objective=0.5),
    )  # fmt: skip
    ask, _ = further_trials(known, loss_of_size(10.0))[0]
    reduction = 1.0 / (ask.keep**2 * (1 - ask.sparsity))
    assert 1.0 / (0.64 * 0.5) < reduction < 1.0 / (0.25 * 0.2)
    assert ask.why.code == "bisect"
