"""The fine-tune loop: what it changes, how it stops, goes on and fails."""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest import mock

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from engine.errors import TrialError
from engine.sparsity.settings import SparsitySettings
from engine.training.compiled import Compiled
from engine.training.control import Stopped
from engine.training.evaluate import predict_outputs
from engine.training.finetune import FineTuneResult, fine_tune
from engine.training.settings import LossSpec
from engine.training.state import TrainState
from engine.training.step import make_optimizer
from tests.engine.training_nets import dots, quick, scaled, small_net

LEVELS = SparsitySettings(targets={("first", "kernel"): 0.5, ("second", "kernel"): 0.8})


def tune(model: keras.Model, settings: Any = None, **more: Any) -> FineTuneResult:
    """Fine-tune on the dots."""
    images, labels = more.pop("data", None) or dots()
    values = {"preprocess": scaled, "loss": LossSpec(), "settings": settings or quick()}
    return fine_tune(model, images, labels, **(values | more))


def arrays(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def differ(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return any(not np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def accuracy(model: keras.Model) -> float:
    images, labels = dots(200, seed=1)
    return float((predict_outputs(model, images, preprocess=scaled).argmax(-1) == labels).mean())


class StopAt:
    """Raises at the n-th checkpoint."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def checkpoint(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


def test_that_a_fine_tune_learns_and_tells_every_batch_and_epoch() -> None:
    model = small_net(norms=False)
    batches: list[tuple[int, int, float]] = []
    epochs: list[tuple[int, float]] = []

    def on_epoch(epoch: int, loss: float) -> bool:
        epochs.append((epoch, loss))
        return False

    result = tune(
        model, quick(epochs=6), data=dots(192),
        on_batch=lambda step, steps, loss: batches.append((step, steps, loss)),
        on_epoch=on_epoch,
    )  # fmt: skip
    assert accuracy(model) > 0.95
    assert result.losses[-1] < 0.3 * result.losses[0]
    assert [b[0] for b in batches] == list(range(1, 73))
    assert {b[1] for b in batches} == {72} == {result.steps}
    assert epochs == list(zip(range(1, 7), result.losses, strict=True))
    np.testing.assert_allclose(np.mean([b[2] for b in batches[:12]]), result.losses[0])


def test_that_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    nets = [small_net(dropout=0.3) for _ in range(3)]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        tune(net, quick(seed=seed))
    assert not differ(arrays(nets[0]), arrays(nets[1]))
    assert differ(arrays(nets[0]), arrays(nets[2]))


@pytest.mark.parametrize(("optimizer", "after"), [("sgd", 1), ("adam", 2)])
def test_that_a_resumed_run_ends_as_an_uninterrupted_one(optimizer: str, after: int) -> None:
    """After 1 epoch the ramp of the masks is under way, after 2 it is over."""
    settings = quick(epochs=3, optimizer=optimizer)
    states: list[TrainState] = []
    whole = small_net(dropout=0.3)
    tune(whole, settings, sparsity=LEVELS, on_state=states.append)
    resumed = small_net(dropout=0.3)
    seen: list[int] = []
    result = tune(
        resumed, settings, sparsity=LEVELS, start=states[after - 1],
        on_batch=lambda step, steps, loss: seen.append(step),
    )  # fmt: skip
    assert not differ(arrays(whole), arrays(resumed))
    assert seen[0] == 6 * after + 1
    assert len(result.losses) == 3 - after
    assert [s.epoch for s in states] == [1, 2, 3]


def test_that_a_state_of_another_model_is_refused() -> None:
    states: list[TrainState] = []
    tune(small_net(), on_state=states.append)
    with pytest.raises(ValueError, match="does not fit"):
        tune(small_net(classes=2), start=states[0])


def test_that_a_stop_is_obeyed_between_two_batches() -> None:
    seen: list[int] = []
    with pytest.raises(Stopped):
        tune(small_net(), control=StopAt(4), on_batch=lambda step, steps, loss: seen.append(step))
    assert seen == [1, 2, 3, 4]


def test_that_a_loss_that_is_no_number_ends_the_trial() -> None:
    model = small_net(norms=False)
    model.get_layer("first").kernel.assign(np.full((3, 3, 1, 6), np.inf, np.float32))
    with pytest.raises(TrialError, match="step 1 of 12: nan"):
        tune(model)


def test_that_a_memory_too_small_ends_the_trial() -> None:
    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    with (
        mock.patch.object(Compiled, "__call__", side_effect=full),
        pytest.raises(TrialError, match=r"shape \(16, 8, 8, 1\)"),
    ):
        tune(small_net())


def test_that_nothing_is_traced_twice_and_short_data_are_one_batch() -> None:
    traces: list[Any] = []

    def transform(images: Any) -> Any:
        traces.append(tuple(images.shape))
        return images / 255.0

    result = tune(small_net(), data=dots(41), preprocess=transform)
    assert traces == [(16, 8, 8, 1)]
    assert result.steps == 4
    assert tune(small_net(), data=dots(5), preprocess=scaled).steps == 2


def test_that_l1_on_norm_scales_shrinks_them_and_spares_the_rest() -> None:
    sums = []
    for gamma_l1 in (0.0, 0.2):
        model = small_net()
        tune(model, quick(gamma_l1=gamma_l1, epochs=4))
        sums.append(sum(float(np.abs(w.numpy()).sum()) for w in model.weights if w.name == "gamma"))
    assert sums[1] < 0.9 * sums[0]


def test_that_a_teacher_alone_is_imitated_whatever_the_labels_say() -> None:
    teacher = small_net(norms=False)
    tune(teacher, quick(epochs=6), data=dots(192))
    images, labels = dots(192)
    wrong = (labels + 1) % 3
    student = small_net(norms=False)
    settings = quick(distill=1.0, epochs=6)
    result = tune(student, settings, data=(images, wrong), teacher=teacher)
    assert accuracy(student) > 0.9
    assert result.losses[-1] < 0.1
    recorded = predict_outputs(teacher, images, preprocess=scaled)
    twin = small_net(norms=False)
    tune(twin, settings, data=(images, wrong), teacher=recorded)
    for a, b in zip(arrays(student), arrays(twin), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-2)


def test_that_recorded_teacher_outputs_must_fit() -> None:
    with pytest.raises(ValueError, match="as many teacher outputs"):
        tune(small_net(), quick(distill=0.5), teacher=np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match="maps do not move"):
        tune(
            small_net(), quick(distill=0.5), teacher=np.zeros((96, 2, 2, 3), np.float32),
            augment=lambda images, labels, seed: (images, labels),
        )  # fmt: skip


def test_that_logits_and_probabilities_train_alike() -> None:
    nets = [small_net(activation=activation) for activation in ("softmax", None)]
    for net, from_logits in zip(nets, (False, True), strict=True):
        tune(net, loss=LossSpec(from_logits=from_logits))
    for a, b in zip(arrays(nets[0]), arrays(nets[1]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_that_a_users_constraint_and_the_masks_both_hold() -> None:
    model = small_net(kernel_constraint=keras.constraints.NonNeg())
    for name in ("first", "second"):
        kernel = model.get_layer(name).kernel
        kernel.assign(np.abs(kernel.numpy()))
    result = tune(model, quick(epochs=3), sparsity=LEVELS)
    for (name, _), reached in result.sparsity.items():
        kernel = model.get_layer(name).kernel.numpy()
        assert kernel.min() >= 0
        assert int((kernel == 0).sum()) == reached.zeros
        assert reached.share >= {"first": 0.5, "second": 0.8}[name] - 0.01
        assert isinstance(model.get_layer(name).kernel.constraint, keras.constraints.NonNeg)


def test_that_frozen_layers_stay_as_they_are() -> None:
    model = small_net()
    frozen = [model.get_layer(name) for name in ("first", "first_norm")]
    for layer in frozen:
        layer.trainable = False
    before = [w.numpy() for layer in frozen for w in layer.weights]
    rest = model.get_layer("second").kernel.numpy()
    tune(model)
    assert not differ(before, [w.numpy() for layer in frozen for w in layer.weights])
    assert not np.array_equal(rest, model.get_layer("second").kernel.numpy())


def test_that_the_models_own_regularisers_are_part_of_the_training() -> None:
    norms = []
    for strength in (0.0, 0.5):
        model = small_net(kernel_regularizer=keras.regularizers.L2(strength))
        tune(model)
        norms.append(float(np.linalg.norm(model.get_layer("second").kernel.numpy())))
    assert norms[1] < 0.7 * norms[0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_that_weight_decay_touches_kernels_only(optimizer: str) -> None:
    model = small_net()
    before = {w.path: w.numpy() for w in model.trainable_variables}
    maker = make_optimizer(model, quick(weight_decay=0.5, optimizer=optimizer))
    zeros = [keras.ops.zeros_like(w) for w in model.trainable_variables]
    maker.apply(zeros, model.trainable_variables)
    for weight in model.trainable_variables:
        moved = not np.array_equal(before[weight.path], weight.numpy())
        assert moved == (weight.name == "kernel"), weight.path


@pytest.mark.slow
def test_that_many_candidates_leave_nothing_behind() -> None:
    left: list[weakref.ref[Any]] = []
    process = psutil.Process()
    rss: list[int] = []
    for index in range(9):
        model = small_net(dropout=0.1)
        tune(model, quick(epochs=1), sparsity=LEVELS)
        predict_outputs(model, dots()[0], preprocess=scaled)
        left.append(weakref.ref(model))
        left.append(weakref.ref(model.get_layer("first").kernel))
        del model
        keras.backend.clear_session()
        gc.collect()
        if index >= 3:
            rss.append(process.memory_info().rss)
    assert not [ref for ref in left if ref() is not None]
    assert rss[-1] - rss[0] < 20 * 2**20


def test_that_an_epoch_may_be_the_last_one() -> None:
    model = small_net(norms=False)
    states: list[TrainState] = []
    result = tune(
        model, quick(epochs=6), data=dots(192),
        on_epoch=lambda epoch, loss: epoch == 4, on_state=states.append,
    )  # fmt: skip
    assert len(result.losses) == 4
    assert [state.epoch for state in states] == [1, 2, 3]
    again = tune(
        model, quick(epochs=6), data=dots(192),
        on_epoch=lambda epoch, loss: epoch == 4, start=states[-1],
    )  # fmt: skip
    assert again.steps == result.steps
    assert len(again.losses) == 1


def test_that_a_fine_tune_leaves_no_graph_behind() -> None:
    def graphs() -> int:
        gc.collect()
        return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())

    def one() -> int:
        tune(small_net(norms=False), quick(epochs=1), data=dots(64))
        keras.backend.clear_session()
        return graphs()

    assert one() == one()
