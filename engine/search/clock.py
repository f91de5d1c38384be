"""How long a search still takes, told from steps measured here.

Owns the estimate of remaining work. It decides nothing and knows no trial.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine import events as ev

Emit = Callable[[ev.Event], None]


class Clock:
    """Time left, from steps measured here: an upper bound, since a strategy may end early.

    Parameters
    ----------
    fine_tunes
        Most that the strategy may ask for.
    control
        Whether the dense control follows: it is trained as long as the longest accepted chain,
        which may be all fine-tunes.
    now
        A monotonic clock, in seconds.
    """

    def __init__(
        self, emit: Emit, fine_tunes: int, now: Callable[[], float], *, control: bool
    ) -> None:
        self._emit = emit
        self._now = now
        self._whole = fine_tunes
        self._left = fine_tunes
        self._control = control
        self._measured: list[float] = []
        self._told_at = 0.0
        self._began = 0.0

    def begin(self) -> None:
        """A fine-tune begins."""
        self._began = self._now()
        self._left = max(0, self._left - 1)

    def begin_last(self) -> None:
        """The control begins: nothing is trained after it."""
        self._began = self._now()
        self._left, self._control = 0, False

    def batch(self, step: int, steps: int) -> None:
        """A batch ended; tells about every two seconds."""
        now = self._now()
        if now - self._told_at < 2.0 or step < min(10, steps):
            return
        whole = (now - self._began) * steps / step
        self._tell(whole - (now - self._began), whole)

    def end(self) -> None:
        """A fine-tune ended."""
        self._measured.append(self._now() - self._began)
        self._tell(0.0, self._measured[-1])

    def _tell(self, this: float, each: float) -> None:
        self._told_at = self._now()
        each = float(np.mean(self._measured)) if self._measured else each
        after = self._left + (self._whole if self._control else 0)
        self._emit(ev.WorkEstimated(fine_tunes_left=self._left, seconds_left=this + after * each))
