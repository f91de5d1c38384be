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
* fine-tunes go on to where the fall of the value, fitted to the latest of them, says that the
  margin is spent (:class:`Fall`); one that barely failed is trained on instead of given up;
* what is left goes to the balance of both, and to training the result on as it is;
* channels that zeros have cut off are swept away;
* where a packed file is to be small, a tenth of the weights left become zero, and each filter's
  are rounded to few values, both untrained, if they hold.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field

from engine.events import Step, Why
from engine.search.accepted import Accepted, ask_fine_tune, ask_sweep, round_weights, trim
from engine.search.asking import Ask, Asking, Limits, Told
from engine.search.single import l1_phase

REDUCTIONS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Reductions of the nonzero parameters that are probed, until one is a ruin."""

RUINED = 0.65
"""Share of the target value that a probe has lost where a first fine-tune of a thousand steps goes.
Shorter ones repair less and go less far."""

FEW_STEPS, MANY_STEPS = 30, 1000

LEAST_FIRST = 2.0
"""The first fine-tune reduces at least so far, whatever the probes say."""

FREE_DENSITY = 1 / 3
"""Share of weights that is left before any channel goes. With a half, cut to equal reductions and
trained once (``tests/bench/balance.py``), a VGG and a MobileNet are as accurate, with 24 and 17 %
fewer multiply-adds and 7 and 10 % smaller when packed, and a ResNet loses 0.2 points at 2.3x and
0.8 at 3x. Whole searches came out no smaller on the VGG with it, and were behind on the MobileNet
when they were ended, one fine-tune before their last."""

CHANNEL_PART = 0.7
"""Exponent of what is asked beyond that: channels take ``x**0.7``, weights the rest. With 0.4, as
above, a VGG has 1.7 times the multiply-adds at no gain, a MobileNet 1.06 times for 0.3 points; with
1 the VGG has half of them and loses 0.3 points."""

SMALLEST_DENSITY = 0.02

FIRST_SHARE = 0.8
"""Share of the way there, in logarithms, that fine-tunes go until one holds: it is what all later
ones start from, what fails before is lost."""

FALL = 2.5
"""What is lost grows with this power of the reduction's logarithm: 2.3 to 2.8 between 4x and 43x on
a VGG trained for three epochs a cut."""

LATEST = 2
"""Fine-tunes that say where the floor is met: earlier ones had less training behind them."""

FARTHEST = 100.0
"""Logarithm of the reduction from which a crossing is nowhere: the slope is 0 but for rounding."""

SHORTEST, LONGEST = 1.15, 2.5
"""Factors of the reduction after a success."""

BACK = 0.93
"""Share of a reduction that failed which is left at most for the next one."""

CLOSED = 1.08
"""A step of less than this ratio is not worth a fine-tune."""

NOTHING_MORE = 1.02
"""Where floors leave less than this ratio of what holds, nothing more can go."""

HALF_FORGOTTEN = 4
"""Trials after which a failure counts half where a new goal begins. On a VGG 16x failed first,
after three epochs of training, and 14.8x, after eighteen, was level with the whole model: by that
failure there was nowhere to go for twice and four times the tolerance."""

NEAR_MISS = 0.4
"""A fine-tune that failed by less than this share of the tolerance is trained on, once."""

BALANCE_FROM = 5
"""With so many fine-tunes the last one is kept for the balance of channels and weights, unless it
can train on one that barely failed."""

NOTCH = 1.2
"""Factor of the reduction that a step of the balance asks of channels alone, or of weights."""


def heuristic(limits: Limits) -> Asking:
    """The default strategy."""
    done = Accepted(left=limits.fine_tunes, early=True)
    if limits.l1_phase and limits.has_gamma and limits.has_channels:
        yield from l1_phase(done)
    if not limits.has_channels and not limits.has_weights:
        return
    both = limits.has_channels and limits.has_weights
    step: Step = "trade_off" if both else "channels" if limits.has_channels else "weights"
    reserved = 1 if both and limits.fine_tunes >= BALANCE_FROM else 0
    first = yield from first_reduction(limits)
    yield from together(done, limits, Fall(), first, reserved)
    if both:
        yield from balance(done, limits)
    if done.best is not None and done.left > 0:
        yield from polish(done, step)
    yield from tidied(done, limits, step)


def further(limits: Limits) -> Asking:
    """A new goal on a finished run: go on from what its fine-tunes showed.

    The last fine-tune trains on what is new, or else goes back to where something may hold.
    """
    done = Accepted(left=limits.fine_tunes, early=True)
    for told in limits.known:
        done.know(told)
    known = done.best
    fall, reduction = _resumed(limits, known)
    onward = yield from together(done, limits, fall, reduction, reserved=1)
    if done.best is not known and done.left > 0:
        yield from polish(done, "trade_off")
    elif done.left > 0:
        yield from together(done, limits, fall, onward)
    yield from tidied(done, limits, "trade_off", sweep=done.best is not known)


def _resumed(limits: Limits, best: Told | None) -> tuple[Fall, float]:
    """What the known fine-tunes showed, and where to go on to from them.

    What failed before ``best`` had less training behind it, and does not say where the margin ends;
    it only holds the first step back, the less the longer ago it was, see :data:`HALF_FORGOTTEN`.
    """
    since = 0 if best is None else best.trial
    fall, onward = _shown(limits, since)
    stale = [t for t in limits.known if not t.passed and t.margin is not None and t.trial < since]
    beyond = [t for t in stale if _reached(t.keep, t.sparsity, limits) > fall.holds]
    if not beyond:
        return fall, onward
    nearest = min(beyond, key=lambda t: _reached(t.keep, t.sparsity, limits))
    ago = since - nearest.trial
    _, near = _shown(limits, 0)
    if near >= onward:
        return fall, onward
    return fall, near * (onward / near) ** (ago / (ago + HALF_FORGOTTEN))


def _shown(limits: Limits, since: int) -> tuple[Fall, float]:
    """The fall by the known fine-tunes, and where it leads; without what failed before a trial."""
    fall, broken = Fall(), math.inf
    for told in limits.known:
        if told.passed or told.trial >= since:
            reduction = _reached(told.keep, told.sparsity, limits)
            fall.note(reduction, told)
            if not told.passed and told.margin is not None and reduction > fall.holds:
                broken = min(broken, reduction)
    return fall, min(fall.onward(), max(broken * BACK, fall.holds))


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
    density = max(SMALLEST_DENSITY, min(1.0, 1.0 / (reduction * limits.share_at(keep))))
    return keep, 1.0 - density


def _reached(keep: float, sparsity: float, limits: Limits) -> float:
    """The reduction that a keep ratio and a sparsity come to, floors of the channels included."""
    return 1.0 / max(limits.share_at(keep) * (1.0 - sparsity), 1e-9)


def together(
    done: Accepted, limits: Limits, fall: Fall, reduction: float | None, reserved: int = 0
) -> Generator[Ask, Told, float | None]:
    """Go to the reduction at which the margin is spent, from one fine-tune to the next.

    The ``reserved`` ones go to nothing but training on what barely failed. Returns where the next
    one would go; None where no step is left.
    """
    while done.left > reserved and reduction is not None:
        keep, sparsity = split(reduction, limits)
        reduction = _reached(keep, sparsity, limits)
        if reduction < fall.holds * NOTHING_MORE:
            return None
        code = "bisect" if fall.failed else "bracket"
        told = yield ask_fine_tune(done, _step(keep), keep, sparsity, code)
        done.take(told)
        if _near(told, limits) and done.left > 0:
            told = yield ask_fine_tune(done, _step(keep), keep, sparsity, "again", parent=told)
            done.take(told)
        fall.note(reduction, told)
        reduction = fall.onward() if told.passed else fall.back(reduction)
    return reduction


@dataclass(slots=True)
class Fall:
    """How the value falls with the reduction, as far as fine-tunes have shown it.

    Until one has held and one beyond it failed, one number is fitted to the latest of them, ``drop
    = a * log(reduction) ** FALL``: a value on a few hundred samples is a draw. Between two such it
    is the straight line from one to the other in that same power. A model that was trained too
    little gains by any fine-tune at first and falls the steeper later, so that the law, which
    begins at no loss, would put the end of its margin far too early.
    """

    holds: float = 1.0
    failed: bool = False
    _drops: list[tuple[float, float]] = field(default_factory=list)
    _whole: float = 0.0
    _held: tuple[float, float] | None = None
    _broke: list[tuple[float, float]] = field(default_factory=list)

    def note(self, reduction: float, told: Told) -> None:
        """Take in what came of a fine-tune, as if it had not ended early."""
        best = told.passed and reduction >= self.holds
        if told.passed:
            self.holds = max(self.holds, reduction)
        self.failed = self.failed or not told.passed
        if told.margin is None or told.drop is None or reduction <= 1.0:
            return
        self._whole = told.margin + told.drop
        drop = (math.log(reduction) ** FALL, told.drop - told.rise)
        self._drops.append(drop)
        if best:
            self._held = drop
        elif not told.passed:
            self._broke.append(drop)

    def crossing(self) -> float:
        """The reduction at which the margin is spent; infinite where nothing was lost so far."""
        between = self._between()
        if between is not None:
            return between
        latest = self._drops[-LATEST:]
        xx = sum(x * x for x, _ in latest)
        slope = sum(x * drop for x, drop in latest) / xx if xx > 0.0 else 0.0
        if slope <= 0.0:
            return math.inf
        logarithm = (max(0.0, self._whole) / slope) ** (1.0 / FALL)
        return math.exp(logarithm) if logarithm < FARTHEST else math.inf

    def _between(self) -> float | None:
        """The crossing between what held and the nearest that failed beyond it, if there are both.

        A failure that lost no more than what held, by what is granted to one that ended early, says
        nothing.
        """
        if self._held is None:
            return None
        x, drop = self._held
        beyond = [(at, lost) for at, lost in self._broke if at > x and lost > drop]
        if not beyond or drop > self._whole:
            return None
        at, lost = min(beyond)
        share = min(1.0, (self._whole - drop) / (lost - drop))
        return math.exp((x + share * (at - x)) ** (1.0 / FALL))

    def onward(self) -> float:
        """Where to go after a success."""
        return min(max(self.crossing(), self.holds * SHORTEST), self.holds * LONGEST)

    def back(self, failed: float) -> float | None:
        """Where to go after this reduction failed; None where no step is left before it."""
        least, most = self.holds * CLOSED, failed * BACK
        to = self.crossing() if self.holds > 1.0 else self.crossing() ** FIRST_SHARE
        return None if most <= least else min(max(to, least), most)


def _step(keep: float) -> Step:
    return "channels" if keep < 1.0 else "weights"


def _near(told: Told, limits: Limits) -> bool:
    """Whether a fine-tune failed by so little that more training is the better bet."""
    if told.passed or told.margin is None or not told.kept:
        return False
    return told.margin > -NEAR_MISS * limits.tolerance


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
        if _reached(keep, sparsity, limits) < 0.8 * reduction:
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
    return float(max(LEAST_FIRST, _reduction_at(held, ruined) ** FIRST_SHARE))


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
            keep = limits.keep_at(limits.share_at(keep) / NOTCH)
        else:
            density = max(SMALLEST_DENSITY, density / NOTCH)
        if keep >= best.keep and density >= 1.0 - best.sparsity:  # its floor is reached
            moves = moves[1:]
            continue
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


def tidied(done: Accepted, limits: Limits, step: Step, *, sweep: bool = True) -> Asking:
    """The result without channels that zeros have cut off, trimmed, with few values a filter."""
    best = done.best
    if best is None:
        return
    if sweep and best.sparsity > 0 and limits.has_channels:
        swept = yield ask_sweep(best, step)
        best = swept if swept.passed else best
    if not limits.packed:
        return
    if limits.has_weights and best.sparsity < 1.0 - SMALLEST_DENSITY - 1e-9:
        best = yield from trim(best, step)
    yield from round_weights(best)
