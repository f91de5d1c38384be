"""Pause and stop, as the working thread meets them.

Owns the two switches. Whoever works calls :meth:`EngineControl.checkpoint` between batches: it
blocks while paused and raises :class:`Stopped` once a stop was asked for. No Keras, no pipes.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable

from engine import events as ev

FEW_STEPS = 3
"""Fewer steps than these tell nothing of the time of one."""


class Stopped(Exception):
    """A stop was asked for; the best so far is on disk."""


class EngineControl:
    """The switches of one run, set by the listening thread, met by the working thread."""

    def __init__(self, emit: Callable[[ev.Event], None] | None = None) -> None:
        self._emit = emit
        self._go = threading.Event()
        self._go.set()
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    def obey(self, command: object) -> None:
        """Take a command: ``pause``, ``resume`` or ``stop``; anything else is ignored."""
        if command == "pause":
            self._go.clear()
        elif command == "resume":
            self._go.set()
        elif command == "stop":
            self._stop.set()
            self._go.set()

    def checkpoint(self) -> None:
        """Hold while paused; raise once stopped.

        Raises
        ------
        Stopped
            Where a stop was asked for.
        """
        if not self._go.is_set():
            self._tell(ev.Paused())
            self._go.wait()
            self._tell(ev.Resumed())
        if self._stop.is_set():
            raise Stopped

    def _tell(self, event: ev.Event) -> None:
        if self._emit is not None:
            self._emit(event)


class StepWatch(EngineControl):
    """Another's switches, timing what happens between two checkpoints: a training step."""

    def __init__(self, control: EngineControl) -> None:
        super().__init__()
        self._control = control
        self._met: list[float] = []

    def checkpoint(self) -> None:
        """As the other's."""
        self._control.checkpoint()
        self._met.append(time.monotonic())

    @property
    def step_s(self) -> float | None:
        """The median step in seconds; None where there were too few."""
        steps = [after - before for before, after in itertools.pairwise(self._met)]
        return statistics.median(steps) if len(steps) >= FEW_STEPS else None
