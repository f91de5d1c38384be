"""Plans: uniform and global, floors, rounding, exclusions, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import jsonio
from engine.channels.groups import Channels
from engine.channels.plan import Plan, check, normalised, plan_global, plan_uniform, rounded
from engine.channels.surgery import cut
from engine.channels.trace import trace
from engine.errors import UserError
from engine.modelfile.graph import LayerGraph, Weights
from tests.engine.random_nets import Net, nets
from tests.engine.sketch import Sketch, ref


def _net() -> tuple[LayerGraph, Weights, Channels]:
    """Two prunable groups: "a" of 16 channels, "b" of 12 tied to "c"; 3 outputs."""
    s = Sketch()
    x = s.input(6, 6, 3)
    x = s.layer("Conv2D", x, "a", filters=16, kernel_size=[3, 3])
    x = s.layer("Conv2D", x, "b", filters=12, kernel_size=[3, 3], padding="same")
    y = s.layer("Conv2D", x, "c", filters=12, kernel_size=[3, 3], padding="same")
    x = s.layer("Add", [x, y], "add")
    x = s.layer("GlobalAveragePooling2D", x, "pool")
    graph = s.graph([s.layer("Dense", x, "logits", units=3)])
    return graph, s.weights, trace(graph)


def _rising(channels: Channels) -> dict[str, np.ndarray]:
    return {g.id: np.arange(1.0, g.channels + 1) for g in channels.groups}


def test_that_groups_are_named_in_order_of_their_first_producer() -> None:
    _, _, channels = _net()
    assert [(g.id, g.producers, g.channels) for g in channels.groups] == [
        ("g1", ("a",), 16),
        ("g2", ("b", "c"), 12),
        ("g3", ("logits",), 3),
    ]
    assert channels.group("g3").reason == "feeds the model output"
    assert not channels.group("g3").prunable


def test_that_the_uniform_plan_keeps_the_best_of_each_group() -> None:
    _, _, channels = _net()
    plan = plan_uniform(channels, _rising(channels), 0.5)
    assert plan.keep == {"g1": tuple(range(8, 16)), "g2": tuple(range(6, 12))}
    assert channels.widths(plan.keep) == {"a": 8, "b": 6, "c": 6, "logits": 3}


def test_that_a_share_can_be_given_per_group() -> None:
    _, _, channels = _net()
    plan = plan_uniform(channels, _rising(channels), {"g2": 0.25})
    assert plan.keep == {"g2": (9, 10, 11)}


def test_that_a_plan_never_empties_a_group() -> None:
    _, _, channels = _net()
    for plan in (
        plan_uniform(channels, _rising(channels), 0.0),
        plan_global(channels, _rising(channels), 0.0, 0.0),
    ):
        assert {g: len(k) for g, k in plan.keep.items()} == {"g1": 1, "g2": 1}


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, 8), (8, 8), (11, 8), (12, 16), (15, 16), (31, 30)]
)
def test_that_widths_round_to_the_nearest_multiple(count: int, wanted: int) -> None:
    assert rounded(count, 30, 8) == wanted


def test_that_rounding_never_asks_for_more_than_there_is() -> None:
    _, _, channels = _net()
    plan = plan_uniform(channels, _rising(channels), 0.5, 16)
    assert plan.empty


@pytest.mark.parametrize(
    ("exclude", "left"),
    [(["c"], {"g1"}), (["g1"], {"g2"}), (["?"], set()), (["a", "g2"], set()), (["bl*", "a"], None)],
)
def test_that_excluded_layers_keep_their_whole_group(
    exclude: list[str], left: set[str] | None
) -> None:
    graph, _, _ = _net()
    if left is None:
        with pytest.raises(UserError, match=re.escape("bl*")):
            trace(graph, exclude=exclude)
        return
    channels = trace(graph, exclude=exclude)
    assert set(plan_uniform(channels, _rising(channels), 0.5).keep) == left
    assert set(plan_global(channels, _rising(channels), 0.5).keep) == left
    if exclude == ["c"]:
        assert channels.layer_reason("b") == "layer 'c' is excluded by you"


def test_that_an_excluded_layer_is_found_by_its_name_in_a_saved_cut() -> None:
    s = Sketch()
    x = s.layer("Conv2D", s.input(6, 6, 3), "inner.a", filters=4, kernel_size=[1, 1])
    graph = s.graph([s.layer("Dense", s.layer("GlobalAveragePooling2D", x), units=2)])
    assert not trace(graph, exclude=["inner/a"]).group("g1").prunable


def test_that_a_plan_is_bound_to_following_norms() -> None:
    graph, weights, channels = _net()
    followed = trace(graph, through_norms=True)
    plan = plan_uniform(followed, _rising(followed), 0.5)
    with pytest.raises(UserError, match="another model"):
        cut(graph, weights, channels, plan)


def test_that_the_global_plan_compares_groups_by_their_own_mean() -> None:
    _, _, channels = _net()
    scores = {"g1": np.full(16, 1000.0), "g2": np.linspace(0.0, 2.0, 12)}
    plan = plan_global(channels, scores, 22 / 28)
    assert plan.keep == {"g2": (6, 7, 8, 9, 10, 11)}


def test_that_the_global_plan_leaves_a_floor_in_each_group() -> None:
    _, _, channels = _net()
    scores = {"g1": np.arange(1.0, 17), "g2": np.r_[1e6, np.zeros(11)]}
    plan = plan_global(channels, scores, 0.1, 0.25)
    assert len(plan.keep["g2"]) == 3
    assert len(plan.keep["g1"]) == 4


def test_that_groups_without_scores_are_kept() -> None:
    _, _, channels = _net()
    scores = _rising(channels)
    del scores["g1"]
    assert set(plan_uniform(channels, scores, 0.5).keep) == {"g2"}


def test_that_scores_without_any_size_are_all_equal() -> None:
    assert normalised(np.zeros(4)).tolist() == [1.0] * 4
    assert normalised(np.array([1.0, 3.0])).tolist() == [0.5, 1.5]


def test_that_a_plan_is_bound_to_its_model() -> None:
    graph, weights, channels = _net()
    plan = replace(plan_uniform(channels, _rising(channels), 0.5), graph_digest="another")
    with pytest.raises(UserError, match="another model"):
        cut(graph, weights, channels, plan)


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        ({"g9": (0,)}, "no such group"),
        ({"h1": (0,)}, "no such group"),
        ({"g1": ()}, "keeps nothing"),
        ({"g1": (3, 2)}, "must rise"),
        ({"g1": (0, 16)}, "must rise"),
        ({"g3": (0, 1)}, "feeds the model output"),
    ],
)
def test_that_a_plan_that_cannot_be_is_refused(keep: dict[str, tuple[int, ...]], why: str) -> None:
    _, _, channels = _net()
    with pytest.raises(UserError, match=why):
        check(Plan(graph_digest=channels.graph_digest, keep=keep), channels)


def test_that_a_plan_may_not_empty_a_tensor() -> None:
    s = Sketch()
    x = s.layer("Conv2D", s.input(6, 6, 3), "a", filters=6, kernel_size=[3, 3])
    left, right = s.op("Split", ref(x), outputs=2, indices_or_sections=[2], axis=-1)
    left = s.layer("Conv2D", left, "left", filters=3, kernel_size=[1, 1])
    right = s.layer("Conv2D", right, "right", filters=3, kernel_size=[1, 1])
    x = s.layer("GlobalAveragePooling2D", s.layer("Add", [left, right]))
    graph = s.graph([s.layer("Dense", x, units=2)])
    channels = trace(graph)
    with pytest.raises(UserError, match="without channels"):
        check(Plan(graph_digest=channels.graph_digest, keep={"g1": (3, 4)}), channels)
    plan = plan_uniform(channels, _rising(channels), 0.3)
    assert plan.keep["g1"] == (1, 4, 5)
    check(plan, channels)


def test_that_a_plan_survives_json() -> None:
    _, _, channels = _net()
    plan = plan_global(channels, _rising(channels), 0.4)
    assert jsonio.from_plain(jsonio.to_plain(plan), Plan) == plan


@settings(max_examples=60, deadline=None, derandomize=True)
@given(nets, st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.sampled_from([1, 2, 4]))
def test_that_every_plan_made_can_be_applied(
    net: Net, keep: float, floor: float, round_to: int
) -> None:
    channels = trace(net.graph)
    scores = {g.id: np.arange(g.channels) % 3 + 0.5 for g in channels.groups}
    for plan in (
        plan_uniform(channels, scores, keep, round_to),
        plan_global(channels, scores, keep, floor, round_to),
    ):
        check(plan, channels)
        assert all(kept for kept in plan.keep.values())
