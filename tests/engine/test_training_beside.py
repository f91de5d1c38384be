"""What is trained beside a model: values seen in place of its weights, gradients, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.training.beside import seen_in
from engine.training.finetune import FineTuneResult, fine_tune
from engine.training.settings import LossSpec
from engine.training.state import TrainState
from engine.training.step import compile_step, make_optimizer
from tests.engine.training_nets import dots, quick, scaled, small_net


class Scale:
    """One number that multiplies the first kernel."""

    def __init__(self, model: keras.Model, pull: float = 0.0) -> None:
        self.kernel = model.get_layer("first").kernel
        self.scale = keras.Variable(1.0, name="scale")
        self.pull = pull

    @property
    def variables(self) -> Sequence[keras.Variable]:
        return (self.scale,)

    @property
    def state(self) -> Sequence[keras.Variable]:
        return self.variables

    def begin_step(self, rate: Any) -> None:
        pass

    def seen(self) -> Sequence[tuple[keras.Variable, Any]]:
        return [(self.kernel, self.kernel.value * self.scale.value)]

    def penalty(self) -> Any:
        return self.pull * tf.abs(self.scale.value)


def tune(model: keras.Model, **more: Any) -> FineTuneResult:
    images, labels = dots()
    settings = more.pop("settings", None) or quick()
    return fine_tune(
        model, images, labels, preprocess=scaled, loss=LossSpec(), settings=settings, **more
    )


def arrays(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def test_that_a_step_sees_what_stands_in_and_gives_it_its_gradient() -> None:
    images, labels = dots(16)
    settings = quick(learning_rate=0.1)
    model, twin = small_net(), small_net()
    beside = Scale(model)
    beside.scale.assign(0.5)
    twin.get_layer("first").kernel.assign(model.get_layer("first").kernel.numpy() * 0.5)
    losses, moved = [], []
    for net, addition in ((model, beside), (twin, None)):
        extra = () if addition is None else addition.variables
        before = arrays(net)
        step = compile_step(
            model=net, optimizer=make_optimizer(net, settings, extra), masks=None,
            preprocess=scaled, loss=LossSpec(), settings=settings, teacher=None, augment=None,
            beside=addition,
        )  # fmt: skip
        batch = (tf.constant(images), tf.constant(labels), tf.zeros((16, 0)), tf.constant([0, 1]))
        losses.append(float(step(*batch)))
        moved.append([a - b for a, b in zip(arrays(net), before, strict=True)])
    assert np.isclose(*losses, rtol=1e-5)
    kernel, of_twin = (m[0] for m in moved)
    np.testing.assert_allclose(kernel, of_twin * 0.5, rtol=1e-3, atol=1e-7)
    statistics = [i for i, w in enumerate(model.weights) if "moving" in w.name]
    assert statistics
    for index in statistics:
        assert np.abs(moved[0][index]).max() > 0
        np.testing.assert_allclose(moved[0][index], moved[1][index], rtol=1e-4, atol=1e-7)
    # The scale's own gradient is that of the kernel it multiplies, against the kernel
    lookahead = 1.0 + 0.9  # Nesterov, first step
    kernel_then = model.get_layer("first").kernel.numpy() - kernel
    gradient = (of_twin / (-0.1 * lookahead) * kernel_then).sum()
    np.testing.assert_allclose(beside.scale.numpy(), 0.5 - 0.1 * lookahead * gradient, rtol=1e-3)


def test_that_regularisers_see_every_weight_as_the_model_does() -> None:
    model = small_net(kernel_regularizer=keras.regularizers.L2(0.5))
    beside = Scale(model)
    beside.scale.assign(2.0)
    first, second = (model.get_layer(name).kernel for name in ("first", "second"))
    with seen_in(model, beside):
        found = float(sum(model.losses))
    wanted = 0.5 * ((2.0 * first.numpy()) ** 2).sum() + 0.5 * (second.numpy() ** 2).sum()
    assert np.isclose(found, wanted, rtol=1e-5)


def test_that_a_penalty_pulls_on_what_is_beside_and_decay_does_not() -> None:
    found = []
    for pull, decay in ((0.0, 0.0), (0.0, 0.1), (0.5, 0.0)):
        model = small_net()
        model.trainable = False
        beside = Scale(model, pull)
        tune(model, settings=quick(epochs=1, weight_decay=decay), beside=beside)
        found.append(float(beside.scale.numpy()))
    assert found[0] == found[1] > found[2] + 0.01


def test_that_a_fine_tune_goes_on_with_what_was_beside_it() -> None:
    kept: list[TrainState] = []
    whole, again = small_net(), small_net()
    beside, resumed = Scale(whole), Scale(again)
    tune(whole, beside=beside, on_state=kept.append)
    assert beside.scale.numpy() != 1.0
    tune(again, beside=resumed, start=kept[0])
    assert resumed.scale.numpy() == beside.scale.numpy()
    for a, b in zip(arrays(whole), arrays(again), strict=True):
        np.testing.assert_array_equal(a, b)
