"""The only door to TF-MOT: its public schedules and its private mask arithmetic.

Owns the late import (it takes seconds and would set ``TF_USE_LEGACY_KERAS``, which is put back)
and one class that prunes one variable. ``pruning_impl`` is private: the distribution is pinned
to :data:`VERSION`, and a test fails when what is used here moves.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import tensorflow as tf

VERSION = "0.8.1"

_LEGACY = "TF_USE_LEGACY_KERAS"


@cache
def _modules() -> tuple[ModuleType, ModuleType]:
    """TF-MOT's public sparsity API and the private module with the mask arithmetic."""
    before = os.environ.get(_LEGACY)
    # Settles what this name means, before TF-MOT would make it the old Keras for everybody
    tf.keras.version()
    try:
        with warnings.catch_warnings():
            # TF-MOT 0.8.1 itself touches deprecated names while it is imported
            warnings.simplefilter("ignore")
            from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl
            from tensorflow_model_optimization.sparsity import keras as sparsity
    finally:
        if before is None:
            os.environ.pop(_LEGACY, None)
        else:
            os.environ[_LEGACY] = before
    return sparsity, pruning_impl


def polynomial(
    *, initial: float, final: float, begin: int, end: int, power: float, frequency: int
) -> Any:
    """TF-MOT's ``PolynomialDecay``, or ``ConstantSparsity`` where the ramp is a single step."""
    sparsity, _ = _modules()
    if end <= begin:
        return sparsity.ConstantSparsity(final, begin, end_step=begin, frequency=1)
    return sparsity.PolynomialDecay(
        initial_sparsity=initial,
        final_sparsity=final,
        begin_step=begin,
        end_step=end,
        power=power,
        frequency=frequency,
    )


class Pruner:
    """TF-MOT's magnitude pruning of one variable, element by element.

    Parameters
    ----------
    weight
        The kernel, a plain ``tf.Variable``.
    schedule
        A TF-MOT ``PruningSchedule``.
    step
        Variable with the training step, int64, counted from 1.
    """

    def __init__(self, weight: tf.Variable, schedule: Any, step: tf.Variable) -> None:
        _, pruning_impl = _modules()
        self.mask = tf.Variable(tf.ones_like(weight), trainable=False)
        self._threshold = tf.Variable(tf.zeros((), weight.dtype), trainable=False)
        self._pruning = pruning_impl.Pruning(
            training_step_fn=lambda: step,
            pruning_vars=[(weight, self.mask, self._threshold)],
            pruning_schedule=schedule,
            block_size=(1, 1),
            block_pooling_type="AVG",
        )

    def update_mask(self) -> None:
        """New mask from the weight as it is, where the schedule says so for this step."""
        self._pruning.conditional_mask_update()

    def apply_mask(self) -> None:
        """Weight times mask."""
        self._pruning.weight_mask_op()
