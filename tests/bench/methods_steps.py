"""One compiled training step for each method, on one batch: what :mod:`.methods_criteria` times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from engine.channels.surgery import with_gamma
from engine.channels.trace import trace
from engine.modelfile.rebuild import build
from engine.search.context import Context
from engine.sparsity.levels import levels_uniform, prunable_weights
from engine.sparsity.masks import Masks
from engine.sparsity.settings import SparsitySettings
from engine.sparsity.skeleton import PenaltyKind, Skeletons, SkeletonSettings
from engine.training.beside import Beside
from engine.training.gate import Gates
from engine.training.importance import ImportanceScales
from engine.training.step import compile_step, make_optimizer

Step = Callable[[], Any]


def steps_of(context: Context) -> dict[str, Step]:
    """A traced and warm step a method; ``plain`` is that of a fine-tune."""
    train = context.data.train.sample(context.settings.batch_size)
    weights = context.candidate.weights
    keys = prunable_weights(context.candidate.graph)
    levels = SparsitySettings(targets=levels_uniform(weights, keys, 0.7))
    found = {
        "plain": _step(context, train.images, train.labels),
        "masks": _step(context, train.images, train.labels, sparsity=levels),
        "importance": _step(context, train.images, train.labels, kind="importance"),
        "gate": _step(context, train.images, train.labels, kind="gate"),
    }
    for penalty in ("l1", "mixed"):
        found[f"skeleton, {penalty}"] = _step(context, train.images, train.labels, kind=penalty)
    for step in found.values():
        step()
    return found


def _step(
    context: Context,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    kind: str | None = None,
    sparsity: SparsitySettings | None = None,
) -> Step:
    graph, weights = context.candidate.graph, context.candidate.weights
    if kind == "importance":
        graph, weights = with_gamma(graph, weights)
    model, channels = build(graph, weights), trace(graph)
    beside: Beside | None
    match kind:
        case None:
            beside = None
        case "importance":
            beside = ImportanceScales(model, graph, weights, channels, pull=1e-4)
        case "gate":
            beside = Gates(model, channels, weights, pull=0.1)
        case _:
            penalty: PenaltyKind = "l1" if kind == "l1" else "mixed"
            settings = SkeletonSettings(theta=0.05, pull=0.01, penalty=penalty)
            beside = Skeletons(model, channels, settings)
    masks = None if sparsity is None else Masks(model, sparsity, 100)
    if masks is not None:
        masks.begin_step(1)
    optimizer = make_optimizer(model, context.settings, () if beside is None else beside.variables)
    step = compile_step(
        model=model, optimizer=optimizer, masks=masks, preprocess=context.transform,
        loss=context.loss, settings=context.settings, teacher=None, augment=None, beside=beside,
    )  # fmt: skip
    batch = [tf.constant(a) for a in (images, labels, np.zeros((len(images), 0), np.float32))]
    return lambda: step(*batch, tf.constant([0, 1], tf.int32))
