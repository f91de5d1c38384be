"""The default search: both kinds of pruning along one path, bracketed by probes, then fine-tuned.

Owns the order of decisions and nothing else; see :mod:`engine.search.asking`. The aim is that of
the target-accuracy search of Tian, Yamagiwa and Wada (Sensors 22(15):5874, 2022); where theirs
looks for the channels first and for the weights after, this one moves both at once, so that one
number is bracketed and a handful of fine-tunes, each from the nearest accepted checkpoint, replaces
two searches:

* a reduction ``R`` of the nonzero parameters is shared out between channels and weights
  (:func:`split`): the first :data:`FREE_DENSITY` of the weights costs hardly anything anywhere,
  what is asked beyond it is mostly taken from channels, which also saves time;
* probes (cut and zeroed, norms re-estimated, no training) tell where to begin;
* fine-tunes go on from there; one that barely failed is trained on instead of given up;
* what is left goes to the balance of both, and the last one trains the result on as it is;
* channels that zeros have cut off are swept away.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

from engine.events import Step, Why
from engine.search.accepted import Accepted, ask_fine_tune, ask_sweep
from engine.search.asking import Ask, Asking, Limits, Told
from engine.search.single import channels, l1_phase, weights

REDUCTIONS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Reductions of the nonzero parameters that are probed, until one is a ruin."""

RUINED = 0.65
"""Share of the target value that a probe has lost where a first fine-tune of a thousand steps goes.
Shorter ones repair less and go less far."""

FEW_STEPS, MANY_STEPS = 30, 1000

LEAST_FIRST = 2.0
"""The first fine-tune reduces at least so far, whatever the probes say."""

FREE_DENSITY = 1 / 3
"""Share of weights that is enough before any channel needs to go."""

CHANNEL_PART = 0.85
"""Exponent of what is asked beyond that: channels take ``x**0.85``, weights the rest."""

SMALLEST_DENSITY = 0.02

CLOSED = 1.12
"""A bracket of reductions narrower than this is as good as closed."""

WORTH = 1.05
"""A step of less than this ratio is not worth a fine-tune."""

FALL = 2.5
"""What is lost grows with this power of the reduction's logarithm: 2.3 to 2.8 between 4x and 43x on
a VGG trained for three epochs a cut."""

SHORTEST, LONGEST = 1.2, 2.5
"""Factors of the reduction after a success."""

NEAREST, FARTHEST = 0.25, 0.92
"""Bounds of the next try, as a share of the bracket's logarithm."""

NEAR_MISS = 0.4
"""A fine-tune that failed by less than this share of the tolerance is trained on, once."""

POLISH_FROM = 4
"""With so many fine-tunes the last one is kept to train the result on as it is."""

BALANCE_FROM = 5
"""With so many fine-tunes the one before is kept for the balance of channels and weights."""

NOTCH = 0.85
"""What a step of the balance leaves of the channels, or of the nonzero weights."""


def heuristic(limits: Limits) -> Asking:
    """The default strategy."""
    reserved = 1 if limits.fine_tunes >= POLISH_FROM else 0
    done = Accepted(left=limits.fine_tunes - reserved, early=True)
    if limits.l1_phase and limits.has_gamma and limits.has_channels:
        yield from l1_phase(done)
    both = limits.has_channels and limits.has_weights
    step: Step = "channels" if limits.has_channels else "weights"
    if both:
        step = "trade_off"
        reserved_too = 1 if limits.fine_tunes >= BALANCE_FROM else 0
        done.left -= reserved_too
        yield from together(done, limits, Edge(reduction=1.0), Edge(reduction=math.inf))
        done.left += reserved_too
        yield from balance(done, limits)
    elif limits.has_channels:
        yield from channels(done, done.left, limits)
    elif limits.has_weights:
        yield from weights(done, done.left, step="weights")
    done.left += reserved
    if done.best is not None and done.left > 0:
        yield from polish(done, step)
    if done.best is not None and done.best.sparsity > 0 and limits.has_channels:
        yield ask_sweep(done.best, step)


def further(limits: Limits) -> Asking:
    """A new goal on a finished run: go on from what its fine-tunes showed."""
    done = Accepted(left=max(1, limits.fine_tunes - 1), early=True)
    for told in limits.known:
        done.know(told)
    known = done.best
    holds, breaks = _edges(limits)
    yield from together(done, limits, holds, breaks)
    done.left = limits.fine_tunes - done.spent
    if done.best is not None and done.best is not known:
        if done.left > 0:
            yield from polish(done, "trade_off")
        if done.best.sparsity > 0 and limits.has_channels:
            yield ask_sweep(done.best, "trade_off")


def _edges(limits: Limits) -> tuple[Edge, Edge]:
    """The bracket that known fine-tunes leave open."""

    def edge(told: Told) -> Edge:
        left = limits.params_at(told.keep) * (1.0 - told.sparsity)
        return Edge(reduction=1.0 / max(left, 1e-9), margin=told.margin)

    def size(edge: Edge) -> float:
        return edge.reduction

    passed = [edge(t) for t in limits.known if t.passed]
    holds = max(passed, key=size, default=Edge(reduction=1.0))
    failed = [edge(t) for t in limits.known if not t.passed and t.margin is not None]
    beyond = [e for e in failed if e.reduction > holds.reduction]
    return holds, min(beyond, key=size, default=Edge(reduction=math.inf))


def split(reduction: float, limits: Limits) -> tuple[float, float]:
    """Keep ratio and sparsity that together leave one ``reduction``-th of the parameters nonzero.

    What the floors of the channels do not allow is asked of the weights. Where only one of both is
    there to be removed, or is of use to the goal, all of it is asked of that one.
    """
    if not limits.has_weights:
        return limits.keep_at(1.0 / reduction), 0.0
    if not limits.has_channels:
        return 1.0, 1.0 - max(SMALLEST_DENSITY, 1.0 / reduction)
    by_weights = min(reduction, 1.0 / FREE_DENSITY)
    beyond = reduction / by_weights
    keep = limits.keep_at(beyond**-CHANNEL_PART) if beyond > 1.0 else 1.0
    density = max(SMALLEST_DENSITY, min(1.0, 1.0 / (reduction * limits.params_at(keep))))
    return keep, 1.0 - density


def together(done: Accepted, limits: Limits, holds: Edge, breaks: Edge) -> Asking:
    """Raise the reduction until the floor is met no more, then close the bracket by its margins."""
    code = "bracket"
    if math.isfinite(breaks.reduction):
        reduction, code = between(holds, breaks), "bisect"
    elif holds.margin is not None:
        reduction = beyond(holds, whole=limits.tolerance)
    else:
        reduction = yield from first_reduction(limits)
    while done.left > 0:
        keep, sparsity = split(reduction, limits)
        told = yield ask_fine_tune(done, _step(keep), keep, sparsity, code)
        done.take(told)
        if _near(told, limits) and done.left > 0:
            told = yield ask_fine_tune(done, _step(keep), keep, sparsity, "again", parent=told)
            done.take(told)
        if holds.margin is None and told.margin is not None and told.drop is not None:
            holds = Edge(reduction=1.0, margin=told.margin + told.drop)
        edge = Edge(reduction=reduction, margin=told.margin)
        holds, breaks = (edge, breaks) if told.passed else (holds, edge)
        whole = limits.tolerance
        if told.margin is not None and told.drop is not None:
            whole = told.margin + told.drop
        reduction, code = beyond(holds, whole=whole), "bracket"
        if not told.passed or reduction >= breaks.reduction:
            reduction, code = between(holds, breaks), "bisect"
        if breaks.reduction / holds.reduction < CLOSED or reduction < holds.reduction * WORTH:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One side of the bracket: a reduction and the margin that a fine-tune had there."""

    reduction: float
    margin: float | None = None


def between(holds: Edge, breaks: Edge) -> float:
    """Where in the bracket to try next: where the margins say that the floor is met just so.

    Accuracy falls ever faster with the logarithm of the reduction (:data:`FALL`). From the dense
    model on this is far from a straight line, between two fine-tunes near enough, and on the safe
    side; without margins, halfway.
    """
    share = 0.5
    if holds.margin is not None and breaks.margin is not None and breaks.margin < 0 < holds.margin:
        share = holds.margin / (holds.margin - breaks.margin)
        share = share ** (1 / FALL) if holds.reduction == 1.0 else share
        share = min(FARTHEST, max(NEAREST, share))
    low, high = math.log(holds.reduction), math.log(breaks.reduction)
    return math.exp(low + share * (high - low))


def _step(keep: float) -> Step:
    return "channels" if keep < 1.0 else "weights"


def _near(told: Told, limits: Limits) -> bool:
    """Whether a fine-tune failed by so little that more training is the better bet."""
    if told.passed or told.margin is None or not told.kept:
        return False
    return told.margin > -NEAR_MISS * limits.tolerance


def beyond(holds: Edge, *, whole: float) -> float:
    """The reduction to try after a success: where the margin, ``whole`` before any cut, is spent.

    By the same law as :func:`between`, from the dense model through what was reached.
    """
    lost = whole - (holds.margin or 0.0)
    factor = LONGEST
    if lost > 0:
        reached = math.log(holds.reduction)
        factor = math.exp(reached * ((max(whole, 0.0) / lost) ** (1 / FALL) - 1.0))
    return holds.reduction * min(LONGEST, max(SHORTEST, factor))


def first_reduction(limits: Limits) -> Generator[Ask, Told, float]:
    """Probe a ladder of reductions; the first fine-tune goes where the model becomes a ruin.

    A probe says little of the value after a fine-tune ("Is Oracle Pruning the True Oracle?", 2024;
    here a model that a cut took from 0.99 to 0.35 came back to 0.98), but where it collapses is
    the right region to begin in.
    """
    ruined = RUINED * math.log(max(limits.steps, 2 * FEW_STEPS) / FEW_STEPS)
    ruined = min(RUINED, ruined / math.log(MANY_STEPS / FEW_STEPS))
    held: list[tuple[float, float]] = [(1.0, 0.0)]
    for reduction in REDUCTIONS:
        keep, sparsity = split(reduction, limits)
        if limits.params_at(keep) * (1.0 - sparsity) > 1.25 / reduction:
            break
        told = yield Ask(
            kind="probe", step=_step(keep), keep=keep, sparsity=sparsity,
            why=Why(code="probe", numbers={"keep": keep, "sparsity": sparsity}),
        )  # fmt: skip
        if told.drop is None or told.value is None:
            break
        lost = told.drop / max(abs(told.value + told.drop), 1e-9)
        held.append((reduction, lost))
        if lost > ruined:
            break
    return max(LEAST_FIRST, _reduction_at(held, ruined))


def _reduction_at(held: list[tuple[float, float]], lost: float) -> float:
    """The reduction at which the probed share ``lost`` is reached, by interpolation."""
    (before, lost_before), *rest = held
    for after, lost_after in rest:
        if lost_after > lost:
            share = (lost - lost_before) / max(lost_after - lost_before, 1e-9)
            return math.exp(math.log(before) + share * math.log(after / before))
        before, lost_before = after, lost_after
    return before


def balance(done: Accepted, limits: Limits) -> Asking:
    """Spend what is left on the balance of both: fewer channels, or else fewer weights."""
    moves: tuple[str, ...] = ("cut_on", "more_sparsity")
    while done.left > 0 and done.best is not None and moves:
        best, move = done.best, moves[0]
        keep, density = best.keep, 1.0 - best.sparsity
        if move == "cut_on":
            keep = max(limits.smallest_keep, keep * NOTCH)
        else:
            density = max(SMALLEST_DENSITY, density * NOTCH)
        told = yield ask_fine_tune(done, "trade_off", keep, 1.0 - density, move)
        done.take(told)
        if not (told.passed and done.best is told):
            moves = moves[1:]


def polish(done: Accepted, step: Step) -> Asking:
    """Train the result on as it is: what was accepted at the floor's edge gets a reserve.

    A value that passed on the search split is a lucky draw more often than not, and the report
    split pays for it.
    """
    best = done.best
    if best is not None:
        done.take((yield ask_fine_tune(done, step, best.keep, best.sparsity, "polish")))
