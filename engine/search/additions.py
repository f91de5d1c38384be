"""What a fine-tune trains beside a model's own weights: what was asked for, made for a model.

Owns the making of additions; how they work belongs to :mod:`engine.training` and
:mod:`engine.sparsity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import keras
import numpy as np

from engine.channels.plan import normalised
from engine.channels.surgery import with_gamma
from engine.criteria import Inputs
from engine.criteria.importance import folded_scales, importance
from engine.search.asking import Ask
from engine.search.context import Context
from engine.search.models import Candidate, retrace
from engine.sparsity.skeleton import Skeletons, SkeletonSettings, pull_for
from engine.training.beside import Beside
from engine.training.importance import ImportanceScales
from engine.training.settings import steps_per_epoch


class Foldable(Beside, Protocol):
    """An addition that ends in the model's own weights."""

    def finish(self) -> None:
        """Fold what the model sees into its weights; the object is spent."""
        ...


def prepared(ask: Ask, candidate: Candidate) -> Candidate:
    """The candidate in the form that the addition needs, which is the same function."""
    if not ask.scales:
        return candidate
    graph, weights = with_gamma(candidate.graph, candidate.weights)
    return replace(candidate, graph=graph, weights=weights)


def addition_of(
    ask: Ask, model: keras.Model, candidate: Candidate, context: Context
) -> Foldable | None:
    """The addition to a model that was built of a prepared candidate; None where none is asked."""
    channels = retrace(candidate.graph, context.channels)
    if ask.scales:
        job = context.job
        return ImportanceScales(
            model, candidate.graph, candidate.weights, channels, init=job.importance_init,
            seed=job.seed,
        )  # fmt: skip
    if ask.theta > 0:
        each = steps_per_epoch(len(context.data.train), context.settings.batch_size)
        pull = pull_for(ask.theta, context.epochs * each, context.settings, "mixed")
        return Skeletons(model, channels, SkeletonSettings(theta=ask.theta, pull=pull))
    return None


def strengths_of(candidate: Candidate, context: Context) -> Mapping[str, tuple[float, ...]]:
    """What the channels of a net with folded importance weights score; see ``Told.strengths``."""
    channels = retrace(candidate.graph, context.channels)
    plain = Inputs(graph=candidate.graph, weights=candidate.weights, channels=channels)
    inputs = Inputs(
        graph=candidate.graph, weights=candidate.weights, channels=channels,
        measured=lambda _: folded_scales(plain),
    )  # fmt: skip
    return {
        group: tuple(np.sort(normalised(score)).tolist())
        for group, score in importance(inputs).items()
    }
