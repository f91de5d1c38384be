"""Why a layer is pinned, as ``inspect --json`` and the window's table say it."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from keras import layers as kl

from engine.inspection import inspect_model
from gui.facts import read_facts
from gui.models.layers import COLUMNS, Row
from tests.engine import zoo


def _attention() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = kl.Conv2D(6, 3, name="patch")(image)
    x = kl.Reshape((36, 6))(x)
    x = kl.MultiHeadAttention(2, 3, name="look")(x, x)
    return keras.Model(image, kl.Dense(3, name="logits")(kl.GlobalAveragePooling1D()(x)))


def _split_softmax() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = kl.Conv2D(6, 3, name="a")(image)
    part = kl.Softmax(name="share")(x[..., :2])
    x = kl.Concatenate()([part, x[..., 2:]])
    return keras.Model(image, kl.Dense(3, name="logits")(kl.GlobalAveragePooling2D()(x)))


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PINS = {
    "layer_norm": ("patch", "LayerNormalization", "computes statistics across channels"),
    "recurrent_tail": ("tied", "layer 'gru' (GRU)", "feeds its output back"),
    "softmax_attention": (None, "softmax", "is computed over them"),
    "attention": ("patch", "layer 'look' (MultiHeadAttention)", "mixes all positions"),
    "chain": ("logits", "feeds the model output", ""),
}


@pytest.mark.parametrize("name", PINS)
def test_that_command_and_window_give_the_same_reason(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.keras"
    (_attention() if name == "attention" else zoo.build(name)).save(path)
    answer, facts = inspect_model(path), read_facts(path)
    layer, kind, what = PINS[name]

    pinned = [g for g in answer["groups"] if not g["prunable"]]
    assert all(g["reason"] and g["pinned"] == g["channels"] and g["producers"] for g in pinned)
    assert any(kind in g["reason"] and what in g["reason"] for g in pinned)
    rows = {row["name"]: row for row in answer["layers"]}
    if layer is not None:
        assert kind in rows[layer]["reason"]
        assert not rows[layer]["prunable"]
    (column,) = [c for c in COLUMNS if c.head == "Why it cannot be cut"]
    for state in facts.opened.layers:
        assert column.text(Row(layer=state)) == (rows[state.name]["reason"] or "")
    assert [(g.id, g.reason) for g in facts.groups] == [
        (g["id"], g["reason"]) for g in answer["groups"]
    ]


def test_that_a_group_pinned_in_part_says_how_much(tmp_path: Path) -> None:
    path = tmp_path / "part.keras"
    _split_softmax().save(path)
    group = inspect_model(path)["groups"][0]
    assert (group["channels"], group["pinned"], group["prunable"]) == (6, 2, True)
    assert group["reason"] == "softmax 'share' is computed over them"
