"""A run as window and report need it: the engine's own picture, and the order of its decisions.

Owns :class:`Record`, an immutable value that a thread can hand to the window as it is. The picture
is folded by :mod:`engine.runstate`; only the order of decisions is added here. No Qt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from engine import events as ev
from engine.runstate import RunState, fold

LogEvent: TypeAlias = (
    ev.RunStarted
    | ev.PhaseStarted
    | ev.BaselineMeasured
    | ev.GoalSet
    | ev.AugmentationChosen
    | ev.TrialStarted
    | ev.TrialDone
    | ev.ControlMeasured
    | ev.ReportMeasured
    | ev.NeedsEstimated
    | ev.Warned
    | ev.EngineDied
    | ev.TrialsDropped
    | ev.Exported
    | ev.RunEnded
)
LOGGED = (
    ev.RunStarted,
    ev.PhaseStarted,
    ev.BaselineMeasured,
    ev.GoalSet,
    ev.AugmentationChosen,
    ev.TrialStarted,
    ev.TrialDone,
    ev.ControlMeasured,
    ev.ReportMeasured,
    ev.NeedsEstimated,
    ev.Warned,
    ev.EngineDied,
    ev.TrialsDropped,
    ev.Exported,
    ev.RunEnded,
)
"""Kinds of events that are worth a line of the decision log."""

LOG_LIMIT = 2000
"""Decisions kept; a search has some hundreds, only a flood has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run so far: its state and its decisions in order."""

    state: RunState = field(default_factory=RunState)
    log: tuple[LogEvent, ...] = ()


def advance(record: Record, event: ev.Event) -> Record:
    """The record after one more event; a finished trial takes the place of its start,
    a phase that of one in which nothing was decided.
    """
    state = fold(record.state, event)
    if not isinstance(event, LOGGED):
        return replace(record, state=state)
    log = record.log
    if log and _replaces(event, log[-1]):
        log = log[:-1]
    return Record(state=state, log=(*log, event)[-LOG_LIMIT:])


def _replaces(event: ev.Event, last: LogEvent) -> bool:
    """Whether a line makes the one before it idle: a verdict its start, a phase an empty phase."""
    if isinstance(event, ev.TrialDone):
        return isinstance(last, ev.TrialStarted) and last.trial == event.trial
    return isinstance(event, ev.PhaseStarted) and isinstance(last, ev.PhaseStarted)


def record_of(events: Iterable[ev.Event]) -> Record:
    """The record of all these events."""
    record = Record()
    for event in events:
        record = advance(record, event)
    return record
