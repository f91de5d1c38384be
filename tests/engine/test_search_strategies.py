"""Strategies against a fake trainer: what they ask, and what they end with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.accepted import then_quantized
from engine.search.asking import Ask, Told, better
from engine.search.heuristic import (
    NOTCH,
    REDUCTIONS,
    further,
    heuristic,
    split,
)
from engine.search.published import grid, three_step
from engine.search.single import structured, unstructured
from engine.search.verdict import Target, judge
from tests.engine.fake_search import LIMITS, accepted, fake_trainer, loss_of_size


def smooth_drop(limit_keep: float, limit_sparsity: float) -> Callable[[float, float], float]:
    """A drop of exactly one tolerance at either limit alone, rising steeply beyond."""

    def drop(keep: float, sparsity: float) -> float:
        channels = (limit_keep / max(keep, 1e-6)) ** 2
        weights = ((1 - limit_sparsity) / max(1 - sparsity, 1e-6)) ** 2
        return 0.01 * max(channels, weights) if sparsity > 0 else 0.01 * channels

    return drop


@given(
    limit_keep=st.floats(0.05, 0.95),
    limit_sparsity=st.floats(0.05, 0.97),
    fine_tunes=st.integers(1, 12),
)
def test_that_the_heuristic_never_spends_more_than_its_fine_tunes(
    limit_keep: float, limit_sparsity: float, fine_tunes: int
) -> None:
    limits = replace(LIMITS, fine_tunes=fine_tunes)
    history = fake_trainer(heuristic(limits), smooth_drop(limit_keep, limit_sparsity))
    assert sum(ask.kind == "fine_tune" for ask, _ in history) <= fine_tunes


@given(limit_keep=st.floats(0.08, 0.9))
def test_that_eight_fine_tunes_of_channels_come_close_to_the_smallest_keep_that_holds(
    limit_keep: float,
) -> None:
    history = fake_trainer(structured(replace(LIMITS, fine_tunes=8)), smooth_drop(limit_keep, 0.5))
    best = min(t.keep for t in accepted(history))
    assert limit_keep <= best <= limit_keep * 1.35


@given(limit=st.floats(0.35, 0.96))
def test_that_eight_fine_tunes_of_weights_come_close_to_the_largest_sparsity_that_holds(
    limit: float,
) -> None:
    history = fake_trainer(unstructured(replace(LIMITS, fine_tunes=8)), smooth_drop(0.1, limit))
    best = max((t.sparsity for t in accepted(history)), default=0.0)
    assert best <= limit + 1e-9
    assert (1 - best) <= (1 - limit) * 1.4


def test_that_the_heuristic_joins_both_kinds_of_pruning() -> None:
    history = fake_trainer(heuristic(LIMITS), smooth_drop(0.3, 0.8))
    best = min(accepted(history), key=lambda t: t.objective or 0)
    assert best.keep < 0.55
    assert best.sparsity > 0.4


def test_that_a_fine_tune_starts_from_an_accepted_checkpoint_that_is_cut_less() -> None:
    history = fake_trainer(heuristic(replace(LIMITS, fine_tunes=10)), smooth_drop(0.3, 0.8))
    by_trial = {told.trial: told for _, told in history}
    parents = [(ask, by_trial[ask.parent]) for ask, _ in history if ask.parent is not None]
    assert parents
    for ask, parent in parents:
        assert parent.passed
        assert parent.keep >= ask.keep - 1e-9
        assert parent.sparsity <= ask.sparsity + 1e-9


def test_that_a_fine_tune_that_is_left_trains_the_result_on_as_it_is() -> None:
    limits = replace(LIMITS, fine_tunes=20)
    history = fake_trainer(heuristic(limits), smooth_drop(0.3, 0.8))
    *before, (last, told), (sweep, _) = history
    assert last.why.code == "polish"
    assert sweep.sweep
    best = min(accepted(before), key=lambda t: t.objective or 0)
    assert (last.keep, last.sparsity, last.parent) == (best.keep, best.sparsity, best.trial)
    assert sweep.parent in (best.trial, told.trial)
    assert told.passed


def test_that_the_last_fine_tune_trains_on_what_barely_failed() -> None:
    """It is kept for the balance, but what almost holds is the surer gain."""
    asked = itertools.count(-len(REDUCTIONS))  # the probes come first

    def drop(keep: float, sparsity: float) -> float:
        """The fifth fine-tune misses by a tenth of the tolerance, all others hold."""
        return 0.011 if next(asked) == 4 else 0.004

    history = fake_trainer(heuristic(LIMITS), drop, kept=True)
    tunes = [(ask, told) for ask, told in history if ask.kind == "fine_tune"]
    assert len(tunes) == 6
    (missed, at), (last, held) = tunes[-2:]
    assert not at.passed
    assert (last.why.code, last.parent, last.keep) == ("again", at.trial, missed.keep)
    assert held.passed


def test_that_a_balance_at_its_floors_asks_for_no_model_again() -> None:
    limits = replace(LIMITS, fine_tunes=30, smallest_keep=0.5)
    history = fake_trainer(heuristic(limits), lambda keep, sparsity: 0.001)
    asked = [(a.keep, a.sparsity) for a, _ in history if a.why.code in ("cut_on", "more_sparsity")]
    assert len(asked) == len(set(asked))
    assert history[-2][0].why.code == "polish"


def test_that_the_last_fine_tune_never_ends_early() -> None:
    for fine_tunes in (1, 3, 6):
        limits = replace(LIMITS, fine_tunes=fine_tunes)
        history = fake_trainer(heuristic(limits), lambda keep, sparsity: 0.001)
        *before, last = [ask for ask, _ in history if ask.kind == "fine_tune"]
        assert len(before) == fine_tunes - 1
        assert not last.early
        assert all(ask.early for ask in before)


def test_that_a_notch_of_the_balance_asks_alike_of_channels_and_of_weights() -> None:
    history = fake_trainer(heuristic(replace(LIMITS, fine_tunes=14)), smooth_drop(0.3, 0.8))
    notches = [
        (ask, best)
        for index, (ask, _) in enumerate(history)
        if ask.why.code in ("cut_on", "more_sparsity")
        for best in [min(accepted(history[:index]), key=lambda t: t.objective or 0)]
    ]
    assert {ask.why.code for ask, _ in notches} == {"cut_on", "more_sparsity"}
    for ask, best in notches:
        ratio = best.keep**2 * (1 - best.sparsity) / (ask.keep**2 * (1 - ask.sparsity))
        assert ratio == pytest.approx(NOTCH)


def test_that_equal_sizes_are_told_apart_by_their_reserve() -> None:
    told = fake_trainer(unstructured(LIMITS), smooth_drop(0.1, 0.9))[0][1]
    assert told.margin is not None
    assert told.objective is not None
    reserve = replace(told, margin=told.margin + 0.001)
    assert better(reserve, told)
    assert not better(told, reserve)
    assert better(replace(told, objective=told.objective * 0.9), reserve)
    assert not better(replace(reserve, objective=told.objective * 1.1), told)


def test_that_a_model_that_cannot_be_cut_is_left_to_its_weights() -> None:
    history = fake_trainer(heuristic(replace(LIMITS, has_channels=False)), smooth_drop(0.3, 0.8))
    assert {ask.step for ask, _ in history} == {"weights"}


def test_that_a_search_in_which_nothing_holds_accepts_nothing_and_ends() -> None:
    history = fake_trainer(heuristic(LIMITS), lambda keep, sparsity: 0.5)
    assert accepted(history) == []


@given(reduction=st.floats(1.0, 400.0), floor=st.floats(0.0, 0.3))
def test_that_a_reduction_is_what_channels_and_weights_together_leave(
    reduction: float, floor: float
) -> None:
    path = tuple((k / 100, max(floor, (k / 100) ** 2)) for k in range(100, 2, -1))
    limits = replace(LIMITS, path=path)
    keep, sparsity = split(reduction, limits)
    left = limits.share_at(keep) * (1.0 - sparsity)
    assert left == pytest.approx(1.0 / reduction, rel=1e-6) or sparsity == 0.98
    assert 0.0 < keep <= 1.0


@given(smaller=st.floats(1.0, 200.0), ratio=st.floats(1.0, 4.0))
def test_that_a_larger_reduction_is_part_of_the_smaller_one(smaller: float, ratio: float) -> None:
    """So that each fine-tune can start from the one before."""
    path = tuple((k / 100, (k / 100) ** 2) for k in range(100, 2, -1))
    limits = replace(LIMITS, path=path)
    (keep, sparsity), (further, sparser) = split(smaller, limits), split(smaller * ratio, limits)
    assert further <= keep
    assert sparser >= sparsity - 0.02  # the path's steps are coarse


def test_that_little_is_taken_from_weights_alone() -> None:
    assert split(2.5, LIMITS)[0] == 1.0


@given(limit=st.floats(3.0, 150.0))
def test_that_five_fine_tunes_come_close_to_the_largest_reduction_that_holds(limit: float) -> None:
    """A net that loses by how few parameters are left, wherever they went."""

    def drop(keep: float, sparsity: float) -> float:
        return 0.01 * (1.0 / (limit * keep**2 * (1.0 - sparsity))) ** 1.5

    history = fake_trainer(heuristic(replace(LIMITS, fine_tunes=8)), drop)
    reached = max((1.0 / (t.keep**2 * (1 - t.sparsity)) for t in accepted(history)), default=1.0)
    assert limit / 1.6 <= reached <= limit * 1.001


def test_that_short_fine_tunes_begin_with_a_smaller_cut() -> None:
    def first(steps: int) -> float:
        history = fake_trainer(heuristic(replace(LIMITS, steps=steps)), loss_of_size(20.0))
        ask = next(ask for ask, _ in history if ask.kind == "fine_tune")
        return 1.0 / (ask.keep**2 * (1.0 - ask.sparsity))

    assert first(50) < first(200) < first(1000) == first(5000)


def test_that_a_near_miss_is_trained_on_from_where_it_is() -> None:
    strategy = heuristic(LIMITS)
    ask = next(strategy)
    while ask.kind == "probe":
        ask = strategy.send(_told(ask, 0.9))
    again = strategy.send(replace(_told(ask, 0.9178), trial=77, kept=True))
    assert again.why.code == "again"
    assert again.parent == 77
    assert (again.keep, again.sparsity) == (ask.keep, ask.sparsity)


def test_that_a_clear_miss_is_given_up() -> None:
    strategy = heuristic(LIMITS)
    ask = next(strategy)
    while ask.kind == "probe":
        ask = strategy.send(_told(ask, 0.9))
    after = strategy.send(replace(_told(ask, 0.9), kept=True))
    assert after.why.code == "bisect"
    assert (1 - after.sparsity) * after.keep**2 > (1 - ask.sparsity) * ask.keep**2


def _told(ask: Ask, value: float) -> Told:
    margin = value - 0.92
    return Told(
        trial=1, keep=ask.keep, sparsity=ask.sparsity, value=value, drop=0.93 - value,
        margin=margin, passed=margin >= 0, objective=1.0,
    )  # fmt: skip


def quantized_trials(holds: Callable[[float], bool]) -> list[tuple[Ask, Told]]:
    """Heuristic trials, then files; ``holds`` says of a keep ratio whether its file does."""
    history: list[tuple[Ask, Told]] = []
    strategy = then_quantized(heuristic(LIMITS))
    drop_of = loss_of_size(10.0)
    ask = next(strategy)
    while True:
        drop = drop_of(ask.keep, ask.sparsity)
        margin = 0.01 - drop
        passed = holds(ask.keep) if ask.quantized else ask.kind == "fine_tune" and margin >= 0
        told = Told(
            trial=len(history), keep=ask.keep, sparsity=ask.sparsity, value=0.93 - drop, drop=drop,
            margin=margin, passed=passed, objective=ask.keep**2 * (1 - ask.sparsity),
        )  # fmt: skip
        history.append((ask, told))
        try:
            ask = strategy.send(told)
        except StopIteration:
            return history


def test_that_the_smallest_model_is_judged_as_the_file_that_it_will_be() -> None:
    history = quantized_trials(lambda keep: True)
    (ask,) = [ask for ask, _ in history if ask.quantized]
    held = [told for other, told in history if told.passed and not other.quantized]
    assert ask.parent == min(held, key=lambda t: t.objective or 0).trial


def test_that_a_file_below_the_floor_gives_way_to_the_next_larger_model() -> None:
    smallest = min(t.keep for a, t in quantized_trials(lambda keep: False) if a.quantized)
    history = quantized_trials(lambda keep: keep > smallest)
    files = [(ask, told) for ask, told in history if ask.quantized]
    assert len(files) > 1
    assert [told.passed for _, told in files] == [False] * (len(files) - 1) + [True]


def test_that_a_failed_trial_counts_as_one_that_did_not_hold() -> None:
    strategy = structured(replace(LIMITS, fine_tunes=2, has_gamma=False))
    ask = next(strategy)
    while ask.kind == "probe":
        ask = strategy.send(_failed(ask))
    after = strategy.send(_failed(ask))
    assert after.keep > ask.keep


def _failed(ask: Ask) -> Told:
    return Told(
        trial=0, keep=ask.keep, sparsity=ask.sparsity, value=None, drop=None, margin=None,
        passed=False, objective=None,
    )  # fmt: skip


def test_that_the_grid_asks_every_pair_once() -> None:
    history = fake_trainer(grid(LIMITS, side=8), smooth_drop(0.3, 0.8))
    assert len({(ask.keep, ask.sparsity) for ask, _ in history}) == 64


def test_that_three_steps_begin_with_the_l1_phase_and_end_with_both_prunings() -> None:
    history = fake_trainer(three_step(replace(LIMITS, fine_tunes=40)), smooth_drop(0.55, 0.65))
    assert history[0][0].gamma_l1 > 0
    steps = [ask.step for ask, _ in history]
    assert steps.index("weights") > steps.index("channels")
    assert min(t.keep for t in accepted(history)) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("value", "code"), [(0.931, "accepted"), (0.9215, "inside_guard"), (0.91, "below_floor")]
)
def test_that_the_verdict_names_its_reason(value: float, code: str) -> None:
    target = Target(value=0.93, tolerance=0.01, given=False)
    judgement = judge(value, target, standard_error=0.003)
    assert judgement.why.code == code
    assert judgement.passed == (code == "accepted")


def test_that_the_guard_never_eats_most_of_the_tolerance() -> None:
    target = Target(value=0.93, tolerance=0.01, given=False)
    assert judge(0.9261, target, standard_error=0.5).passed


def test_that_a_metric_where_lower_is_better_has_its_floor_above() -> None:
    target = Target(value=2.0, tolerance=0.5, given=True, sign=-1)
    assert target.floor == 2.5
    assert judge(2.2, target, standard_error=0.0).passed
    assert not judge(2.6, target, standard_error=0.0).passed


def test_that_an_unlucky_draw_does_not_end_the_search_where_it_fell() -> None:
    limits = replace(LIMITS, fine_tunes=8)
    honest = smooth_drop(0.2, 0.9)
    plain = fake_trainer(heuristic(limits), honest)
    probes = sum(ask.kind == "probe" for ask, _ in plain)
    luck = [0.0] * probes + [0.006] + [0.0] * len(plain)
    unlucky = fake_trainer(
        heuristic(limits), lambda keep, sparsity: honest(keep, sparsity) + luck.pop(0)
    )
    assert not unlucky[probes][1].passed
    smallest = [
        min(told.objective or 1e9 for told in accepted(history)) for history in (plain, unlucky)
    ]
    assert smallest[1] < 1.5 * smallest[0]


@pytest.mark.parametrize(
    ("least", "asked"),
    [
        (3, [15, 11, 7, 5, 3]), (7, [15, 11, 7, 5]), (11, [15, 11, 7]), (15, [15, 11]),
        (31, [15, 31]), (63, [15, 31, 63]), (255, [15, 31, 63]),
    ],
)  # fmt: skip
def test_that_a_packed_file_ends_with_as_few_values_as_hold(least: int, asked: list[int]) -> None:
    limits = replace(LIMITS, packed=True)
    history = fake_trainer(heuristic(limits), smooth_drop(0.3, 0.8), least=least)
    before, rounded = history[: -len(asked)], history[-len(asked) :]
    assert [ask.weight_values for ask, _ in rounded] == asked
    assert not any(ask.weight_values for ask, _ in before)
    smallest = min(accepted(before), key=lambda t: t.objective or 0)
    assert {ask.parent for ask, _ in rounded} == {smallest.trial}, "what was never rounded"


def test_that_nothing_is_rounded_for_a_goal_that_gains_nothing_by_it() -> None:
    history = fake_trainer(heuristic(LIMITS), smooth_drop(0.3, 0.8))
    assert accepted(history)
    assert not any(ask.weight_values for ask, _ in history)


@pytest.mark.parametrize("share", [1.0, 0.9])
def test_that_a_packed_file_is_trimmed_before_it_is_rounded(share: float) -> None:
    limits = replace(LIMITS, packed=True)
    history = fake_trainer(heuristic(limits), smooth_drop(0.3, 0.8), least=15, trimmed=share)
    *before, (trim, told), (first, _), (second, _) = history
    best = min(accepted(before), key=lambda t: t.objective or 0)
    assert trim.trim
    assert (trim.kind, trim.parent) == ("probe", best.trial), "no fine-tune is spent"
    assert (1 - trim.sparsity) / (1 - best.sparsity) == pytest.approx(0.9)
    assert [first.weight_values, second.weight_values] == [15, 11]
    assert {first.parent, second.parent} == {told.trial if share < 1 else best.trial}


@pytest.mark.parametrize("change", [{"has_weights": False, "packed": True}, {"packed": False}])
def test_that_no_weights_are_trimmed_for_a_goal_that_gains_nothing_by_it(
    change: dict[str, bool],
) -> None:
    history = fake_trainer(heuristic(replace(LIMITS, **change)), smooth_drop(0.3, 0.8))
    assert accepted(history)
    assert not any(ask.trim for ask, _ in history)


def test_that_nothing_is_rounded_where_nothing_was_accepted() -> None:
    history = fake_trainer(heuristic(replace(LIMITS, packed=True)), lambda keep, sparsity: 0.5)
    assert not any(ask.weight_values for ask, _ in history)


def test_that_a_new_goal_rounds_what_it_ends_with_even_if_nothing_new_held() -> None:
    best = Told(
        trial=7, keep=0.5, sparsity=0.8, value=0.93, drop=0.001, margin=0.002, passed=True,
        objective=5e4,
    )  # fmt: skip
    limits = replace(LIMITS, fine_tunes=3, known=(best,), packed=True)
    history = fake_trainer(further(limits), lambda keep, sparsity: 0.5)
    assert not accepted(history)
    rounded = [ask for ask, _ in history if ask.weight_values]
    assert [ask.weight_values for ask in rounded] == [15, 31, 63]
    assert {ask.parent for ask in rounded} == {7}
    assert not any(ask.sweep for ask, _ in history), "that was done for the goal before"
