"""The strategy of system C against a fake trainer: how it brackets the factor of the thresholds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.asking import Ask, Limits, Told
from engine.search.skeleton import skeleton

LIMITS = Limits(fine_tunes=8, tolerance=0.01)


def drive(
    breaks_at: float, limits: Limits = LIMITS, *, fails: tuple[int, ...] = ()
) -> list[tuple[Ask, Told]]:
    """A fake trainer in which training with a factor above ``breaks_at`` ends below the floor.

    Trials numbered in ``fails`` fail.
    """
    strategy = skeleton(limits)
    history: list[tuple[Ask, Told]] = []
    told: Told | None = None
    theta = 0.0
    while True:
        try:
            ask = next(strategy) if told is None else strategy.send(told)
        except StopIteration:
            return history
        theta = ask.theta or theta
        ruined = theta > breaks_at
        trained = ask.theta > 0
        drop = 0.02 if ruined else 0.015 if trained else 0.002
        told = Told(
            trial=len(history), keep=1.0 if trained else 1.0 - theta, sparsity=theta, value=0.9,
            drop=drop, margin=0.01 - drop, passed=drop < 0.01, objective=1e6 * (1 - theta),
            kept=True,
        )  # fmt: skip
        if len(history) in fails:
            told = replace(told, value=None, drop=None, margin=None, passed=False)
        assert ask.parent is None or ask.parent < len(history)
        assert not (ask.sweep and history[ask.parent or 0][1].value is None)
        history.append((ask, told))
        assert len(history) < 60, "the strategy does not end"


def thetas(history: list[tuple[Ask, Told]]) -> list[float]:
    return [ask.theta for ask, _ in history if ask.theta > 0]


def test_that_dead_filters_go_before_what_is_left_is_tuned() -> None:
    (first, trained), (second, swept), (third, _), *_ = drive(0.4)
    assert first.theta > 0
    assert first.parent is None
    assert first.keep == 1.0
    assert second.sweep
    assert second.parent == trained.trial
    assert third.theta == 0
    assert third.parent == swept.trial
    assert (third.keep, third.sparsity) == (swept.keep, swept.sparsity)


def test_that_the_factor_is_raised_and_then_bisected() -> None:
    found = thetas(drive(0.2))
    assert found[0] < found[1]
    assert found[1] > 0.2 > found[2] > found[0]
    down = thetas(drive(0.1))
    assert down[1] == down[0] / 2
    assert min(down) < 0.1


def test_that_a_raised_factor_starts_from_what_held() -> None:
    history = drive(0.4)
    second = [ask for ask, _ in history if ask.theta > 0][1]
    held = [told.trial for _, told in history if told.passed]
    assert second.parent in held


def test_that_a_failed_training_lowers_the_factor() -> None:
    found = thetas(drive(0.4, fails=(0,)))
    assert found[1] == found[0] / 2


@given(
    breaks_at=st.floats(0.0, 1.0), fine_tunes=st.integers(0, 9),
    fails=st.lists(st.integers(0, 12), max_size=3),
)  # fmt: skip
def test_that_no_budget_is_overrun(breaks_at: float, fine_tunes: int, fails: list[int]) -> None:
    history = drive(breaks_at, replace(LIMITS, fine_tunes=fine_tunes), fails=tuple(fails))
    assert sum(ask.kind == "fine_tune" for ask, _ in history) <= fine_tunes
    assert all(0 < theta < 0.7 for theta in thetas(history))


@pytest.mark.parametrize("limits", [replace(LIMITS, has_channels=False)])
def test_that_nothing_is_asked_where_nothing_can_go(limits: Limits) -> None:
    assert drive(0.4, limits) == []
