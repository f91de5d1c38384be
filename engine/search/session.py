"""One search from its job to its result: the order of events, and nothing of how each is done."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine import data as rooms
from engine import events as ev
from engine.channels.cost import cost
from engine.channels.price import WidthCost
from engine.control import EngineControl
from engine.criteria import CRITERIA, score
from engine.device import prepare_device, versions
from engine.effort import most_fine_tunes
from engine.errors import EngineFailure, UserError
from engine.job import Job
from engine.modelfile.freezing import frozen_layers, unfrozen
from engine.modelfile.precision import in_float32, is_mixed
from engine.runs import RunFolder
from engine.runstate import RunState, fold_all
from engine.search import finish, needs, premises, regoal
from engine.search.accepted import then_quantized
from engine.search.allocation import MACS_SHARE, allocate, curves_of
from engine.search.asking import Ask, Asking, Limits, Told
from engine.search.clock import Clock
from engine.search.context import (
    Context,
    Emit,
    Opened,
    channels_of,
    complete,
    data_opened,
    model_opened,
    open_data,
    open_files,
)
from engine.search.describe import counts
from engine.search.heuristic import further, heuristic
from engine.search.importance import importance
from engine.search.models import Candidate, floors, removable_channels, smallest_keep
from engine.search.phases import Phases, gradients_of
from engine.search.published import grid, three_step
from engine.search.recalled import asked_for, starts_of
from engine.search.sensitivity import measure_sensitivity
from engine.search.single import structured, unstructured
from engine.search.sizes import SizeMeter
from engine.search.skeleton import skeleton
from engine.search.trials import TrialRunner, told_of
from engine.search.verdict import Target
from engine.training.evaluate import predict_outputs
from engine.training.settings import OPTIMIZERS, steps_per_epoch

PREVIEW = "preview"
FURTHER_FINE_TUNES = 3
"""Fine-tunes of the default search for a new goal on a finished run, at most."""
MAX_FAILURES = 3
FAILURES = "trials.failed"
NOTHING_TO_SWEEP = Told(
    trial=0, keep=1.0, sparsity=0.0, value=None, drop=None, margin=None, passed=False,
    objective=None,
)  # fmt: skip
STRATEGIES = {
    "heuristic": heuristic,
    "structured": structured,
    "unstructured": unstructured,
    "three-step": three_step,
    "grid": grid,
    "importance": importance,
    "skeleton": skeleton,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """When the search has to end: ``deadline_s`` on the monotonic clock, None without one."""

    fine_tunes: int
    deadline_s: float | None

    def over(self) -> bool:
        """Whether the time is spent."""
        return self.deadline_s is not None and time.monotonic() >= self.deadline_s


def run_search(folder: RunFolder, emit: Emit, control: EngineControl) -> str:
    """Run the job of a folder to its end, going on where an earlier session ended.

    Returns
    -------
    str
        ``"met"`` or ``"not_met"``.

    Raises
    ------
    Stopped
        Where the person stopped it; the best so far is in the folder.
    UserError
        Where model or data cannot be used.
    """
    job = folder.job()
    told = tuple(folder.events())
    earlier, margins = fold_all(told), margins_of(told)
    device = prepare_device()
    emit(
        ev.RunStarted(
            run_id=folder.path.name, job=job, time=time.time(), device=device, versions=versions()
        )
    )
    job = _ranked(job)
    stage = regoal.stage_of(earlier, job)
    done = _done_before(earlier, stage)
    spent_s = sum(trial.seconds for trial in done.values())
    limit_s = job.budget.time_s
    deadline = None if limit_s is None else time.monotonic() + limit_s - spent_s
    most = most_fine_tunes(job.budget, job.strategy)
    budget = Budgeted(fine_tunes=most, deadline_s=deadline)
    with SizeMeter(job) as meter:
        target, context = _baseline(job, folder, emit, control, meter)
        value = context.measure.value(context.baseline_rows)
        if target.sign * (value - target.floor) < 0:
            return finish.baseline_below(context, target, folder, emit)
        left = max(0, most - sum(t.kind == "fine_tune" for t in done.values()))
        needed = needs.estimate(context, folder.path, fine_tunes=left)
        needs.check(needed, folder.path, limited=limit_s is not None, emit=emit)
        phases = Phases(context, control)
        context = _allocated(context, earlier.sensitivity, emit, control, phases)
        took = [t.seconds for t in earlier.trials if t.kind == "fine_tune" and t.epochs > 0]
        clock = Clock(emit, left, time.monotonic, control=job.controls, earlier_s=took)
        runner = TrialRunner(
            context, target, folder, emit, control, meter=meter, clock=clock, margins=margins,
            phases=phases, deaths=earlier.deaths,
        )  # fmt: skip
        known = regoal.judge_again(stage, folder, runner, target, emit)
        scales = job.strategy == "importance"
        tolds = tuple(_told(t, runner, target, scales=scales) for t in known if not t.finished)
        strategy = _strategy(context, budget, known=tolds)
        start = Start(number=stage.first_trial - 1, best=next((t for t in known if t.best), None))
        before = Before(done=done, starts=starts_of(told))
        best = _drive(strategy, runner, target, budget, start, before, emit, control)
        return finish.finish(context, target, runner, best, folder, emit, control, meter, clock)


def margins_of(events: Iterable[ev.Event]) -> dict[int, tuple[float, ...]]:
    """By trial, the margins after its epochs as they were told last."""
    told: dict[int, dict[int, float]] = {}
    for event in events:
        if isinstance(event, ev.EpochDone) and event.margin is not None:
            told.setdefault(event.trial, {})[event.epoch] = event.margin
    return {trial: tuple(by[e] for e in sorted(by)) for trial, by in told.items()}


def _done_before(earlier: RunState, stage: regoal.Stage) -> dict[int, ev.TrialDone]:
    """Trials of this goal that need not be run again, by number.

    Where failures ended the run, a person who resumes it has changed something: those are.
    """
    done = {t.trial: t for t in earlier.trials if t.trial >= stage.first_trial}
    if earlier.error is not None and earlier.error.code == FAILURES:
        while done and done[max(done)].value is None:
            del done[max(done)]
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where the trials of a goal begin: the number before its first one, and the best known."""

    number: int
    best: ev.TrialDone | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What earlier sessions did for this goal, by number: how trials began and what they came to.

    ``done`` loses what this session does not ask for again.
    """

    done: dict[int, ev.TrialDone]
    starts: Mapping[int, ev.TrialStarted]

    def trial(self, number: int, ask: Ask, emit: Emit) -> ev.TrialDone | None:
        """What came of an ask in an earlier session.

        Where that one asked for something else, it and all after it are dropped, and said to be.
        """
        old, began = self.done.get(number), self.starts.get(number)
        if old is None or (began is not None and asked_for(began, ask)):
            return old
        for later in [trial for trial in self.done if trial >= number]:
            del self.done[later]
        emit(ev.TrialsDropped(first_trial=number))
        return None


def _ranked(job: Job) -> Job:
    """The job with the criterion that its strategy brings.

    Raises
    ------
    UserError
        Where the strategy is not known, or another criterion was asked for.
    """
    if job.strategy not in STRATEGIES:
        raise UserError(
            "strategy.unavailable",
            f"This strategy is not part of this version: {job.strategy}.",
            f"Choose one of {', '.join(STRATEGIES)}.",
        )
    if job.strategy not in CRITERIA or job.criterion == job.strategy:
        return job
    if job.criterion != "auto":
        raise UserError(
            "strategy.criterion",
            f"The strategy {job.strategy} ranks by what it trains, not by {job.criterion}.",
            "Leave --criterion out, or use it with another strategy.",
        )
    return replace(job, criterion=job.strategy)


def _baseline(
    job: Job, folder: RunFolder, emit: Emit, control: EngineControl, meter: SizeMeter
) -> tuple[Target, Context]:
    """Open everything and measure the model that came in."""
    emit(ev.PhaseStarted(phase="opening"))
    file, weights = open_files(job)
    frozen = frozen_layers(file.graph)
    mixed = is_mixed(file.graph)
    file = replace(file, graph=in_float32(unfrozen(file.graph)))
    channels = channels_of(job, file.graph)
    emit(model_opened(file, channels))
    if mixed:
        emit(
            ev.Warned(
                code="model.mixed",
                message="The model was trained in mixed precision. The search computes in float32,"
                " as its weights are, so values may differ a little.",
            )
        )
    if frozen:
        are = "layer is" if len(frozen) == 1 else "layers are"
        emit(
            ev.Warned(
                code="model.frozen",
                message=f"{len(frozen)} {are} frozen in the file, such as {frozen[0]}. The search"
                " trains all layers: what is cut has to be made up for.",
            )
        )
    control.checkpoint()
    emit(ev.PhaseStarted(phase="data"))
    opened = open_data(job, file, weights, control)
    rooms.write_preview(opened.data, opened.preprocess, opened.near_ties, folder.path / PREVIEW)
    emit(replace(data_opened(opened), preview=PREVIEW))
    emit(ev.PhaseStarted(phase="baseline"))
    search = opened.data.search
    outputs = predict_outputs(
        opened.model, search.images, preprocess=opened.transform, control=control
    )
    rows = opened.measure.rows(outputs, search.labels)
    value = opened.measure.value(rows)
    premises.check_baseline(outputs, value, opened.measure.name)
    given = job.goal.target is not None
    target = Target(
        value=value if job.goal.target is None else job.goal.target,
        tolerance=job.goal.tolerance, given=given, sign=opened.measure.sign,
    )  # fmt: skip
    candidate = Candidate(graph=file.graph, weights=weights)
    sizes = replace(meter.measure(candidate), keras_bytes=_keras_bytes(opened))
    emit(
        ev.BaselineMeasured(
            metric=opened.measure.name, higher_is_better=opened.measure.higher_is_better,
            value=value, interval=opened.measure.interval(rows),
            samples=len(search), target=target.value,
            target_from="given" if given else "baseline", tolerance=target.tolerance,
            floor=target.floor, sizes=sizes,
        )
    )  # fmt: skip
    for doubt in premises.doubts(opened.data, outputs):
        emit(doubt)
    context = complete(job, opened, rows, control)
    emit(context.augmenting.event)
    _warn_of_seen(context, emit)
    rate = context.settings.learning_rate
    if rate < context.first_rate:
        emit(
            ev.Warned(
                code="rate.lowered",
                message=f"A learning rate of {context.first_rate:g} would break this model; it is"
                f" trained with {rate:g} by {OPTIMIZERS[context.settings.optimizer]}.",
            )
        )
    return target, context


def _warn_of_seen(context: Context, emit: Emit) -> None:
    """Say so where "unseen" images are recognised as well as those of the train part."""
    name, rows = context.measure.name, context.train_rows
    if rows is None or context.data.seen != "no":
        return
    if rooms.looks_seen(name, rows, context.baseline_rows):
        trained, unseen = map(context.measure.value, (rows, context.baseline_rows))
        emit(ev.Warned(code="data.seen", message=rooms.seen_sentence(name, trained, unseen)))


def _allocated(
    context: Context,
    done: Sequence[ev.SensitivityMeasured],
    emit: Emit,
    control: EngineControl,
    phases: Phases,
) -> Context:
    """The context with the path along which channels are cut, where the strategy goes along one."""
    job = context.job
    wanted = job.strategy == "heuristic" and job.allocation == "sensitivity"
    wanted = wanted and len(context.file.graph.outputs) == 1
    if not wanted or removable_channels(context.channels) == 0:
        return context
    emit(ev.PhaseStarted(phase="sensitivity"))
    scores = score(
        job.criterion, context.candidate.graph, context.candidate.weights, context.channels,
        seed=job.seed, gradients=gradients_of(context, context.candidate, control),
        measured=phases.of(context.candidate),
    )  # fmt: skip
    macs = cost(context.candidate.graph).macs
    points = measure_sensitivity(context, scores, done, emit, control, macs=macs)
    path = allocate(
        curves_of(points, context.channels),
        WidthCost(context.channels),
        floors(context.channels),
        params_share=0.0 if _by_macs(job) else 1.0,
        macs_share=1.0 if _by_macs(job) else MACS_SHARE,
        multiple=job.width_multiple,
        finer=job.round_to is None,
    )
    return replace(context, path=path)


def _by_macs(job: Job) -> bool:
    """Whether multiply-adds are what is shared out; a time grows with them, but for a constant."""
    return job.goal.minimise in ("macs", "latency")


def _keras_bytes(opened: Opened) -> int:
    """Size of the model as a ``.keras`` file without optimiser."""
    with tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
        path = Path(scratch) / "model.keras"
        opened.model.save(path, include_optimizer=False)
        return path.stat().st_size


def _strategy(context: Context, budget: Budgeted, known: tuple[Told, ...]) -> Asking:
    sizes = counts(context.candidate.graph, context.candidate.weights)
    job = context.job
    by_channels = job.strategy in ("structured", "importance") or (
        job.strategy == "heuristic" and (_by_macs(job) or job.goal.minimise == "file")
    )
    path = () if context.path is None else context.path.points
    limits = Limits(
        fine_tunes=budget.fine_tunes,
        steps=context.epochs
        * steps_per_epoch(len(context.data.train), context.settings.batch_size),
        tolerance=context.job.goal.tolerance,
        smallest_keep=smallest_keep(context.channels),
        objective=float(sizes.nonzero),
        has_channels=removable_channels(context.channels) > 0,
        has_weights=not by_channels or context.job.sparse_for == "speed",
        path=tuple((p.keep, p.macs if _by_macs(job) else p.params) for p in path),
        has_gamma=any(
            w.name == "gamma" for la in context.file.graph.layers.values() for w in la.weights
        ),
        l1_phase=context.job.l1_epochs > 0,
        known=known,
        channels=removable_channels(context.channels),
        floors=floors(context.channels),
        packed=job.goal.minimise == "size",
    )
    if known and job.strategy == "heuristic":
        most = min(limits.fine_tunes, FURTHER_FINE_TUNES)
        strategy = further(replace(limits, fine_tunes=most))
    else:
        strategy = STRATEGIES[job.strategy](limits)
    return strategy if context.job.quantize == "none" else then_quantized(strategy)


def _drive(
    strategy: Asking,
    runner: TrialRunner,
    target: Target,
    budget: Budgeted,
    start: Start,
    before: Before,
    emit: Emit,
    control: EngineControl,
) -> ev.TrialDone | None:
    """Ask, run or recall, tell; until the strategy ends or the time is spent. The best trial."""
    best, number = start.best, start.number
    phase: str | None = None
    failures = 0
    tried: list[ev.TrialDone] = []
    told = None
    while True:
        try:
            ask = next(strategy) if told is None else strategy.send(told)
        except StopIteration:
            return best
        if budget.over():
            strategy.close()
            emit(ev.Warned(code="budget.time", message="The time is spent; the search ends here."))
            return best
        if ask.sweep and not runner.can_sweep(ask.parent):
            told = NOTHING_TO_SWEEP
            continue
        if ask.step != phase:
            phase = ask.step
            emit(ev.PhaseStarted(phase=ask.step))
        number += 1
        old = before.trial(number, ask, emit)
        trial = None if old is None else runner.recall(old, ask.parent)
        if trial is None:
            control.checkpoint()
            trial = runner.run(number, ask)
        tried.append(trial)
        doubt = premises.constant_metric(target.value, tried)
        if doubt is not None and not target.given:
            emit(doubt)
        failures = failures + 1 if trial.value is None else 0
        if failures >= MAX_FAILURES:
            strategy.close()
            return _after_failures(trial, best, emit)
        if trial.best:
            best = trial
        told = _told(trial, runner, target, scales=ask.scales)


def _told(trial: ev.TrialDone, runner: TrialRunner, target: Target, *, scales: bool) -> Told:
    """What a strategy is told of a trial; ``scales``: how strong its channels are, too."""
    told = told_of(trial, target)
    return replace(told, strengths=runner.strengths(trial.trial)) if scales else told


def _after_failures(
    last: ev.TrialDone, best: ev.TrialDone | None, emit: Emit
) -> ev.TrialDone:  # fmt: skip
    """End a search that cannot go on with the best so far.

    Raises
    ------
    EngineFailure
        Where there is none.
    """
    why = last.why.numbers.get("message")
    what = f"{MAX_FAILURES} trials in a row failed, the last one because: {why}"
    if best is None:
        raise EngineFailure(FAILURES, what, "Nothing had been accepted before.")
    emit(ev.Warned(code=FAILURES, message=f"{what} The search ends with the best so far."))
    return best
