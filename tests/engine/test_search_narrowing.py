"""Cuts probed inside the full-width model: the answers of models that were really cut."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from engine.channels.plan import plan_uniform
from engine.channels.surgery import cut
from engine.control import EngineControl
from engine.criteria import score
from engine.modelfile.rebuild import build
from engine.search.context import Context
from engine.search.models import Candidate, cut_to, retrace
from engine.search.narrowing import BATCH, Narrowings
from engine.search.phases import Phases
from engine.training.norms import BatchNormed
from tests.engine.contexts import sample_context


@pytest.fixture(scope="module")
def context() -> Context:
    return sample_context()


def narrowings(context: Context) -> Narrowings:
    control = EngineControl()
    return Narrowings(context, Phases(context, control), control)


def images_of(context: Context, count: int) -> np.ndarray:
    return context.data.train.sample(count).images


def of_the_cut_model(
    context: Context, candidate: Candidate, widths: Mapping[str, int], images: np.ndarray
) -> np.ndarray:
    """Outputs of the candidate really cut, in whole batches of equal size."""
    channels = retrace(candidate.graph, context.channels)
    scores = score("auto", candidate.graph, candidate.weights, channels)
    shares = {g.id: widths[g.id] / g.channels for g in channels.groups if g.id in widths}
    made = cut(candidate.graph, candidate.weights, channels, plan_uniform(channels, scores, shares))
    forward = BatchNormed(build(made.graph, made.weights), context.transform)
    batches = 1 if len(images) <= BATCH else 2
    return forward(images, batch_size=len(images) // batches)


def inner(context: Context) -> list[str]:
    """Groups that can be cut, but the first, whose constants a border would spoil."""
    return [g.id for g in context.channels.groups if g.prunable][1:]


def test_that_it_answers_as_the_cut_model_does(context: Context) -> None:
    """Up to the border that ``same`` padding puts around a removed channel's constant."""
    images = images_of(context, BATCH + 2)
    probing = narrowings(context)
    whole = probing.outputs(context.candidate, {}, images)
    assert len(whole) == len(images), "batches of equal size, none left out"
    for share in (0.75, 0.5):
        groups = [g for g in context.channels.groups if g.prunable]
        widths = {g.id: round(share * g.channels) for g in groups}
        found = probing.outputs(context.candidate, widths, images)
        expected = of_the_cut_model(context, context.candidate, widths, images)
        apart, moved = (np.abs(x - expected).mean() for x in (found, whole))
        assert apart < 0.05 * moved
    assert np.array_equal(probing.outputs(context.candidate, {}, images), whole)


def test_that_another_candidate_is_narrowed_from_its_own_widths(context: Context) -> None:
    images = images_of(context, BATCH)
    group = inner(context)[0]
    width = context.channels.group(group).channels
    narrow = cut_to(
        context.candidate, 0.5, before=context.channels, criterion="norm",
        widths={group: width // 2},
    )  # fmt: skip
    probing = narrowings(context)
    probing.outputs(context.candidate, {}, images)
    as_it_is = probing.outputs(narrow, {group: width}, images)
    expected = of_the_cut_model(context, narrow, {}, images)
    np.testing.assert_allclose(as_it_is, expected, atol=1e-4)
    fewer = probing.outputs(narrow, {group: width // 4}, images)
    assert np.abs(fewer - as_it_is).max() > 1e-3
