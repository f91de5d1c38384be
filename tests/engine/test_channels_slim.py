"""``slim``, in this process: what is cut, what is left alone, plans as files, nothing touched."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from engine import api, tasks
from engine.channels.cost import cost
from engine.channels.surgery import Cut, cut
from engine.data.sample import sample_model_path
from engine.errors import EngineFailure, UserError
from engine.job import DataSpec, Goal, Job
from tests.engine import zoo
from tests.engine.opened import from_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _saved(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.keras"
    zoo.live(zoo.build(name), seed=3).save(path)
    return path


def _slim(model: Path, **more: Any) -> tuple[dict[str, Any], Any]:
    """The answer, and the model that was written."""
    out = model.with_name("out.keras")
    payload = {
        "model": str(model), "out": str(out), "keep": {"*": 0.5}, "plan": None,
        "criterion": "auto", "sparsity": {}, "floors": {},
        "across": False, "exclude": [], "through_norms": False, "round_to": 1, "seed": 0,
        "save_plan": None, "weights": None, "custom": None,
    }  # fmt: skip
    answer = tasks.slim({**payload, **more})
    keras.utils.clear_session(free_memory=False)
    return answer, keras.models.load_model(out, compile=False)


def _widths(model: Any) -> dict[str, int]:
    convs = [n for n in model.layers if isinstance(n, keras.layers.Conv2D)]
    return {n.name: n.filters for n in convs}


def test_that_names_stay_and_outputs_keep_their_width(tmp_path: Path) -> None:
    path = _saved(tmp_path, "residual")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    answer, model = _slim(path)
    own = keras.models.load_model(path, compile=False)
    assert [n.name for n in model.layers] == [n.name for n in own.layers]
    assert model.output_shape == own.output_shape
    assert answer["params_after"] == model.count_params() < own.count_params()
    own_cost, cut_cost = (cost(from_model(m)[0]) for m in (own, model))
    for row in answer["layers"]:
        name = row["name"]
        assert row["params_before"] == own.get_layer(name).count_params()
        assert row["params_after"] == model.get_layer(name).count_params()
        assert row["macs_before"] == own_cost.layers[name].macs
        assert row["macs_after"] == cut_cost.layers[name].macs
    assert sum(row["macs_after"] for row in answer["layers"]) == answer["macs_after"]
    assert answer["model_sha256"] == before == hashlib.sha256(path.read_bytes()).hexdigest()


def test_that_widths_follow_the_rounding(tmp_path: Path) -> None:
    path = _saved(tmp_path, "chain")
    _, model = _slim(path, keep={"*": 0.3}, round_to=4)
    assert _widths(model) == {"a_conv": 4, "b_conv": 4}


def test_that_what_is_excluded_keeps_its_channels(tmp_path: Path) -> None:
    path = _saved(tmp_path, "chain")
    own = _widths(keras.models.load_model(path, compile=False))
    _, model = _slim(path, exclude=["a_*"])
    assert _widths(model) == {"a_conv": own["a_conv"], "b_conv": own["b_conv"] // 2}


def test_that_a_plan_is_a_file_that_can_be_read_and_applied_again(tmp_path: Path) -> None:
    path, plan = _saved(tmp_path, "residual"), tmp_path / "plan.json"
    _, first = _slim(path, criterion="random", seed=4, save_plan=str(plan))
    answer, again = _slim(path, keep={}, plan=str(plan))
    told = json.loads(plan.read_text())
    assert set(told) == {"graph_digest", "keep", "sparsity"}
    assert answer["groups_cut"] == len(told["keep"])
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(UserError, match="another model"):
        _slim(_saved(tmp_path, "chain"), keep={}, plan=str(plan))


def test_that_widths_round_to_8_where_latency_is_minimised() -> None:
    job = Job(model="m", data=DataSpec(source="digits"))
    assert job.width_multiple == 1
    fast = replace(job, goal=Goal(minimise="latency"))
    assert fast.width_multiple == 8
    assert replace(fast, round_to=1).width_multiple == 1


def test_that_a_search_with_no_such_criterion_or_layer_is_refused_at_once() -> None:
    job = Job(model=str(sample_model_path()), data=DataSpec(source="digits"))
    api.preflight(replace(job, criterion="taylor", exclude=("res_*",)))
    with pytest.raises(UserError, match="beauty"):
        api.preflight(replace(job, criterion="beauty"))
    with pytest.raises(UserError, match=r"not_there\.py"):
        api.preflight(replace(job, criterion="not_there.py:rank"))
    with pytest.raises(UserError, match="no_such"):
        api.preflight(replace(job, exclude=("no_such",)))


@pytest.mark.parametrize("text", ["", "[]", '{"keep": {"g1": "all"}}'])
def test_that_a_file_without_a_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UserError, match="holds no plan"):
        tasks.read_plan(tmp_path / "plan.json")


def test_that_one_threshold_over_all_groups_cuts_the_weak_group_more(tmp_path: Path) -> None:
    path = tmp_path / "weak.keras"
    model = zoo.live(zoo.build("chain"), seed=3)
    for name, part in (("b_conv", np.s_[..., 3:]), ("logits", np.s_[3:])):
        kernel = np.array(model.get_layer(name).kernel)
        kernel[part] *= 1e-3
        model.get_layer(name).kernel.assign(kernel)
    model.save(path)
    whole = _widths(model)
    _, cut_model = _slim(path, across=True, keep={"*": 0.6}, criterion="norm")
    left = _widths(cut_model)
    assert left["a_conv"] == whole["a_conv"]
    assert left["b_conv"] < whole["b_conv"] / 2


def test_that_layer_norms_are_cut_through_only_on_request(tmp_path: Path) -> None:
    path = _saved(tmp_path, "layer_norm")
    pinned, _ = _slim(path)
    followed, _ = _slim(path, through_norms=True)
    assert followed["params_after"] < pinned["params_after"]
    assert followed["rel_diff"] <= 1e-4


def test_that_a_cut_that_changes_the_given_weights_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(graph: Any, weights: Any, channels: Any, plan: Any) -> Cut:
        made = cut(graph, weights, channels, plan)
        weights["logits"]["bias"] += 1.0
        return made

    path = _saved(tmp_path, "chain")
    monkeypatch.setattr(tasks, "reference", lambda g, w, c, p: (g, w))
    monkeypatch.setattr(tasks, "compare", lambda one, other, seed: (0.0, 0.0))
    monkeypatch.setattr(tasks, "cut", careless)
    with pytest.raises(EngineFailure, match="changed while it was cut"):
        _slim(path)
    assert not path.with_name("out.keras").exists()


def test_that_a_cut_unequal_to_its_reference_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(graph: Any, weights: Any, channels: Any, plan: Any) -> Cut:
        made = cut(graph, weights, channels, plan)
        kernel = made.weights["logits"]["kernel"]
        made.weights["logits"]["kernel"] = kernel[::-1]
        return made

    path = _saved(tmp_path, "chain")
    monkeypatch.setattr(tasks, "cut", wrong)
    with pytest.raises(EngineFailure, match="differs from its reference"):
        _slim(path)
    assert not path.with_name("out.keras").exists()


def test_that_shares_and_sparsity_go_by_name_and_a_plan_repeats_them(tmp_path: Path) -> None:
    path, plan = _saved(tmp_path, "chain"), tmp_path / "plan.json"
    whole = _widths(keras.models.load_model(path, compile=False))
    first, second, *_ = whole
    answer, model = _slim(
        path, keep={"*": 0.5, first: 1.0}, floors={second: 0.75},
        sparsity={"*": 0.6, first: 0.25}, save_plan=str(plan),
    )  # fmt: skip
    widths = _widths(model)
    assert widths[first] == whole[first], "the later name counts"
    assert widths[second] >= 0.75 * whole[second] > 0.5 * whole[second], "a floor comes first"
    for name, share in ((first, 0.25), (second, 0.6)):
        kernel = np.asarray(model.get_layer(name).kernel)
        assert (kernel == 0).sum() == round(share * kernel.size)
        smallest = np.abs(kernel)[kernel != 0].min()
        own = np.asarray(keras.models.load_model(path, compile=False).get_layer(name).kernel)
        if name == first:
            assert np.sort(np.abs(own).ravel())[(kernel == 0).sum()] == smallest
    zeros = sum(row["zeros_after"] or 0 for row in answer["layers"])
    assert answer["nonzero_after"] == answer["params_after"] - zeros
    told = json.loads(plan.read_text())
    assert told["sparsity"][first] == 0.25
    _, again = _slim(path, keep={}, plan=str(plan))
    assert _widths(again) == widths
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"sparsity": {"nowhere": 0.5}}, "sparsity.no_such_layer"),
        ({"sparsity": {"*": 1.0}}, "sparsity.range"),
        ({"keep": {"nowhere": 0.5}}, "group.no_such"),
        ({"keep": {"*": 0.5, "g1": 0.2}, "across": True}, "keep.global"),
        ({"floors": {"nowhere": 0.5}}, "group.no_such"),
    ],
)
def test_that_a_wrong_name_or_share_writes_nothing(
    tmp_path: Path, wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(UserError) as refused:
        _slim(_saved(tmp_path, "chain"), **wrong)
    assert refused.value.code == code
    assert not (tmp_path / "out.keras").exists()
