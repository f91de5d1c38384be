"""Masks on the kernels of a Keras 3 model while it is trained.

Owns the meeting of a model's kernels, TF-MOT's schedules and the training step; the order of
events is that of ``prune_low_magnitude``: in every step masks are updated where the schedule
says so, kernels are masked, then come forward, backward and the optimiser (with the user's own
constraints); at the end of every epoch kernels are masked once more. It knows no loss and no
data, and leaves no constraint or wrapper on the model.

What is zero hardly ever comes back, as in TF-MOT. Letting it (GraNet; Liu et al., NeurIPS 2021) was
built and taken out again: fine-tunes gained a little, whole searches ended no smaller. Commit
bdfe708 has it, with cells of ``tests/bench/recipe.py`` that measure it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from engine.errors import TrialError
from engine.modelfile.rebuild import keras_name
from engine.sparsity import tfmot
from engine.sparsity.settings import ReachedSparsity, SparsitySettings, WeightKey, plan_ramp
from engine.training.compiled import Compiled


class Masks:
    """The masks of one fine-tune.

    Parameters
    ----------
    model
        The model that is trained; its kernels are masked in place.
    settings
        Targets by weight and the ramp.
    steps
        Number of steps that are planned; the schedule is made for them.

    Raises
    ------
    TrialError
        Where a target names a weight that the model does not have.
    """

    def __init__(self, model: keras.Model, settings: SparsitySettings, steps: int) -> None:
        self._ramp = plan_ramp(steps, settings)
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._weights = _targeted(model, settings.targets)
        self._pruners: dict[WeightKey, tfmot.Pruner] = {}
        self._held: dict[WeightKey, tf.Variable] = {}
        for key, weight in self._weights.items():
            reached = count_zeros(weight)
            target = settings.targets[key]
            if round(target * reached.size) > reached.zeros:
                schedule = tfmot.polynomial(
                    initial=reached.share,
                    final=target,
                    begin=self._ramp.begin,
                    end=self._ramp.end,
                    power=settings.power,
                    frequency=self._ramp.frequency,
                )
                self._pruners[key] = tfmot.Pruner(weight, schedule, self._step)
            else:
                keep = tf.cast(tf.not_equal(weight, 0), weight.dtype)
                self._held[key] = tf.Variable(keep, trainable=False)
        self._update = Compiled(self._update_masks)
        self._apply = Compiled(self.apply)

    def begin_step(self, step: int) -> None:
        """Before the compiled step number ``step`` (from 1): move the schedule."""
        if self._pruners and self._ramp.updates_at(step):
            self._step.assign(step)
            self._update()

    def apply(self) -> None:
        """Mask all kernels; also meant to be traced at the start of the compiled step."""
        for pruner in self._pruners.values():
            pruner.apply_mask()
        for key, mask in self._held.items():
            weight = self._weights[key]
            weight.assign(weight * mask)

    def finish(self) -> dict[WeightKey, ReachedSparsity]:
        """Set what is masked to exact zeros and count them.

        A masked negative weight is ``-0.0``, and gzip pays for each sign: on a VGG with 33,000
        weights left an eighth of the packed float file, a quarter once they are rounded.
        """
        self._apply()
        for weight in self._weights.values():
            values = weight.numpy()
            values[values == 0] = 0.0
            weight.assign(values)
        return {key: count_zeros(weight) for key, weight in self._weights.items()}

    def state(self) -> dict[str, np.ndarray]:
        """The masks by ``"layer:weight"``, for a checkpoint."""
        return {f"{key[0]}:{key[1]}": mask.numpy() for key, mask in self._masks()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take masks from :meth:`state`."""
        for key, mask in self._masks():
            mask.assign(state[f"{key[0]}:{key[1]}"])

    def _masks(self) -> Iterator[tuple[WeightKey, tf.Variable]]:
        for key, pruner in self._pruners.items():
            yield key, pruner.mask
        yield from self._held.items()

    def _update_masks(self) -> None:
        for pruner in self._pruners.values():
            pruner.update_mask()


def _targeted(
    model: keras.Model, targets: Mapping[WeightKey, float]
) -> dict[WeightKey, tf.Variable]:
    """The plain TensorFlow variables of the targeted weights, by graph name."""
    kernels = {
        (layer.name, variable.name): variable.value
        for layer in model._flatten_layers(include_self=False)
        for variable in layer._trainable_variables + layer._non_trainable_variables
    }
    found = {}
    for layer, weight in targets:
        kernel = kernels.get((keras_name(layer), weight))
        if kernel is None:
            raise TrialError(
                "sparsity.unknown_weight",
                f"The model has no weight to make sparse by this name: {layer}:{weight}.",
            )
        found[(layer, weight)] = kernel
    return found


def count_zeros(weight: tf.Variable) -> ReachedSparsity:
    """Exact zeros of a variable."""
    values = weight.numpy()
    return ReachedSparsity(zeros=int(values.size - np.count_nonzero(values)), size=values.size)
