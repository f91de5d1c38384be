"""The time left that a search tells: an upper bound from what was measured."""

from __future__ import annotations

import pytest

from engine import events as ev
from engine.search.clock import Clock


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(clock: Clock, time: Time, *, step_s: float, steps: int) -> None:
    clock.begin()
    for step in range(1, steps + 1):
        time.now += step_s
        clock.batch(step, steps)
    clock.end()


def test_that_the_time_left_falls_with_the_work_and_ends_at_nothing() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 2, time, control=False)  # type: ignore[arg-type]
    run(clock, time, step_s=1.0, steps=50)
    run(clock, time, step_s=1.0, steps=50)
    left = [event.seconds_left for event in told]
    assert left == sorted(left, reverse=True)
    assert left[0] == 100.0 - 10.0
    assert left[-1] == 0.0


def test_that_the_control_is_part_of_the_time_left() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 2, time, control=True)  # type: ignore[arg-type]
    run(clock, time, step_s=1.0, steps=50)
    assert told[-1].seconds_left == 50.0 + 2 * 50.0
    clock.begin_last()
    for step in range(1, 51):
        time.now += 1.0
        clock.batch(step, 50)
    assert told[-1].seconds_left <= 2.0


def test_that_batches_do_not_flood_the_listener() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 1, time, control=False)  # type: ignore[arg-type]
    run(clock, time, step_s=0.01, steps=1000)
    assert len(told) <= 7


def test_that_a_resumed_fine_tune_counts_the_steps_that_it_makes_itself() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 2, time, control=False)  # type: ignore[arg-type]
    clock.begin()
    for step in range(81, 101):
        time.now += 1.0
        clock.batch(step, 100)
    clock.end()
    assert told[0].seconds_left == 10.0 + 100.0
    assert told[-1].seconds_left == 100.0, "the other one is made from its first step"


def test_that_fine_tunes_of_earlier_sessions_say_how_long_the_next_ones_take() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 3, time, control=False, earlier_s=(20.0, 40.0))  # type: ignore[arg-type]
    run(clock, time, step_s=0.6, steps=50)
    assert told[-1].fine_tunes_left == 2
    assert told[-1].seconds_left == pytest.approx(2 * 30.0)


def test_that_the_control_trains_as_long_as_what_led_to_the_result() -> None:
    told: list[ev.WorkEstimated] = []
    time = Time()
    clock = Clock(told.append, 1, time, control=True, earlier_s=(50.0,))  # type: ignore[arg-type]
    clock.begin(chain=3.0)
    for step in range(1, 51):
        time.now += 1.0
        clock.batch(step, 50)
    clock.end()
    assert told[-1].seconds_left == 4 * 50.0
