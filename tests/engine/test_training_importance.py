"""Importance weights: what a net sees of them, that they are identifiable, and that they fold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.channels.surgery import with_gamma
from engine.channels.trace import trace
from engine.criteria import score
from engine.criteria.base import Inputs
from engine.criteria.importance import filter_norm
from engine.errors import UserError
from engine.job import ImportanceInit
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import build, weights_of
from engine.training.beside import seen_in
from engine.training.finetune import fine_tune
from engine.training.importance import ImportanceScales
from engine.training.settings import LossSpec
from tests.engine import zoo
from tests.engine.opened import from_model
from tests.engine.training_nets import dots, quick, scaled, small_net

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

INITS = get_args(ImportanceInit)


def beside(
    model: keras.Model, **more: Any
) -> tuple[keras.Model, ImportanceScales, LayerGraph, Weights]:
    """A model with scales beside it."""
    graph, weights = with_gamma(*from_model(model))
    built = build(graph, weights)
    return built, ImportanceScales(built, graph, weights, trace(graph), **more), graph, weights


def trained(**more: Any) -> tuple[keras.Model, ImportanceScales, LayerGraph, Weights]:
    model, scales, graph, weights = beside(small_net(norms=False), **more)
    images, labels = dots()
    fine_tune(
        model, images, labels, preprocess=scaled, loss=LossSpec(), settings=quick(), beside=scales
    )
    return model, scales, graph, weights


def outputs(model: keras.Model, inputs: Any) -> np.ndarray:
    return np.asarray(model(inputs, training=False))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("net", ["unet", "residual", "separable", "grouped", "shared_layer"])
def test_that_a_net_begins_as_it_came(net: str, init: ImportanceInit) -> None:
    model, scales, _, _ = beside(zoo.live(zoo.build(net)), init=init)
    for variable, value in scales.seen():
        np.testing.assert_allclose(value, variable.numpy(), rtol=1e-5, atol=1e-7)
    assert model.trainable_variables


def test_that_what_is_seen_is_the_scale_times_the_filter_at_its_first_norm() -> None:
    model, scales, _, weights = trained(init="filter-norm")
    kernel, bias = model.get_layer("first").weights
    began = weights["first"]["kernel"]
    now = scales.relative(weights)["g1"]
    axes = (0, 1, 2)
    first, last = (np.sqrt((k**2).sum(axis=axes)) for k in (began, kernel.numpy()))
    seen = {variable.path: value for variable, value in scales.seen()}
    wanted = kernel.numpy() * now * first / last
    np.testing.assert_allclose(seen[kernel.path], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(seen[bias.path], bias.numpy() * now, rtol=1e-4, atol=1e-6)
    assert np.abs(now - 1.0).max() > 1e-3


@pytest.mark.parametrize("init", INITS)
def test_that_folding_changes_no_output(init: ImportanceInit) -> None:
    model, scales, _, _ = trained(init=init)
    images = dots(8)[0].astype("float32") / 255.0
    with seen_in(model, scales):
        before = outputs(model, images)
    bare = outputs(model, images)
    scales.finish()
    after = outputs(model, images)
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()
    assert np.abs(after - bare).max() > 1e-3


def test_that_a_scale_cannot_hide_in_its_filter() -> None:
    """The trap: beside a linear filter a free scale may shrink while the filter grows."""
    model, scales, _, _ = trained()
    seen = [np.asarray(value) for _, value in scales.seen()]
    kernel = model.get_layer("second").kernel
    kernel.assign(10.0 * kernel)
    for (_, value), was in zip(scales.seen(), seen, strict=True):
        np.testing.assert_allclose(value, was, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("init", INITS)
def test_that_the_score_is_the_norm_of_the_folded_filter(init: ImportanceInit) -> None:
    model, scales, graph, weights = trained(init=init)
    channels = trace(graph)
    found = score(
        "importance", graph, weights, channels, measured=lambda _: scales.relative(weights)
    )
    scales.finish()
    folded = Inputs(graph=graph, weights=weights_of(model, graph), channels=channels)
    for group in channels.groups:
        if group.prunable and len(group.producers) == 1:
            wanted = filter_norm(folded, group)
            np.testing.assert_allclose(
                found[group.id] / found[group.id].max(), wanted / wanted.max(), rtol=1e-4
            )


def test_that_gamma_is_the_scale_where_there_is_one() -> None:
    model, scales, graph, weights = beside(zoo.live(zoo.build("chain")))
    seen = {variable.path for variable, _ in scales.seen()}
    assert seen == {"b_conv/kernel", "b_conv/bias"}
    gamma = model.get_layer("a_bn").gamma
    gamma.assign(-3.0 * gamma)
    relative = scales.relative(weights_of(model, graph))
    np.testing.assert_allclose(relative["g1"], 3.0 * np.abs(weights["a_bn"]["gamma"]), rtol=1e-6)
    found = score("importance", graph, weights, trace(graph), measured=lambda _: relative)
    np.testing.assert_allclose(found["g1"], relative["g1"])


def test_that_a_net_whose_norms_all_scale_trains_its_gammas_alone() -> None:
    model, scales, graph, _ = beside(small_net())
    images, labels = dots()
    fine_tune(
        model, images, labels, preprocess=scaled, loss=LossSpec(),
        settings=replace(quick(), epochs=1, gamma_l1=0.1), beside=scales,
    )  # fmt: skip
    assert scales.variables[0].shape == (0,)
    assert scales.seen() == []
    trained = weights_of(model, graph)
    assert set(scales.relative(trained)) == {g.id for g in trace(graph).groups if g.prunable}


def test_that_a_norm_without_gamma_gets_one_of_ones() -> None:
    model = zoo.live(zoo.build("separable"))
    graph, weights = with_gamma(*from_model(model))
    assert (weights["b_bn"]["gamma"] == 1.0).all()
    inputs = zoo.random_inputs(model)
    np.testing.assert_allclose(
        outputs(build(graph, weights), inputs), outputs(model, inputs), rtol=1e-5, atol=1e-6
    )
    assert with_gamma(graph, weights)[0] == graph


def test_that_a_pinned_channel_has_no_scale() -> None:
    _, scales, graph, _ = beside(zoo.live(zoo.build("unet")))
    assert all(variable.path != "mask/kernel" for variable, _ in scales.seen())
    units = sum(int(trace(graph).removable_units(g.id).sum()) for g in trace(graph).groups)
    assert scales.variables[0].shape == (units,)


def test_that_the_pull_is_their_l1_norm() -> None:
    _, scales, _, _ = beside(zoo.live(zoo.build("unet")), init="random", pull=0.5)
    value = scales.variables[0]
    assert float(scales.penalty()) == pytest.approx(0.5 * float(tf.reduce_sum(tf.abs(value))))


def test_that_a_filter_of_zeros_stays_one() -> None:
    model = small_net(norms=False)
    kernel = model.get_layer("first").kernel
    kernel.assign(kernel.numpy() * (np.arange(6) > 0))
    built, scales, _, _ = beside(model)
    images, labels = dots()
    fine_tune(
        built, images, labels, preprocess=scaled, loss=LossSpec(),
        settings=replace(quick(), epochs=1), beside=scales,
    )  # fmt: skip
    scales.finish()
    assert (built.get_layer("first").kernel.numpy()[..., 0] == 0).all()


def test_that_importance_without_data_is_refused() -> None:
    graph, weights = from_model(small_net())
    with pytest.raises(UserError, match="labelled images"):
        score("importance", graph, weights, trace(graph))
