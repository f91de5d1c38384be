"""A run as its events tell it: one fold for the live window, the command line and old runs.

Owns the picture of a run (:class:`RunState`) and the one function that moves it on. Pure data:
no files, no clock, no Qt, no Keras.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from engine import events as ev
from engine.errors import ErrorInfo
from engine.job import Job

Status = Literal["empty", "running", "paused", "met", "not_met", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The trial under way: its start event and how far it is."""

    started: ev.TrialStarted
    step: int = 0
    steps: int = 0
    losses: tuple[tuple[int, float], ...] = ()
    epochs: tuple[ev.EpochDone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Everything a listener can show of a run. ``best`` is the id of the best accepted trial."""

    status: Status = "empty"
    run_id: str | None = None
    job: Job | None = None
    started_at: float | None = None
    device: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    phase: ev.Phase | None = None
    model: ev.ModelOpened | None = None
    data: ev.DataOpened | None = None
    baseline: ev.BaselineMeasured | None = None
    augmentation: ev.AugmentationChosen | None = None
    sensitivity: tuple[ev.SensitivityMeasured, ...] = ()
    goal_set: ev.GoalSet | None = None
    trials: tuple[ev.TrialDone, ...] = ()
    running: Running | None = None
    best: int | None = None
    work: ev.WorkEstimated | None = None
    needs: ev.NeedsEstimated | None = None
    warnings: tuple[ev.Warned, ...] = ()
    controls: tuple[ev.ControlMeasured, ...] = ()
    report: ev.ReportMeasured | None = None
    report_reads: int = 0
    latencies: ev.LatenciesMeasured | None = None
    exports: tuple[ev.Exported, ...] = ()
    deaths: tuple[ev.EngineDied, ...] = ()
    error: ErrorInfo | None = None
    ended: ev.RunEnded | None = None
    told_s: float = 0.0

    def trial(self, trial_id: int) -> ev.TrialDone | None:
        """The finished trial of that id."""
        return next((t for t in self.trials if t.trial == trial_id), None)

    @property
    def best_trial(self) -> ev.TrialDone | None:
        """The best accepted trial so far."""
        return None if self.best is None else self.trial(self.best)

    @property
    def layers(self) -> tuple[ev.LayerState, ...]:
        """Layers of the best model so far; before that, of the model that was opened."""
        best = self.best_trial
        if best is not None and best.layers:
            return best.layers
        return () if self.model is None else self.model.layers

    @property
    def probes(self) -> int:
        """How many trials only showed the way: what was swept or rounded was judged as well."""
        return sum(not t.judged for t in self.trials)

    @property
    def worked_s(self) -> float:
        """Seconds that the engine has worked on this run, as far as it lived to tell."""
        return max(self.told_s, sum(t.seconds for t in self.trials))

    def deaths_in(self, trial: int) -> tuple[ev.EngineDied, ...]:
        """How the engine died in this trial since a person last started or resumed the run."""
        return tuple(death for death in self.deaths if death.trial == trial)

    @property
    def live(self) -> bool:
        """Whether the run has begun and not ended."""
        return self.status in ("running", "paused")


def fold(state: RunState, event: ev.Event) -> RunState:
    """The state after one more event."""
    match event:
        case ev.RunStarted():
            return replace(
                state,
                status="running",
                run_id=event.run_id,
                job=event.job,
                started_at=state.started_at or event.time,
                device=event.device,
                versions=event.versions,
                running=None,
                ended=None,
                error=None,
            )
        case ev.PhaseStarted():
            return replace(state, phase=event.phase)
        case ev.ModelOpened():
            return replace(state, model=event)
        case ev.DataOpened():
            return replace(state, data=event)
        case ev.AugmentationChosen():
            return replace(state, augmentation=event)
        case ev.BaselineMeasured():
            return replace(state, baseline=event)
        case ev.SensitivityMeasured():
            return replace(state, sensitivity=(*state.sensitivity, event))
        case ev.GoalSet():
            return _goal(state, event)
        case ev.WorkEstimated():
            return replace(state, work=event)
        case ev.TrialStarted():
            return replace(state, running=Running(started=event))
        case ev.BatchDone():
            return _batch(state, event)
        case ev.EpochDone():
            if state.running is None or state.running.started.trial != event.trial:
                return state
            return replace(
                state, running=replace(state.running, epochs=(*state.running.epochs, event))
            )
        case ev.TrialDone():
            trials = tuple(t for t in state.trials if t.trial != event.trial)
            best = event.trial if event.best else state.best
            return replace(state, trials=(*trials, event), running=None, best=best)
        case ev.ControlMeasured():
            others = tuple(c for c in state.controls if c.name != event.name)
            return replace(state, controls=(*others, event))
        case ev.ReportMeasured():
            return replace(state, report=event, report_reads=state.report_reads + 1)
        case ev.LatenciesMeasured():
            return replace(state, latencies=event)
        case ev.Paused():
            return replace(state, status="paused") if state.live else state
        case ev.Resumed():
            return replace(state, status="running") if state.live else state
        case ev.Warned():
            return replace(state, warnings=(*state.warnings, event))
        case ev.NeedsEstimated():
            return replace(state, needs=event)
        case ev.EngineDied():
            return replace(state, deaths=(*state.deaths, event))
        case ev.CheckpointsPruned():
            return _pruned(state, event)
        case ev.TrialsDropped():
            return _dropped(state, event)
        case ev.Exported():
            others_out = tuple(e for e in state.exports if e.path != event.path)
            return replace(state, exports=(*others_out, event))
        case ev.RunEnded():
            return replace(
                state, status=event.outcome, error=event.error, ended=event, running=None,
                work=None, deaths=(), told_s=max(state.told_s, event.seconds or 0.0),
            )  # fmt: skip


def fold_all(events: Iterable[ev.Event]) -> RunState:
    """The state after all these events, from nothing."""
    state = RunState()
    for event in events:
        state = fold(state, event)
    return state


def _goal(state: RunState, event: ev.GoalSet) -> RunState:
    """The state under a new goal: earlier trials judged again, the end of the old one forgotten."""
    trials = tuple(
        replace(t, accepted=t.trial in event.accepted, best=t.trial == event.best)
        for t in state.trials
    )
    return replace(
        state, goal_set=event, trials=trials, best=event.best, report=None, latencies=None,
        exports=(),
    )  # fmt: skip


def _pruned(state: RunState, event: ev.CheckpointsPruned) -> RunState:
    """The state without the checkpoints that were removed; their trials stay."""
    gone = set(event.checkpoints)
    trials = tuple(replace(t, checkpoint=None) if t.checkpoint in gone else t for t in state.trials)
    return replace(state, trials=trials)


def _dropped(state: RunState, event: ev.TrialsDropped) -> RunState:
    """The state without these trials; the best one is the best of those that are left."""
    trials = tuple(t for t in state.trials if t.trial < event.first_trial)
    best = next((t.trial for t in reversed(trials) if t.best), None)
    return replace(state, trials=trials, best=best)


def _batch(state: RunState, event: ev.BatchDone) -> RunState:
    running = state.running
    if running is None or running.started.trial != event.trial:
        return state
    losses = running.losses
    if event.loss is not None:
        losses = (*losses, (event.step, event.loss))[-2000:]
    return replace(
        state, running=replace(running, step=event.step, steps=event.steps, losses=losses)
    )
