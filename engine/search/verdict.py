"""Whether a candidate may be accepted: a pure judgement over measured numbers.

Owns floor, guard band and target. The guard keeps the report split's figure above the floor too:
a value on a few thousand search samples is one draw, and the search picks among several.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import Why

DRAW_SE = 2.33
"""Of the report split's comparison, which has as large an error as the search split's, so that the
two differ by 1.41 of them: 95 % of what is at the edge of this band here is above the floor there.
"""

CHOICE_SE = 0.85
"""Of choosing: the smallest of about three that hold is the luckiest of three draws, which is so
much better than it should be. On eleven searches of 20,000 images the report split's drop was the
larger one by 0.85 +- 0.34 standard errors."""

GUARD_SE = DRAW_SE + CHOICE_SE
"""Guard band in standard errors of the comparison on the search split."""

GUARD_SHARE = 0.6
"""The guard never eats more than this share of the tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What has to be kept. ``sign`` is +1 where higher is better, -1 where lower is."""

    value: float
    tolerance: float
    given: bool
    sign: int = 1

    @property
    def floor(self) -> float:
        """The worst value that is still good enough."""
        return self.value - self.sign * self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with the numbers behind it; ``margin`` above 0 means accepted."""

    passed: bool
    margin: float
    drop: float
    why: Why


def judge(value: float, target: Target, standard_error: float) -> Judgement:
    """Judge a fine-tuned candidate on the search split.

    Parameters
    ----------
    value
        The candidate's metric.
    standard_error
        Of its difference to the baseline on the same samples (target from the baseline), or of
        the value itself (target given); in the metric's unit.
    """
    guard = min(GUARD_SE * max(standard_error, 0.0), GUARD_SHARE * target.tolerance)
    over_floor = target.sign * (value - target.floor)
    margin = over_floor - guard
    drop = target.sign * (target.value - value)
    code = "accepted" if margin >= 0 else "inside_guard" if over_floor >= 0 else "below_floor"
    why = Why(
        code=code,
        numbers={"value": value, "floor": target.floor, "guard": guard, "error": standard_error},
    )
    return Judgement(passed=margin >= 0, margin=margin, drop=drop, why=why)
