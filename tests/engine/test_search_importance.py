"""The strategy of importance weights against a fake net: driven by the tolerance alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from engine.search.asking import Ask, Limits, Told
from engine.search.importance import FAILED_ROUNDS, LEAST_ROUND, importance

WIDTHS = {"g1": 16, "g2": 40, "g3": 8}
LIMITS = Limits(
    fine_tunes=10, tolerance=0.01, channels=sum(WIDTHS.values()),
    floors={"g1": 2, "g2": 6, "g3": 1},
)  # fmt: skip
Harm = Callable[[Mapping[str, int]], float]


def harm_of(costs: Mapping[str, float]) -> Harm:
    """A net that loses ``costs`` for each e-fold a group is narrowed by, steeper further down."""

    def harm(widths: Mapping[str, int]) -> float:
        return sum(costs[g] * (WIDTHS[g] / widths[g] - 1.0) for g in WIDTHS)

    return harm


def drive(
    limits: Limits, harm: Harm, *, mended: float = 0.2, before: Sequence[tuple[Ask, Told]] = ()
) -> list[tuple[Ask, Told]]:
    """Ask and tell; training mends all but the share ``mended`` of what was lost.

    ``before`` is the history of earlier goals, that the one returned begins with.
    """
    strategy = importance(limits)
    history = list(before)
    widths: dict[int | None, Mapping[str, int]] = {None: WIDTHS}
    widths |= {told.trial: widths_of(history, told.trial) for _, told in history}
    told: Told | None = None
    while True:
        try:
            ask = next(strategy) if told is None else strategy.send(told)
        except StopIteration:
            return history
        now = ask.widths or widths[ask.parent]
        base = mended * harm(widths[ask.parent])
        drop = mended * harm(now)
        if ask.kind == "probe":
            drop = base + harm(now) - harm(widths[ask.parent])
        margin = limits.tolerance - drop
        told = Told(
            trial=len(history), keep=ask.keep, sparsity=0.0, value=0.8 - drop, drop=drop,
            margin=margin, passed=ask.kind == "fine_tune" and margin >= 0, objective=ask.keep,
            kept=ask.kind == "fine_tune",
            strengths={
                group: tuple((unit + 1.0) / width for unit in range(width))
                for group, width in now.items()
            } if ask.scales else {},
        )  # fmt: skip
        widths[told.trial] = now
        history.append((ask, told))
        assert len(history) < 3000, "the strategy does not end"


def widths_of(history: list[tuple[Ask, Told]], trial: int | None) -> Mapping[str, int]:
    """The widths of a trial's net."""
    if trial is None:
        return WIDTHS
    ask = history[trial][0]
    return ask.widths or widths_of(history, ask.parent)


def smallest(history: list[tuple[Ask, Told]]) -> float:
    return min((told.keep for _, told in history if told.passed), default=1.0)


@given(
    costs=st.tuples(*(st.floats(1e-5, 0.1) for _ in WIDTHS)),
    tolerance=st.floats(0.001, 0.1),
    fine_tunes=st.integers(1, 12),
)
def test_that_what_it_accepts_holds_and_the_budget_is_kept(
    costs: tuple[float, ...], tolerance: float, fine_tunes: int
) -> None:
    limits = replace(LIMITS, tolerance=tolerance, fine_tunes=fine_tunes)
    history = drive(limits, harm_of(dict(zip(WIDTHS, costs, strict=True))))
    tunes = [ask for ask, _ in history if ask.kind == "fine_tune"]
    assert 1 <= len(tunes) <= fine_tunes
    assert all(ask.scales and ask.sparsity == 0.0 for ask in tunes)
    for ask, _ in history:
        for group, width in (ask.widths or {}).items():
            assert LIMITS.floors[group] <= width <= WIDTHS[group]


def test_that_a_larger_tolerance_gives_a_smaller_net() -> None:
    harm = harm_of({"g1": 0.01, "g2": 0.004, "g3": 0.02})
    sizes = [
        smallest(drive(replace(LIMITS, tolerance=tolerance), harm))
        for tolerance in (0.002, 0.005, 0.01, 0.02, 0.05)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < 1.0
    assert sizes[-1] < 0.5 * sizes[0]


def new_goal(history: list[tuple[Ask, Told]], limits: Limits, harm: Harm) -> list[tuple[Ask, Told]]:
    """What a finished search comes to under the tolerance of ``limits``; both its goals."""
    judged = [
        (ask, replace(told, margin=margin, passed=ask.kind == "fine_tune" and margin >= 0))
        for ask, told in history
        for margin in [limits.tolerance - (told.drop or 0.0)]
    ]
    known = tuple(told for ask, told in judged if ask.kind == "fine_tune")
    return drive(replace(limits, known=known), harm, before=judged)


def test_that_new_goals_go_on_from_the_smallest_net_that_holds() -> None:
    harm = harm_of({"g1": 0.01, "g2": 0.004, "g3": 0.02})
    history = drive(replace(LIMITS, tolerance=0.002), harm)
    sizes = [smallest(history)]
    for tolerance in (0.005, 0.01, 0.02, 0.05):
        limits = replace(LIMITS, tolerance=tolerance)
        begins = len(history)
        history = new_goal(history, limits, harm)
        (first, _), *rest = history[begins:]
        held = [t for ask, t in history[:begins] if ask.kind == "fine_tune" and t.passed]
        assert first.kind == "probe"
        assert first.parent == min(held, key=lambda told: told.keep).trial
        assert all(ask.why.code != "importance" for ask, _ in rest), "nothing begins anew"
        sizes.append(smallest(history))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.5 * sizes[0]


def test_that_a_goal_under_which_nothing_holds_begins_anew() -> None:
    harm = harm_of({"g1": 0.01, "g2": 0.004, "g3": 0.02})
    first = drive(replace(LIMITS, tolerance=0.01), harm)
    history = new_goal(first, replace(LIMITS, tolerance=-0.001), harm)
    ask, _ = history[len(first)]
    assert (ask.why.code, ask.parent) == ("importance", None)


def test_that_a_group_that_breaks_the_tolerance_is_restored_and_done() -> None:
    harm = harm_of({"g1": 1.0, "g2": 0.002, "g3": 0.01})
    history = drive(LIMITS, harm)
    tunes = [index for index, (ask, _) in enumerate(history) if ask.kind == "fine_tune"]
    rounds = [history[a + 1 : b] for a, b in zip(tunes, [*tunes[1:], len(history)], strict=True)]
    for probes, end in zip(rounds, tunes[1:], strict=False):
        done: set[str] = set()
        before = held = dict(widths_of(history, end - len(probes) - 1))
        for ask, told in probes:
            group = str(ask.why.numbers["group"])
            assert group not in done
            assert ask.widths is not None
            assert told.drop is not None
            if told.drop > LIMITS.tolerance:
                done.add(group)
            else:
                held = dict(ask.widths)
        widths = history[end][0].widths
        if probes and sum(held.values()) <= (1.0 - LEAST_ROUND) * sum(before.values()):
            assert widths == held, "a round that is large enough takes nothing that broke"
        elif probes and widths is not None:
            drops = {str(a.why.numbers["group"]): t.drop for a, t in probes}
            forced = {g for g in held if widths[g] < held[g]}
            assert forced == set(sorted(done, key=lambda g: (drops[g], g))[: len(forced)])
    assert all((ask.widths or WIDTHS)["g1"] == 16 for ask, told in history if told.passed)


def test_that_the_weakest_group_goes_first() -> None:
    history = drive(LIMITS, harm_of({"g1": 1e-4, "g2": 1e-4, "g3": 1e-4}))
    probes = [ask for ask, _ in history if ask.kind == "probe"]
    gone: dict[str, int] = dict.fromkeys(WIDTHS, 0)

    def strength(group: str) -> float:
        width = WIDTHS[group] - gone[group]
        going = range(gone[group], gone[group] + max(1, round(width / 4)))
        return sum((unit + 1.0) / WIDTHS[group] for unit in going) / len(going)

    for ask in probes[:6]:
        group = str(ask.why.numbers["group"])
        assert strength(group) == min(map(strength, WIDTHS))
        assert ask.widths is not None
        gone[group] = WIDTHS[group] - ask.widths[group]


@dataclass
class Round:
    """A round as it was first trained, or what was left of it, and whether its net held at last."""

    before: Mapping[str, int]
    after: Mapping[str, int]
    parent: int | None
    held: bool
    halved: bool

    @property
    def taken(self) -> int:
        return sum(self.before.values()) - sum(self.after.values())


def rounds_of(history: list[tuple[Ask, Told]]) -> list[Round]:
    found: list[Round] = []
    for index, (ask, told) in enumerate(history):
        if ask.kind == "fine_tune" and ask.why.code == "round":
            assert ask.widths is not None
            before = widths_of(history, ask.parent)
            halved = history[index - 1][0].kind == "fine_tune"
            found.append(Round(before, ask.widths, ask.parent, told.passed, halved))
        elif ask.kind == "fine_tune" and ask.why.code == "again":
            assert not found[-1].held
            found[-1].held = told.passed
    return found


def test_that_it_ends_where_training_does_not_mend() -> None:
    broken = drive(
        replace(LIMITS, fine_tunes=99), harm_of(dict.fromkeys(WIDTHS, 0.001)), mended=3.0
    )
    assert next(told.passed for ask, told in broken if ask.kind == "fine_tune")
    rounds = rounds_of(broken)
    assert sum(not each.held and not each.halved for each in rounds) == FAILED_ROUNDS
    codes = [ask.why.code for ask, _ in broken if ask.kind == "fine_tune"]
    assert ("again", "again") not in itertools.pairwise(codes), "trained on once, no more"


def test_that_a_round_that_fails_gives_back_what_it_took_last() -> None:
    def harm(widths: Mapping[str, int]) -> float:
        return 0.001 * (WIDTHS["g2"] / widths["g2"] - 1.0) + 1.0 * (widths["g1"] < 16)

    history = drive(replace(LIMITS, tolerance=0.002, fine_tunes=30), harm, mended=8.0)
    rounds = rounds_of(history)
    failed = next(index for index, each in enumerate(rounds) if not each.held)
    parent, half = rounds[failed].parent, rounds[failed + 1]
    assert half.parent == parent
    assert 0 < 2 * half.taken <= rounds[failed].taken
    probed = [ask.widths for ask, _ in history if ask.kind == "probe" and ask.parent == parent]
    assert half.after in probed, "what came first, and no other cut of half the size"


@given(costs=st.tuples(*(st.floats(1e-4, 1.0) for _ in WIDTHS)))
def test_that_every_round_takes_a_least_share_and_the_tolerance_ends_them(
    costs: tuple[float, ...],
) -> None:
    harm = harm_of(dict(zip(WIDTHS, costs, strict=True)))
    rounds = rounds_of(drive(replace(LIMITS, fine_tunes=200), harm))
    failed = in_a_row = 0
    asked, resting = WIDTHS, set[str]()
    for last, now in itertools.pairwise([None, *rounds]):
        assert now is not None
        if now.halved:
            assert last is not None
            assert not last.held
            assert now.parent == last.parent
            assert 0 < 2 * now.taken <= last.taken
            assert all(now.after[g] >= last.after[g] for g in WIDTHS)
        else:
            if last is not None:
                back = last.after if last.held else last.before
                broke = asked if last.held else last.after
                resting = {g for g in WIDTHS if back[g] == last.before[g] > broke[g]}
                failed += back != asked
                in_a_row = 0 if back == asked else in_a_row + 1
                assert in_a_row < FAILED_ROUNDS
            asked = now.after
            least = LEAST_ROUND / 2**failed * sum(now.before.values())
            if any(now.before[g] > LIMITS.floors[g] and g not in resting for g in WIDTHS):
                assert all(now.after[g] == now.before[g] for g in resting)
            assert now.taken >= least or all(
                now.after[g] < now.before[g] or now.before[g] == LIMITS.floors[g] or g in resting
                for g in WIDTHS
            )
    ended = rounds[-1]
    back = ended.after if ended.held else ended.before
    in_a_row = 0 if back == asked else in_a_row + 1
    assert in_a_row == FAILED_ROUNDS or back == LIMITS.floors


def test_that_a_round_in_which_all_break_takes_what_broke_least() -> None:
    history = drive(LIMITS, harm_of({"g1": 1.0, "g2": 0.5, "g3": 2.0}), mended=0.01)
    tunes = [ask for ask, _ in history if ask.kind == "fine_tune"]
    assert tunes[1].widths == {"g1": 16, "g2": 30, "g3": 8}


def test_that_a_net_without_channels_to_remove_is_left_alone() -> None:
    assert drive(replace(LIMITS, floors={}, channels=0), harm_of(dict.fromkeys(WIDTHS, 1.0))) == []
