"""A trainable threshold for each channel group, through a smooth gate.

Owns the gates after Manessi et al. (Automated Pruning for Deep Neural Network Compression, ICPR
2018, arXiv 1712.01721): thresholds and weights are trained together, and a regulariser of its own
pulls every threshold up. Theirs gate single weights; these gate channels. A channel's size is the
scale of its batch norms where each has a gamma, else the norm of its filters, relative to the mean
of its group; readers see it times ``sigmoid(SHARPNESS * (size - threshold))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.channels.groups import Axis, Channels
from engine.criteria.base import Inputs, Scores
from engine.criteria.importance import has_own_scale
from engine.modelfile.graph import Weights
from engine.training.readers import Readers, variable_of
from engine.training.settings import FineTuneSettings, learning_rate_at

SHARPNESS = 10.0
"""Slope of the gate: 0.92 to 0.08 open over half a mean size."""

TRAVEL = 1.0
"""Where the regulariser alone would take a threshold in all steps, in mean sizes."""


def gate(sizes: Any, thresholds: Any) -> Any:
    """How far each channel is open, 0..1."""
    return tf.sigmoid(SHARPNESS * (sizes - thresholds))


def pull_for(steps: int, settings: FineTuneSettings) -> float:
    """The regulariser's factor for :data:`TRAVEL`: a threshold that rises by ``exp(-t)``."""
    rates = sum(learning_rate_at(step, steps, settings) for step in range(1, steps + 1))
    return float(np.expm1(TRAVEL)) / rates


class Gates:
    """The gates of a model for one fine-tune; see :class:`engine.training.beside.Beside`.

    Parameters
    ----------
    model, channels, weights
        What :func:`engine.modelfile.rebuild.build` made of the graph of ``channels``, and of these
        arrays.
    pull
        Factor of ``sum exp(-t)`` over all groups; like the learning rate it acts in every step,
        apart from the optimiser.
    """

    def __init__(
        self, model: keras.Model, channels: Channels, weights: Weights, pull: float
    ) -> None:
        inputs = Inputs(graph=channels.graph, weights=weights, channels=channels)
        self._groups = [group for group in channels.groups if group.prunable]
        self._units = int(channels.unit_group.size)
        place = {group.id: index for index, group in enumerate(self._groups)}
        owners = [place.get(group.id, -1) for group in channels.groups]
        self._owner = np.array(owners, np.int32)[channels.unit_group]
        scaled = {g.id for g in self._groups if has_own_scale(inputs, g)}
        by_gamma = np.array([group.id in scaled for group in channels.groups], dtype=bool)
        self._measured = [
            (variable_of(model, axis), axis, _chosen(axis, by_gamma[channels.unit_group]))
            for axis in channels.axes
            if axis.weight == "gamma" or axis.role == "out"
        ]
        self._free = self._owner >= 0
        self._free[self._free] = channels.removable[self._free]
        self._readers = Readers(model, channels)
        self._thresholds = keras.Variable(np.zeros(len(self._groups), np.float32), name="gate")
        self._pull = pull

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """The thresholds, one variable for all groups."""
        return (self._thresholds,)

    @property
    def state(self) -> Sequence[keras.Variable]:
        """The same."""
        return self.variables

    def begin_step(self, rate: Any) -> None:
        """Raise the thresholds by the regulariser."""
        now = self._thresholds.value
        self._thresholds.assign(now + rate * self._pull * tf.exp(-now))

    def seen(self) -> Sequence[tuple[keras.Variable, Any]]:
        """Kernels that read channels through their gates."""
        opened = gate(self.sizes(), self._by_unit(self._thresholds.value))
        return self._readers.scaled(tf.where(self._free, opened, tf.ones_like(opened)))

    def penalty(self) -> Any:
        """Nothing: :meth:`begin_step` applies it."""
        return tf.zeros(())

    def sizes(self) -> Any:
        """Each global unit's size over the mean of its group; 1 outside groups that can be cut."""
        total = tf.zeros(self._units)
        for variable, axis, (positions, units) in self._measured:
            others = [a for a in range(len(variable.shape)) if a != axis.axis]
            squares = tf.reduce_sum(tf.square(variable.value), axis=others)
            lengths = tf.sqrt(tf.maximum(tf.gather(squares, positions), 1e-12))
            total += tf.math.unsorted_segment_sum(lengths, units, self._units)
        groups = len(self._groups)
        means = tf.math.unsorted_segment_mean(total, self._owner, groups)
        return tf.where(
            self._owner >= 0,
            tf.math.divide_no_nan(total, tf.gather(means, np.maximum(self._owner, 0))),
            tf.ones(self._units),
        )

    def scores(self) -> Scores:
        """By group and unit: size less threshold; above 0 the gate is more open than shut."""
        over = (self.sizes() - self._by_unit(self._thresholds.value)).numpy()
        return {
            group.id: over[group.first_unit : group.first_unit + group.channels]
            for group in self._groups
        }

    def _by_unit(self, thresholds: Any) -> Any:
        return tf.gather(thresholds, np.maximum(self._owner, 0))


def _chosen(axis: Axis, by_gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of an axis that tell their unit's size, and these units."""
    held = axis.units >= 0
    wanted = by_gamma[axis.units] if axis.weight == "gamma" else ~by_gamma[axis.units]
    positions = np.flatnonzero(held & wanted)
    return positions, axis.units[positions]
