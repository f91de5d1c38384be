"""Where the fall of the value says that the next fine-tune should go."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.asking import Told
from engine.search.heuristic import BACK, FALL, FIRST_SHARE, LONGEST, SHORTEST, Fall


@given(met_at=st.floats(3.0, 100.0), first=st.floats(1.5, 200.0), second=st.floats(1.5, 200.0))
def test_that_two_fine_tunes_on_the_law_show_where_the_margin_is_spent(
    met_at: float, first: float, second: float
) -> None:
    fall = Fall()
    for reduction in (first, second):
        fall.note(reduction, told_by_the_law(reduction, met_at))
    assert fall.crossing() == pytest.approx(met_at)


@given(
    met_at=st.floats(3.0, 100.0),
    tried=st.lists(st.tuples(st.floats(1.5, 200.0), st.floats(-0.005, 0.005)), min_size=1),
)
def test_that_a_success_goes_further_and_a_failure_back(
    met_at: float, tried: list[tuple[float, float]]
) -> None:
    fall = Fall()
    for reduction, luck in tried:
        fall.note(reduction, told_by_the_law(reduction, met_at, luck))
    least, most = fall.holds * SHORTEST, fall.holds * LONGEST
    assert least <= fall.onward() <= most
    for reduction, _ in tried:
        back = fall.back(reduction)
        assert back is None or fall.holds < back < reduction


@given(
    points=st.lists(st.tuples(st.floats(1.0, 500.0), st.floats(-0.5, 0.5)), min_size=1, max_size=4),
    whole=st.floats(0.0, 0.2),
)
def test_that_any_drops_lead_somewhere(points: list[tuple[float, float]], whole: float) -> None:
    fall = Fall()
    for reduction, drop in points:
        fall.note(reduction, told(drop, margin=whole - drop))
    assert fall.holds * SHORTEST <= fall.onward() <= fall.holds * LONGEST
    assert fall.crossing() >= 1.0


def test_that_fine_tunes_that_lost_alike_lead_nowhere_and_do_not_overflow() -> None:
    fall = Fall()
    for drop in (-0.004, -0.004 + 1e-9):
        fall.note(7.0, told(drop, margin=0.01 - drop))
    assert fall.onward() == pytest.approx(7.0 * LONGEST)
    fall.note(7.0, told(1e-12, margin=0.01))
    fall.note(7.0, told(1e-12, margin=0.01))
    assert fall.crossing() == math.inf


def test_that_a_search_goes_back_further_while_nothing_holds() -> None:
    first, then = Fall(), Fall()
    then.note(2.0, told_by_the_law(2.0, 10.0))
    for fall in (first, then):
        fall.note(20.0, told_by_the_law(20.0, 10.0))
    assert first.back(20.0) == pytest.approx(10.0**FIRST_SHARE)
    assert then.back(20.0) == pytest.approx(10.0)


def test_that_a_model_that_gained_at_first_is_gone_back_with_to_where_its_margin_is_spent() -> None:
    """Drops of a small net that was trained too little; its margin of 0.01 is spent near 20x."""
    fall = Fall()
    for reduction, drop in ((6.2, -0.016), (14.4, -0.004)):
        fall.note(reduction, told(drop, margin=0.01 - drop))
    assert fall.onward() == pytest.approx(14.4 * LONGEST)
    fall.note(31.5, told(0.033, margin=-0.023))
    assert fall.back(31.5) == pytest.approx(20.0, rel=0.02)


@given(
    held=st.floats(1.5, 100.0),
    beyond=st.floats(1.1, 10.0),
    gained=st.floats(-0.02, 0.02),
    spare=st.floats(1e-4, 0.02),
    missed=st.floats(1e-4, 0.05),
)
def test_that_between_a_success_and_a_failure_it_is_the_line_from_one_to_the_other(
    held: float, beyond: float, gained: float, spare: float, missed: float
) -> None:
    fall, failed = Fall(), held * beyond
    fall.note(held, told(gained, margin=spare))
    fall.note(failed, told(gained + spare + missed, margin=-missed))
    crossing = fall.crossing()
    assert held * (1 - 1e-9) <= crossing <= failed * (1 + 1e-9)
    covered = math.log(crossing) ** FALL - math.log(held) ** FALL
    whole = math.log(failed) ** FALL - math.log(held) ** FALL
    assert covered / whole == pytest.approx(spare / (spare + missed), abs=1e-6)


def test_that_the_nearest_failure_counts_and_what_holds_beyond_it_ends_it() -> None:
    fall = Fall()
    fall.note(10.0, told(0.0, margin=0.006))
    fall.note(40.0, told(0.03, margin=-0.024))
    fall.note(20.0, told(0.012, margin=-0.006))
    assert fall.crossing() < 20.0
    fall.note(25.0, told(0.002, margin=0.004))
    assert 25.0 < fall.crossing() < 40.0, "20x failed with less training behind it"
    fall.note(50.0, told(0.004, margin=0.002))
    assert fall.crossing() > 50.0, "nothing has failed beyond what holds"


def test_that_a_failure_that_would_have_held_with_all_its_epochs_is_gone_back_from_least() -> None:
    fall = Fall()
    fall.note(10.0, told(0.002, margin=0.004))
    fall.note(20.0, replace(told(0.009, margin=-0.003), rise=0.004))
    assert fall.back(20.0) == pytest.approx(20.0 * BACK)


def test_that_one_that_ended_early_counts_as_what_it_would_have_come_to() -> None:
    whole, cut_short = Fall(), Fall()
    for fall in (whole, cut_short):
        fall.note(4.0, told_by_the_law(4.0, 10.0))
    whole.note(20.0, told_by_the_law(20.0, 10.0))
    cut_short.note(20.0, replace(told_by_the_law(20.0, 10.0, luck=-0.02), rise=0.02))
    assert cut_short.crossing() == pytest.approx(whole.crossing())


def told_by_the_law(reduction: float, met_at: float, luck: float = 0.0) -> Told:
    """A fine-tune of a model that spends a margin of 0.006 at a reduction."""
    lost = 0.006 * (math.log(reduction) / math.log(met_at)) ** FALL
    return told(lost - luck, margin=0.006 - lost + luck)


def told(drop: float, *, margin: float) -> Told:
    """A fine-tune with so much lost, and left."""
    return Told(
        trial=1, keep=1.0, sparsity=0.0, value=0.9, drop=drop, margin=margin, passed=margin >= 0,
        objective=1.0,
    )  # fmt: skip
