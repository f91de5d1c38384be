"""What the command line shows of a search, on stderr: a progress bar and a line for each decision.

Owns the words for the terminal; rich draws. It reads :class:`engine.runstate.RunState` only.
"""

from __future__ import annotations

import os
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from engine import events as ev
from engine.runstate import RunState
from engine.telling.sentences import augmentation, engine_died, needs
from engine.telling.units import is_share, metric_name, metric_value, time_left

WIDE = 400
"""Columns of a file or a pipe."""

PHASES = {
    "opening": "Opening the model",
    "data": "Reading the data",
    "baseline": "Measuring the baseline",
    "sensitivity": "Probing the groups",
    "channels": "Removing channels",
    "weights": "Zeroing weights",
    "trade_off": "Trading channels against weights",
    "quantize": "Rounding and quantising",
    "controls": "Training the uncut model to compare with (Ctrl-C leaves it out)",
    "report": "Reading the report split",
    "export": "Exporting and checking",
}

VERDICTS = {
    "accepted": "accepted",
    "below_floor": "does not hold the floor",
    "inside_guard": "too close to the floor",
    "probe_only": "probe",
    "failed": "failed",
    "stopped": "stopped",
    "prepared": "prepared",
}


def plain(*, stderr: bool = False) -> Console:
    """A console that prints names as they are: brackets and colons of a path are no mark-up.

    Where nobody's window sets its width, tables are as wide as their content.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


def percent(value: float | None) -> str:
    """A share as percent with two decimals, or a dash."""
    return "-" if value is None else f"{100 * value:.2f} %"


def figure(value: float | None, metric: str | None) -> str:
    """A metric's value: percent with two decimals for shares, or its own number, or a dash."""
    return percent(value) if value is None or is_share(metric) else metric_value(value, metric)


def duration(seconds: float | None) -> str:
    """Seconds as people say them: ``45 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(bytes_: float | None) -> str:
    """Bytes as KB or MB (1000 each), or a dash."""
    if bytes_ is None:
        return "-"
    return f"{bytes_ / 1000:.1f} KB" if bytes_ < 1e6 else f"{bytes_ / 1e6:.2f} MB"


class SearchView:
    """Follows a search on the terminal; a context manager, called with each event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._held: list[tuple[str, str]] = []
        self._open = False

    def __enter__(self) -> SearchView:
        self._progress.start()
        self._task = self._progress.add_task("Starting the engine", total=None, note="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: ev.Event, state: RunState) -> None:
        """Show one event."""
        self._open = state.data is not None
        match event:
            case ev.PhaseStarted():
                self._update(PHASES.get(event.phase, event.phase), note=_left(state))
            case ev.BatchDone():
                self._batch(event, state)
            case ev.TrialStarted() if event.kind == "fine_tune":
                self._update(f"Fine-tune {event.trial}", total=None, note=_left(state))
            case ev.Warned():
                self._line(f"note      {event.message}", style="yellow")
            case ev.Paused() | ev.Resumed():
                self._line("paused" if isinstance(event, ev.Paused) else "going on")
            case _:
                line = _sentence(event, state)
                if line:
                    self._line(line)

    def _batch(self, event: ev.BatchDone, state: RunState) -> None:
        running = state.running
        if running is not None:
            name = f"Fine-tune {event.trial}: keep {percent(running.started.keep)}"
            self._update(name, completed=event.step, total=event.steps, note=_left(state))

    def _update(
        self, text: str, *, note: str, completed: int | None = None, total: int | None = None
    ) -> None:
        if self._task is not None:
            self._progress.update(
                self._task, description=text, note=note, completed=completed, total=total
            )

    def _line(self, text: str, *, style: str = "") -> None:
        """Print a line; until the data are open it is held, so that a refusal stands alone."""
        self._held.append((text, style))
        if self._open:
            for line, own in self._held:
                self._console.print(line, style=own, soft_wrap=True)
            self._held.clear()


def _left(state: RunState) -> str:
    work = state.work
    return "" if work is None else time_left(work.seconds_left)


def _sentence(event: ev.Event, state: RunState) -> str | None:
    """A line for the events that are worth one."""
    match event:
        case ev.ModelOpened():
            groups = len({r.group for r in event.layers if r.group and r.prunable})
            return f"model     {event.name}: {event.params:,} parameters, {groups} removable groups"
        case ev.DataOpened():
            counts = f"{event.train:,} train, {event.search:,} search, {event.report:,} report"
            return f"data      {event.source}: {counts} samples; preprocessing {event.preprocess}"
        case ev.BaselineMeasured():
            values = (event.value, *event.interval, event.floor)
            value, low, high, floor = (figure(v, event.metric) for v in values)
            return (
                f"baseline  {metric_name(event.metric)} {value} on the search split"
                f" (95 %: {low} to {high}), floor {floor}"
            )
        case ev.AugmentationChosen():
            return f"augment   {augmentation(event, _metric(state))}"
        case ev.NeedsEstimated():
            return f"needs     {needs(event)}"
        case ev.EngineDied():
            return f"engine    {engine_died(event)}"
        case ev.TrialDone():
            return _trial(event, _metric(state))
        case ev.ReportMeasured():
            before, after = (figure(v, _metric(state)) for v in (event.baseline, event.final))
            return (
                f"report    {before} before, {after} after on"
                f" {event.samples:,} samples the search never saw"
            )
        case ev.Exported():
            return f"saved     {event.path}, re-opened and checked"
        case ev.RunEnded() if event.error is None:
            return f"ended     {event.outcome.replace('_', ' ')} in {duration(event.seconds)}"
    return None


def _metric(state: RunState) -> str | None:
    return None if state.baseline is None else state.baseline.metric


def _trial(event: ev.TrialDone, metric: str | None) -> str:
    what = "fine-tune" if event.kind == "fine_tune" else "result" if event.judged else "probe"
    rounded = f", {event.weight_values} values a filter" if event.weight_values else ""
    left = "" if event.sizes is None else f", {event.sizes.nonzero:,} nonzero"
    verdict = VERDICTS.get(event.why.code, event.why.code)
    return (
        f"{what:<9} {event.trial:>2}: keep {percent(event.keep)}, zeros {percent(event.sparsity)}"
        f"{rounded}{left}: {figure(event.value, metric)}, {verdict}"
    )
