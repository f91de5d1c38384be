"""Criteria: each on nets where the right ranking is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.channels.groups import Channels
from engine.channels.trace import trace
from engine.criteria import CRITERIA, score
from engine.data.trust import trust
from engine.errors import UserError
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
    sizes = {g.id: g.channels for g in channels.groups}
    learned = {group: np.ones(size) for group, size in sizes.items()}
    found = score(
        name, graph, weights, channels, gradients=[weights], measured=lambda _: learned
    )  # fmt: skip
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


def _members(weights: Weights, unit: int, width: int) -> list[list[np.ndarray]]:
    """Slices of every kernel of the residual net below, for each unit: written out by hand."""
    made = [weights[n]["kernel"][..., unit] for n in ("a", "b")]
    read = [weights["b"]["kernel"][:, :, unit], weights["c"]["kernel"][:, :, unit]]
    deep = [weights["deep"]["kernel"][:, :, unit]]
    flat = weights["logits"]["kernel"].reshape(4, 4, width, 3)[:, :, unit]
    return [[x] for x in (made[0], made[1], read[0], read[1], deep[0], flat)]


@pytest.mark.parametrize(("name", "order"), [("norm", 2), ("norm-l1", 1)])
def test_that_norms_equal_a_count_by_hand(name: str, order: int) -> None:
    """a - b - add, read by c, through a depthwise one, and flattened into logits."""
    s, width = Sketch(), 5
    conv = {"filters": width, "kernel_size": [3, 3], "padding": "same"}
    x = s.layer("Conv2D", s.input(4, 4, 3), "a", **conv)
    x = s.layer("Add", [x, s.layer("Conv2D", x, "b", **conv)])
    c = s.layer("Conv2D", x, "c", filters=2, kernel_size=[1, 1])
    x = s.layer("DepthwiseConv2D", x, "deep", kernel_size=[3, 3], padding="same")
    logits = s.layer("Dense", s.layer("Flatten", x), "logits", units=3)
    graph = s.graph([logits, s.layer("GlobalAveragePooling2D", c)])
    rows = np.array(
        [
            [sum((np.abs(part) ** order).sum() for part in kernel) for kernel in members]
            for members in (_members(s.weights, unit, width) for unit in range(width))
        ]
    )
    held = np.array([1, 1, 1, 1, 1, 16])
    wanted = (rows / (rows.sum(axis=0) / (width * held))).sum(axis=1) / held.sum()
    found = score(name, graph, s.weights, trace(graph))["g1"]
    assert np.allclose(found, wanted ** (1 / order))


def test_that_scores_do_not_depend_on_the_scale_of_a_layer() -> None:
    graph, weights, channels = _net()
    before = {n: score(n, graph, weights, channels)["g1"] for n in ("norm", "norm-l1")}
    weights["a"]["kernel"] = 100 * weights["a"]["kernel"]
    for name, values in before.items():
        assert np.allclose(score(name, graph, weights, channels)["g1"], values)


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
    found = score("taylor", graph, weights, channels, gradients=[gradients])["g1"]
    assert found[0] == found[2] == 0.0
    assert found[1] == pytest.approx(abs(2.0 * weights["a"]["kernel"][..., 1].sum()))
    assert found[3] == pytest.approx(abs(weights["bn"]["gamma"][3]))


def test_that_taylor_averages_its_size_over_batches() -> None:
    graph, weights, channels = _net()
    one = {n: {w: np.ones_like(a) for w, a in v.items()} for n, v in weights.items()}
    other = {n: {w: -a for w, a in v.items()} for n, v in one.items()}
    alone, both = (
        score("taylor", graph, weights, channels, gradients=g)["g2"] for g in ([one], [one, other])
    )
    assert np.allclose(alone, both)
    by_hand = weights["b"]["kernel"].sum(axis=(0, 1, 2)) + weights["b"]["bias"]
    assert np.allclose(alone, np.abs(by_hand))


def test_that_taylor_without_gradients_says_so() -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match="gradients"):
        score("taylor", graph, weights, channels)


def test_that_an_unknown_criterion_is_named() -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match="beauty"):
        score("beauty", graph, weights, channels)


@pytest.fixture(autouse=True)
def _own_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def _user(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(f"def rank(graph, weights, channels, seed):\n    return {body}\n")
    trust(path)
    return f"{path}:rank"


def test_that_a_script_nobody_gave_is_not_run(tmp_path: Path) -> None:
    graph, weights, channels = _net()
    text = _user(tmp_path, "{}")
    Path(text.rpartition(":")[0]).write_text("raise SystemExit\n")
    with pytest.raises(UserError, match="never given by hand"):
        score(text, graph, weights, channels)


@pytest.mark.parametrize(
    ("body", "why"),
    [("1 / 0", r"line 2 \(ZeroDivisionError"), ("weights['a']['kernel'].fill(0)", "read-only")],
)
def test_that_a_failing_function_is_one_sentence(tmp_path: Path, body: str, why: str) -> None:
    graph, weights, channels = _net()
    with pytest.raises(UserError, match=why):
        score(_user(tmp_path, body), graph, weights, channels)


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
