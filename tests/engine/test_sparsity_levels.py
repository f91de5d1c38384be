"""Allocation of zeros to layers, on plain arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.modelfile.graph import Layer, LayerGraph, Node, Tensor, WeightSpec
from engine.sparsity.levels import (
    levels_global,
    levels_uniform,
    prunable_weights,
    sparsity_of,
    total_sparsity,
)
from engine.sparsity.settings import ReachedSparsity, SparsitySettings, plan_ramp

KEYS = (("a", "kernel"), ("b", "kernel"), ("c", "kernel"))


def arrays(
    *sizes: int, scale: tuple[float, ...] = (1.0, 1.0, 1.0), zeros: int = 0, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    weights = {
        key[0]: {"kernel": (random.normal(size=size) * factor).astype(np.float32)}
        for key, size, factor in zip(KEYS, sizes, scale, strict=False)
    }
    weights["b"]["kernel"][:zeros] = 0
    return weights


def planned_zeros(weights: Any, levels: Any) -> list[int]:
    """What TF-MOT will make of the levels: float32 arithmetic, rounded."""
    found = []
    for (layer, name), level in levels.items():
        size = np.float32(weights[layer][name].size)
        keep = max(1, int(np.round(size * (np.float32(1) - np.float32(level)))))
        found.append(int(size) - keep)
    return found


@pytest.mark.parametrize("ranking", ["lamp", "magnitude"])
@given(
    sizes=st.tuples(*[st.integers(5, 900)] * 3),
    target=st.floats(0.0, 0.97),
    zeros=st.integers(0, 4),
    seed=st.integers(0, 5),
)
def test_that_levels_add_up_to_the_target_and_respect_what_is_there(
    ranking: Any, sizes: tuple[int, ...], target: float, zeros: int, seed: int
) -> None:
    weights = arrays(*sizes, zeros=zeros, seed=seed)
    levels = levels_global(weights, KEYS, target, ranking=ranking)
    assert list(levels) == list(KEYS)
    total = sum(planned_zeros(weights, levels))
    wanted = sum(sizes) - round((1 - target) * sum(sizes))
    assert abs(total - max(wanted, zeros)) <= 3
    assert all(0.0 <= level < 1.0 for level in levels.values())
    assert levels[("b", "kernel")] * sizes[1] >= zeros - 1e-6


def test_that_global_magnitude_takes_the_smallest_weights_of_all() -> None:
    weights = arrays(400, 800, 400, scale=(1.0, 0.3, 1.0))
    levels = levels_global(weights, KEYS, 0.5, ranking="magnitude", cap=0.99, edge_cap=0.99)
    everything = np.sort(np.abs(np.concatenate([w["kernel"] for w in weights.values()])))
    threshold = everything[len(everything) // 2]
    for (layer, _), level in levels.items():
        assert level == pytest.approx(float((np.abs(weights[layer]["kernel"]) < threshold).mean()))
    assert levels[KEYS[1]] > levels[KEYS[0]]


def test_that_lamp_does_not_depend_on_the_scale_of_a_layer_and_magnitude_does() -> None:
    plain = arrays(400, 800, 400)
    scaled = arrays(400, 800, 400, scale=(1.0, 0.01, 100.0))
    lamp = [levels_global(w, KEYS, 0.6, ranking="lamp") for w in (plain, scaled)]
    assert lamp[0] == pytest.approx(lamp[1])
    magnitude = [levels_global(w, KEYS, 0.6, ranking="magnitude") for w in (plain, scaled)]
    assert magnitude[0] != pytest.approx(magnitude[1])


def test_that_lamp_scores_are_those_of_the_paper() -> None:
    weights = {"a": {"kernel": np.array([1.0, -2.0, 3.0])}, "b": {"kernel": np.array([2.0, 0.1])}}
    # a: 1/14, 4/13, 9/9; b: 4/4, 0.01/4.01 -> zeros go to 0.0025, then 0.071, then 0.31
    keys = KEYS[:2]
    for target, expected in ((0.2, (0, 1)), (0.4, (1, 1)), (0.6, (2, 1))):
        levels = levels_global(weights, keys, target, cap=0.999, edge_cap=0.999)
        assert planned_zeros(weights, levels) == list(expected)


def test_that_caps_hold_where_they_can_and_give_way_alike_where_they_cannot() -> None:
    weights = arrays(1000, 4000, 1000, scale=(1e-4, 1.0, 1e-4))
    levels = levels_global(weights, KEYS, 0.9, ranking="magnitude")
    assert levels[KEYS[0]] == pytest.approx(0.9)
    assert levels[KEYS[2]] == pytest.approx(0.9)
    beyond = levels_global(weights, KEYS, 0.995)
    assert total_sparsity(
        {k: ReachedSparsity(zeros=round(v * s), size=s) for (k, v), s in
         zip(beyond.items(), (1000, 4000, 1000), strict=True)}
    ) == pytest.approx(0.995, abs=1e-3)  # fmt: skip
    assert all(level < 1.0 for level in beyond.values())


def test_that_uniform_levels_keep_zeros_that_are_there() -> None:
    weights = arrays(10, 10, 10, zeros=8)
    assert levels_uniform(weights, KEYS, 0.5) == {KEYS[0]: 0.5, KEYS[1]: 0.8, KEYS[2]: 0.5}
    assert levels_global({}, (), 0.5) == {}


def test_that_zeros_are_counted_exactly() -> None:
    found = sparsity_of(arrays(10, 20, 10, zeros=7), KEYS)
    assert found[KEYS[1]] == ReachedSparsity(zeros=7, size=20)
    assert total_sparsity(found) == 7 / 40
    assert total_sparsity({}) == 0.0


def graph_of(*layers: Layer) -> LayerGraph:
    nodes = tuple(
        Node(layer=layer.name, inputs=(i,), outputs=(i + 1,), args=({"tensor": i},))
        for i, layer in enumerate(layers)
    )
    tensors = tuple(Tensor(shape=(None, 4)) for _ in range(len(layers) + 1))
    return LayerGraph(
        name="net", layers={layer.name: layer for layer in layers}, nodes=(*nodes, nodes[0]),
        tensors=tensors, inputs=(0,), outputs=(len(layers),),
    )  # fmt: skip


def test_that_kernels_of_conv_dense_and_separable_are_prunable_and_others_are_not() -> None:
    def layer(name: str, kind: str, *weights: tuple[str, tuple[int, ...]], **config: Any) -> Layer:
        specs = tuple(WeightSpec(name=n, shape=s) for n, s in weights)
        return Layer(name=name, class_name=kind, weights=specs, config=config)

    conv = ("kernel", (3, 3, 4, 8))
    graph = graph_of(
        layer("conv", "Conv2D", conv, ("bias", (8,)), groups=1),
        layer("norm", "BatchNormalization", ("gamma", (8,))),
        layer("depth", "DepthwiseConv2D", ("kernel", (3, 3, 8, 1))),
        layer("grouped", "Conv2D", conv, groups=2),
        layer("grouped_depth", "Conv2D", ("kernel", (3, 3, 1, 8)), groups=8),
        layer("grey", "Conv2D", ("kernel", (3, 3, 1, 8)), groups=1),
        layer("up", "Conv2DTranspose", conv),
        layer(
            "sep", "SeparableConv2D",
            ("depthwise_kernel", (3, 3, 8, 1)), ("pointwise_kernel", (1, 1, 8, 8)),
        ),
        replace(layer("strange", "Dense", ("kernel", (4, 4))), opaque="because"),
        layer("out", "Dense", ("kernel", (8, 2))),
    )  # fmt: skip
    assert prunable_weights(graph) == (
        ("conv", "kernel"), ("grouped", "kernel"), ("grey", "kernel"), ("up", "kernel"),
        ("sep", "pointwise_kernel"), ("out", "kernel"),
    )  # fmt: skip


@given(steps=st.integers(1, 3000), share=st.floats(0, 1), updates=st.integers(1, 60))
def test_that_the_last_mask_update_is_at_the_end_of_the_ramp_and_within_the_run(
    steps: int, share: float, updates: int
) -> None:
    settings = SparsitySettings(ramp_share=share, updates=updates)
    ramp = plan_ramp(steps, settings)
    turns = [step for step in range(1, steps + 1) if ramp.updates_at(step)]
    assert turns
    assert turns[0] == ramp.begin == 1
    assert turns[-1] == ramp.end <= max(1, round(share * steps))
    assert len(turns) <= 2 * updates + 1


@pytest.mark.parametrize("wrong", [1.0, -0.1])
def test_that_a_level_without_sense_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="a"):
        SparsitySettings(targets={KEYS[0]: wrong})
