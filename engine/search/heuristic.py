"""The default search: bracket by probes, bisect by warm-started fine-tunes, both kinds of pruning.

Owns the order of decisions and nothing else; see :mod:`engine.search.asking`. The shape is that of
the target-accuracy search of Tian, Yamagiwa and Wada (Sensors 22(15):5874, 2022) with two changes:
a probe (cut, norms re-estimated, no training) picks where the first fine-tune goes, and each
fine-tune starts from the nearest accepted checkpoint, so that a handful replaces a grid.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field

from engine.events import Step, Why
from engine.search.asking import Ask, Asking, Limits, Told, better

PROBE_KEEPS = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""Keep ratios of the first look; it ends where the cut model is no better than a ruin."""

RUINED = 0.65
"""Share of the target value that a probe has lost where the first fine-tune goes."""

FIRST_KEEP = 0.8
"""The first fine-tune cuts at least this far, whatever the probes say."""

FIRST_DENSITY = 0.3
"""Share of weights that the first fine-tune of the weights step keeps."""

BRACKET_RATIO = 1.1
"""A bracket narrower than this ratio (of keep, or of density) is as good as closed."""

POLISH_FROM = 4
"""With so many fine-tunes the last one is kept to train the result on as it is."""

ROUGH_BRACKET_RATIO = 1.4
"""The same for channels where weights follow: a fine-tune is worth more there."""

SLIMMING_LAMBDA = 1e-4
"""Network slimming's lambda (Liu et al., ICCV 2017)."""


@dataclass(slots=True)
class Accepted:
    """The accepted fine-tunes so far, and how many more may be asked for."""

    left: int
    trials: list[Told] = field(default_factory=list)
    best: Told | None = None

    def take(self, told: Told) -> None:
        """Record a fine-tune's outcome."""
        self.left -= 1
        if not told.passed:
            return
        self.trials.append(told)
        if self.best is None or better(told, self.best):
            self.best = told

    def nearest(self, keep: float, sparsity: float) -> Told | None:
        """The accepted trial to start from: cut least beyond what is needed, and not too far."""
        fit = [t for t in self.trials if t.keep >= keep - 1e-9 and t.sparsity <= sparsity + 1e-9]
        return min(fit, key=lambda t: (t.keep, -t.sparsity), default=None)


def heuristic(limits: Limits) -> Asking:
    """The default strategy."""
    reserved = 1 if limits.fine_tunes >= POLISH_FROM else 0
    done = Accepted(left=limits.fine_tunes - reserved)
    both = limits.has_channels and limits.has_weights
    if limits.has_channels:
        share = math.ceil(0.5 * done.left) if both else done.left
        bracket = ROUGH_BRACKET_RATIO if both else BRACKET_RATIO
        yield from channels(done, share, limits, bracket=bracket)
    if limits.has_weights and done.left > 0:
        share = max(1, math.ceil(0.6 * done.left)) if both else done.left
        yield from weights(done, share, step="weights")
    if both and done.best is not None:
        yield from trade_off(done, limits)
    done.left += reserved
    if done.best is not None and done.left > 0:
        alone: Step = "channels" if limits.has_channels else "weights"
        yield from polish(done, "trade_off" if both else alone)


def polish(done: Accepted, step: Step) -> Asking:
    """Train the result on as it is: what was accepted at the floor's edge gets a reserve.

    A value that passed on the search split is a lucky draw more often than not, and the report
    split pays for it.
    """
    best = done.best
    if best is not None:
        done.take((yield _fine_tune(done, step, best.keep, best.sparsity, "polish")))


def structured(limits: Limits) -> Asking:
    """Channels alone."""
    if limits.has_channels:
        yield from channels(Accepted(left=limits.fine_tunes), limits.fine_tunes, limits)


def unstructured(limits: Limits) -> Asking:
    """Zero weights alone."""
    if limits.has_weights:
        yield from weights(Accepted(left=limits.fine_tunes), limits.fine_tunes, step="weights")


def channels(
    done: Accepted, share: int, limits: Limits, *, bracket: float = BRACKET_RATIO
) -> Asking:
    """Lower the keep ratio until the floor is met no more; at most ``share`` fine-tunes.

    ``bracket`` is the ratio of a keep that held to one that did not which is narrow enough.
    """
    if limits.l1_phase and limits.has_gamma:
        told = yield Ask(
            kind="fine_tune", step="channels", keep=1.0, gamma_l1=SLIMMING_LAMBDA,
            why=Why(code="l1_phase", numbers={"lambda": SLIMMING_LAMBDA}),
        )  # fmt: skip
        done.left -= 1
        if told.value is not None:
            done.trials.append(told)
    keep = yield from first_keep(done, limits)
    holds, breaks = 1.0, 0.0
    reason = "bracket"
    for _ in range(min(share, done.left)):
        told = yield _fine_tune(done, "channels", keep, 0.0, reason)
        done.take(told)
        if told.passed:
            holds = min(holds, told.keep)
        else:
            breaks = max(breaks, keep)
        if breaks > 0.0 and holds / breaks < bracket:
            return
        if holds <= limits.smallest_keep * BRACKET_RATIO:
            return
        reason = "bisect" if breaks > 0.0 else "bracket"
        keep = math.sqrt(holds * breaks) if breaks > 0.0 else _lower(told, limits)


def first_keep(done: Accepted, limits: Limits) -> Generator[Ask, Told, float]:
    """Probe a ladder of keep ratios; the first fine-tune goes where the cut model is half ruined.

    A probe says little of the value after a fine-tune ("Is Oracle Pruning the True Oracle?", 2024;
    here a model that a cut took from 0.99 to 0.35 came back to 0.98), but where it collapses is
    the right region to begin in.
    """
    held: list[tuple[float, float]] = [(1.0, 0.0)]
    parent = done.trials[-1].trial if done.trials else None
    for keep in PROBE_KEEPS:
        if keep < limits.smallest_keep:
            break
        told = yield Ask(
            kind="probe", step="channels", keep=keep, parent=parent,
            why=Why(code="probe", numbers={"keep": keep}),
        )  # fmt: skip
        if told.drop is None or told.value is None:
            break
        lost = told.drop / max(abs(told.value + told.drop), 1e-9)
        held.append((told.keep, lost))
        if lost > RUINED:
            break
    return min(FIRST_KEEP, _keep_at(held, RUINED))


def _keep_at(held: list[tuple[float, float]], lost: float) -> float:
    """The keep ratio at which the probed share ``lost`` is reached, by interpolation."""
    (keep_a, lost_a), *rest = held
    for keep_b, lost_b in rest:
        if lost_b > lost:
            share = (lost - lost_a) / max(lost_b - lost_a, 1e-9)
            log_keep = math.log(keep_a) + share * (math.log(keep_b) - math.log(keep_a))
            return math.exp(log_keep)
        keep_a, lost_a = keep_b, lost_b
    return keep_a


def _lower(told: Told, limits: Limits) -> float:
    """The next keep ratio after a success: further down the more of the tolerance is left."""
    left = 0.5 if told.margin is None else told.margin / max(limits.tolerance, 1e-9)
    factor = 0.55 if left > 0.5 else 0.7
    return max(limits.smallest_keep, told.keep * factor)


def weights(done: Accepted, share: int, *, step: Step) -> Asking:
    """Raise the sparsity of the best model until the floor is met no more."""
    keep = 1.0 if done.best is None else done.best.keep
    density = FIRST_DENSITY
    holds, breaks = 1.0, 0.0
    for index in range(min(share, done.left)):
        reason = "bracket" if breaks == 0.0 else "bisect"
        told = yield _fine_tune(
            done, step, keep, 1.0 - density, "more_sparsity" if index == 0 else reason
        )
        done.take(told)
        if told.passed:
            holds = min(holds, 1.0 - told.sparsity)
        else:
            breaks = max(breaks, density)
        if breaks > 0.0 and holds / breaks < BRACKET_RATIO:
            return
        density = math.sqrt(holds * breaks) if breaks > 0.0 else density * 0.5


def trade_off(done: Accepted, limits: Limits) -> Asking:
    """Spend what is left on the balance of both: cut on where it held, else back off a notch."""
    forward = True
    while done.left > 0 and done.best is not None:
        best = done.best
        if forward:
            keep = max(limits.smallest_keep, best.keep * 0.8)
            ask = _fine_tune(done, "trade_off", keep, best.sparsity, "cut_on")
        else:
            wider = [t.keep for t in done.trials if t.keep > best.keep * BRACKET_RATIO]
            keep = min(wider, default=min(1.0, best.keep * 1.25))
            density = (1.0 - best.sparsity) * (best.keep / keep) ** 2 * 0.85
            ask = _fine_tune(done, "trade_off", keep, 1.0 - density, "back_off")
        told = yield ask
        done.take(told)
        if not (told.passed and done.best is told):
            if not forward:
                return
            forward = False


def _fine_tune(done: Accepted, step: Step, keep: float, sparsity: float, code: str) -> Ask:
    parent = done.nearest(keep, sparsity)
    return Ask(
        kind="fine_tune", step=step, keep=keep, sparsity=sparsity,
        parent=None if parent is None else parent.trial,
        why=Why(
            code=code,
            numbers={"keep": keep, "sparsity": sparsity, "from_keep": 1.0 if parent is None else
                     parent.keep, "fine_tunes_left": done.left},
        ),
    )  # fmt: skip
