"""Executes what a strategy asks: cut, train, re-estimate, evaluate, judge, keep.

Owns the candidates of a run and their checkpoints. It decides nothing: asks come from a strategy,
the verdict from :mod:`engine.search.verdict`.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from engine import events as ev
from engine.control import EngineControl
from engine.errors import SecateurError, TrialError
from engine.job import Goal
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build, weights_of
from engine.runs import RunFolder
from engine.search import halfway
from engine.search.additions import Foldable, addition_of, prepared, strengths_of
from engine.search.asking import Ask, Told, better
from engine.search.clock import Clock
from engine.search.context import NORM_BATCHES, Context, custom_of
from engine.search.controls import QuantizedFile
from engine.search.describe import counts, layer_states
from engine.search.early import EarlyEnd
from engine.search.models import Candidate, cut_to, reached_keep, without_dead
from engine.search.narrowing import Narrowings
from engine.search.origin import origins_told
from engine.search.phases import Phases, gradients_of
from engine.search.sizes import SizeMeter
from engine.search.survive import (
    OUT_OF_MEMORY,
    LossWatch,
    check_deaths,
    check_numbers,
    halved,
    memory_named,
)
from engine.search.untrained import Untrained
from engine.search.verdict import Judgement, Target, judge
from engine.sparsity.levels import prunable_weights, sparsity_of, total_sparsity, zeroed
from engine.sparsity.settings import SparsitySettings
from engine.training.evaluate import Predictor, batch_for, predict_outputs
from engine.training.finetune import fine_tune
from engine.training.norms import reestimate_norms
from engine.training.settings import FineTuneSettings

PROBE_SAMPLES = 2000
"""Search samples that a probe is evaluated on, at most."""

Emit = Callable[[ev.Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A candidate that others can start from, and the epochs of training behind it."""

    candidate: Candidate
    epochs: int = 0


class TrialRunner:
    """Runs trials of one search.

    Parameters
    ----------
    context
        Model, data, target: what all trials share.
    margins
        By trial, one for each epoch that earlier sessions of this run have trained it.
    phases
        What learned criteria look at.
    deaths
        How the engine died in trials of this run.
    """

    def __init__(
        self,
        context: Context,
        target: Target,
        folder: RunFolder,
        emit: Emit,
        control: EngineControl,
        *,
        meter: SizeMeter,
        clock: Clock,
        margins: Mapping[int, tuple[float, ...]],
        phases: Phases,
        deaths: Sequence[ev.EngineDied] = (),
    ) -> None:
        self._context = context
        self._phases = phases
        self._narrowings = Narrowings(context, phases, control)
        self._untrained = Untrained(context, control)
        self._target = target
        self._folder = folder
        self._emit = emit
        self._control = control
        self._meter = meter
        self._clock = clock
        self._early = EarlyEnd(tolerance=target.tolerance, epochs=context.epochs)
        self._margins = margins
        self._deaths = deaths
        self._epochs: dict[int | None, int] = {}
        self._arms: dict[int, Arm] = {}
        self._best: Told | None = None

    def arm(self, trial: int | None) -> Arm:
        """The candidate that a trial ended with; the baseline for None."""
        if trial is None:
            return Arm(candidate=self._context.candidate)
        if trial not in self._arms:
            raise TrialError("parent.gone", f"The model to start from is not kept: trial {trial}.")
        return self._arms[trial]

    def recall(self, done: ev.TrialDone, parent: int | None) -> ev.TrialDone | None:
        """Take up a trial of an earlier session as it stands now.

        Returns
        -------
        TrialDone or None
            Without a checkpoint where that is gone; None where others may rest on what is gone, so
            that the trial must be run again.
        """
        self._epochs[done.trial] = self._epochs.get(parent, 0) + done.epochs
        if done.kind == "fine_tune":
            self._early.begin(self._margins.get(done.trial, ()))
            self._early.end(told_of(done, self._target).margin)
        if done.checkpoint is None:
            return done
        try:
            file, weights = open_model(
                self._folder.path / done.checkpoint, custom=custom_of(self._context.job)
            )
        except SecateurError:  # deleted or damaged
            rested_on = done.accepted or done.why.code == "prepared"
            return None if rested_on else replace(done, checkpoint=None)
        self._arms[done.trial] = Arm(
            candidate=Candidate(
                graph=file.graph, weights=weights, origins=origins_told(done.layers)
            ),
            epochs=self._epochs[done.trial],
        )
        if done.best:
            self._best = told_of(done, self._target)
        return done

    @property
    def goal(self) -> Goal:
        """What the search is for."""
        return self._context.job.goal

    def hold(self, best: Told) -> None:
        """Take this trial as the best so far; its checkpoint becomes ``model.keras``."""
        self._best = best
        self._folder.adopt_model(self._folder.checkpoint_name(best.trial))

    def can_sweep(self, trial: int | None) -> bool:
        """Whether a trial's model has dead channels."""
        candidate = self.arm(trial).candidate
        return without_dead(candidate, self._context.channels) is not candidate

    def strengths(self, trial: int) -> Mapping[str, tuple[float, ...]]:
        """What the channels of a trial's model score, by group; see ``Told.strengths``."""
        found = self._arms.get(trial)
        return {} if found is None else strengths_of(found.candidate, self._context)

    def run(self, trial: int, ask: Ask) -> ev.TrialDone:
        """Run one trial from its start event to its end event.

        Raises
        ------
        Stopped
            Where a stop was asked for meanwhile; the trial then counts for nothing.
        """
        epochs = self._context.epochs if ask.kind == "fine_tune" else 0
        if ask.gamma_l1 > 0 and self._context.job.l1_epochs > 0:
            epochs = self._context.job.l1_epochs
        self._emit(
            ev.TrialStarted(
                trial=trial, kind=ask.kind, step=ask.step, keep=ask.keep, sparsity=ask.sparsity,
                epochs=epochs, parent=ask.parent, why=ask.why, weight_values=ask.weight_values,
                trimmed=ask.trim,
            )
        )  # fmt: skip
        began = time.monotonic()
        try:
            check_deaths([death for death in self._deaths if death.trial == trial])
            with memory_named():
                done = self._execute(trial, ask, epochs)
        except TrialError as error:
            done = self._failed(trial, ask, error)
        finally:
            keras.backend.clear_session()
        done = replace(done, seconds=time.monotonic() - began)
        self._emit(done)
        halfway.forget(self._folder)
        return done

    def _execute(self, trial: int, ask: Ask, epochs: int) -> ev.TrialDone:
        if ask.sweep or ask.trim or ask.weight_values:
            return self._remade(trial, ask)
        if ask.quantized:
            return self._as_file(trial, ask)
        if ask.kind == "probe":
            return self._probe(trial, ask)
        if not any(d.trial == trial and d.cause == "memory" for d in self._deaths):
            try:
                with memory_named():
                    return self._tune(trial, ask, epochs, self._batch)
            except TrialError as error:
                if error.code != OUT_OF_MEMORY or self._batch == 1:
                    raise
        keras.backend.clear_session()
        gc.collect()
        half = max(1, self._batch // 2)
        self._emit(halved(half))
        return self._tune(trial, ask, epochs, half)

    @property
    def _batch(self) -> int:
        return min(self._context.settings.batch_size, len(self._context.data.train))

    def _probe(self, trial: int, ask: Ask) -> ev.TrialDone:
        context = self._context
        candidate = self._cut(ask)
        if ask.sparsity > 0:
            levels = context.levels(candidate, ask.sparsity)
            candidate = replace(candidate, weights=zeroed(candidate.weights, levels))
        images = context.data.search.images[:PROBE_SAMPLES]
        if ask.widths is not None and ask.sparsity == 0:
            parent = self.arm(ask.parent).candidate
            outputs = self._narrowings.outputs(parent, ask.widths, images)
        else:
            model = build(candidate.graph, candidate.weights)
            self._reestimate(model)
            outputs = self._predict(model, images)
        labels = context.data.search.labels[: len(outputs)]
        value = context.measure.value(context.measure.rows(outputs, labels))
        sizes = counts(candidate.graph, candidate.weights)
        return self._done(
            trial, ask, candidate, value=value, sizes=sizes, accepted=False, epochs=0,
            why=ev.Why(code="probe_only", numbers={"value": value, "samples": len(labels)}),
        )  # fmt: skip

    def _tune(self, trial: int, ask: Ask, epochs: int, batch: int) -> ev.TrialDone:
        self._narrowings.forget()
        parent = self.arm(ask.parent)
        candidate = prepared(ask, self._cut(ask))
        model = build(candidate.graph, candidate.weights)
        self._reestimate(model)
        addition = addition_of(ask, model, candidate, self._context)
        predictor = self._predictor(model, addition)
        settings = replace(
            self._context.settings, epochs=epochs, gamma_l1=ask.gamma_l1, batch_size=batch
        )
        trained = self._train(trial, model, candidate, ask, settings, predictor, addition)
        if addition is not None:
            addition.finish()
            predictor = self._predictor(model)
        done = self._judge(trial, ask, model, candidate, predictor, epochs=trained, parent=parent)
        self._early.end(told_of(done, self._target).margin)
        if trained == epochs:
            return done
        left_out = {"planned_epochs": epochs, "rise": self._early.rise(trained)}
        numbers = {**done.why.numbers, **left_out}
        return replace(done, why=replace(done.why, numbers=numbers))

    def _remade(self, trial: int, ask: Ask) -> ev.TrialDone:
        """The parent without its dead channels, or trimmed, or rounded; not trained."""
        parent = self.arm(ask.parent)
        made = parent.candidate
        if ask.sweep:
            made = without_dead(made, self._context.channels)
        elif ask.trim:
            made = replace(made, weights=self._untrained.trimmed(made, ask.sparsity))
        else:
            made = replace(made, weights=self._untrained.rounded(made, ask.weight_values))
        model = build(made.graph, made.weights)
        return self._judge(trial, ask, model, made, self._predictor(model), epochs=0, parent=parent)

    def _as_file(self, trial: int, ask: Ask) -> ev.TrialDone:
        """The parent as the quantised file that it is exported as; the best model if that holds."""
        context, parent = self._context, self.arm(ask.parent)
        try:
            rows = self._rows_of_file(parent.candidate)
        except SecateurError as failed:
            raise TrialError("quantize.failed", failed.message, failed.hint) from failed
        value = context.measure.value(rows)
        error = context.measure.standard_error(self._target, context.baseline_rows, rows)
        judgement = judge(value, self._target, error)
        self._arms[trial] = parent
        checkpoint = self._folder.checkpoint_name(ask.parent or 0)
        done = self._done(
            trial, ask, parent.candidate, value=value, sizes=self._meter.measure(parent.candidate),
            accepted=judgement.passed, epochs=0, checkpoint=checkpoint, why=judgement.why,
        )  # fmt: skip
        if not judgement.passed:
            return done
        self._best = told_of(done, self._target)
        self._folder.adopt_model(checkpoint)
        return replace(done, best=True)

    def _rows_of_file(self, candidate: Candidate) -> np.ndarray:
        """What the metric counts on the search split in the outputs of the quantised file."""
        context, part = self._context, self._context.data.search
        with tempfile.TemporaryDirectory(prefix="secateur-") as scratch:
            file = QuantizedFile(
                context, candidate, self._meter, Path(scratch), quantize=context.job.quantize
            )
            return context.measure.rows(file(part), part.labels)

    def _judge(
        self, trial: int, ask: Ask, model: keras.Model, candidate: Candidate,
        predictor: Predictor, *, epochs: int, parent: Arm,
    ) -> ev.TrialDone:  # fmt: skip
        """Evaluate a trained model on the whole search split, keep it, and say whether it holds."""
        self._reestimate(model)
        trained = replace(candidate, weights=weights_of(model, candidate.graph))
        value, judgement = self._look(predictor)
        sizes = self._meter.measure(trained)
        first_phase = ask.gamma_l1 > 0
        accepted = judgement.passed and not first_phase
        checkpoint = self._keep(trial, model)
        sizes = replace(sizes, keras_bytes=(self._folder.path / checkpoint).stat().st_size)
        self._epochs[trial] = parent.epochs + epochs
        self._arms[trial] = Arm(candidate=trained, epochs=self._epochs[trial])
        why = replace(judgement.why, code="prepared") if first_phase else judgement.why
        done = self._done(
            trial, ask, trained, value=value, sizes=sizes, accepted=accepted, epochs=epochs,
            checkpoint=checkpoint, why=why,
        )  # fmt: skip
        return self._with_best(done)

    def _with_best(self, done: ev.TrialDone) -> ev.TrialDone:
        """The trial, marked where it is the best so far; ``model.keras`` then is its checkpoint."""
        told = told_of(done, self._target)
        if not told.passed or (self._best is not None and not better(told, self._best)):
            return done
        self._best = told
        if done.checkpoint is not None:
            self._folder.adopt_model(done.checkpoint)
        return replace(done, best=True)

    def _cut(self, ask: Ask) -> Candidate:
        context = self._context
        candidate = self.arm(ask.parent).candidate
        widths, round_to = ask.widths, context.job.width_multiple
        if widths is None and context.path is not None:
            widths, round_to = context.path.at_keep(ask.keep).widths, 1
        return cut_to(
            candidate, ask.keep, before=context.channels,
            criterion=context.job.criterion, round_to=round_to,
            seed=context.job.seed, gradients=gradients_of(context, candidate, self._control),
            measured=self._phases.of(candidate), widths=widths,
        )  # fmt: skip

    def _train(
        self, trial: int, model: keras.Model, candidate: Candidate, ask: Ask,
        settings: FineTuneSettings, predictor: Predictor, addition: Foldable | None,
    ) -> int:  # fmt: skip
        """Train; the number of epochs after which that ended."""
        context, epochs = self._context, settings.epochs
        sparsity = None
        if ask.sparsity > 0:
            targets = context.levels(candidate, ask.sparsity)
            sparsity = SparsitySettings(targets=targets)
        digest = halfway.digest_of(trial, ask, settings=settings)
        start = halfway.load(self._folder, digest)
        ended = 0 if start is None else start.epoch
        self._early.begin(self._margins.get(trial, ())[:ended])
        self._clock.begin(self.arm(ask.parent).epochs / context.epochs)
        began = time.monotonic()

        watch = LossWatch()

        def on_batch(step: int, steps: int, loss: float) -> None:
            watch.batch(loss)
            self._emit(ev.BatchDone(trial=trial, step=step, steps=steps, loss=loss))
            self._clock.batch(step, steps)

        def on_epoch(epoch: int, loss: float) -> bool:
            nonlocal ended
            ended = epoch
            watch.epoch(loss)
            value, judgement = self._look(predictor)
            self._emit(
                ev.EpochDone(
                    trial=trial, epoch=epoch, epochs=epochs, loss=loss, value=value,
                    seconds=time.monotonic() - began, margin=judgement.margin,
                )
            )  # fmt: skip
            return self._early.look(judgement.margin) is not None and ask.early

        train = context.data.train
        fine_tune(
            model, train.images, train.labels, preprocess=context.transform, loss=context.loss,
            settings=settings, sparsity=sparsity, teacher=context.teacher, control=self._control,
            augment=context.augmenting.apply, beside=addition,
            on_batch=on_batch, on_epoch=on_epoch,
            on_state=lambda state: halfway.save(self._folder, digest, state),
            start=start,
        )  # fmt: skip
        self._clock.end()
        return ended

    def _look(self, predictor: Predictor) -> tuple[float, Judgement]:
        """The value of a model on the whole search split, and the verdict on it."""
        context, search = self._context, self._context.data.search
        outputs = predictor(search.images, control=self._control)
        check_numbers(outputs)
        rows = context.measure.rows(outputs, search.labels)
        value = context.measure.value(rows)
        error = context.measure.standard_error(self._target, context.baseline_rows, rows)
        return value, judge(value, self._target, error)

    def _predictor(self, model: keras.Model, addition: Foldable | None = None) -> Predictor:
        batch = batch_for(self._context.data.search.images)
        return Predictor(model, self._context.transform, batch_size=batch, beside=addition)

    def _reestimate(self, model: keras.Model) -> None:
        reestimate_norms(
            model, self._context.data.train.images, preprocess=self._context.transform,
            batches=NORM_BATCHES, seed=self._context.job.seed, control=self._control,
        )  # fmt: skip

    def _predict(self, model: keras.Model, images: np.ndarray) -> np.ndarray:
        return predict_outputs(
            model, images, preprocess=self._context.transform, control=self._control
        )

    def _keep(self, trial: int, model: keras.Model) -> str:
        name = self._folder.checkpoint_name(trial)
        self._folder.save_whole(name, lambda path: model.save(path, include_optimizer=False))
        return name

    def _done(
        self,
        trial: int,
        ask: Ask,
        candidate: Candidate,
        *,
        value: float,
        sizes: ev.Sizes,
        accepted: bool,
        epochs: int,
        why: ev.Why,
        checkpoint: str | None = None,
    ) -> ev.TrialDone:
        context = self._context
        zeros = total_sparsity(sparsity_of(candidate.weights, prunable_weights(candidate.graph)))
        return ev.TrialDone(
            trial=trial, kind=ask.kind, step=ask.step,
            keep=reached_keep(candidate, context.channels),
            sparsity=zeros,
            value=value, accepted=accepted, best=False, epochs=epochs, seconds=0.0, sizes=sizes,
            layers=layer_states(
                candidate.graph, context.channels, weights=candidate.weights,
                before=context.candidate.graph, origins=candidate.origins,
            ),
            checkpoint=checkpoint, why=why, weight_values=ask.weight_values,
            trimmed=ask.trim,
        )  # fmt: skip

    def _failed(self, trial: int, ask: Ask, error: TrialError) -> ev.TrialDone:
        return ev.TrialDone(
            trial=trial, kind=ask.kind, step=ask.step, keep=ask.keep, sparsity=ask.sparsity,
            value=None, accepted=False, best=False, epochs=0, seconds=0.0, sizes=None, layers=(),
            checkpoint=None,
            why=ev.Why(code="failed", numbers={"message": error.message}),
        )  # fmt: skip


def told_of(done: ev.TrialDone, target: Target) -> Told:
    """What a strategy is told of a finished trial, live or from the journal."""
    guard, rise = (done.why.numbers.get(name) for name in ("guard", "rise"))
    drop = None if done.value is None else target.sign * (target.value - done.value)
    margin = None
    if drop is not None:
        margin = target.tolerance - drop - (guard if isinstance(guard, float) else 0.0)
    return Told(
        trial=done.trial,
        keep=done.keep,
        sparsity=done.sparsity,
        value=done.value,
        drop=drop,
        margin=margin,
        passed=done.accepted,
        objective=None if done.sizes is None else done.sizes.objective,
        rise=rise if isinstance(rise, float) else 0.0,
        kept=done.checkpoint is not None,
    )
