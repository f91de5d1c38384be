"""Strategies to measure the default against: the published three steps, and brute force.

They ask through the same generator protocol, so that data, epochs and verdict are equal.
"""

from __future__ import annotations

import math

from engine.events import Why
from engine.search.accepted import ask_sweep
from engine.search.asking import Ask, Asking, Limits, Told
from engine.search.single import SLIMMING_LAMBDA

NOTCH = 0.1
"""Step of keep ratio and sparsity in system A as published."""


def three_step(limits: Limits) -> Asking:
    """System A: raise the cut notch by notch, then the sparsity, then one notch back.

    Tian, Yamagiwa, Wada, Sensors 22(15):5874, 2022; in the most economical reading: BN gamma
    after an L1 phase with one global percentile, magnitude sparsity on the last model that held,
    then the cut one notch back and the sparsity again, until that makes nothing smaller.
    """
    left = limits.fine_tunes
    start: Told | None = None
    if limits.has_gamma and left > 0:
        start = yield Ask(
            kind="fine_tune", step="channels", keep=1.0, gamma_l1=SLIMMING_LAMBDA,
            why=Why(code="l1_phase", numbers={"lambda": SLIMMING_LAMBDA}),
        )  # fmt: skip
        left -= 1
    held: list[Told] = []
    keep = 1.0 - NOTCH
    while left > 0 and limits.has_channels and keep > max(limits.smallest_keep, NOTCH / 2):
        parent = held[-1] if held else start
        told = yield _ask("channels", keep, 0.0, parent, "notch")
        left -= 1
        if not told.passed:
            break
        held.append(told)
        keep -= NOTCH
    best: Told | None = None
    for index, base in enumerate(reversed(held or ([] if start is None else [start]))):
        if left <= 0:
            return
        found: Told | None = base if base.passed else None
        sparsity = NOTCH
        parent = base
        while left > 0 and sparsity < 1.0:
            told = yield _ask(
                "weights" if index == 0 else "trade_off", base.keep, sparsity, parent, "notch"
            )
            left -= 1
            if not told.passed:
                break
            found = parent = told
            sparsity += NOTCH if sparsity < 0.85 else 0.04
        if found is None or (best is not None and _size(found) >= _size(best)):
            return
        if found.sparsity > 0:
            swept = yield ask_sweep(found, "trade_off")
            found = swept if swept.passed else found
        best = found


def grid(limits: Limits, *, side: int | None = None) -> Asking:
    """Brute force: every pair of ``side`` keep ratios and ``side`` sparsities, each fine-tuned."""
    side = max(1, math.isqrt(limits.fine_tunes)) if side is None else side
    for row in range(side):
        keep = 1.0 - row / side
        for column in range(side):
            yield _ask("trade_off", keep, column / side, None, "grid")


def _ask(step: str, keep: float, sparsity: float, parent: Told | None, code: str) -> Ask:
    return Ask(
        kind="fine_tune",
        step="channels" if step == "channels" else "weights" if step == "weights" else "trade_off",
        keep=keep,
        sparsity=sparsity,
        parent=None if parent is None else parent.trial,
        why=Why(code=code, numbers={"keep": keep, "sparsity": sparsity}),
    )


def _size(told: Told) -> float:
    return math.inf if told.objective is None else told.objective
