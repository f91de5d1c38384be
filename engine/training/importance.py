"""Importance weights: a trainable scale for each removable channel, beside a net's own weights.

Owns where the scales stand, how they begin and how they are folded away (Sawant et al., Applied
Sciences 12(21):11184, 2022). A scale beside a linear filter could shrink while the filter grows, so
the filters keep the norm that they came with, as under weight normalisation (Salimans and Kingma,
NIPS 2016): whatever training does to the size of a channel is in its scale. It knows nothing of
ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from engine.channels.groups import Axis, Channels
from engine.criteria.base import Inputs, Scores
from engine.criteria.importance import filter_norm, folded_scales, has_own_scale
from engine.job import ImportanceInit
from engine.modelfile.graph import LayerGraph, Weights
from engine.modelfile.rebuild import keras_name

_TINY = 1e-24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scaled:
    """A kernel or bias that scales act on, along ``axis``; ``others`` are the axes of a filter.

    ``places`` are positions in the scales, ``scaled`` says where there is one. ``unit`` is what the
    array is brought to before the scale: a filter's norm, or a bias's factor.
    """

    variable: keras.Variable
    axis: int
    others: tuple[int, ...]
    places: np.ndarray
    scaled: np.ndarray
    unit: np.ndarray

    def seen(self, scales: Any) -> Any:
        """The array with its scales in it."""
        value = self.variable.value
        factor = tf.reshape(tf.gather(scales, self.places) * self.unit, self._shape)
        if self.others:
            squares = tf.reduce_sum(tf.square(value), axis=self.others, keepdims=True)
            factor = factor / tf.sqrt(tf.maximum(squares, _TINY))
        return value * tf.where(self.scaled.reshape(self._shape), factor, 1.0)

    @property
    def _shape(self) -> tuple[int, ...]:
        rank = len(self.variable.shape)
        return tuple(self.places.size if a == self.axis else 1 for a in range(rank))


class ImportanceScales:
    """The scales of a model: what is trained beside it (:class:`engine.training.beside.Beside`).

    At the start the model sees what it has: whatever a scale begins with is taken out of its
    filter. Groups whose every norm has a gamma get none, since gamma is trained anyway.

    Parameters
    ----------
    model
        What :func:`engine.modelfile.rebuild.build` made of ``graph`` and ``weights``.
    graph, weights, channels
        The model as :func:`engine.channels.surgery.with_gamma` gives it, and its trace.
    init
        How the scales begin: at 1, at random (0.5 to 1.5), or as the norms of the filters.
    pull
        Factor of their L1 norm in the loss.
    """

    def __init__(
        self,
        model: keras.Model,
        graph: LayerGraph,
        weights: Weights,
        channels: Channels,
        *,
        init: ImportanceInit = "ones",
        seed: int = 0,
        pull: float = 0.0,
    ) -> None:
        self._inputs = Inputs(graph=graph, weights=weights, channels=channels, seed=seed)
        self._pull = pull
        self._groups = [
            g for g in channels.groups if g.prunable and not has_own_scale(self._inputs, g)
        ]
        units = [channels.units(g.id)[channels.removable_units(g.id)] for g in self._groups]
        chosen = np.concatenate([np.zeros(0, np.int64), *units])
        self._place = np.full(channels.unit_group.size + 1, chosen.size)
        self._place[chosen] = np.arange(chosen.size)
        self._start = self._first(init, seed)
        self._scales = keras.Variable(self._start, name="importance", dtype="float32")
        self._arrays = [self._array(model, axis) for axis in self._axes()]

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """The scales, one variable for all."""
        return (self._scales,)

    @property
    def state(self) -> Sequence[keras.Variable]:
        """The same."""
        return self.variables

    def begin_step(self, rate: Any) -> None:
        """Nothing: the scales are read as they are."""

    def seen(self) -> Sequence[tuple[keras.Variable, Any]]:
        """Kernels and biases with their scales in them."""
        scales = tf.concat([self._scales.value, tf.ones(1)], axis=0)
        return [(array.variable, array.seen(scales)) for array in self._arrays]

    def penalty(self) -> Any:
        """The L1 norm of the scales, times the pull."""
        return self._pull * tf.reduce_sum(tf.abs(self._scales.value))

    def finish(self) -> None:
        """Fold the scales into the model's own weights; this object is spent."""
        for variable, value in self.seen():
            variable.assign(value)

    def relative(self, trained: Weights) -> Scores:
        """By group and unit: the scale over the one that it began with; gamma where it is that.

        Parameters
        ----------
        trained
            The model's arrays now.
        """
        scores = folded_scales(replace(self._inputs, weights=trained))
        now = np.append(self._scales.numpy() / self._start, 1.0)
        for group in self._groups:
            scores[group.id] = np.abs(now[self._place[self._inputs.channels.units(group.id)]])
        return scores

    def _first(self, init: ImportanceInit, seed: int) -> np.ndarray:
        """What each scale begins with."""
        random = np.random.default_rng(seed)
        parts = [np.zeros(0)]
        for group in self._groups:
            free = self._inputs.channels.removable_units(group.id)
            match init:
                case "ones":
                    first = np.ones(group.channels)
                case "random":
                    first = random.uniform(0.5, 1.5, group.channels)
                case "filter-norm":
                    first = np.maximum(filter_norm(self._inputs, group), 1e-3)
            parts.append(first[free])
        return np.concatenate(parts).astype(np.float32)

    def _axes(self) -> list[Axis]:
        """The producers' kernels and biases that hold a scaled channel."""
        channels = self._inputs.channels
        makers = {axis.layer for axis in channels.axes if axis.role == "out"}
        return [
            axis
            for axis in channels.axes
            if (axis.role == "out" or (axis.layer in makers and axis.weight == "bias"))
            and (self._place[axis.units] < self._start.size).any()
        ]

    def _array(self, model: keras.Model, axis: Axis) -> _Scaled:
        layer = self._inputs.graph.layers[axis.layer]
        names = [spec.name for spec in layer.weights]
        variable = model.get_layer(keras_name(axis.layer)).weights[names.index(axis.weight)]
        array = self._inputs.weights[axis.layer][axis.weight].astype(np.float64)
        others = tuple(a for a in range(array.ndim) if a != axis.axis)
        places = self._place[axis.units]
        unit = 1.0 / np.append(self._start, 1.0)[places]
        if others:
            unit = unit * np.sqrt((array**2).sum(axis=others))
        return _Scaled(
            variable=variable, axis=axis.axis, others=others, places=places,
            scaled=places < self._start.size, unit=unit.astype(np.float32),
        )  # fmt: skip
