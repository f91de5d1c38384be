"""Importance weights as published: driven by the tolerance alone, never by a ratio.

Sawant et al., Applied Sciences 12(21):11184, 2022; in the most economical reading. Each round
removes the weakest channels of the weakest group for as long as the error stays inside the
tolerance; a group that breaks it is restored and done for this round. When all are done the net is
trained on with its importance weights, which ranks what is left anew, and the next round begins.
A round takes a least share whatever its probes say, which know nothing of what training mends. One
whose net breaks the tolerance even so gives back what it took last, half of it, until it holds; the
groups that broke it sit out the next round, and later ones are half as large. A new goal goes on
with rounds from the smallest net that holds under it.
Owns the order of decisions and nothing else; see :mod:`engine.search.asking`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Generator, Mapping, Sequence

from engine.events import Why
from engine.search.asking import Ask, Asking, Limits, Told, better

SHARE = 0.25
"""Share of a group's channels that goes at a time, at least one."""

LEAST_ROUND = 0.1
"""Share of the channels left that every round takes, those first that broke the tolerance least;
half of it after each round that gave some back, to the end of the search."""

FAILED_ROUNDS = 3
"""With so many rounds in a row that gave channels back the search ends: one that did not shows that
others can still go."""

NEAR_MISS = 1.0
"""A round that failed by less than this share of the tolerance is trained on, once."""

Widths = Mapping[str, int]
Cuts = Sequence[tuple[str, int]]
"""What a round takes in its order: a group, and the width it is left with."""


def importance(limits: Limits) -> Asking:
    """The strategy ``importance``."""
    left = limits.fine_tunes
    if not limits.floors or left < 1:
        return
    held = _smallest(limits.known)
    if held is None:
        held = yield _train(None, 1.0, None, "importance")
        left -= 1
    failed, least, resting = 0, LEAST_ROUND, set[str]()
    while left > 0 and held.strengths and failed < FAILED_ROUNDS:
        whole = {group: len(found) for group, found in held.strengths.items()}
        cuts = yield from _round(held, whole, limits, least, resting)
        if not cuts:
            if not resting:
                return
            resting = set()
            continue
        asked = tried = cuts
        while cuts and left > 0:
            tried = cuts
            widths = {**whole, **dict(cuts)}
            told = yield _train(held, _keep(widths, limits), widths, "round")
            left -= 1
            if _near(told, limits) and left > 0:
                told = yield _train(told, told.keep, None, "again")
                left -= 1
            if told.passed:
                held = told
                break
            cuts = _first_half(cuts, whole)
        gave_back = cuts != asked
        failed, least = (failed + 1, least / 2) if gave_back else (0, least)
        resting = _groups(asked) - _groups(cuts) if cuts else _groups(tried)


def _round(
    held: Told, whole: Widths, limits: Limits, least: float, resting: Container[str]
) -> Generator[Ask, Told, Cuts]:
    """What goes until every group has broken the tolerance once, and so much more as is asked."""
    widths, cuts, broke = dict(whole), list[tuple[str, int]](), dict[str, float]()
    still = {g for g in widths if g not in resting and widths[g] > limits.floors.get(g, 1)}
    while still:
        narrower = {g: _narrower(widths[g], limits.floors.get(g, 1)) for g in still}
        weakest = min(
            sorted(still), key=lambda g: _strength(held.strengths[g], widths[g], narrower[g])
        )
        tried = {**widths, weakest: narrower[weakest]}
        told = yield Ask(
            kind="probe", step="channels", keep=_keep(tried, limits), widths=tried,
            parent=held.trial,
            why=Why(code="weakest", numbers={"group": weakest, "kept": tried[weakest]}),
        )  # fmt: skip
        if told.drop is None or told.drop > limits.tolerance:
            still.remove(weakest)
            broke[weakest] = math.inf if told.drop is None else told.drop
            continue
        widths = tried
        cuts.append((weakest, widths[weakest]))
        if widths[weakest] <= limits.floors.get(weakest, 1):
            still.remove(weakest)
    for group in sorted(broke, key=lambda g: (broke[g], g)):
        if sum(widths.values()) <= (1.0 - least) * sum(whole.values()):
            break
        widths[group] = _narrower(widths[group], limits.floors.get(group, 1))
        cuts.append((group, widths[group]))
    return cuts


def _first_half(cuts: Cuts, whole: Widths) -> Cuts:
    """The cuts that came first, with at most half of the channels that all of them take."""
    taken = sum(whole.values()) - sum({**whole, **dict(cuts)}.values())
    first: list[tuple[str, int]] = []
    for cut in cuts:
        left = {**whole, **dict([*first, cut])}
        if 2 * (sum(whole.values()) - sum(left.values())) > taken:
            break
        first.append(cut)
    return first


def _smallest(known: Sequence[Told]) -> Told | None:
    """What a new goal goes on from: the smallest net of the earlier ones that holds under it."""
    smallest = None
    for told in known:
        if told.passed and told.strengths and (smallest is None or better(told, smallest)):
            smallest = told
    return smallest


def _groups(cuts: Cuts) -> set[str]:
    return {group for group, _ in cuts}


def _narrower(width: int, floor: int) -> int:
    return max(floor, width - max(1, round(SHARE * width)))


def _strength(strengths: Sequence[float], width: int, narrower: int) -> float:
    """Mean importance of the channels that would go next."""
    gone = len(strengths) - width
    going = strengths[gone : gone + width - narrower]
    return sum(going) / max(len(going), 1)


def _keep(widths: Widths, limits: Limits) -> float:
    """The share of all removable channels that these widths are."""
    return sum(widths.values()) / max(limits.channels, 1)


def _near(told: Told, limits: Limits) -> bool:
    if told.passed or told.margin is None or not told.kept:
        return False
    return told.margin > -NEAR_MISS * limits.tolerance


def _train(parent: Told | None, keep: float, widths: Widths | None, code: str) -> Ask:
    return Ask(
        kind="fine_tune", step="channels", keep=keep, widths=widths, scales=True,
        parent=None if parent is None else parent.trial,
        why=Why(code=code, numbers={"keep": keep}),
    )  # fmt: skip
