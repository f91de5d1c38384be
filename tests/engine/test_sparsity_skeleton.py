"""Filter skeletons: formulas against NumPy, what training sees of them, folding and surgery."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from engine.channels.groups import Channels
from engine.channels.trace import trace
from engine.criteria.skeleton import by_group
from engine.modelfile.graph import LayerGraph
from engine.modelfile.rebuild import build, weights_of
from engine.search.models import Candidate, without_dead
from engine.sparsity import skeleton as sk
from engine.sparsity.levels import prunable_weights, sparsity_of
from engine.training.beside import seen_in
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec
from tests.engine import zoo
from tests.engine.opened import from_model
from tests.engine.training_nets import dots, quick, scaled, small_net

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def rows_of(skeleton: np.ndarray, axis: int) -> np.ndarray:
    """Filters by entries, float64."""
    moved: np.ndarray = np.moveaxis(skeleton, axis, 0).astype(np.float64)
    return moved.reshape(moved.shape[0], -1)


@pytest.fixture(params=[((3, 3, 1, 5), 3), ((3, 3, 5, 1), 2), ((1, 5), 1)], ids=str)
def stripes(request: pytest.FixtureRequest) -> tuple[np.ndarray, int]:
    """A skeleton with zeros and a filter that is gone, and the axis of its filters."""
    shape, axis = request.param
    random = np.random.default_rng(3)
    values = random.normal(1.0, 0.6, shape) * (random.random(shape) > 0.2)
    values[tuple(2 if a == axis else slice(None) for a in range(len(shape)))] = 0.0
    return values.astype(np.float32), axis


def test_that_thresholds_are_those_of_the_formula(stripes: tuple[np.ndarray, int]) -> None:
    values, axis = stripes
    rows = rows_of(values, axis)
    sizes = np.abs(rows).sum(axis=1)
    with np.errstate(divide="ignore"):
        wanted = 0.4 * sizes.mean() / sizes
    np.testing.assert_allclose(sk.filter_sizes(tf.constant(values), axis), sizes, rtol=1e-6)
    np.testing.assert_allclose(sk.thresholds(tf.constant(sizes), 0.4), wanted, rtol=1e-6)
    stays = (np.abs(rows) > wanted[:, None]) | (np.abs(rows) == np.abs(rows).max())
    found = rows_of(sk.survivors(tf.constant(values), axis, 0.4).numpy(), axis)
    np.testing.assert_array_equal(found, stays)
    assert 0 < stays.sum() < stays.size
    uniform = rows_of(sk.survivors(tf.constant(values), axis, 0.4, dynamic=False).numpy(), axis)
    np.testing.assert_array_equal(uniform, np.abs(rows) > 0.4)


def test_that_penalty_and_similarity_are_those_of_the_formulas(
    stripes: tuple[np.ndarray, int],
) -> None:
    values, axis = stripes
    rows = rows_of(values, axis)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    group = np.sqrt(rows.shape[1]) * np.divide(rows, lengths, where=lengths > 0, out=rows * 0)
    slopes = {"l1": np.sign(rows), "group": group, "mixed": 0.5 * np.sign(rows) + 2.0 * group}
    for kind in ("l1", "group", "mixed"):
        found = sk.penalty_slope(tf.constant(values), axis, kind, 0.4, 0.8)
        np.testing.assert_allclose(rows_of(found.numpy(), axis), slopes[kind], rtol=1e-5, atol=1e-6)
    alive = np.abs(rows[lengths[:, 0] > 0])
    mean = np.abs(rows).mean(axis=0)
    cosines = alive @ mean / np.linalg.norm(alive, axis=1) / np.linalg.norm(mean)
    np.testing.assert_allclose(sk.similarity(tf.constant(values), axis), cosines.mean(), rtol=1e-6)


def net(name: str = "") -> tuple[keras.Model, LayerGraph, Channels]:
    graph, weights = from_model(zoo.live(zoo.build(name)) if name else small_net())
    return build(graph, weights), graph, trace(graph)


def trained(settings: sk.SkeletonSettings) -> tuple[keras.Model, sk.Skeletons, LayerGraph]:
    model, graph, channels = net()
    skeletons = sk.Skeletons(model, channels, settings)
    images, labels = dots()
    fine_tune(
        model, images, labels, preprocess=scaled, loss=LossSpec(), settings=quick(),
        beside=skeletons,
    )  # fmt: skip
    return model, skeletons, graph


def test_that_the_mixed_penalty_is_not_the_l1_norm_after_the_second_step() -> None:
    found: dict[str, list[np.ndarray]] = {}
    random = np.random.default_rng(0)
    jolts = [random.normal(0, 0.1, (3, 3, 1, 6)).astype(np.float32) for _ in range(3)]
    for kind, pull in (("mixed", 0.5), ("l1", 1.0)):
        model, _, channels = net()
        skeletons = sk.Skeletons(
            model, channels, sk.SkeletonSettings(theta=0.01, pull=pull, penalty=kind)
        )
        values = skeletons.variables[0]
        found[kind] = []
        for jolt in jolts:
            skeletons.begin_step(tf.constant(0.05))
            found[kind].append(values.numpy())
            values.assign(values.numpy() + jolt)  # as the loss would move it, the same for both
    apart = [np.abs(a - b).max() for a, b in zip(found["mixed"], found["l1"], strict=True)]
    assert apart[0] < 1e-6 < 1e-3 < apart[1] < apart[2]


def test_that_training_kills_stripes_and_the_fold_is_what_was_seen() -> None:
    settings = quick()
    pull = sk.pull_for(0.1, 12, settings, "mixed")
    model, skeletons, graph = trained(sk.SkeletonSettings(theta=0.3, pull=pull))
    images = scaled(dots(8)[0].astype(np.float32))
    with seen_in(model, skeletons):
        before = model(images).numpy()
    free = np.abs(before - model(images).numpy()).max()
    skeletons.finish()
    after = model(images).numpy()
    assert free > 1e-3
    values = [v.numpy() for v in skeletons.variables]
    dead = [v == 0 for v in values]
    assert all(0 < d.sum() < d.size for d in dead)
    for name, gone in zip(("first", "second"), dead, strict=True):
        kernel = model.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(np.all(kernel == 0, axis=2, keepdims=True), gone)
        assert not np.signbit(kernel[kernel == 0]).any(), "a sign costs a packed file as a value"
    zeros = sparsity_of(weights_of(model, graph), prunable_weights(graph))
    assert zeros["second", "kernel"].zeros == int(dead[1].sum()) * 6
    # The last step's cut comes on top of what was seen before it
    again = sk.Skeletons(model, trace(graph), sk.SkeletonSettings(theta=0.3, pull=0.0))
    with seen_in(model, again):
        np.testing.assert_allclose(model(images).numpy(), after, atol=1e-6)


@pytest.mark.parametrize("name", ["chain", "residual", "flatten_dense", "unet", "depthwise"])
def test_that_dead_filters_go_and_the_rest_computes_the_same(name: str) -> None:
    model, graph, channels = net(name)
    skeletons = sk.Skeletons(model, channels, sk.SkeletonSettings(theta=0.2, pull=0.0))
    random = np.random.default_rng(1)
    for variable in skeletons.variables:
        shape = tuple(variable.shape)
        filters = next(a for a in range(len(shape) - 2 if len(shape) > 2 else 0, len(shape))
                       if shape[a] > 1)  # fmt: skip
        wide = [1] * len(shape)
        wide[filters] = shape[filters]
        weak = np.where(np.arange(shape[filters]) % 2 == 0, 0.05, 1.0).reshape(wide)
        variable.assign(random.uniform(0.5, 1.5, shape) * weak)
    skeletons.finish()
    inputs = zoo.random_inputs(model, seed=5, batch=4)
    wanted = np.asarray(model(inputs))
    candidate = Candidate(graph=graph, weights=weights_of(model, graph))
    cut = without_dead(candidate, channels)
    assert cut.graph.params < graph.params
    found = np.asarray(build(cut.graph, cut.weights)(inputs))
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1.0, float(np.abs(wanted).max())))


def test_that_filters_are_ranked_by_what_is_left_of_their_stripes() -> None:
    model, _, channels = net("residual")
    skeletons = sk.Skeletons(model, channels, sk.SkeletonSettings(theta=0.05, pull=0.0))
    sizes = skeletons.sizes()
    assert all((size == 1.0).all() for size in sizes.values())
    layer = next(iter(sizes))
    halved = {n: s * (0.5 if n == layer else 1.0) for n, s in sizes.items()}
    scores = by_group(channels, halved)
    group = channels.layer_group(layer)
    makers = [a.layer for a in channels.axes if a.role == "out" and a.layer in sizes
              and channels.layer_group(a.layer) == group]  # fmt: skip
    assert scores[group or ""].tolist() == pytest.approx(
        [1.0 - 0.5 / len(makers)] * channels.group(group or "").channels
    )
