"""A frozen backbone, as transfer learning leaves it: the search trains all of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from engine import api
from engine.events import Event, TrialDone, Warned
from engine.job import Budget, DataSpec, Goal, Job
from engine.modelfile.freezing import frozen_layers, unfrozen
from engine.modelfile.reader import open_model
from engine.modelfile.rebuild import build
from engine.runs import RunFolder

# Keras 3.15 reads its own variables with numpy.array, whose copy keyword they do not know
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers


def transferred(at: Path) -> tuple[Path, Path]:
    """A backbone that was trained, frozen, and called with ``training=False``; a head on it."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[..., None] * 15).astype(np.uint8)
    keras.utils.set_random_seed(5)
    seen = keras.Input((8, 8, 1))
    x = seen
    for width in (16, 24):
        x = L.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = L.BatchNormalization()(x)
        x = L.ReLU()(x)
    backbone = keras.Model(seen, L.GlobalAveragePooling2D()(x), name="backbone")
    whole = keras.Sequential([L.Rescaling(1 / 255), backbone, L.Dense(10, activation="softmax")])
    whole.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    whole.fit(images[:1200], digits.target[:1200], epochs=12, batch_size=32, verbose=0)
    backbone.trainable = False
    raw = keras.Input((8, 8, 1))
    x = backbone(L.Rescaling(1 / 255)(raw), training=False)
    model = keras.Model(raw, L.Dense(10, activation="softmax", name="head")(L.Dropout(0.1)(x)))
    model.get_layer("head").set_weights(whole.layers[-1].get_weights())
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(at / "model.keras")
    np.savez(
        at / "data.npz", x_train=images[:1200], y_train=digits.target[:1200],
        x_test=images[1200:], y_test=digits.target[1200:],
    )  # fmt: skip
    return at / "model.keras", at / "data.npz"


def test_that_frozen_layers_are_found_and_freed_and_statistics_stay_statistics(
    tmp_path: Path,
) -> None:
    path, _ = transferred(tmp_path)
    file, weights = open_model(path)
    frozen = frozen_layers(file.graph)
    assert len(frozen) == 4
    assert all(name.startswith("backbone/") for name in frozen)
    assert len(build(file.graph, weights).trainable_variables) == 2
    free = unfrozen(file.graph)
    assert frozen_layers(free) == ()
    model = build(free, weights)
    assert len(model.trainable_variables) == 2 + 2 + 2 * 2  # the head, kernels, gammas and betas
    assert len(model.non_trainable_variables) >= 4
    norm = free.layers[next(name for name in frozen if "norm" in name)]
    assert [w.trainable for w in norm.weights] == [True, True, False, False]


def test_that_a_frozen_layer_inside_a_wrapper_is_freed() -> None:
    model = keras.Sequential(
        [keras.Input((3, 8, 8, 1)), L.TimeDistributed(L.Conv2D(4, 3, name="inner"))]
    )
    model.layers[0].layer.trainable = False
    from engine.modelfile.freezing import _thawed

    config = model.layers[0].get_config()
    assert config["layer"]["config"]["trainable"] is False
    assert _thawed(config)["layer"]["config"]["trainable"] is True


def test_that_a_search_on_a_frozen_backbone_makes_up_for_what_it_cuts(tmp_path: Path) -> None:
    path, data = transferred(tmp_path)
    job = Job(
        model=str(path), data=DataSpec(source=str(data)), goal=Goal(tolerance=0.04),
        budget=Budget(epochs=3, max_trials=2), controls=False, export=(),
    )  # fmt: skip
    told: list[Event] = []
    result: dict[str, Any] = api.prune(
        job, tmp_path / "run", on_event=lambda event, _: told.append(event)
    )
    (note,) = [e for e in told if isinstance(e, Warned) and e.code == "model.frozen"]
    assert note.message.startswith("4 layers are frozen in the file")
    tuned = [e for e in told if isinstance(e, TrialDone) and e.kind == "fine_tune"]
    assert any(trial.accepted for trial in tuned)
    assert result["final"]["nonzero"] < result["baseline"]["nonzero"] / 2
    saved, _ = open_model(RunFolder.open(tmp_path / "run").path / "model.keras")
    assert frozen_layers(saved.graph) == ()
