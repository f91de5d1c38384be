"""When a fine-tune ends before its last epoch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.early import EarlyEnd

MARGINS = st.floats(-0.5, 0.05)


def watched(*whole: tuple[float, ...]) -> EarlyEnd:
    """After whole fine-tunes of five epochs with these margins, the last one judged anew."""
    early = EarlyEnd(tolerance=0.01, epochs=5)
    for margins in whole:
        early.begin()
        for margin in margins:
            early.look(margin)
        early.end(margins[-1])
    early.begin()
    return early


def test_that_one_far_inside_is_accepted_once_its_zeros_are_all_there() -> None:
    early = watched()
    assert [early.look(0.006) for _ in range(3)] == [None, None, "accept"]


def test_that_one_just_inside_goes_on() -> None:
    early = watched()
    assert [early.look(0.004) for _ in range(5)] == [None] * 5


def test_that_nothing_is_given_up_before_a_whole_fine_tune_has_shown_its_rise() -> None:
    early = watched()
    assert [early.look(-0.5) for _ in range(5)] == [None] * 5


def test_that_a_hopeless_one_is_given_up() -> None:
    early = watched((-0.02, -0.015, -0.01, -0.005, 0.001))
    assert [early.look(-0.04) for _ in range(3)] == [None, None, "reject"]


def test_that_one_that_may_still_rise_to_a_near_miss_goes_on() -> None:
    early = watched((-0.02, -0.015, -0.01, -0.005, 0.001))
    assert [early.look(-0.025) for _ in range(3)] == [None] * 3


def test_that_one_that_ended_early_tells_nothing_of_the_rise() -> None:
    early = watched()
    for margin in (0.0, 0.0, 0.006):
        early.look(margin)
    early.end(0.007)
    early.begin()
    assert [early.look(-0.5) for _ in range(4)] == [None] * 4


def test_that_the_rise_is_the_mean_of_whole_fine_tunes_alone() -> None:
    early = watched((-0.03, -0.02, -0.02, -0.01, 0.0), (-0.02, -0.02, -0.01, 0.0, 0.01))
    early.look(0.5)
    early.end(0.9)
    assert early.rise(3) == pytest.approx(0.02)
    assert early.rise(1) == pytest.approx(0.03)
    assert early.rise(5) == 0.0
    assert watched().rise(3) == 0.0


@given(first=st.tuples(*[MARGINS] * 5), second=st.tuples(*[MARGINS] * 5), epoch=st.integers(1, 4))
def test_that_going_on_after_some_epochs_decides_as_without_a_break(
    first: tuple[float, ...], second: tuple[float, ...], epoch: int
) -> None:
    through, resumed = watched(first), watched(first)
    decided = [through.look(margin) for margin in second]
    resumed.begin(second[:epoch])
    assert [resumed.look(margin) for margin in second[epoch:]] == decided[epoch:]
