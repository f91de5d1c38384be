"""The words of the status bar: phase, time left, trials, best so far, engine."""

from __future__ import annotations

import operator
import time

from engine.runstate import RunState
from engine.telling import sentences, units
from gui.session import Session

SILENT_AFTER_S = 60.0
"""How long an engine at work may say nothing before that is told."""


class StatusWords:
    """Reads a session; remembers when its last estimate came in, and the last word at all."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._estimated_at = 0.0
        self._seconds: float | None = None
        self._heard: tuple[object, object] = (None, None)
        self._heard_at = 0.0

    def texts(self) -> dict[str, str]:
        """The five fields by name, and the one of the best model in fewer words."""
        session, state = self._session, self._session.state
        shown = session.run is not None
        return {
            "phase": self._phase(),
            "time": self._time_left() if session.searching else "",
            "trials": trials_words(state) if shown else "",
            "best": best_words(state) if shown else "",
            "best_in_short": best_in_short(state) if shown else "",
            "engine": self._engine(),
        }

    def _time_left(self) -> str:
        state = self._session.state
        seconds = None if state.work is None else state.work.seconds_left
        now = time.monotonic()
        if seconds != self._seconds or state.status == "paused":
            self._seconds, self._estimated_at = seconds, now
        if seconds is None:
            return units.time_left(None)
        return units.time_left(max(seconds - (now - self._estimated_at), 0.0))

    def _phase(self) -> str:
        session, state = self._session, self._session.state
        if session.reading is not None:
            return f"Reading {session.reading.name} \u2026"
        if session.measuring:
            return "Measuring the baseline \u2026"
        if session.searching:
            return sentences.phase(state.phase) if state.phase else "Starting"
        if session.run is None:
            return "Ready"
        return sentences.STATUSES["interrupted" if state.live else state.status]

    def _silent_s(self) -> float:
        """Seconds since the search began or its engine said anything, as far as was looked."""
        now, session = time.monotonic(), self._session
        heard = (session.thread_of_search, session.record)
        if any(map(operator.is_not, heard, self._heard)):
            self._heard, self._heard_at = heard, now
        return now - self._heard_at

    def _engine(self) -> str:
        session, state = self._session, self._session.state
        if not session.searching:
            return "engine: not running"
        if session.stopping:
            return "engine: stopping"
        if state.status == "paused":
            return "engine: paused"
        silent = self._silent_s()
        if silent > SILENT_AFTER_S:
            return f"engine: silent for {units.duration(silent)}"
        device = f" on {state.device.partition(':')[0]}" if state.device else ""
        return "engine: starting" if state.status == "empty" else f"engine: running{device}"


def trials_words(state: RunState) -> str:
    """The cost so far: trials and, once there are some, the engine's time."""
    tunes = sum(t.kind == "fine_tune" for t in state.trials)
    text = f"{units.plural(tunes, 'fine-tune')}, {units.plural(state.probes, 'probe')}"
    return f"{text} in {units.duration(state.worked_s)}" if state.worked_s >= 1 else text


def best_words(state: RunState) -> str:
    """The best model so far: size and accuracy."""
    best = state.best_trial
    head = "best so far" if state.live else "kept"
    if best is None:
        return f"{head}: none accepted yet" if state.live else "nothing smaller was accepted"
    metric = None if state.baseline is None else state.baseline.metric
    value = f"{units.metric_value(best.value, metric)} {units.metric_name(metric)}"
    if best.sizes is None:
        return f"{head}: {value}"
    before = None if state.baseline is None else state.baseline.sizes.nonzero
    ratio = units.times(before, best.sizes.nonzero)
    size = units.short_count(best.sizes.nonzero)
    smaller = f" ({ratio} fewer)" if ratio else ""
    return f"{head}: {size} parameters{smaller}, {value}"


def best_in_short(state: RunState) -> str:
    """The same where there is little room: how many times smaller, and the value."""
    best = state.best_trial
    if best is None:
        return "none accepted yet" if state.live else "nothing smaller"
    metric, before = None, None
    if state.baseline is not None:
        metric, before = state.baseline.metric, state.baseline.sizes.nonzero
    ratio = None if best.sizes is None else units.times(before, best.sizes.nonzero)
    value = units.metric_value(best.value, metric)
    head = "best" if state.live else "kept"
    return f"{head}: {ratio} fewer, {value}" if ratio else f"{head}: {value}"
