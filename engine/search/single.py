"""One kind of pruning alone: channels, or weights. Bracketed by probes, bisected by fine-tunes.

Owns the order of decisions and nothing else; see :mod:`engine.search.asking`.
"""

from __future__ import annotations

import math
from collections.abc import Generator

from engine.events import Step, Why
from engine.search.accepted import Accepted, ask_fine_tune
from engine.search.asking import Ask, Asking, Limits, Told

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

SLIMMING_LAMBDA = 1e-4
"""Network slimming's lambda (Liu et al., ICCV 2017)."""


def structured(limits: Limits) -> Asking:
    """Channels alone, by network slimming: an L1 phase on gamma, then one global percentile."""
    if limits.has_channels:
        done = Accepted(left=limits.fine_tunes)
        if limits.has_gamma and limits.fine_tunes > 1:
            yield from l1_phase(done)
        yield from channels(done, done.left, limits)


def l1_phase(done: Accepted) -> Asking:
    """Network slimming's training with an L1 norm on gamma, from which all cuts then start."""
    told = yield Ask(
        kind="fine_tune", step="channels", keep=1.0, gamma_l1=SLIMMING_LAMBDA,
        why=Why(code="l1_phase", numbers={"lambda": SLIMMING_LAMBDA}),
    )  # fmt: skip
    done.left -= 1
    if told.value is not None:
        done.trials.append(told)


def unstructured(limits: Limits) -> Asking:
    """Zero weights alone."""
    if limits.has_weights:
        yield from weights(Accepted(left=limits.fine_tunes), limits.fine_tunes, step="weights")


def channels(done: Accepted, share: int, limits: Limits) -> Asking:
    """Lower the keep ratio until the floor is met no more; at most ``share`` fine-tunes."""
    keep = yield from first_keep(done, limits)
    holds, breaks = 1.0, 0.0
    reason = "bracket"
    for _ in range(min(share, done.left)):
        told = yield ask_fine_tune(done, "channels", keep, 0.0, reason)
        done.take(told)
        if told.passed:
            holds = min(holds, told.keep)
        else:
            breaks = max(breaks, keep)
        if breaks > 0.0 and holds / breaks < BRACKET_RATIO:
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
        told = yield ask_fine_tune(
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
