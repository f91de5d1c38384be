"""Random changes inside a fine-tune."""

from __future__ import annotations

import numpy as np

from engine.data import Augmentation
from engine.data.tf_augment import as_tf
from engine.training.finetune import fine_tune
from engine.training.settings import LossSpec
from tests.engine.training_nets import dots, quick, scaled, small_net


def test_that_a_fine_tune_augments_each_step_anew_and_repeatably() -> None:
    nets = [small_net() for _ in range(3)]
    moved = as_tf(Augmentation(shift=0.125), peak=255.0)
    for net, augment in zip(nets, (moved, moved, None), strict=True):
        fine_tune(
            net, *dots(), preprocess=scaled, loss=LossSpec(), settings=quick(), augment=augment
        )
    first, again, plain = (net.get_layer("first").kernel.numpy() for net in nets)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
