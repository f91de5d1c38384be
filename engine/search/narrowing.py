"""What a model would answer with fewer channels, without building a narrower one.

Owns the probing of many cuts of one model: each is laid into the full-width model (readers of a
removed channel see its constant, or nothing), and every batch norm takes the statistics of its
batch (EagleEye, Li et al., ECCV 2020). One traced function serves them all: only weights are
exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.channels.groups import Channels
from engine.channels.oracle import reference
from engine.channels.plan import plan_uniform
from engine.control import EngineControl
from engine.criteria import Scores, score
from engine.modelfile.rebuild import build, keras_name
from engine.search.context import Context
from engine.search.models import Candidate, retrace
from engine.search.phases import Phases
from engine.training.norms import BatchNormed

BATCH = 128


class Narrowing:
    """The full-width model, its outputs as it is and with groups narrowed.

    Parameters
    ----------
    candidate, channels
        The model, and its own channel groups.
    scores
        What ranks the channels of each group.
    images
        Raw images to answer for; a tail shorter than the batch is left out.
    """

    def __init__(
        self,
        context: Context,
        candidate: Candidate,
        channels: Channels,
        scores: Scores,
        images: np.ndarray,
        control: EngineControl,
    ) -> None:
        self._context = context
        self._candidate = candidate
        self._channels = channels
        self._scores = scores
        self._images = images
        self._control = control
        self._batch = max(1, len(images) // -(-len(images) // BATCH))
        self._model = build(candidate.graph, candidate.weights)
        self._forward = BatchNormed(self._model, context.transform)
        self._variables = {
            (name, spec.name): variable
            for name, layer in candidate.graph.layers.items()
            if layer.weights and layer.opaque is None
            for spec, variable in zip(
                layer.weights, self._model.get_layer(keras_name(name)).weights, strict=True
            )
        }
        self.dense = self._run(self._forward)

    def __call__(self, shares: Mapping[str, float]) -> np.ndarray:
        """Outputs float32 [samples, ...] with groups cut to these shares of their channels."""
        candidate, channels = self._candidate, self._channels
        plan = plan_uniform(channels, self._scores, shares)
        graph, weights = reference(candidate.graph, candidate.weights, channels, plan)
        if graph.layers != candidate.graph.layers:
            # A new bias would need a new model, and all that it changes is a mean.
            graph, weights = reference(
                candidate.graph, candidate.weights, channels, plan, fold=False
            )
        if graph.layers != candidate.graph.layers:
            model = build(graph, weights)
            return self._run(BatchNormed(model, self._context.transform))
        changed = [
            (layer, name)
            for layer, arrays in weights.items()
            for name, array in arrays.items()
            if array is not candidate.weights[layer][name]
        ]
        for layer, name in changed:
            self._variables[layer, name].assign(weights[layer][name])
        outputs = self._run(self._forward)
        for layer, name in changed:
            self._variables[layer, name].assign(candidate.weights[layer][name])
        return outputs

    def _run(self, forward: BatchNormed) -> np.ndarray:
        return forward(self._images, batch_size=self._batch, control=self._control)


class Narrowings:
    """The narrowing of one candidate at a time, kept while probes ask for the same one."""

    def __init__(self, context: Context, phases: Phases, control: EngineControl) -> None:
        self._context = context
        self._phases = phases
        self._control = control
        self._last: tuple[Candidate, Narrowing] | None = None

    def forget(self) -> None:
        """Let go of the model, whose memory a training needs."""
        self._last = None

    def outputs(
        self, candidate: Candidate, widths: Mapping[str, int], images: np.ndarray
    ) -> np.ndarray:
        """Outputs of a candidate with so many channels by group; see :class:`Narrowing`.

        ``images`` must be the same at every call for a candidate.
        """
        context = self._context
        channels = retrace(candidate.graph, context.channels)
        if self._last is None or self._last[0] is not candidate:
            self._last = None  # the former model goes before the next one comes
            scores = score(
                context.job.criterion, candidate.graph, candidate.weights, channels,
                seed=context.job.seed, measured=self._phases.of(candidate),
            )  # fmt: skip
            narrowing = Narrowing(context, candidate, channels, scores, images, self._control)
            self._last = (candidate, narrowing)
        sizes = {group.id: group.channels for group in channels.groups}
        shares = {g: min(1.0, widths[g] / sizes[g]) for g in widths if g in sizes}
        return self._last[1](shares)
