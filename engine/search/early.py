"""Whether a fine-tune may end before its last epoch: where the rest would decide nothing.

Pure bookkeeping over margins (see :class:`engine.search.asking.Told`), one an epoch. The learning
rate falls over all epochs and most of the gain comes at the end, so a margin on the way understates
the final one: what is accepted early would have been accepted, and by how much earlier fine-tunes
of the same search still rose is what a bad one is granted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.sparsity.settings import SparsitySettings

FAR_INSIDE = 0.5
"""A margin of this share of the tolerance, before the rate has fallen, is as good as accepted."""

FIRST_LOOK = SparsitySettings().ramp_share
"""Share of the epochs before which nothing ends: until then the zeros are not all there."""

GRANTED = 2.0
"""Times the largest rise seen that a bad one is granted: smaller nets fall deeper and rise more."""

HOPELESS = 0.4
"""What is further below than this share of the tolerance, the rise granted, is given up."""

Early = Literal["accept", "reject"]


@dataclass(slots=True)
class EarlyEnd:
    """Watches the fine-tunes of a search.

    Parameters
    ----------
    tolerance
        In the metric's unit.
    epochs
        Of a whole fine-tune.
    """

    tolerance: float
    epochs: int
    _margins: list[float] = field(default_factory=list)
    _whole: list[tuple[float, ...]] = field(default_factory=list)

    def begin(self, margins: Sequence[float] = ()) -> None:
        """A fine-tune begins, or goes on after the epochs that had these margins."""
        self._margins = list(margins)

    def look(self, margin: float) -> Early | None:
        """What to do after one more epoch with this margin; None: go on."""
        self._margins.append(margin)
        done = len(self._margins)
        if done < FIRST_LOOK * self.epochs or done >= self.epochs:
            return None
        if margin >= FAR_INSIDE * self.tolerance:
            return "accept"
        rises = [whole[-1] - whole[done - 1] for whole in self._whole]
        if not rises:
            return None
        hoped = margin + GRANTED * max(0.0, *rises)
        return "reject" if hoped < -HOPELESS * self.tolerance else None

    def rise(self, done: int) -> float:
        """What the epochs after so many have been worth to whole fine-tunes, in the mean."""
        rises = [whole[-1] - whole[done - 1] for whole in self._whole if 0 < done < len(whole)]
        return sum(rises) / len(rises) if rises else 0.0

    def end(self, margin: float | None) -> None:
        """It ended with this margin, judged anew; only whole ones tell of the rise."""
        if margin is not None and len(self._margins) == self.epochs:
            self._whole.append((*self._margins[:-1], margin))
        self._margins = []
