"""Sensitivity probes: what they see, and that they cost what they say."""

from __future__ import annotations

import numpy as np
import pytest

from engine import events as ev
from engine.channels.oracle import reference
from engine.channels.plan import plan_uniform
from engine.control import EngineControl
from engine.criteria import score
from engine.modelfile.rebuild import build
from engine.search.context import Context
from engine.search.narrowing import BATCH
from engine.search.sensitivity import divergence, ladder, measure_sensitivity, samples_for
from engine.training.norms import BatchNormed
from engine.training.settings import LossSpec
from tests.engine.contexts import sample_context


@pytest.fixture(scope="module")
def context() -> Context:
    return sample_context()


def probe(
    context: Context, done: tuple[ev.SensitivityMeasured, ...] = ()
) -> tuple[tuple[ev.SensitivityMeasured, ...], list[ev.Event]]:
    told: list[ev.Event] = []
    candidate = context.candidate
    scores = score("auto", candidate.graph, candidate.weights, context.channels)
    points = measure_sensitivity(
        context, scores, done, told.append, EngineControl(), macs=1_000_000
    )
    return points, told


def test_that_every_removable_group_is_probed_down_its_ladder_and_told_of(
    context: Context,
) -> None:
    points, told = probe(context)
    assert list(points) == told
    for group in context.channels.groups:
        own = [p for p in points if p.group == group.id]
        assert [p.kept for p in own] == list(ladder(group) if group.prunable else ())
        assert all(p.loss > 0 and 0 <= p.value <= 1 for p in own)
    deepest = {p.group: p for p in points}
    assert all(
        deep.loss > next(p.loss for p in points if p.group == g) for g, deep in deepest.items()
    )


def test_that_a_probe_sees_what_the_cut_model_would_answer(context: Context) -> None:
    """The same group cut to the same width in a model built for it."""
    points, _ = probe(context)
    point = points[len(points) // 2]
    candidate, channels = context.candidate, context.channels
    scores = score("auto", candidate.graph, candidate.weights, channels)
    plan = plan_uniform(channels, scores, {point.group: point.keep})
    model = build(*reference(candidate.graph, candidate.weights, channels, plan))
    images = context.data.train.sample(1024).images
    assert 7 * BATCH < len(images) <= 8 * BATCH, "eight batches of equal size"
    batch = len(images) // 8
    outputs = BatchNormed(model, context.transform)(images, batch_size=batch)
    dense = BatchNormed(build(candidate.graph, candidate.weights), context.transform)
    before = dense(images, batch_size=batch)
    assert point.loss == pytest.approx(divergence(before, outputs, context.loss), rel=1e-3)


def test_that_points_of_an_earlier_session_are_not_measured_again(context: Context) -> None:
    points, _ = probe(context)
    again, told = probe(context, points)
    assert again == points
    assert told == []
    rest, told = probe(context, points[:-2])
    assert len(told) == 2
    assert {(p.group, p.kept) for p in rest} == {(p.group, p.kept) for p in points}


def test_that_the_weights_of_the_probed_model_come_back(context: Context) -> None:
    """Two passes over the same groups in the same process agree to the last bit."""
    assert probe(context)[0] == probe(context)[0]


def test_that_the_subset_shrinks_with_what_probing_costs() -> None:
    assert samples_for(9, 30_000_000) == 1024
    assert samples_for(50, 4_000_000_000) == 128


def test_that_equal_answers_do_not_diverge_and_others_do() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 5))
    spec = LossSpec(from_logits=True)
    assert divergence(logits, logits + 3.0, spec) == pytest.approx(0.0, abs=1e-9)
    other = rng.normal(size=(20, 5))
    p, q = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in (logits, other))
    assert divergence(logits, other, spec) == pytest.approx(np.mean(np.sum(p * np.log(p / q), -1)))
    binary = LossSpec(kind="binary", from_logits=True)
    assert divergence(logits, other, binary) > 0
