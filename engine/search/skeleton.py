"""System C: train with filter skeletons under dynamic thresholds, remove what died, fine-tune.

Li, Wang, Wu, Kang, AI Communications 36(4):311-323, 2023; where theirs takes a threshold factor
from the user, this one brackets it by the same verdict that every strategy has. Owns the order of
decisions and nothing else; see :mod:`engine.search.asking`.
"""

from __future__ import annotations

import math

from engine.events import Why
from engine.search.accepted import Accepted, ask_fine_tune, ask_sweep
from engine.search.asking import Ask, Asking, Limits
from engine.search.heuristic import polish

FIRST_THETA = 0.15
"""The first factor of the thresholds."""

LARGEST_THETA = 0.6
"""Every threshold begins at its factor, and every entry at 1."""

RISE = 1.5
"""From a factor that held to the next."""

CLOSED = 1.1
"""A bracket of factors narrower than this is as good as closed."""


def skeleton(limits: Limits) -> Asking:
    """Raise the factor of the thresholds from the last model that held, then bisect.

    Each step costs two fine-tunes: one with skeletons, after which dead filters are taken away, and
    one of what is left, with its dead stripes held at zero.
    """
    if not limits.has_channels:
        return
    done = Accepted(left=limits.fine_tunes)
    holds, breaks = 0.0, 1.0
    theta = FIRST_THETA
    while done.left >= 2:
        trained = yield Ask(
            kind="fine_tune", step="trade_off", keep=1.0, theta=theta,
            parent=None if done.best is None else done.best.trial,
            why=Why(code="skeleton", numbers={"theta": theta}),
        )  # fmt: skip
        done.take(trained)
        if trained.value is None:
            breaks, theta = theta, _between(holds, theta)
            continue
        swept = yield ask_sweep(trained, "trade_off")
        if swept.value is not None:
            done.know(swept)
            trained = swept
        code = "bracket" if breaks == 1.0 else "bisect"
        told = yield ask_fine_tune(
            done, "trade_off", trained.keep, trained.sparsity, code, parent=trained
        )
        done.take(told)
        holds, breaks = (theta, breaks) if told.passed else (holds, theta)
        if breaks < holds * CLOSED:
            break
        theta = _between(holds, breaks)
    if done.left > 0:
        yield from polish(done, "trade_off")
    if done.best is not None and done.best.sparsity > 0:
        yield ask_sweep(done.best, "trade_off")


def _between(holds: float, breaks: float) -> float:
    """The next factor: upwards until one breaks, then halfway; half of what broke at once."""
    if breaks == 1.0:
        return min(LARGEST_THETA, holds * RISE)
    return math.sqrt(holds * breaks) if holds > 0 else breaks / 2
