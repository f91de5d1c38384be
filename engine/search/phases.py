"""Short phases with training images that a learned criterion looks at: each once for a model.

Owns which phase belongs to which criterion and what it runs on. A phase changes no candidate: what
it trains is thrown away, and only its scores stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import keras

from engine.channels.cost import cost
from engine.channels.groups import Channels
from engine.channels.surgery import with_gamma
from engine.control import EngineControl
from engine.criteria import Inputs, Measured, Scores
from engine.criteria.importance import folded_scales
from engine.criteria.skeleton import by_group
from engine.data import Part
from engine.modelfile.graph import Weights
from engine.modelfile.rebuild import build, weights_of
from engine.search.context import Context
from engine.search.models import Candidate, retrace
from engine.search.single import SLIMMING_LAMBDA
from engine.sparsity import skeleton as skeletons
from engine.training import gate, removal
from engine.training.beside import Beside
from engine.training.finetune import fine_tune
from engine.training.gradients import batch_gradients
from engine.training.importance import ImportanceScales
from engine.training.settings import FineTuneSettings, steps_per_epoch

PHASE_STEPS = 200
"""Training steps of a phase, about."""

PHASE_THETA = 0.1
"""Factor of the thresholds of skeletons that only rank: an entry that falls so low is gone."""

Phase = Callable[[Context, Candidate, EngineControl], Scores]


class Phases:
    """The phases of one search, remembered by candidate."""

    def __init__(self, context: Context, control: EngineControl) -> None:
        self._context = context
        self._control = control
        self._found: list[tuple[Candidate, str, Scores]] = []

    def of(self, candidate: Candidate) -> Measured:
        """What a criterion may ask of this candidate."""

        def measured(criterion: str) -> Scores:
            for known, name, scores in self._found:
                if known is candidate and name == criterion:
                    return scores
            scores = PHASES[criterion](self._context, candidate, self._control)
            self._found.append((candidate, criterion, scores))
            return scores

        return measured


def settings_of(context: Context) -> tuple[Part, FineTuneSettings]:
    """Training images and settings of a phase of about :data:`PHASE_STEPS` steps."""
    batch = context.settings.batch_size
    part = context.data.train.sample(PHASE_STEPS * batch)
    epochs = math.ceil(PHASE_STEPS / steps_per_epoch(len(part), batch))
    return part, replace(context.settings, epochs=epochs, distill=0.0)


def gradients_of(
    context: Context, candidate: Candidate, control: EngineControl
) -> Iterator[Weights]:
    """The loss's gradients on training images, computed only when asked for."""
    train = context.data.train
    yield from batch_gradients(
        build(candidate.graph, candidate.weights), candidate.graph, train.images, train.labels,
        preprocess=context.transform, loss=context.loss, seed=context.job.seed, control=control,
    )  # fmt: skip


def importance(context: Context, candidate: Candidate, control: EngineControl) -> Scores:
    """Importance weights, trained with the net under a pull; a net that has them folded in as is.

    The pull is network slimming's, on gammas and scales alike.
    """
    graph, weights = with_gamma(candidate.graph, candidate.weights)
    channels = retrace(graph, context.channels)
    if context.job.strategy == "importance":
        return folded_scales(Inputs(graph=graph, weights=weights, channels=channels))
    part, settings = settings_of(context)
    settings = replace(settings, gamma_l1=SLIMMING_LAMBDA)
    model = build(graph, weights)
    scales = ImportanceScales(
        model, graph, weights, channels, init=context.job.importance_init, seed=context.job.seed,
        pull=SLIMMING_LAMBDA,
    )  # fmt: skip
    _train(context, model, part, settings, scales, control)
    return scales.relative(weights_of(model, graph))


def skeleton(context: Context, candidate: Candidate, control: EngineControl) -> Scores:
    """What is left of each filter's stripes after training with skeletons under their penalty."""
    part, settings = settings_of(context)
    model, channels = _live(context, candidate)
    pull = skeletons.pull_for(PHASE_THETA, _steps(part, settings), settings, "mixed")
    wanted = skeletons.SkeletonSettings(theta=PHASE_THETA, pull=pull)
    beside = skeletons.Skeletons(model, channels, wanted)
    _train(context, model, part, settings, beside, control)
    return by_group(channels, beside.sizes())


def gates(context: Context, candidate: Candidate, control: EngineControl) -> Scores:
    """How far each channel's size lies above the threshold of its group, trained together."""
    part, settings = settings_of(context)
    model, channels = _live(context, candidate)
    pull = gate.pull_for(_steps(part, settings), settings)
    beside = gate.Gates(model, channels, candidate.weights, pull)
    _train(context, model, part, settings, beside, control)
    return beside.scores()


def greedy(context: Context, candidate: Candidate, control: EngineControl) -> Scores:
    """How late each channel goes where the one goes first without which the loss is lowest."""
    model, channels = _live(context, candidate)
    units = int(channels.removable.sum())
    part = context.data.train.sample(removal.samples_for(units, cost(candidate.graph).macs))
    return removal.greedy_scores(
        model, channels, part.images, part.labels, preprocess=context.transform, loss=context.loss,
        control=control,
    )  # fmt: skip


def _live(context: Context, candidate: Candidate) -> tuple[keras.Model, Channels]:
    """The candidate as a model, and its channel groups."""
    model = build(candidate.graph, candidate.weights)
    return model, retrace(candidate.graph, context.channels)


def _steps(part: Part, settings: FineTuneSettings) -> int:
    return settings.epochs * steps_per_epoch(len(part), settings.batch_size)


def _train(
    context: Context, model: keras.Model, part: Part, settings: FineTuneSettings, beside: Beside,
    control: EngineControl,
) -> None:  # fmt: skip
    fine_tune(
        model, part.images, part.labels, preprocess=context.transform, loss=context.loss,
        settings=settings, beside=beside, control=control, augment=context.augmenting.apply,
    )  # fmt: skip


PHASES: dict[str, Phase] = {
    "importance": importance,
    "skeleton": skeleton,
    "gate": gates,
    "greedy": greedy,
}
"""Learned criteria by name."""
