"""Masks while a model is trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from engine.errors import TrialError
from engine.sparsity.masks import Masks
from engine.sparsity.settings import SparsitySettings
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec
from tests.engine.training_nets import dots, enliven, quick, scaled, small_net


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    return {n: model.get_layer(n).kernel.numpy() for n in ("first", "second", "classes")}


def tune(model: keras.Model, sparsity: SparsitySettings, **changes: object) -> object:
    return fine_tune(
        model, *dots(), preprocess=scaled, loss=LossSpec(), settings=quick(**changes),
        sparsity=sparsity,
    ).sparsity  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("epochs", [1, 17])
def test_that_any_number_of_steps_reaches_the_levels_exactly(optimizer: str, epochs: int) -> None:
    model = small_net()
    targets = {("first", "kernel"): 0.4, ("classes", "kernel"): 0.95}
    reached = tune(
        model, SparsitySettings(targets=targets), optimizer=optimizer, epochs=epochs,
        weight_decay=1e-3, learning_rate=2e-3,
    )  # fmt: skip
    for key, level in targets.items():
        kernel = kernels(model)[key[0]]
        zeros = kernel.size - round(kernel.size * (1 - level))
        assert int((kernel == 0).sum()) == zeros == reached[key].zeros
        assert reached[key].size == kernel.size
        assert not np.signbit(kernel[kernel == 0]).any(), "a sign costs a packed file as a value"
    assert (kernels(model)["second"] != 0).all()


def test_that_a_single_step_is_enough() -> None:
    model = small_net()
    images, labels = dots(16)
    result = fine_tune(
        model, images, labels, preprocess=scaled, loss=LossSpec(), settings=quick(epochs=1),
        sparsity=SparsitySettings(targets={("second", "kernel"): 0.9}),
    )  # fmt: skip
    assert result.steps == 1
    assert result.sparsity[("second", "kernel")].share == pytest.approx(0.9, abs=0.002)


def test_that_zeros_that_are_there_stay_where_no_more_is_asked() -> None:
    model = small_net()
    kernel = model.get_layer("second").kernel
    value = kernel.numpy()
    value[:, :, :3] = 0
    kernel.assign(value)
    reached = tune(model, SparsitySettings(targets={("second", "kernel"): 0.2}))
    after = kernels(model)["second"]
    assert (after[:, :, :3] == 0).all()
    assert (after[:, :, 3:] != 0).all()
    assert reached[("second", "kernel")].share == 0.5


def test_that_a_ramp_starts_from_the_zeros_there_are() -> None:
    model = small_net()
    kernel = model.get_layer("second").kernel
    order = np.argsort(np.abs(kernel.numpy()).ravel())
    value = kernel.numpy().ravel()
    value[order[: value.size // 2]] = 0
    kernel.assign(value.reshape(kernel.shape))
    masks = Masks(model, SparsitySettings(targets={("second", "kernel"): 0.75}), 60)
    shares = []
    for step in range(1, 61):
        masks.begin_step(step)
        shares.append(1 - masks.state()["second:kernel"].mean())
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares == sorted(shares)
    assert shares[35:] == [pytest.approx(0.75, abs=0.002)] * 25
    assert len(set(shares)) > 10


def test_that_shared_separable_and_nested_kernels_are_masked_by_their_graph_names() -> None:
    inputs = keras.Input((8, 8, 1))
    shared = keras.layers.Conv2D(4, 3, padding="same", name="block.shared")
    x = shared(keras.layers.Concatenate()([inputs] * 4))
    x = keras.layers.Add()([x, shared(keras.layers.ReLU()(x))])
    x = keras.layers.SeparableConv2D(4, 3, name="separable")(x)
    x = keras.layers.Conv2DTranspose(4, 3, name="up")(x)
    model = enliven(
        keras.Model(inputs, keras.layers.Dense(3, name="out")(keras.layers.Flatten()(x)))
    )
    targets = {
        ("block/shared", "kernel"): 0.5,
        ("separable", "pointwise_kernel"): 0.75,
        ("up", "kernel"): 0.5,
    }
    result = fine_tune(
        model, *dots(), preprocess=scaled, loss=LossSpec(from_logits=True), settings=quick(),
        sparsity=SparsitySettings(targets=targets),
    )  # fmt: skip
    assert {key: reached.share for key, reached in result.sparsity.items()} == targets


def test_that_a_weight_that_is_not_there_rejects_the_trial() -> None:
    with pytest.raises(TrialError, match="nowhere:kernel"):
        Masks(small_net(), SparsitySettings(targets={("nowhere", "kernel"): 0.5}), 10)


def test_that_nothing_is_left_on_the_model() -> None:
    model = small_net()
    before = model.to_json()
    tune(model, SparsitySettings(targets={("second", "kernel"): 0.5}))
    assert model.to_json() == before
    assert model.get_layer("second").kernel.constraint is None
