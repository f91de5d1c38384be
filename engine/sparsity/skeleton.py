"""Filter skeletons: trained masks over stripes, with a threshold of its own for each filter.

Owns the texture-aware penalty and the dynamic threshold of Li, Wang, Wu, Kang (AI Communications
36(4):311-323, 2023, doi 10.3233/AIC-230046) on any Keras 3 model. A *stripe* is one (filter, y, x)
column of a kernel over all its input channels; the skeleton holds one number a stripe, in the
layout of the kernel with a single input channel, and the model sees kernel times skeleton. A dense
layer counts as a convolution of size 1. A batch norm would cancel the size of a whole filter, so
the one behind a kernel takes it over in its gamma. It knows no data, no search and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from engine.channels.groups import Axis, Channels
from engine.channels.surgery import only_norm
from engine.modelfile.rebuild import keras_name
from engine.sparsity.levels import prunable_weights
from engine.training.readers import variable_of
from engine.training.settings import FineTuneSettings, learning_rate_at

PenaltyKind = Literal["mixed", "l1", "group"]

TRAVEL = 8.0
"""How far the penalty alone would take an entry in a whole training, in factors ``theta``: the one
number by which both are chosen. Entries begin at 1."""

GAIN = 30.0
"""Learning rate of the skeletons over that of the weights, whose entries are that much smaller: a
fine-tune is to move them as far as the published method's whole training does."""

MEMORY = 0.99
"""Decay of the moving average of a layer's similarity, per step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonSettings:
    """One training with skeletons.

    ``theta`` scales the thresholds; at the start every entry is 1 and every threshold ``theta``.
    ``pull`` is the penalty's factor: its subgradient times the learning rate is taken off in every
    step, apart from the optimiser, so that it pulls alike under SGD and Adam. ``dynamic`` False
    gives every filter the same threshold.
    """

    theta: float
    pull: float
    penalty: PenaltyKind = "mixed"
    dynamic: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.theta < 1.0 or self.pull < 0.0:
            raise ValueError(f"theta is between 0 and 1, pull not below 0: {self}")


def filter_sizes(skeleton: Any, axis: int) -> Any:
    """``||FS_f||_1`` of each filter [filters]; ``axis`` is that of the filters."""
    others = [a for a in range(len(skeleton.shape)) if a != axis]
    return tf.reduce_sum(tf.abs(skeleton), axis=others)


def thresholds(sizes: Any, theta: float, *, dynamic: bool = True) -> Any:
    """``T_f = theta * mean_f(||FS_f||_1) / ||FS_f||_1``: weak filters meet a higher bar.

    Not finite for a filter that is gone. Without ``dynamic`` it is ``theta`` for all of them.
    """
    if not dynamic:
        return tf.fill(tf.shape(sizes), tf.constant(theta, sizes.dtype))
    return theta * tf.reduce_mean(sizes) / sizes


def survivors(skeleton: Any, axis: int, theta: float, *, dynamic: bool = True) -> Any:
    """1 where an entry is above its filter's threshold, else 0; the largest one always stays."""
    bar = thresholds(filter_sizes(skeleton, axis), theta, dynamic=dynamic)
    size = tf.abs(skeleton)
    stays = (size > tf.reshape(bar, _along(skeleton, axis))) | (size >= tf.reduce_max(size))
    return tf.cast(stays, skeleton.dtype)


def similarity(skeleton: Any, axis: int) -> Any:
    """Mean cosine between each living filter's skeleton and their mean skeleton, 0..1."""
    order = [axis, *(a for a in range(len(skeleton.shape)) if a != axis)]
    rows = tf.reshape(tf.transpose(tf.abs(skeleton), order), (skeleton.shape[axis], -1))
    mean = tf.reduce_mean(rows, axis=0)
    lengths, length = tf.norm(rows, axis=1), tf.norm(mean)
    alive = tf.cast(lengths > 0, rows.dtype)
    cosines = tf.math.divide_no_nan(tf.linalg.matvec(rows, mean), lengths * length)
    return tf.math.divide_no_nan(tf.reduce_sum(cosines), tf.reduce_sum(alive))


def penalty_slope(
    skeleton: Any, axis: int, kind: PenaltyKind, before: Any = 1.0, now: Any = 1.0
) -> Any:
    """The penalty's subgradient with factor 1, in the skeleton's shape; 0 at 0.

    ``l1``: of ``||FS||_1``. ``group``: of ``sum_f sqrt(|f|) ||FS_f||_2``, ``|f|`` entries a filter.
    ``mixed``: ``before/now`` times the one and ``now/before`` times the other, of the layer's
    similarities, so that skeletons that grow apart are thinned out stripe by stripe and those that
    grow alike filter by filter.
    """
    single = tf.sign(skeleton)
    if kind == "l1":
        return single
    others = [a for a in range(len(skeleton.shape)) if a != axis]
    entries = int(np.prod([skeleton.shape[a] for a in others]))
    length = tf.sqrt(tf.reduce_sum(tf.square(skeleton), axis=others, keepdims=True))
    whole = np.sqrt(entries) * tf.math.divide_no_nan(skeleton, length)
    if kind == "group":
        return whole
    return before / now * single + now / before * whole


def _along(tensor: Any, axis: int) -> list[int]:
    """A shape in which a vector over one axis of a tensor broadcasts."""
    return [-1 if a == axis else 1 for a in range(len(tensor.shape))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Carrier:
    """A layer with a skeleton; ``units`` are the global units of its filters, -1 for none.

    ``gamma`` is that of the batch norm behind it, None without one; ``entries`` are what each
    filter's sizes began with, at least 1.
    """

    layer: str
    kernel: keras.Variable
    axis: int
    units: np.ndarray
    values: keras.Variable
    gamma: keras.Variable | None
    entries: np.ndarray

    def moving(self) -> Any:
        """The skeleton as training moves it; an entry at 0 has no gradient."""
        values = self.values.value
        alive = tf.cast(tf.not_equal(values, 0), values.dtype)
        return (GAIN * values - tf.stop_gradient((GAIN - 1.0) * values)) * alive


class Skeletons:
    """The skeletons of a model for one fine-tune; see :class:`engine.training.beside.Beside`.

    Every kernel that makes channels of a group that can be cut carries one. Its stripes that are
    zero stay so. Where all filters that make a channel are gone, the model sees its biases, gammas
    and betas as zeros too.

    Parameters
    ----------
    model, channels
        A model that :func:`engine.modelfile.rebuild.build` made, and the groups of its graph.
    """

    def __init__(self, model: keras.Model, channels: Channels, settings: SkeletonSettings) -> None:
        self._settings = settings
        self._units = int(channels.unit_group.size)
        self._carriers = [
            _carrier(model, axis, only_norm(channels.graph, axis.layer))
            for axis in carrier_axes(channels)
        ]
        self._vectors = [
            (variable_of(model, axis), np.where(axis.units < 0, self._units, axis.units))
            for axis in channels.axes
            if axis.role != "in" and axis.weight in ("bias", "gamma", "beta")
        ]
        self._kept = _made_otherwise(channels, {c.layer for c in self._carriers})
        found = self._similarities()
        self._before = keras.Variable(found, trainable=False, name="similarity_before")
        self._now = keras.Variable(found, trainable=False, name="similarity_now")

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """The skeletons."""
        return [carrier.values for carrier in self._carriers]

    @property
    def state(self) -> Sequence[keras.Variable]:
        """The skeletons and the moving averages of their similarities."""
        return [*self.variables, self._before, self._now]

    def begin_step(self, rate: Any) -> None:
        """Take off the penalty, then zero what is under its threshold."""
        self._before.assign(MEMORY * self._before.value + (1.0 - MEMORY) * self._now.value)
        self._now.assign(self._similarities())
        for index, carrier in enumerate(self._carriers):
            values = carrier.values.value
            slope = penalty_slope(
                values, carrier.axis, self._settings.penalty,
                self._before.value[index], self._now.value[index],
            )  # fmt: skip
            carrier.values.assign(values - rate * self._settings.pull * slope)
        self._cut()

    def seen(self) -> Sequence[tuple[keras.Variable, Any]]:
        """Kernels times skeletons, gammas times the sizes of their filters; nothing of the dead."""
        found, sizes = [], {}
        for carrier in self._carriers:
            skeleton = carrier.moving()
            found.append((carrier.kernel, carrier.kernel.value * skeleton))
            if carrier.gamma is not None:
                size = filter_sizes(skeleton, carrier.axis) / carrier.entries
                sizes[id(carrier.gamma)] = size
        made = self._made()
        for variable, units in self._vectors:
            value = variable.value * tf.gather(made, units)
            found.append((variable, value * sizes.get(id(variable), 1.0)))
        return found

    def penalty(self) -> Any:
        """Nothing: :meth:`begin_step` takes it off."""
        return tf.zeros(())

    def finish(self) -> None:
        """Apply the same thresholds once more and fold what the model sees into its weights.

        Their zeros have no sign, as those of masks have none.
        """
        self._cut()
        for variable, value in self.seen():
            variable.assign(tf.where(value == 0, tf.zeros_like(value), value))

    def sizes(self) -> dict[str, np.ndarray]:
        """``||FS_f||_1`` of each filter over its number of entries, by layer."""
        return {
            c.layer: filter_sizes(c.values.value, c.axis).numpy()
            * (c.units.size / int(np.prod(c.values.shape)))
            for c in self._carriers
        }

    def _similarities(self) -> Any:
        """Of each carrier; never 0, where nothing is left of one."""
        found = [similarity(c.values.value, c.axis) for c in self._carriers]
        return tf.maximum(tf.stack(found), 1e-3) if found else tf.zeros(0)

    def _cut(self) -> None:
        settings = self._settings
        for carrier in self._carriers:
            values = carrier.values.value
            stays = survivors(values, carrier.axis, settings.theta, dynamic=settings.dynamic)
            carrier.values.assign(values * stays)

    def _made(self) -> Any:
        """1 for each unit that a living filter makes, else 0; one more at the end, always 1."""
        made = tf.constant(self._kept)
        for carrier in self._carriers:
            inside = np.flatnonzero(carrier.units >= 0)
            sizes = tf.gather(filter_sizes(carrier.values.value, carrier.axis), inside)
            alive = tf.cast(sizes > 0, tf.float32)
            made = tf.tensor_scatter_nd_max(made, carrier.units[inside][:, None], alive)
        return made


def pull_for(theta: float, steps: int, settings: FineTuneSettings, kind: PenaltyKind) -> float:
    """The penalty's factor that goes with thresholds of this factor; see :data:`TRAVEL`."""
    slope = 2.0 if kind == "mixed" else 1.0
    rates = sum(learning_rate_at(step, steps, settings) for step in range(1, steps + 1))
    return TRAVEL * theta / (slope * rates)


def carrier_axes(channels: Channels) -> list[Axis]:
    """The filters' axis of every kernel that carries a skeleton."""
    keys = set(prunable_weights(channels.graph))
    prunable = np.array([group.prunable for group in channels.groups], dtype=bool)
    found = []
    for axis in channels.axes:
        if axis.role == "out" and (axis.layer, axis.weight) in keys:
            held = axis.units[axis.units >= 0]
            if held.size and prunable[channels.unit_group[held]].all():
                found.append(axis)
    return found


def _carrier(model: keras.Model, axis: Axis, norm: str | None) -> _Carrier:
    behind = [] if norm is None else model.get_layer(keras_name(norm)).weights
    kernel = variable_of(model, axis)
    last = len(kernel.shape) - 1
    inputs = last if axis.axis == last - 1 else last - 1
    stripes = (np.abs(kernel.numpy()).sum(axis=inputs, keepdims=True) > 0).astype(np.float32)
    return _Carrier(
        layer=axis.layer, kernel=kernel, axis=axis.axis, units=axis.units,
        values=keras.Variable(stripes, name="skeleton"),
        gamma=next((weight for weight in behind if weight.name == "gamma"), None),
        entries=np.maximum(filter_sizes(tf.constant(stripes), axis.axis).numpy(), 1.0),
    )  # fmt: skip


def _made_otherwise(channels: Channels, carriers: set[str]) -> np.ndarray:
    """1 for each unit that something without a skeleton makes; one more at the end, always 1."""
    made = np.zeros(channels.unit_group.size + 1, np.float32)
    has_maker = np.zeros(channels.unit_group.size, dtype=bool)
    for axis in channels.axes:
        if axis.role == "out" and axis.weight not in ("bias", "gamma", "beta"):
            held = axis.units[axis.units >= 0]
            has_maker[held] = True
            if axis.layer not in carriers:
                made[held] = 1.0
    made[:-1][~has_maker] = 1.0
    made[-1] = 1.0
    return made
