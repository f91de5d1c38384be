"""Whether the trials of an earlier session are those that this one asks for.

A search is deterministic: resumed, it asks for what it asked for before and is told what came of
it. By another version of the program it may ask for something else, and an old result under that
number would be an answer to another question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine import events as ev
from engine.search.asking import Ask

_ROUNDING = 1e-9


def starts_of(events: Iterable[ev.Event]) -> dict[int, ev.TrialStarted]:
    """By number, what was asked for last."""
    return {event.trial: event for event in events if isinstance(event, ev.TrialStarted)}


def asked_for(started: ev.TrialStarted, ask: Ask) -> bool:
    """Whether a trial began as this ask would."""
    return (
        (started.kind, started.step, started.parent) == (ask.kind, ask.step, ask.parent)
        and (started.weight_values, started.trimmed) == (ask.weight_values, ask.trim)
        and math.isclose(started.keep, ask.keep, abs_tol=_ROUNDING)
        and math.isclose(started.sparsity, ask.sparsity, abs_tol=_ROUNDING)
    )
