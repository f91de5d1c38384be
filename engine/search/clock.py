"""How long a search still takes, told from steps measured here.

Owns the estimate of remaining work. It decides nothing and knows no trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine import events as ev

Emit = Callable[[ev.Event], None]


class Clock:
    """Time left, from steps measured here: an upper bound, since a strategy may end early.

    Parameters
    ----------
    fine_tunes
        Most that the strategy may still ask for.
    control
        Whether the dense control follows: it is trained as long as the longest chain of fine-tunes,
        each from the one before, of which the result may be the end.
    now
        A monotonic clock, in seconds.
    earlier_s
        Seconds that fine-tunes of earlier sessions took.
    """

    def __init__(
        self,
        emit: Emit,
        fine_tunes: int,
        now: Callable[[], float],
        *,
        control: bool,
        earlier_s: Sequence[float] = (),
    ) -> None:
        self._emit = emit
        self._now = now
        self._left = fine_tunes
        self._control = control
        self._chain = 0.0
        self._measured = list(earlier_s)
        self._told_at = 0.0
        self._began = 0.0
        self._before: int | None = None
        self._each = 0.0

    def begin(self, chain: float = 0.0) -> None:
        """A fine-tune begins; ``chain`` fine-tunes led to what it starts from."""
        self._began, self._before = self._now(), None
        self._left = max(0, self._left - 1)
        self._chain = max(self._chain, chain + 1.0)

    def begin_last(self) -> None:
        """The control begins: nothing is trained after it."""
        self._began, self._before = self._now(), None
        self._left, self._control = 0, False

    def batch(self, step: int, steps: int) -> None:
        """A batch ended; tells about every two seconds.

        The first one may be in the middle, where an earlier session came so far.
        """
        now = self._now()
        if self._before is None:
            self._before = step - 1
        made = step - self._before
        self._each = (now - self._began) * steps / made
        if now - self._told_at < 2.0 or made < min(10, steps - self._before):
            return
        self._tell(self._each * (steps - step) / steps)

    def end(self) -> None:
        """A fine-tune ended."""
        self._measured.append(self._each if self._before else self._now() - self._began)
        self._tell(0.0)

    def _tell(self, this: float) -> None:
        self._told_at = self._now()
        each = float(np.mean(self._measured)) if self._measured else self._each
        after = self._left + (self._chain + self._left if self._control else 0.0)
        self._emit(ev.WorkEstimated(fine_tunes_left=self._left, seconds_left=this + after * each))
