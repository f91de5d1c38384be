"""Criteria: each on nets where the right ranking is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.channels.groups import Channels
from engine.channels.trace import trace
from engine.criteria import CRITERIA, score
from engine.errors import EngineFailure, UserError
from engine.modelfile.graph import LayerGraph, Weights
from tests.engine.sketch import Sketch


def _net(scale: bool = True) -> tuple[LayerGraph, Weights, Channels]:
    """conv "a" - norm - conv "b" without a norm - logits."""
    s = Sketch()
    x = s.layer("Conv2D", s.input(6, 6, 3), "a", filters=4, kernel_size=[3, 3], use_bias=False)
    x = s.layer("BatchNormalization", x, "bn", scale=scale)
    x = s.layer("Conv2D", s.layer("ReLU", x), "b", filters=5, kernel_size=[3, 3])
    x = s.layer("GlobalAveragePooling2D", x)
    graph = s.graph([s.layer("Dense", x, "logits", units=3)])
    return graph, s.weights, trace(graph)


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_that_each_criterion_gives_a_number_for_each_unit(name: str) -> None:
    graph, weights, channels = _net()
    found = score(name, graph, weights, channels, gradients=weights)
    sizes = {g.id: g.channels for g in channels.groups}
    assert found
    assert all(np.isfinite(v).all() and v.shape == (sizes[g],) for g, v in found.items())


def test_that_gamma_reads_the_norms_scale() -> None:
    graph, weights, channels = _net()
    weights["bn"]["gamma"] = np.array([0.5, -2.0, 0.0, 1.0])
    found = score("gamma", graph, weights, channels)
    assert found["g1"].tolist() == [0.5, 2.0, 0.0, 1.0]
    assert set(found) == {"g1"}


def test_that_gamma_is_the_mean_over_all_norms_of_the_unit() -> None:
    s = Sketch()
    x = s.layer("Conv2D", s.input(6, 6, 3), "a", filters=2, kernel_size=[1, 1])
    y = [s.layer("BatchNormalization", x, n) for n in ("n1", "n2")]
    x = s.layer("GlobalAveragePooling2D", s.layer("Add", y))
    graph = s.graph([s.layer("Dense", x, units=2)])
    s.weights["n1"]["gamma"], s.weights["n2"]["gamma"] = np.array([1.0, 2.0]), np.array([-3.0, 0])
    assert score("gamma", graph, s.weights, trace(graph))["g1"].tolist() == [2.0, 1.0]


def test_that_gamma_without_any_gamma_is_refused() -> None:
    graph, weights, channels = _net(scale=False)
    with pytest.raises(UserError, match="gamma"):
        score("gamma", graph, weights, channels)


def test_that_norm_sees_every_kernel_of_the_group() -> None:
    graph, weights, channels = _net()
    for name, axis in (("a", 3), ("b", 2)):
        kernel = np.ones_like(weights[name]["kernel"])
        np.moveaxis(kernel, axis, 0)[2] = 3.0
        weights[name]["kernel"] = kernel
    both = score("norm", graph, weights, channels)["g1"]
    assert both.argmax() == 2
    assert both[2] == pytest.approx(3 * both[0])
    weights["b"]["kernel"] = np.ones_like(weights["b"]["kernel"])
    made_only = score("norm", graph, weights, channels)["g1"]
    assert both[2] / both[0] > made_only[2] / made_only[0] > 1.0


def test_that_auto_is_gamma_where_there_is_one_and_norm_elsewhere() -> None:
    graph, weights, channels = _net()
    found = score("auto", graph, weights, channels)
    assert np.array_equal(found["g1"], score("gamma", graph, weights, channels)["g1"])
    assert np.array_equal(found["g2"], score("gamma-norm", graph, weights, channels)["g2"])
    assert np.array_equal(found["g2"], score("norm", graph, weights, channels)["g2"])
    graph, weights, channels = _net(scale=False)
    found = score("auto", graph, weights, channels)
    assert np.array_equal(found["g1"], score("norm", graph, weights, channels)["g1"])


def test_that_gamma_norm_is_their_product() -> None:
    graph, weights, channels = _net()
    product = (
        score("gamma", graph, weights, channels)["g1"]
        * score("norm", graph, weights, channels)["g1"]
    )
    assert np.allclose(score("gamma-norm", graph, weights, channels)["g1"], product)


def test_that_random_follows_its_seed() -> None:
    graph, weights, channels = _net()
    one, same, other = (score("random", graph, weights, channels, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one["g1"], same["g1"])
    assert not np.array_equal(one["g1"], other["g1"])


def test_that_taylor_is_weight_times_gradient_of_what_a_unit_makes() -> None:
    graph, weights, channels = _net()
    gradients = {n: {w: np.zeros_like(a) for w, a in v.items()} for n, v in weights.items()}
    gradients["a"]["kernel"][..., 1] = 2.0
    gradients["bn"]["gamma"][3] = 1.0
    found = score("taylor", graph, weights, channels, gradients=gradients)["g1"]
    assert found[0] == found[2] == 0.0
    assert found[1] == pytest.approx(abs(2.0 * weights["a"]["kernel"][..., 1].sum()))
    assert found[3] == pytest.approx(abs(weights["bn"]["gamma"][3]))


def test_that_taylor_without_gradients_says_so() -> None:
    graph, weights, channels = _net()
    with pytest.raises(EngineFailure, match="gradients"):
        score("taylor", graph, weights, channels)


def test_that_an_unknown_criterion_is_named() -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match="beauty"):
        score("beauty", graph, weights, channels)


def _user(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(f"def rank(graph, weights, channels, seed):\n    return {body}\n")
    return f"{path}:rank"


def test_that_a_persons_own_function_is_used(tmp_path: Path) -> None:
    graph, weights, channels = _net()
    text = _user(tmp_path, "{g.id: list(range(g.channels)) for g in channels.groups[:1]}")
    found = score(text, graph, weights, channels)
    assert found["g1"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert set(found) == {"g1"}


@pytest.mark.parametrize(
    ("body", "why"),
    [("[]", "list"), ("{'g7': [1]}", "g7"), ("{'g1': [1, 2]}", "4 units")],
)
def test_that_a_wrong_answer_of_it_is_refused(tmp_path: Path, body: str, why: str) -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match=why):
        score(_user(tmp_path, body), graph, weights, channels)


def test_that_a_missing_file_or_function_is_named(tmp_path: Path) -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match=r"no_such\.py"):
        score(f"{tmp_path}/no_such.py:rank", graph, weights, channels)
    with pytest.raises(UserError, match="no function"):
        score(_user(tmp_path, "{}").replace(":rank", ":other"), graph, weights, channels)
